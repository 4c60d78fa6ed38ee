"""When attestations are signed, and what happens if that fails, in virtual time."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING

import anyio
import anyio.lowlevel
import pytest

from poetry_publish_verified.core.events import (
    FilesAttested,
    SendingStarted,
    SigningDelayed,
    UploadTokenMinted,
)
from poetry_publish_verified.core.problems import attestations as problems
from poetry_publish_verified.core.problems.trusted_publishing import no_gitlab_token
from poetry_publish_verified.core.trusted_publishing import Refusal
from poetry_publish_verified.errors import Code, Problem, Verdict
from poetry_publish_verified.release.attestations import Attester
from tests.beds.publishing import CLAIMS
from tests.core.distributions import SDIST, WHEEL
from tests.release.scripted import assert_outcome
from tests.release.test_trusted_publishing import (
    BUILT,
    NOT_OFFERED,
    PLAN,
    ScriptedExchange,
    TrustedWorld,
)

if TYPE_CHECKING:
    from poetry_publish_verified.core.publishers import NamedPublisher
    from poetry_publish_verified.release.interfaces import Plan, PublishContext, Release
    from tests.release.scripted import VirtualClock

ON, REQUIRE = replace(PLAN, attest="on"), replace(PLAN, attest="require")
DOWN = Refusal(problems.log_failed("502"), 1.0)
REFUSED = Refusal(problems.identity_refused("400"))
OLD_KEYS = problems.keys_not_updated("it does not answer")
REUSABLE = {**CLAIMS["github"], "workflow_ref": "octo/lantern/.github/workflows/ci.yml@main"}


class JobExchange(ScriptedExchange):
    """One whose identity tokens have claims, for every audience."""

    claims: dict[str, str] = CLAIMS["github"]
    for_sigstore: int = 0
    no_token: Problem | None = None

    async def identity(self, audience: str) -> str | Problem:
        """A token with the claims."""
        if audience == "sigstore":
            await anyio.lowlevel.checkpoint()
            self.for_sigstore += 1
            return self.no_token or "for sigstore"
        await super().identity(audience)
        claims = base64.urlsafe_b64encode(json.dumps(self.claims).encode()).decode()
        return f"{self.identities}.{claims}.signature"


@dataclass
class ScriptedSigner:
    """Signs in two seconds, with certificates for 600, unless scripted otherwise."""

    clock: VirtualClock
    absent: Problem | None = None
    unfit: dict[str, str] = field(default_factory=dict)
    certificates: list[Refusal | list[Problem]] = field(default_factory=list)
    answers: list[Refusal] = field(default_factory=list)
    certified_at: list[float] = field(default_factory=list)
    signed: list[str] = field(default_factory=list)
    lasts: float = 600.0
    at_once: int = 0
    most_at_once: int = 0

    def missing(self) -> Problem | None:
        """What the script says."""
        return self.absent

    async def fault_of(
        self, attestation: str, filename: str, sha256: str, publisher: NamedPublisher
    ) -> str | None:
        """What the script says of the file."""
        assert (len(sha256), str(publisher)) == (64, "github:octo/lantern:release.yml")
        assert isinstance(json.loads(attestation), dict)
        await anyio.lowlevel.checkpoint()
        return self.unfit.get(filename)

    async def certify(self, identity: str) -> Refusal | list[Problem]:
        """A certificate."""
        assert identity == "for sigstore"
        await self.clock.sleep(1.0)
        result = self.certificates.pop(0) if self.certificates else []
        if not isinstance(result, Refusal):
            self.certified_at.append(self.clock.now)
        return result

    async def sign(
        self, filename: str, sha256: str, publisher: NamedPublisher
    ) -> str | Refusal | None:
        """The file's name and hash, in JSON."""
        assert str(publisher) == "github:octo/lantern:release.yml"
        if self.clock.now > self.certified_at[-1] + self.lasts:
            return None
        self.at_once += 1
        self.most_at_once = max(self.at_once, self.most_at_once)
        await self.clock.sleep(2.0)
        self.at_once -= 1
        if self.answers:
            return self.answers.pop(0)
        self.signed.append(filename)
        return json.dumps({"signed": filename, "sha256": sha256})


