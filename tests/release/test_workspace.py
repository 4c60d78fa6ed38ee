"""Many releases in one run, in virtual time."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any

import anyio
import anyio.lowlevel
import pytest
from packaging.utils import canonicalize_name
from packaging.version import Version

from poetry_publish_verified.core.events import (
    DistributionsRead,
    FileFacts,
    ReleaseStarted,
    RunEnded,
    RunStarted,
    Sources,
    TargetsFound,
)
from poetry_publish_verified.core.preflight import Identity
from poetry_publish_verified.core.receipt import Receipt
from poetry_publish_verified.core.release_order import WorkspaceMember
from poetry_publish_verified.core.settings import Until
from poetry_publish_verified.core.upload.outcomes import Answered
from poetry_publish_verified.core.variants import UNSEEN, Encodings
from poetry_publish_verified.core.visibility import Observation
from poetry_publish_verified.errors import Code, Verdict
from poetry_publish_verified.release.install import Clients
from poetry_publish_verified.release.interfaces import Plan, PublishContext, Release
from poetry_publish_verified.release.workspace import PlannedRelease, publish_all
from tests.core.distributions import core_metadata, distribution
from tests.release.scripted import (
    InMemoryRelease,
    ScriptedAnswer,
    ScriptedClient,
    ScriptedIndex,
    ScriptedRepository,
    VirtualClock,
)

if TYPE_CHECKING:
    from poetry_publish_verified.core.distribution import Distribution
    from poetry_publish_verified.core.events import Event

PLAN = Plan(Until.DOWNLOADABLE, 900.0)
REFUSED = ScriptedAnswer(
    Answered(403, b"Invalid or non-existent authentication information."), stored=False
)


class Monorepo:
    """Projects with their own indexes, whose releases succeed unless scripted otherwise."""

    def __init__(self) -> None:
        self.clock = VirtualClock()
        self.indexes: dict[str, ScriptedIndex] = {}
        self.repositories: dict[str, ScriptedRepository] = {}
        self.built: dict[str, Distribution] = {}
        self.releases: list[PlannedRelease] = []
        self.receipt = Receipt("poetry-publish-verified", "0", "0", self.now())
        self.report(
            None, RunStarted(Until.DOWNLOADABLE, rehearsal=False, sources=Sources(None, None))
        )
        self.codes: list[str] = []

    def now(self) -> datetime:
        """The current time in the receipt's form."""
        return datetime.fromtimestamp(self.clock.now, UTC)

    def report(self, name: str | None, event: Event) -> None:
        """Take in an event."""
        self.receipt.apply(event, self.now(), name)

    def add(self, name: str, *requires: str, takes: float = 1.0, delay: float = 0.0) -> None:
        """Add a project whose wheel takes this long to send and to show."""
        lines = [f"Requires-Dist: {each}" for each in requires]
        built = distribution(
            f"{name.replace('-', '_')}-1.0-py3-none-any.whl",
            name.encode(),
            core_metadata(*lines, name=name, version="1.0"),
        )
        index = ScriptedIndex(self.clock, f"https://index.example/{name}/", delay)
        identity = Identity(canonicalize_name(name), Version("1.0"))
        self.built[name], self.indexes[name] = built, index
        self.repositories[name] = ScriptedRepository([index], takes=takes)
        report = partial(self.report, name)
        report(ReleaseStarted(name, "1.0", "harbour"))
        report(TargetsFound("https://upload.example.org/legacy/", (index.url,)))
        report(DistributionsRead((FileFacts(built.filename, built.size, built.sha256),)))
        context = PublishContext(
            plan=PLAN,
            repository=self.repositories[name],
            own=index,
            indexes=(index,),
            clients=Clients([ScriptedClient(index)], report).ready,
            clock=self.clock,
            report=report,
            encodings=Encodings(),
            jitter=lambda: 0.0,
            slots=anyio.CapacityLimiter(1),
            require_locks=anyio.lowlevel.checkpoint,
        )
        member = WorkspaceMember(identity.name, identity.version, f"packages/{name}")
        source = InMemoryRelease(Release(identity, (built,)), self.clock)
        self.releases.append(PlannedRelease(member, source, context))

    def release(self, *, jobs: int = 32, fail_fast: bool = False, dry_run: bool = False) -> Verdict:
        """Release all."""

        async def live() -> Verdict:
            slots = anyio.CapacityLimiter(jobs)
            releases = []
            for planned in self.releases:
                plan = replace(planned.context.plan, dry_run=dry_run)
                context = replace(planned.context, plan=plan, slots=slots)
                releases.append(replace(planned, context=context))
            return await publish_all(releases, partial(self.report, None), fail_fast=fail_fast)

        verdict = anyio.run(live)
        self.report(None, RunEnded(verdict))
        return verdict

    def of(self, name: str) -> dict[str, Any]:
        """A release in the receipt."""
        (found,) = [r for r in self.receipt.as_dict()["releases"] if r["name"] == name]
        return dict(found)

    def verdicts(self) -> dict[str, str]:
        """All verdicts by name."""
        return {r["name"]: r["verdict"] for r in self.receipt.as_dict()["releases"]}

    def run_problems(self) -> list[str]:
        """The codes of the run's own problems."""
        return [problem["code"] for problem in self.receipt.as_dict()["problems"]]

    def sent(self) -> set[str]:
        """The projects whose wheels were sent."""
        return {name for name, repository in self.repositories.items() if repository.sent}

    def begun(self, name: str) -> float:
        """When its wheel's upload began."""
        return self.repositories[name].times[self.built[name].filename][0]

    def seen(self, name: str) -> float:
        """The earliest time at which all clients saw it."""
        variants = self.of(name)["indexes"][0]["variants"]
        moments = [datetime.fromisoformat(each["visible_at"]) for each in variants]
        return max(moment.timestamp() for moment in moments)


