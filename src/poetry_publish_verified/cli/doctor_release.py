"""What a release of a checkout would need: asked for as a run does, but nothing is sent.

No token is minted, no project's page is asked for (caches would keep it), and no secret is shown.
"""

import os
from collections.abc import Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from shutil import which
from time import monotonic

from poetry.console.commands.command import Command
from poetry.poetry import Poetry

from poetry_publish_verified.adapters.http import Http
from poetry_publish_verified.adapters.index import SimpleIndex
from poetry_publish_verified.adapters.pace import Pace, SystemClock
from poetry_publish_verified.adapters.repository import HttpRepository
from poetry_publish_verified.adapters.server_clock import seconds_ahead
from poetry_publish_verified.adapters.trusted_publishing import ambient_provider
from poetry_publish_verified.cli.clients import clients_of
from poetry_publish_verified.cli.composition import (
    attester_for,
    check_certificates,
    publisher_at,
    user_agent,
)
from poetry_publish_verified.cli.projects import project_or_member
from poetry_publish_verified.cli.run import run_async
from poetry_publish_verified.core.events import Event, ProblemFound
from poetry_publish_verified.core.preflight import credentials
from poetry_publish_verified.core.problems.project import no_project
from poetry_publish_verified.core.problems.repository import clock_wrong, index_state_unknown
from poetry_publish_verified.core.settings import Origin, ResolvedSettings, Settings, Until
from poetry_publish_verified.core.trusted_publishing import trusted
from poetry_publish_verified.core.urls import IndexTarget, RepositoryTarget
from poetry_publish_verified.errors import ReleaseError
from poetry_publish_verified.output.checks import Check
from poetry_publish_verified.poetry_api import indexes, repositories
from poetry_publish_verified.poetry_api.indexes import Targets
from poetry_publish_verified.release.install import Clients
from poetry_publish_verified.release.interfaces import Plan
from poetry_publish_verified.release.reconcile import fault_of_index, fault_of_repository
from poetry_publish_verified.release.trusted_publishing import TrustedPublisher

# Seconds, for each answer.
_TIMEOUT = 10.0
# Seconds that the clock may be off: an index does not accept an identity token that is older.
_CLOCK = 30.0


def check_release(command: Command, root: Path, settings: ResolvedSettings) -> Iterator[Check]:
    """Each thing that a release of the project at `root` would need; nothing if it has none."""
    yield from (Check.of("settings", each) for each in settings.problems)
    try:
        poetry = project_or_member(command, root, settings.found)
    except Exception as error:  # noqa: BLE001 - Poetry, tomlkit and the schema raise their own
        yield Check.of("project", no_project(error))
        return
    if not poetry.is_package_mode:
        return
    places: list[Targets] = []
    for name in dict.fromkeys((command.option("repository"), *settings.found.stages)):
        yield from _place(poetry, name, settings.found, places, last=not places)
    if places:
        yield from run_async(_clients, places, settings.found)
    yield from _hooks(root, settings)


def _place(
    poetry: Poetry, name: str | None, settings: Settings, places: list[Targets], *, last: bool
) -> Iterator[Check]:
    """What a release to one repository would need; if it is known, its targets join `places`.

    `last`: it is not a stage.
    """
    try:
        label = repositories.repository_name(name)
        target = repositories.repository(poetry, name, repositories.Credentials())
        what = "Repository" if last else "Stage"
        yield Check("repository", "ok", f"{what} {label} is at {target.url}.")
        target = trusted(target, settings.trusted_publishing, ambient_provider())
        yield from _credentials(target)
        targets = indexes.targets(poetry, target, settings.indexes if last else ())
    except ReleaseError as error:
        yield from (Check.of("repository", each) for each in error.problems)
        return
    certificates = list(_certificates(targets))
    yield from certificates
    # With certificates that cannot be used nobody can be asked.
    if all(each.state != "error" for each in certificates):
        places.append(targets)
        plan = Plan(settings.until, settings.timeout, attest=settings.attest if last else "off")
        yield from run_async(_ask, targets, poetry.package.name, plan)


def _hooks(root: Path, settings: ResolvedSettings) -> Iterator[Check]:
    found = settings.found
    for key, command in (("on-success", found.on_success), ("on-failure", found.on_failure)):
        base = root if settings.origin(key) is Origin.PYPROJECT else Path.cwd()
        program = command[0] if command else ""
        if program and not which(base / program if os.path.dirname(program) else program):  # noqa: PTH120
            words = f"The {key} program {program} is not there, or cannot be run."
            yield Check("hooks", "warning", words, f"Correct {key} in the settings.")


def _credentials(target: RepositoryTarget) -> Iterator[Check]:
    where = f"Credentials of repository {target.name}"
    if target.trusted:
        yield Check("credentials", "ok", f"{where}: none; trying trusted publishing.")
        return
    found = list(credentials(target, public=repositories.is_public(target.url)))
    if all(each.severity != "error" for each in found):
        yield Check("credentials", "ok", f"{where}: {target.source or 'none'}.")
    yield from (Check.of("credentials", each) for each in found)


