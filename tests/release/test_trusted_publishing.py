"""When tokens are minted and renewed, and what happens if that fails, in virtual time."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal

import anyio
import anyio.lowlevel
import pytest

from poetry_publish_verified.core.distribution import in_upload_order
from poetry_publish_verified.core.events import SendingStarted, UploadTokenMinted
from poetry_publish_verified.core.problems.trusted_publishing import no_permission
from poetry_publish_verified.core.settings import Until
from poetry_publish_verified.core.trusted_publishing import Provider
from poetry_publish_verified.core.upload.outcomes import Answered, NoAnswer
from poetry_publish_verified.core.urls import Access, RepositoryTarget
from poetry_publish_verified.core.variants import UNSEEN
from poetry_publish_verified.core.visibility import Observation
from poetry_publish_verified.errors import Code, Verdict
from poetry_publish_verified.release.interfaces import Plan, PublishContext
from poetry_publish_verified.release.trusted_publishing import TrustedPublisher
from tests.core.distributions import SDIST, WHEEL, distribution
from tests.release.scripted import Outcome, ScriptedAnswer, World, assert_outcome
from tests.release.test_workspace import Monorepo

if TYPE_CHECKING:
    from poetry_publish_verified.errors import Problem
    from tests.release.scripted import VirtualClock

BUILT = in_upload_order([distribution(WHEEL, b"light in a wheel"), distribution(SDIST)])
PLAN = Plan(Until.DOWNLOADABLE, 900.0)
URL = "https://upload.example.org/legacy/"
LOST = NoAnswer("the connection broke off", sent=True)
EXPIRED = ScriptedAnswer(Answered(403, b"Invalid API Token: token is expired"), stored=False)
USED = {"errors": [{"code": "invalid-reuse-token", "description": "invalid token: already used"}]}


def answer(value: Any, status: int = 200) -> Answered:
    """A server's answer in JSON."""
    return Answered(status, body=json.dumps(value).encode())


@dataclass
class ScriptedExchange:
    """A token exchange that mints one token after another, unless scripted otherwise."""

    clock: VirtualClock
    provider: Provider = Provider.GITHUB
    audiences: list[Answered | NoAnswer] = field(default_factory=list)
    faults: list[Problem | None] = field(default_factory=list)
    answers: list[Answered | NoAnswer] = field(default_factory=list)
    lifetime: float = 900.0
    hangs: float = 0.0
    asked: int = 0
    identities: int = 0
    minted_at: list[float] = field(default_factory=list)

    async def audience(self) -> Answered | NoAnswer:
        """The next one in the script, or a good one."""
        await self.clock.sleep(self.hangs)
        self.asked += 1
        return self.audiences.pop(0) if self.audiences else answer({"audience": "harbour"})

    async def identity(self, audience: str) -> str | Problem:
        """A token, which is the same one every time on GitLab."""
        assert audience in {"harbour", "pypi"}
        await anyio.lowlevel.checkpoint()
        self.identities += 1
        fault = self.faults.pop(0) if self.faults else None
        return fault or ("gitlab" if self.provider.fixed else f"identity-{self.identities}")

    async def mint(self, identity: str) -> Answered | NoAnswer:
        """A new token for each new identity token."""
        await self.clock.sleep(1.0)
        self.minted_at.append(self.clock.now)
        if self.answers:
            return self.answers.pop(0)
        if identity == "gitlab" and len(self.minted_at) > 1:
            return answer(USED, 422)
        date = {"date": "Thu, 01 Jan 1970 00:16:40 GMT"}
        said = {"token": f"pypi-{len(self.minted_at)}", "expires": 1000 + self.lifetime}
        return replace(answer(said), headers=date)


class TrustedWorld(World):
    """A world in which everything is sent by a trusted publisher."""

    def __init__(self, provider: Provider = Provider.GITHUB) -> None:
        super().__init__()
        self.exchange = ScriptedExchange(self.clock, provider)
        self.target = RepositoryTarget("harbour", URL, Access(), trusted="auto")
        self.public = False

    def context(self, plan: Plan) -> PublishContext:
        """With upload tokens."""
        tokens = TrustedPublisher(
            self.target, self.exchange, self.clock, self.report, public=self.public
        )
        return replace(super().context(plan), tokens=tokens)

    def order(self) -> list[str]:
        """The names of the events that say when what happened."""
        kinds = (UploadTokenMinted, SendingStarted)
        return [type(each).__name__ for each in self.events if isinstance(each, kinds)]


