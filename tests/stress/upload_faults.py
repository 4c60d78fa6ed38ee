"""Everything that can go wrong with one upload, and how the run must then end."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from email.utils import formatdate
from functools import partial
from typing import TYPE_CHECKING, Literal

from tests.beds.proxy import Answer, CutError, Exchange, Raw, is_page

if TYPE_CHECKING:
    from tests.beds.proxy import Act, FaultProxy, Request

# How often a file is sent at most: once, plus five retries.
MOST = 6
_PATIENT, _SHORT = "15m", "10s"
_TOO_LONG = 13.0
_GARBAGE = Raw(b"\x16\x03\x01 this is no HTTP \x1b[31m\x00\xff\r\n\r\n")
_CUT_HEAD = Raw(b"HTTP/1.1 200 OK\r\nContent-Type: te")
_CONFLICTS = Answer(409, b"", b"Conflict")
_EXISTS = Answer(400, b"<html>400</html>", b"File already exists")
_SERVER_ERRORS = (500, 502, 503, 504)


@dataclass
class Site:
    """Where to inject a fault: in front of an index, at one file of a release."""

    proxy: FaultProxy
    elsewhere: FaultProxy
    filename: str
    content: bytes
    """The file's bytes as built."""

    def is_its_upload(self, request: Request) -> bool:
        """Whether this uploads the file."""
        return request.uploads(f'{self.filename}"')

    def on(self, act: Act, times: int | None) -> None:
        """Act on uploads of the file."""
        self.proxy.on(self.is_its_upload, act, times)


@dataclass(frozen=True)
class End:
    """How a run with a fault ends, and the state of the affected file.

    `posts`: how often it was sent, minimum and maximum. `pause`: minimum seconds between the first
    two uploads. `rerun`: the exit code of a second run without the fault.
    """

    code: int
    verdict: str
    states: frozenset[str]
    posts: tuple[int, int]
    there: Literal["as built", "other", "not"]
    pause: float = 0.0
    rerun: int | None = None


@dataclass(frozen=True)
class Fault:
    """A fault; `timeout` is the run's. `at_look`: it affects the page instead of an upload.

    `silent`: the index says nothing any more, so the state of what was broken off is unknown.
    """

    name: str
    put: Callable[[Site], None]
    end: End
    timeout: str = _PATIENT
    at_look: bool = False
    silent: bool = False


def _recovered(posts: int, pause: float = 0.0) -> End:
    states = frozenset({"uploaded", "already-there"})
    return End(0, "verified", states, (posts, posts), "as built", pause)


def _failed(*states: str, most: int = 1) -> End:
    return End(4, "upload-failed", frozenset(states), (1, most), "not", rerun=0)


_CONFLICT = End(5, "conflict", frozenset({"failed"}), (1, 1), "other", rerun=5)
_LIED_TO = End(6, "not-visible", frozenset({"uploaded"}), (1, 1), "not", rerun=0)
_NOTHING_SENT = End(3, "preflight-refused", frozenset({"not-sent"}), (0, 0), "not", rerun=0)


def _answers(answer: Answer | Raw, times: int | None, *, storing: bool) -> Callable[[Site], None]:
    """Give this answer to uploads of the file, after storing it or not."""

    def act(exchange: Exchange) -> Answer | Raw:
        if storing:
            exchange.forward()
        return answer

    return lambda site: site.on(act, times)


def _breaks_off(share: float) -> Callable[[Site], None]:
    return lambda site: site.proxy.break_off(site.is_its_upload, share, times=1)


def _answers_early(answer: Answer, times: int | None = None) -> Callable[[Site], None]:
    """Answer in the middle of the file, which may be sent ahead, and close."""
    return lambda site: site.proxy.break_off(site.is_its_upload, 0.5, times, answer)


def _cuts(*, storing: bool) -> Callable[[Site], None]:
    def act(exchange: Exchange) -> Answer:
        if storing:
            exchange.forward()
        raise CutError

    return lambda site: site.on(act, 1)


def _delays(seconds: float, *, storing: bool) -> Callable[[Site], None]:
    """Delay the answer; without storing, the connection ends instead."""

    def act(exchange: Exchange) -> Answer:
        answer = exchange.forward() if storing else None
        exchange.proxy.stopped.wait(seconds)
        if answer is None:
            raise CutError
        return answer

    return lambda site: site.on(act, 1)


def _wait_until(site: Site) -> None:
    """Answer 429 with a date to wait until."""

    def act(_: Exchange) -> Answer:
        now = time.time()
        headers = {"Date": formatdate(now, usegmt=True)}
        return Answer(429, headers=headers | {"Retry-After": formatdate(now + 3, usegmt=True)})

    site.on(act, 1)


def _burst(statuses: tuple[int, ...]) -> Callable[[Site], None]:
    def put(site: Site) -> None:
        left = list(statuses)
        site.on(lambda _: Answer(left.pop(0), b"no healthy backends"), len(left))

    return put


def _redirects(status: int) -> Callable[[Site], None]:
    def put(site: Site) -> None:
        location = {"Location": f"{site.elsewhere.origin}/legacy/"}
        site.on(lambda _: Answer(status, headers=location), None)

    return put


def _other_is_stored(answer: Answer) -> Callable[[Site], None]:
    """Store other bytes under the name at that moment."""

    def put(site: Site) -> None:
        other = bytes(byte ^ 1 for byte in site.content)

        def act(exchange: Exchange) -> Answer:
            body = exchange.request.body.replace(site.content, other)
            stored = Exchange(replace(exchange.request, body=body), exchange.proxy).forward()
            assert stored.status == 200, stored
            return answer

        site.on(act, 1)

    return put


