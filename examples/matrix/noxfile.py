"""nox -s tests, or one process per Python side by side; nox -s release publishes."""

import nox


@nox.session(python=["3.11", "3.12", "3.13"])
def tests(session: nox.Session) -> None:
    """Install with Poetry into the session's environment, and test."""
    # poetry-dynamic-versioning would rewrite pyproject.toml for a moment, under other sessions.
    session.env["POETRY_DYNAMIC_VERSIONING_COMMANDS_NO_IO"] = "install"
    session.run_install("poetry", "install", "--no-interaction", external=True)
    session.run("python", "-m", "unittest", "discover", "--start-directory", "tests")


@nox.session(venv_backend="none")
def release(session: nox.Session) -> None:
    """Publish: nox -s release -- --rehearse."""
    session.run("poetry", "publish-verified", "--build", "--no-interaction", *session.posargs)