def test_minted_late_and_once() -> None:
    """After preflight and the look at the index, and before the first file."""
    world = TrustedWorld()
    world.read_for = 5.0
    assert_outcome(world.publish(PLAN, *BUILT), Verdict.VERIFIED)
    assert world.exchange.minted_at == [6.0]
    assert world.repository.tokens == ["pypi-1", "pypi-1"]
    assert world.order() == ["UploadTokenMinted", "SendingStarted"]


@pytest.mark.parametrize("case", ["dry-run", "there"])
def test_not_minted_without_need(case: str) -> None:
    """A dry run checks what can be checked; a release that is there needs no token at all."""
    world = TrustedWorld()
    if case == "there":
        for each in BUILT:
            world.index.put(each, since=0.0)
    ending = world.publish(replace(PLAN, dry_run=case == "dry-run"), *BUILT)
    assert ending.verdict in {Verdict.DRY_RUN, Verdict.VERIFIED}
    assert world.exchange.minted_at == []
    assert (world.exchange.asked, world.exchange.identities) == (1, 1)


def test_renewed_before_its_end() -> None:
    """A long run takes a new token, for a new identity token, after two thirds of its life."""
    world = TrustedWorld()
    world.exchange.lifetime = 60.0
    world.repository.takes = 50.0
    assert_outcome(world.publish(PLAN, *BUILT), Verdict.VERIFIED)
    assert world.repository.tokens == ["pypi-1", "pypi-2"]
    assert world.exchange.identities == 3


def test_expired_in_the_middle_of_an_upload() -> None:
    """The file is sent again, once, with a new token."""
    world = TrustedWorld()
    world.repository.script = [EXPIRED]
    assert_outcome(world.publish(PLAN, *BUILT), Verdict.VERIFIED)
    assert world.repository.tokens == ["pypi-1", "pypi-2", "pypi-2"]
    world = TrustedWorld()
    world.repository.script = [EXPIRED] * 2
    assert_outcome(world.publish(PLAN, *BUILT), Verdict.UPLOAD_FAILED, Code.TOKEN_EXPIRED)
    assert world.repository.tokens == ["pypi-1", "pypi-2"]


def test_several_uploads_that_expire_share_the_next_token() -> None:
    """A token that expires under four uploads is replaced once."""
    wheels = [f"lantern-1.0-cp3{n}-cp3{n}-linux_x86_64.whl" for n in range(10, 15)]
    files = in_upload_order([distribution(name, name.encode()) for name in wheels])
    world = TrustedWorld()
    world.repository.takes = 10.0
    world.repository.scripts = {each.filename: [EXPIRED] for each in files[1:]}
    assert_outcome(world.publish(PLAN, *files), Verdict.VERIFIED)
    assert world.repository.tokens == ["pypi-1"] * 5 + ["pypi-2"] * 4


def test_gitlabs_only_token_is_used_to_its_end() -> None:
    """Then the run says why there is no other, and what is there already."""
    world = TrustedWorld(Provider.GITLAB)
    world.repository.takes = 700.0
    assert_outcome(world.publish(PLAN, *BUILT), Verdict.VERIFIED)
    assert world.repository.tokens == ["pypi-1", "pypi-1"]
    world = TrustedWorld(Provider.GITLAB)
    world.repository.takes = 1000.0
    ending = world.publish(PLAN, *BUILT)
    assert_outcome(ending, Verdict.UPLOAD_FAILED, Code.IDENTITY_USED)
    assert ending.uploads == {WHEEL: "uploaded", SDIST: "not-sent"}


def large(size: int) -> tuple[Any, ...]:
    """The same files, one of which is this large."""
    return (replace(BUILT[0], size=size), BUILT[1])


@pytest.mark.parametrize("provider", [Provider.GITLAB, Provider.GITHUB])
def test_gitlab_says_up_front_that_it_may_not_suffice(provider: Provider) -> None:
    """If much has to be sent, and no second token can be had."""
    world = TrustedWorld(provider)
    codes = [Code.TOKEN_MAY_NOT_SUFFICE] if provider is Provider.GITLAB else []
    assert_outcome(world.publish(PLAN, *large(200_000_000)), Verdict.VERIFIED, *codes)
    strict = TrustedWorld(provider)
    ending = strict.publish(replace(PLAN, strict=True), *large(200_000_000))
    assert ending.verdict is (Verdict.PREFLIGHT_REFUSED if codes else Verdict.VERIFIED)


@pytest.mark.parametrize("trouble", [LOST, Answered(503), Answered(429)])
def test_lost_answers(trouble: Answered | NoAnswer) -> None:
    """Each try has an identity token of its own, and the third is the last."""
    world = TrustedWorld()
    world.exchange.answers = [trouble, trouble]
    assert_outcome(world.publish(PLAN, *BUILT), Verdict.VERIFIED)
    assert (world.exchange.identities, world.repository.tokens[0]) == (4, "pypi-3")
    world = TrustedWorld()
    world.exchange.answers = [trouble] * 9
    ending = world.publish(PLAN, *BUILT)
    assert_outcome(ending, Verdict.PREFLIGHT_REFUSED, Code.EXCHANGE_FAILED)
    assert (len(world.exchange.minted_at), world.repository.sent) == (3, [])