def _certificates(targets: Targets) -> Iterator[Check]:
    known: set[str] = set()
    places: list[RepositoryTarget | IndexTarget] = [targets.repository, targets.own]
    for target in (*places, *targets.shown_by):
        access = target.access
        try:
            check_certificates(target)
        except ReleaseError as error:
            yield from (Check.of("certificates", each) for each in error.problems)
            continue
        trusts = access.ca or "the usual ones (certifi)"
        client = f", client certificate {access.client_cert}" if access.client_cert else ""
        words = f"Trusted certificates of {target.url}: {trusts}{client}."
        if not access.verify:
            words = f"The certificate of {target.url} is not checked (certificates.<name>.cert)."
        if words not in known and target.url.startswith("https:"):
            known.add(words)
            yield Check("certificates", "ok" if access.verify else "warning", words)


async def _ask(targets: Targets, project: str, plan: Plan) -> list[Check]:
    """What the servers answer."""
    pace = Pace(SystemClock())
    proxy = repositories.proxy_for if targets.proxies else lambda _: None
    async with Http(user_agent(), _TIMEOUT, proxy, pace) as http:
        repository = HttpRepository(http, targets.repository, Path())
        tokens = publisher_at(http, lambda _: None, targets.repository)
        asked = [
            *await _publisher(tokens, targets.repository, project),
            *await _attestations(tokens, plan),
            await _answer_of_repository(repository, targets.own),
        ]
        shown_by = dict.fromkeys((targets.own, *targets.shown_by))
        asked += [await _answer_of_index(SimpleIndex(http, e, _TIMEOUT), e) for e in shown_by]
        asked.append(await _clock(http, targets.own))
    return asked


async def _publisher(
    tokens: TrustedPublisher | None, target: RepositoryTarget, project: str
) -> list[Check]:
    """Who this job is to an index that offers trusted publishing."""
    if tokens is None:
        return []
    found = [Check.of("credentials", each) for each in await tokens.check()]
    if (publisher := tokens.publisher) is not None:
        words = f"{target.url} offers trusted publishing. This job is {publisher}."
        remedy = f"The index must know it: see {publisher.page(target.url, project)}."
        return [Check("credentials", "ok", words, remedy), *found]
    if found:
        return found
    words = f"{target.url} does not offer trusted publishing."
    return [Check("credentials", "note", words, "Give Poetry credentials, if it needs any.")]


async def _attestations(tokens: TrustedPublisher | None, plan: Plan) -> list[Check]:
    """Whether files can be attested, if they are to be."""
    attester = attester_for(tokens, plan)
    if attester is None:
        return []
    found = [Check.of("attestations", each) for each in await attester.check((), {})]
    return found or [Check("attestations", "ok", "Attestations can be signed.")]


async def _answer_of_repository(repository: HttpRepository, own: IndexTarget) -> Check:
    begun = monotonic()
    if fault := await fault_of_repository(repository, own.url):
        return Check.of("repository", fault)
    words = f"The upload URL {repository.url} answered in {monotonic() - begun:.1f} s."
    return Check("repository", "ok", words)


async def _answer_of_index(index: SimpleIndex, target: IndexTarget) -> Check:
    begun = monotonic()
    state, said = await index.root()
    if fault := fault_of_index(index, state, said):
        return Check.of("index", fault)
    if state == "unknown":
        return Check.of("index", index_state_unknown(index.url, said, name=target.name))
    known = ", which the upload URL suggests," if target.guessed else ""
    words = f"The index {index.url}{known} answered in {monotonic() - begun:.1f} s."
    return Check("index", "ok", words)


async def _clock(http: Http, own: IndexTarget) -> Check:
    ahead = await seconds_ahead(http, own.url, own.access, _TIMEOUT)
    if ahead is None:
        return Check("clock", "note", f"{own.url} does not say what time it is.")
    if abs(ahead) > _CLOCK:
        return Check.of("clock", clock_wrong(own.url, ahead))
    words = f"The clock differs from that of {own.url} by {abs(ahead):.0f} s."
    return Check("clock", "ok", words)


async def _clients(places: list[Targets], settings: Settings) -> list[Check]:
    """Set up the clients, as a run does for `--until installable`, and for stages."""
    if settings.until is not Until.INSTALLABLE and not settings.stages:
        return [Check("clients", "ok", f"No client is needed (until = {settings.until}).")]
    plan = Plan(Until.INSTALLABLE, settings.timeout, clients=settings.clients)
    events: list[Event] = []
    async with AsyncExitStack() as stack:
        try:
            by_url = {each.url: each for targets in places for each in targets.shown_by}
            given = clients_of(stack, by_url, plan, Pace(SystemClock()), proxies=True)
            ready = await Clients(given, events.append).ready()
        except ReleaseError as error:
            return [Check.of("clients", each) for each in error.problems]
    found = [Check.of("clients", each.problem) for each in events if isinstance(each, ProblemFound)]
    uv = which("uv")
    names = (f"uv ({uv})" if each.name == "uv" else each.name for each in ready)
    found.append(Check("clients", "ok", f"Clients that check the release: {', '.join(names)}."))
    if "uv" in settings.clients and uv is None:
        found.append(Check("clients", "note", "uv is not installed, so it is not asked."))
    return found
