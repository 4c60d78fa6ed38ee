"""What `doctor` says of a repository's credentials: no token is minted, and no secret shown."""

from pathlib import Path

import anyio
from poetry.console.commands.command import Command

from poetry_publish_verified.adapters.http import Http
from poetry_publish_verified.adapters.pace import Pace, SystemClock
from poetry_publish_verified.adapters.trusted_publishing import ambient_provider
from poetry_publish_verified.cli.composition import publisher_at, user_agent
from poetry_publish_verified.cli.projects import poetry_in
from poetry_publish_verified.core.settings import resolve
from poetry_publish_verified.core.trusted_publishing import Publisher, trusted
from poetry_publish_verified.core.urls import RepositoryTarget
from poetry_publish_verified.errors import Problem, ReleaseError
from poetry_publish_verified.output.words import escaped
from poetry_publish_verified.poetry_api import repositories
from poetry_publish_verified.poetry_api.project import environment_settings, settings_table

_TIMEOUT = 10.0


def check_credentials(command: Command, root: Path) -> bool:
    """Print which credentials a project's uploads would have; False if that cannot work."""
    try:
        poetry = poetry_in(command, root)
        table = settings_table(root / "pyproject.toml")
    except Exception:  # noqa: BLE001 - Poetry itself says what is wrong with the file
        return True
    if not poetry.is_package_mode:
        return True
    mode = resolve({}, environment_settings(), table).found.trusted_publishing
    name = command.option("repository")
    try:
        label = escaped(repositories.repository_name(name))
        target = repositories.repository(poetry, name, repositories.Credentials())
        target = trusted(target, mode, ambient_provider())
    except ReleaseError as error:
        return _print(command, error.problems)
    if not target.trusted:
        command.line(f"Credentials of repository {label}: {escaped(target.source or 'none')}.")
        return True
    command.line(f"Credentials of repository {label}: none; trying trusted publishing.")
    publisher, problems = anyio.run(_ask, target)
    if publisher is not None:
        page = publisher.page(target.url, poetry.package.name)
        command.line(f"  The index offers it. This job is {escaped(str(publisher))}.")
        command.line(f"  The index must know it: see {escaped(page)}.")
    elif not problems:
        command.line("  The index does not offer it.")
    return _print(command, problems)


def _print(command: Command, problems: tuple[Problem, ...]) -> bool:
    """Print problems; False if there is an error among them."""
    for problem in problems:
        style, remedy = problem.severity, escaped(problem.remedy)
        command.line(f"<{style}>{problem.code}: {escaped(problem.message)}</{style}>\n  {remedy}")
    return all(problem.severity != "error" for problem in problems)


async def _ask(target: RepositoryTarget) -> tuple[Publisher | None, tuple[Problem, ...]]:
    """Who this job is to the index, if that offers trusted publishing, and what is wrong."""
    pace = Pace(SystemClock())
    async with Http(user_agent(), _TIMEOUT, repositories.proxy_for, pace) as http:
        tokens = publisher_at(http, lambda _: None, target)
        problems = await tokens.check() if tokens else ()
        return tokens.publisher if tokens else None, problems
