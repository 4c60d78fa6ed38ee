"""Why no usable answer came."""


class HttpError(Exception):
    """No usable answer came; the message is printable."""


class StatusError(HttpError):
    """The server answered a download with another status than 200."""

    def __init__(self, status: int) -> None:
        super().__init__(f"the server answered {status}")
        self.status = status


class UnreachableError(HttpError):
    """No server was reached: a name without an address, a refused connection, bad TLS."""


class UntrustedError(UnreachableError):
    """The server's certificate is not trusted, which asking again does not change."""


class MovedError(HttpError):
    """The page is said to be on another server, at `place`, where it is not looked for.

    `passing`: the redirect is not permanent.
    """

    def __init__(self, place: str, *, passing: bool) -> None:
        super().__init__(f"it redirects to another server, {place}")
        self.place = place
        self.passing = passing


class SignInError(HttpError):
    """Instead of the page there is one for people to sign in."""