class AttestingWorld(TrustedWorld):
    """A trusted publisher that attests."""

    def __init__(self) -> None:
        super().__init__()
        self.exchange = JobExchange(self.clock)
        self.signer = ScriptedSigner(self.clock)
        self.made: dict[str, str] = {}
        self.index.attests.update(
            {name: f"https://index.example/{name}" for name in (WHEEL, SDIST)}
        )
        self.with_tokens = True

    def context(self, plan: Plan) -> PublishContext:
        """With what attests."""
        context = super().context(plan)
        tokens = context.tokens if self.with_tokens else None
        required, tries = plan.attest == "require", plan.retries + 1
        attester = partial(Attester, self.signer, tokens, self.clock)
        made = attester(required=required, tries=tries, jobs=plan.jobs)
        return replace(context, tokens=tokens, attester=made)

    def release(self, release: Release) -> Release:
        """With the attestations that are there."""
        return replace(release, attestations=self.made)

    def order(self) -> list[str]:
        """The names of the events that say when what happened."""
        kinds = (UploadTokenMinted, FilesAttested, SendingStarted)
        return [type(each).__name__ for each in self.events if isinstance(each, kinds)]

    def along(self) -> list[str | None]:
        """Which file each uploaded attestation is for."""
        given = self.repository.attestations
        return [json.loads(each).get("signed") if each else None for each in given]


@pytest.mark.parametrize("plan", [ON, REQUIRE])
def test_signed_after_the_token(plan: Plan) -> None:
    """With one certificate for all files, before the first of them is sent."""
    world = AttestingWorld()
    assert_outcome(world.publish(plan, *BUILT), Verdict.VERIFIED)
    assert world.order() == ["UploadTokenMinted", "FilesAttested", "SendingStarted"]
    assert world.along() == [WHEEL, SDIST]
    assert world.signer.certified_at == [2.0]
    assert world.signer.most_at_once == 2


def test_not_signed_without_need() -> None:
    """Neither in a dry run nor if everything is there."""
    world = AttestingWorld()
    assert_outcome(world.publish(replace(ON, dry_run=True), *BUILT), Verdict.DRY_RUN)
    for each in BUILT:
        world.index.put(each, since=0.0)
    world.publish(ON, *BUILT)
    assert (world.signer.signed, world.signer.certified_at) == ([], [])


def test_trouble_that_passes() -> None:
    """Each service is asked again, with growing pauses; what it says of its keys is reported."""
    world = AttestingWorld()
    world.signer.certificates = [Refusal(problems.authority_failed("503"), 1.0), [OLD_KEYS]]
    world.signer.answers = [DOWN, DOWN, DOWN]
    assert_outcome(world.publish(REQUIRE, *BUILT), Verdict.VERIFIED, Code.KEYS_NOT_UPDATED)
    assert world.along() == [WHEEL, SDIST]
    assert len(world.signer.certified_at) == 1
    delays = [(each.filename, each.pause) for each in world.events_of(SigningDelayed)]
    assert delays[0] == (WHEEL, 1.0)
    assert len(delays) == 4


@pytest.mark.parametrize("refusal", [DOWN, REFUSED])
def test_trouble_that_stays(refusal: Refusal) -> None:
    """The files are sent without, with one warning; if they are required, nothing is sent."""
    code, tries = refusal.problem.code, 12 if refusal is DOWN else 1
    for plan, verdict in ((ON, Verdict.VERIFIED), (REQUIRE, Verdict.PREFLIGHT_REFUSED)):
        world = AttestingWorld()
        world.signer.answers = [refusal] * 99
        ending = world.publish(plan, *BUILT)
        assert_outcome(ending, verdict, code)
        (problem,) = ending.problems
        assert 99 - len(world.signer.answers) in {tries, 2}
        if plan is ON:
            assert world.along() == [None, None]
            assert f"cannot get any later: {WHEEL}, {SDIST}" in problem.message
        else:
            assert world.repository.sent == []
            assert problem.message.endswith("Nothing was uploaded.")


def test_what_is_signed_is_sent() -> None:
    """One file's trouble does not take the attestation of the other."""
    world = AttestingWorld()
    world.signer.answers = [REFUSED]
    ending = world.publish(replace(ON, jobs=1), *BUILT)
    assert_outcome(ending, Verdict.VERIFIED, REFUSED.problem.code)
    assert world.along() == [None, None]
    world = AttestingWorld()
    world.made = {SDIST: json.dumps({"signed": SDIST})}
    world.signer.answers = [REFUSED]
    assert_outcome(world.publish(ON, *BUILT), Verdict.VERIFIED, REFUSED.problem.code)
    assert world.along() == [None, SDIST]