def test_lost_answer_on_gitlab() -> None:
    """Its token may be used up by the try whose answer is lost."""
    world = TrustedWorld(Provider.GITLAB)
    world.exchange.answers = [LOST]
    ending = world.publish(PLAN, *BUILT)
    assert_outcome(ending, Verdict.PREFLIGHT_REFUSED, Code.IDENTITY_USED)


def test_refusal_is_final() -> None:
    """Nothing is sent, and nobody asks again."""
    world = TrustedWorld()
    errors = [{"code": "invalid-publisher", "description": "valid token, but no publisher"}]
    world.exchange.answers = [answer({"errors": errors}, 422)]
    ending = world.publish(PLAN, *BUILT)
    assert_outcome(ending, Verdict.PREFLIGHT_REFUSED, Code.PUBLISHER_UNKNOWN)
    assert (len(world.exchange.minted_at), world.repository.sent) == (1, [])


NOT_OFFERED = Answered(404)
HOSTILE = answer({"audience": "pypi"})


def how(required: bool, public: bool, script: Callable[[ScriptedExchange], None]) -> Outcome:
    """Publish where trusted publishing is required or not, to PyPI or not."""
    world = TrustedWorld()
    world.target = replace(world.target, trusted="always" if required else "auto")
    world.public = public
    script(world.exchange)
    ending = world.publish(replace(PLAN, public=public), *BUILT)
    assert world.exchange.minted_at == []
    assert all(token is None for token in world.repository.tokens)
    return ending


@pytest.mark.parametrize(
    ("audience", "code"),
    [(NOT_OFFERED, Code.PUBLISHING_NOT_OFFERED), (HOSTILE, Code.AUDIENCE_OF_ANOTHER)],
)
def test_not_offered(audience: Answered, code: Code) -> None:
    """`auto` goes on as without, and warns of a hostile server; `always` and PyPI refuse."""

    def script(exchange: ScriptedExchange) -> None:
        exchange.audiences = [audience]

    quiet = code is Code.PUBLISHING_NOT_OFFERED
    assert_outcome(how(False, False, script), Verdict.VERIFIED, *([] if quiet else [code]))
    assert_outcome(how(True, False, script), Verdict.PREFLIGHT_REFUSED, code)
    if quiet:
        ending = how(False, True, script)
        assert_outcome(ending, Verdict.PREFLIGHT_REFUSED, code, Code.CREDENTIALS_MISSING)


def test_no_identity() -> None:
    """It is refused only if nothing else can help."""

    def script(exchange: ScriptedExchange) -> None:
        exchange.faults = [no_permission("")]
        exchange.audiences = [answer({"audience": "harbour"})]

    assert_outcome(how(False, False, script), Verdict.VERIFIED, Code.NO_IDENTITY)
    assert_outcome(how(True, False, script), Verdict.PREFLIGHT_REFUSED, Code.NO_IDENTITY)

    def script_of_pypi(exchange: ScriptedExchange) -> None:
        script(exchange)
        exchange.audiences = [answer({"audience": "pypi"})]

    # It may be the API token that the job lacks.
    ending = how(False, True, script_of_pypi)
    assert_outcome(ending, Verdict.PREFLIGHT_REFUSED, Code.NO_IDENTITY, Code.CREDENTIALS_MISSING)


def test_audience_is_asked_for_again() -> None:
    """An index that is down for a moment still offers trusted publishing."""
    world = TrustedWorld()
    world.exchange.audiences = [LOST, Answered(502)]
    assert_outcome(world.publish(PLAN, *BUILT), Verdict.VERIFIED)
    assert (world.exchange.asked, world.repository.tokens[0]) == (3, "pypi-1")


@pytest.mark.parametrize(("mode", "asked"), [("auto", 1), ("always", 3)])
def test_hanging_index_delays_only_those_who_need_it(
    mode: Literal["auto", "always"], asked: int
) -> None:
    """`auto` does not wait again and again for an index that may know nothing of this."""
    world = TrustedWorld()
    world.target = replace(world.target, trusted=mode)
    world.exchange.hangs = 10.0
    world.exchange.audiences = [LOST] * 3
    expected = Verdict.VERIFIED if mode == "auto" else Verdict.PREFLIGHT_REFUSED
    assert world.publish(PLAN, *BUILT).verdict is expected
    assert world.exchange.asked == asked