def _then_no_page(site: Site) -> None:
    """Store nothing, and stop answering page requests."""

    def act(exchange: Exchange) -> Answer:
        exchange.proxy.answer(is_page, Answer(503))
        return Answer(503)

    site.on(act, None)


def _on_page(act: Act, times: int | None = None) -> Callable[[Site], None]:
    return lambda site: _ignore(site.proxy.on(is_page, act, times))


def _ignore(_: object) -> None:
    """Drop a value that is not needed."""


def _no_answer(exchange: Exchange, seconds: float) -> Answer:
    exchange.proxy.stopped.wait(seconds)
    raise CutError


def _bursts() -> list[Fault]:
    faults = []
    for count in (1, 2, 8):
        for first, status in enumerate(_SERVER_ERRORS):
            other = _SERVER_ERRORS[first - 1] if count == 2 else status
            statuses = (status, *(other,) * (count - 1))
            name = f"{status} and {other}" if count == 2 else f"{count} x {status}"
            end = _failed("unknown", "failed", most=MOST) if count == 8 else _recovered(1 + count)
            faults.append(Fault(f"{name}, not stored", _burst(statuses), end))
    return faults


FAULTS = (
    Fault("reset before the file", _breaks_off(0), _recovered(2)),
    Fault("reset in the file", _breaks_off(0.5), _recovered(2)),
    Fault("early 403", _answers_early(Answer(403)), _failed("failed")),
    Fault("early 413", _answers_early(Answer(413)), _failed("failed")),
    Fault("early 409", _answers_early(_CONFLICTS), _failed("unknown"), _SHORT),
    Fault("early 503 once", _answers_early(Answer(503), 1), _recovered(2)),
    Fault("cut before it is stored", _cuts(storing=False), _recovered(2)),
    Fault("cut after it is stored", _cuts(storing=True), _recovered(1)),
    Fault("answer after 3 s", _delays(3, storing=True), _recovered(1)),
    Fault("answer too late, stored", _delays(_TOO_LONG, storing=True), _recovered(1), _SHORT),
    Fault("answer too late, not stored", _delays(_TOO_LONG, storing=False), _recovered(2), _SHORT),
    Fault(
        "429, wait 2 s",
        _answers(Answer(429, headers={"Retry-After": "2"}), 1, storing=False),
        _recovered(2, pause=2.0),
    ),
    Fault("429, wait until", _wait_until, _recovered(2, pause=2.0)),
    *_bursts(),
    Fault("503, stored", _answers(Answer(503), 1, storing=True), _recovered(1)),
    Fault(
        "503 and no page, not stored",
        _then_no_page,
        _failed("unknown", most=MOST),
        _SHORT,
        silent=True,
    ),
    Fault("headers cut, stored", _answers(_CUT_HEAD, 1, storing=True), _recovered(1)),
    Fault("headers cut, not stored", _answers(_CUT_HEAD, 1, storing=False), _recovered(2)),
    Fault(
        "200, body cut, stored",
        _answers(Raw(b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\nhal"), 1, storing=True),
        _recovered(1),
    ),
    Fault(
        "503, body cut, not stored",
        _answers(Raw(b"HTTP/1.1 503 No\r\nContent-Length: 99\r\n\r\nhal"), 1, storing=False),
        _recovered(2),
    ),
    Fault("307 to another host", _redirects(307), _failed("failed")),
    Fault("308 to another host", _redirects(308), _failed("failed")),
    Fault("no HTTP, stored", _answers(_GARBAGE, 1, storing=True), _recovered(1)),
    Fault("no HTTP, not stored", _answers(_GARBAGE, 1, storing=False), _recovered(2)),
    Fault(
        "no HTTP, ever",
        _answers(_GARBAGE, None, storing=False),
        _failed("unknown", "failed", most=MOST),
        _SHORT,
    ),
    Fault("200, not stored", _answers(Answer(200), 1, storing=False), _LIED_TO, _SHORT),
    Fault("exists, identical", _answers(_EXISTS, 1, storing=True), _recovered(1)),
    Fault("exists, other bytes", _other_is_stored(_EXISTS), _CONFLICT),
    Fault("503, other bytes", _other_is_stored(Answer(503)), _CONFLICT),
    Fault(
        "exists, nothing there",
        _answers(_EXISTS, None, storing=False),
        _failed("unknown", "failed", most=MOST),
        _SHORT,
    ),
    Fault("403", _answers(Answer(403), None, storing=False), _failed("failed")),
    Fault(
        "400",
        _answers(Answer(400, b"", b"The description failed to render"), None, storing=False),
        _failed("failed"),
    ),
    Fault(
        "look: no answer",
        _on_page(partial(_no_answer, seconds=300)),
        _NOTHING_SENT,
        "3s",
        at_look=True,
    ),
    Fault("look: 500", _on_page(lambda _: Answer(500)), _NOTHING_SENT, _SHORT, at_look=True),
    Fault("look: 503", _on_page(lambda _: Answer(503)), _NOTHING_SENT, _SHORT, at_look=True),
    Fault(
        "look: cut", _on_page(partial(_no_answer, seconds=0)), _NOTHING_SENT, _SHORT, at_look=True
    ),
    Fault("look: 503 once", _on_page(lambda _: Answer(503), 1), _recovered(1), at_look=True),
)