@pytest.fixture
def repo() -> Monorepo:
    """An empty monorepo."""
    return Monorepo()


def test_each_waits_only_for_its_dependencies(repo: Monorepo) -> None:
    """There are no layers: a project does not wait for unrelated ones."""
    repo.add("slow", takes=1.0, delay=300.0)
    repo.add("quick", takes=1.0)
    repo.add("on-quick", "quick>=1.0", takes=1.0)
    repo.add("on-both", "slow", "on-quick ; extra == 'more'", takes=1.0)
    assert repo.release() is Verdict.VERIFIED
    assert set(repo.verdicts().values()) == {"verified"}
    assert repo.begun("slow") == repo.begun("quick") < repo.begun("on-quick")
    assert repo.seen("quick") <= repo.begun("on-quick") < 10.0
    assert repo.begun("on-both") >= repo.seen("slow") >= 300.0


def test_jobs_does_not_limit_waiting(repo: Monorepo) -> None:
    """A release that waits for an index takes no slot."""
    for number in range(6):
        repo.add(f"p{number}", takes=10.0, delay=100.0)
    assert repo.release(jobs=2) is Verdict.VERIFIED
    times = [
        repository.times[repo.built[name].filename]
        for name, repository in repo.repositories.items()
    ]
    for begun, ended in times:
        assert sum(b < ended and e > begun for b, e in times) <= 2
    assert max(ended for _, ended in times) == 30.0
    assert repo.clock.now < 150.0


def test_failure_blocks_only_dependents(repo: Monorepo) -> None:
    """Exactly its dependents are blocked, by name; the rest is released."""
    repo.add("base")
    repo.add("bad", "base")
    repo.add("above", "bad")
    repo.add("top", "above", "other")
    repo.add("other", "base", delay=50.0)
    repo.repositories["bad"].script = [REFUSED]
    assert repo.release() is Verdict.UPLOAD_FAILED
    assert repo.verdicts() == {
        "base": "verified",
        "bad": "upload-failed",
        "above": "blocked",
        "top": "blocked",
        "other": "verified",
    }
    assert repo.of("above")["blocked_by"] == repo.of("top")["blocked_by"] == ["bad"]
    assert repo.sent() == {"base", "bad", "other"}
    assert [p["code"] for p in repo.of("bad")["problems"]] == [str(Code.CREDENTIALS_REFUSED)]
    assert repo.of("above")["problems"] == []