DENIED = Observation("denied", detail="it answered 401")


def test_denied_look_comes_after_the_token() -> None:
    """An index that denies the look is read with the token, and with those that follow."""
    world = TrustedWorld()
    world.read_for = 5.0
    world.index.url = "https://upload.example.org/simple/"
    world.index.answers[UNSEEN.name] = [DENIED]
    world.exchange.lifetime = 60.0
    world.repository.takes = 50.0
    assert_outcome(world.publish(PLAN, *BUILT), Verdict.VERIFIED)
    assert world.exchange.minted_at[0] == 6.0
    assert world.index.signed_in == ["pypi-1", "pypi-2"]


@pytest.mark.parametrize("case", ["elsewhere", "dry-run", "faulty", "again"])
def test_denied_look_without_a_token(case: str) -> None:
    """The token is for the upload host alone, for real runs, and if nothing else is wrong."""
    world = TrustedWorld()
    if case != "elsewhere":
        world.index.url = "https://upload.example.org/simple/"
    world.index.answers[UNSEEN.name] = [DENIED] * 5
    files = () if case == "faulty" else BUILT
    ending = world.publish(replace(PLAN, dry_run=case == "dry-run"), *files)
    assert ending.verdict is Verdict.PREFLIGHT_REFUSED
    assert len(world.exchange.minted_at) == (1 if case == "again" else 0)


def test_cancelled_while_the_ci_system_hangs() -> None:
    """Ctrl-C does not wait for it."""
    world = TrustedWorld()

    class Hanging(ScriptedExchange):
        async def identity(self, audience: str) -> str | Problem:
            await anyio.sleep_forever()
            raise AssertionError(audience)

    world.exchange = Hanging(world.clock)

    async def live() -> None:
        async with anyio.create_task_group() as group:
            group.start_soon(world.publish_async, PLAN, *BUILT)
            await anyio.lowlevel.checkpoint()
            group.cancel_scope.cancel()

    anyio.run(live)
    assert world.repository.sent == []


@dataclass
class Shared:
    """A monorepo whose projects share a publisher."""

    repo: Monorepo
    exchange: ScriptedExchange

    def release(self, **plan: Any) -> Verdict:
        """Publish all."""
        tokens = TrustedPublisher(
            RepositoryTarget("harbour", URL, Access(), trusted="auto"),
            self.exchange,
            self.repo.clock,
            lambda event: self.repo.report(None, event),
            public=bool(plan.get("public")),
        )
        self.repo.releases = [
            replace(
                each,
                context=replace(
                    each.context, plan=replace(each.context.plan, **plan), tokens=tokens
                ),
            )
            for each in self.repo.releases
        ]
        return self.repo.release()

    def tokens(self) -> list[str | None]:
        """What was sent with each file."""
        return [token for each in self.repo.repositories.values() for token in each.tokens]


@pytest.fixture
def shared() -> Shared:
    """Two projects, one of which needs the other."""
    repo = Monorepo()
    repo.add("wick")
    repo.add("lamp", "wick>=1")
    return Shared(repo, ScriptedExchange(repo.clock))


def test_one_token_for_all_projects(shared: Shared) -> None:
    """The index is asked once, and mints once."""
    assert shared.release() is Verdict.VERIFIED
    assert shared.tokens() == ["pypi-1", "pypi-1"]
    assert (shared.exchange.asked, len(shared.exchange.minted_at)) == (1, 1)


def test_refusal_counts_for_all_projects(shared: Shared) -> None:
    """Nobody tries again what was refused to another project of the same publisher."""
    shared.repo.add("flint")
    shared.exchange.answers = [answer(USED, 422)]
    assert shared.release() is Verdict.PREFLIGHT_REFUSED
    assert len(shared.exchange.minted_at) == 1
    assert shared.tokens() == []


@pytest.mark.parametrize("public", [True, False])
def test_several_new_projects(shared: Shared, *, public: bool) -> None:
    """Pending publishers create one project each, which is said before anything is sent."""
    shared.exchange.audiences = [answer({"audience": "pypi" if public else "harbour"})]
    assert shared.release(public=public) is Verdict.VERIFIED
    expected = [Code.SEVERAL_NEW_PROJECTS] if public else []
    assert shared.repo.run_problems() == expected


def test_gitlab_and_projects_that_wait(shared: Shared) -> None:
    """The second project is sent once the first is proven, which may take long."""
    shared.exchange.provider = Provider.GITLAB
    assert shared.release() is Verdict.VERIFIED
    assert shared.repo.run_problems() == [Code.TOKEN_MAY_NOT_SUFFICE]