@pytest.mark.parametrize(
    ("lasts", "pause", "certified"),
    [(600.0, 300.0, [2.0]), (600.0, 410.0, [2.0, 415.0]), (100.0, 200.0, [2.0, 205.0])],
)
def test_certificate_is_renewed(lasts: float, pause: float, certified: list[float]) -> None:
    """After two thirds of its time, and if it has expired all the same."""
    world = AttestingWorld()
    world.signer.lasts = lasts
    world.signer.answers = [Refusal(DOWN.problem, pause)]
    assert_outcome(world.publish(replace(REQUIRE, jobs=1), *BUILT), Verdict.VERIFIED)
    assert world.signer.certified_at == certified
    assert world.along() == [WHEEL, SDIST]


@pytest.mark.parametrize(
    "case", ["credentials", "not offered", "reusable", "self-managed", "no token"]
)
def test_not_attestable(case: str) -> None:
    """A warning, or a refusal before anything is minted and sent."""
    for plan, verdict in ((ON, Verdict.VERIFIED), (REQUIRE, Verdict.PREFLIGHT_REFUSED)):
        world = AttestingWorld()
        exchange, code = world.exchange, Code.NOT_ATTESTABLE
        assert isinstance(exchange, JobExchange)
        match case:
            case "credentials":
                world.with_tokens = False
            case "not offered":
                exchange.audiences = [NOT_OFFERED]
            case "reusable":
                exchange.claims = REUSABLE
            case "self-managed":
                exchange.claims = CLAIMS["gitlab"]
            case _:
                exchange.no_token = no_gitlab_token("SIGSTORE_ID_TOKEN", "sigstore")
                code = Code.NO_IDENTITY
        ending = world.publish(plan, *BUILT)
        assert_outcome(ending, verdict, code)
        assert world.signer.signed == []
        if plan is ON:
            assert world.along() == [None, None]
        else:
            assert exchange.minted_at == []


def test_not_installed() -> None:
    """It is an error: whoever asks for attestations can install what signs them."""
    world = AttestingWorld()
    world.signer.absent = problems.no_trusted_publisher("error")
    ending = world.publish(ON, *BUILT)
    assert_outcome(ending, Verdict.PREFLIGHT_REFUSED, Code.NOT_ATTESTABLE)


def test_unfit_attestation() -> None:
    """It is refused before anything is minted, along with everything else that is wrong."""
    world = AttestingWorld()
    world.made = {WHEEL: "{}"}
    world.signer.unfit = {WHEEL: "it is for other content"}
    ending = world.publish(ON, *BUILT)
    assert_outcome(ending, Verdict.PREFLIGHT_REFUSED, Code.ATTESTATION_UNFIT)
    assert f"{WHEEL}.publish.attestation" in ending.problems[0].message
    assert world.exchange.minted_at == []


def test_attestation_that_is_there() -> None:
    """It is sent instead of a new one."""
    world = AttestingWorld()
    world.made = {each.filename: json.dumps({"signed": each.filename}) for each in BUILT}
    assert_outcome(world.publish(REQUIRE, *BUILT), Verdict.VERIFIED)
    assert world.along() == [WHEEL, SDIST]
    assert world.signer.certified_at == []


def test_many_releases_share_a_certificate() -> None:
    """Whatever keeps them from being attested is said once."""
    world = AttestingWorld()
    attester = world.context(ON).attester
    assert attester is not None

    async def run(attester: Attester) -> None:
        for each in BUILT:
            assert await attester.check([each], {}) == []
        for each in BUILT:
            assert list(await attester.attest([each], {}, world.report)) == [each.filename]

    anyio.run(run, attester)
    assert len(world.signer.certified_at) == 1
    world.with_tokens = False
    for plan, said in ((ON, [1, 0]), (REQUIRE, [1, 1])):
        attester = world.context(plan).attester
        assert attester is not None
        assert [len(anyio.run(attester.check, [each], {})) for each in BUILT] == said