def test_fail_fast_starts_nothing_new(repo: Monorepo) -> None:
    """Nothing new starts after the first failure; what has begun finishes."""
    repo.add("bad", takes=1.0)
    repo.add("begun", takes=5.0)
    repo.add("quick", takes=0.5)
    repo.add("later", "begun")
    repo.repositories["bad"].script = [REFUSED]
    assert repo.release(fail_fast=True) is Verdict.UPLOAD_FAILED
    assert repo.verdicts() == {
        "bad": "upload-failed",
        "begun": "verified",
        "quick": "verified",
        "later": "blocked",
    }
    assert repo.of("later")["blocked_by"] == ["bad"]


def test_one_refused_project_stops_all(repo: Monorepo) -> None:
    """A project that cannot go out stops all, and every fault is reported with its release."""
    repo.add("good")
    repo.add("unknown")
    repo.add("conflicting")
    repo.indexes["unknown"].answers[UNSEEN.name] = [Observation("denied", detail="403")] * 9
    repo.indexes["conflicting"].put(replace(repo.built["conflicting"], sha256="ee" * 32))
    assert repo.release() is Verdict.CONFLICT
    assert repo.verdicts() == {
        "good": "blocked",
        "unknown": "preflight-refused",
        "conflicting": "conflict",
    }
    assert repo.of("good")["blocked_by"] == ["conflicting", "unknown"]
    assert [p["code"] for p in repo.of("unknown")["problems"]] == [str(Code.INDEX_STATE_UNKNOWN)]
    assert repo.sent() == set()


@pytest.mark.parametrize(
    ("requires", "code"),
    [
        ("lib>=2", Code.RANGE_UNSATISFIED),
        ("lib @ file:///work/lib", Code.PATH_DEPENDENCY),
        ("app-of-lib", Code.CYCLE),
    ],
)
def test_built_metadata_decides_the_order(repo: Monorepo, requires: str, code: Code) -> None:
    """Dependencies come from the built files, not from the projects before the build."""
    repo.add("lib", "app" if code is Code.CYCLE else "numbers")
    repo.add("app", "lib" if code is Code.CYCLE else requires)
    assert repo.release() is Verdict.PREFLIGHT_REFUSED
    assert repo.run_problems() == [str(code)]
    assert set(repo.verdicts().values()) == {"blocked"}
    assert repo.sent() == set()


def test_published_version_satisfies_a_range(repo: Monorepo) -> None:
    """A version already on the index satisfies a range too."""
    repo.add("lib")
    repo.add("app", "lib<1")
    repo.indexes["lib"].put(distribution("lib-0.9-py3-none-any.whl"))
    assert repo.release() is Verdict.VERIFIED


def test_second_run_continues(repo: Monorepo) -> None:
    """What is there is not sent again, and an incomplete run continues."""
    repo.add("lib")
    repo.add("app", "lib")
    repo.indexes["lib"].put(repo.built["lib"])
    assert repo.release() is Verdict.VERIFIED
    assert repo.sent() == {"app"}
    assert repo.of("lib")["distributions"][0]["upload"] == "already-there"


def test_dry_run_checks_all(repo: Monorepo) -> None:
    """All projects are checked, and nothing is sent."""
    repo.add("lib")
    repo.add("app", "lib")
    assert repo.release(dry_run=True) is Verdict.DRY_RUN
    assert set(repo.verdicts().values()) == {"dry-run"}
    assert repo.sent() == set()


def test_invisible_project_blocks_dependents(repo: Monorepo) -> None:
    """Sent is not proven: its dependents could not be installed."""
    repo.add("lib", delay=10_000.0)
    repo.add("app", "lib")
    assert repo.release() is Verdict.NOT_VISIBLE
    assert repo.verdicts() == {"lib": "not-visible", "app": "blocked"}
