"""Trusted publishing on loopback: CI systems that issue identity tokens, and an index that mints.

The index is a fault proxy in front of one that takes uploads from everybody: it answers what the
token exchange needs itself, and lets uploads pass only with a token that it has minted.
"""

from __future__ import annotations

import base64
import json
import secrets
import sys
import time
import urllib.parse
from dataclasses import dataclass, field
from email.utils import formatdate
from typing import TYPE_CHECKING, Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from tests.beds.proxy import Answer, Exchange, FaultProxy, Request

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

AUDIENCE = "harbour"
LIFETIME = 900.0
LEEWAY = 30.0
_BEARER = "the-runner's-own-token"
_GITHUB = "octo/lantern/.github/workflows/release.yml@refs/heads/main"
CLAIMS: dict[str, dict[str, str]] = {
    "github": {
        "iss": "https://token.github.example",
        "sub": "repo:octo/lantern:environment:release",
        "repository": "octo/lantern",
        "repository_owner": "octo",
        "workflow_ref": _GITHUB,
        "job_workflow_ref": _GITHUB,
        "environment": "release",
        "ref": "refs/heads/main",
    },
    "gitlab": {
        "iss": "https://gitlab.example",
        "sub": "project_path:group/sub/lantern:ref_type:branch:ref:main",
        "project_path": "group/sub/lantern",
        "ci_config_ref_uri": "gitlab.example/group/sub/lantern//.gitlab-ci.yml@refs/heads/main",
        "environment": "release",
        "ref": "main",
    },
    "google": {"iss": "https://accounts.example", "sub": "1234", "email": "robot@example.org"},
    "buildkite": {"iss": "https://agent.buildkite.example", "sub": "organization:octo"},
    "circleci": {"iss": "https://oidc.circleci.example", "sub": "org/1/project/2"},
}
# The issuers that the index knows.
KNOWN = ("github", "gitlab", "google")


def _encoded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _decoded(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


class _RefusalError(Exception):
    """The index refuses to mint, with this code and description."""


@dataclass
class TrustedIndex:
    """The index and the CI systems behind one proxy.

    `publishers` maps each registered `sub` to its projects, `pending` to the name of a project that
    does not exist yet. `clock` is added to the time of both, in seconds.
    """

    proxy: FaultProxy
    audience: str = AUDIENCE
    clock: float = 0.0
    publishers: dict[str, set[str]] = field(
        default_factory=lambda: {CLAIMS[name]["sub"]: {"lantern"} for name in KNOWN}
    )
    pending: dict[str, str] = field(default_factory=dict)
    minted: list[str] = field(default_factory=list)
    identities: list[str] = field(default_factory=list)
    before_mint: Callable[[], object] = lambda: None
    _used: set[str] = field(default_factory=set)
    _ends: dict[str, tuple[float, set[str]]] = field(default_factory=dict)
    _key: rsa.RSAPrivateKey = field(default_factory=lambda: rsa.generate_private_key(65537, 2048))

    def __post_init__(self) -> None:
        """Answer what the token exchange needs, and guard the uploads."""
        self.proxy.on(lambda request: request.uploads(), self.take)
        self.proxy.on(self.is_identity, self._issue)
        self.proxy.on(self.is_audience, lambda _: _json({"audience": self.audience}))
        self.proxy.on(self.is_mint, self.mint)

    def beside(self, proxy: FaultProxy, audience: str) -> TrustedIndex:
        """Another index that trusts the same CI systems."""
        return TrustedIndex(proxy, audience, _key=self._key)

    @staticmethod
    def is_audience(request: Request) -> bool:
        """Match the question for the audience."""
        return request.path == "/_/oidc/audience"

    @staticmethod
    def is_mint(request: Request) -> bool:
        """Match the exchange itself."""
        return request.path == "/_/oidc/mint-token"

    @staticmethod
    def is_identity(request: Request) -> bool:
        """Match what CI systems are asked for."""
        return urllib.parse.urlsplit(request.path).path.startswith("/ci/")

    def count(self, match: Any) -> int:
        """How many requests so far were of this kind."""
        return sum(match(request) for request in list(self.proxy.requests))

    def _now(self) -> float:
        return time.time() + self.clock

    def identity(self, provider: str, audience: str | None = None, **claims: Any) -> str:
        """A new identity token; a claim that is None is left out."""
        now = self._now()
        body = {
            **CLAIMS[provider],
            "aud": audience or self.audience,
            "jti": secrets.token_hex(8),
            "iat": now,
            "exp": now + 300,
            **claims,
        }
        head = _encoded(json.dumps({"alg": "RS256", "typ": "JWT"}).encode())
        kept = {name: value for name, value in body.items() if value is not None}
        text = f"{head}.{_encoded(json.dumps(kept).encode())}"
        signature = self._key.sign(text.encode(), padding.PKCS1v15(), hashes.SHA256())
        self.identities.append(f"{text}.{_encoded(signature)}")
        return self.identities[-1]

    def variables(self, provider: str, folder: Path) -> dict[str, str]:
        """The environment of a job; `folder` gets the programs that it needs."""
        service = f"{self.proxy.origin}/ci/{provider}"
        match provider:
            case "github":
                return {
                    "GITHUB_ACTIONS": "true",
                    "GITHUB_WORKFLOW_REF": _GITHUB,
                    "ACTIONS_ID_TOKEN_REQUEST_URL": f"{service}?api-version=2",
                    "ACTIONS_ID_TOKEN_REQUEST_TOKEN": _BEARER,
                }
            case "gitlab":
                return {"GITLAB_CI": "true", "HARBOUR_ID_TOKEN": self.identity("gitlab")}
            case "buildkite":
                program, arguments = "buildkite-agent", ["oidc", "request-token", "--audience"]
            case _:
                program, arguments = "circleci", ["run", "oidc", "get", "--claims"]
        folder.mkdir(exist_ok=True)
        script = folder / program
        script.write_text(
            f"""#!{sys.executable} -I
import json, sys, urllib.parse, urllib.request
given = sys.argv[1:]
assert given[:{len(arguments)}] == {arguments!r}, given
audience = given[{len(arguments)}]
if audience.startswith("{{"):
    assert given[-1] == "--root-issuer", given
    audience = json.loads(audience)["aud"]
query = urllib.parse.urlencode({{"audience": audience}})
direct = urllib.request.build_opener(urllib.request.ProxyHandler({{}}))
print(json.load(direct.open("{service}?" + query))["value"])
""",
            encoding="utf-8",
        )
        script.chmod(0o755)
        return {provider.upper(): "true", "PATH": f"{folder}:/usr/bin:/bin"}

    def _issue(self, exchange: Exchange) -> Answer:
        """The CI systems' side."""
        url = urllib.parse.urlsplit(exchange.request.path)
        provider = url.path.rpartition("/")[2]
        (audience,) = urllib.parse.parse_qs(url.query)["audience"]
        said = exchange.request.headers.get("authorization")
        if provider == "github" and said != f"bearer {_BEARER}":
            return Answer(401)
        return _json({"value": self.identity(provider, audience)})

    def mint(self, exchange: Exchange) -> Answer:
        """PyPI's side, in the order of its checks."""
        assert exchange.request.method == "POST"
        self.before_mint()
        try:
            projects = self._projects_of(json.loads(exchange.request.body)["token"])
        except _RefusalError as error:
            code, description = error.args
            errors = [{"code": code, "description": description}]
            return _json({"message": "Token request failed", "errors": errors}, status=422)
        token = f"pypi-{secrets.token_hex(16)}"
        ends = self._now() + LIFETIME
        self._ends[token] = (ends, projects)
        self.minted.append(token)
        return _json({"success": True, "token": token, "expires": int(ends)})

    def checked(self, identity: str, audience: str) -> dict[str, Any] | None:
        """The claims of an identity token that is genuine, valid, and for `audience`."""
        head, payload, signature = f"{identity}..".split(".")[:3]
        try:
            public = self._key.public_key()
            text = f"{head}.{payload}".encode()
            public.verify(_decoded(signature), text, padding.PKCS1v15(), hashes.SHA256())
            claims: dict[str, Any] = json.loads(_decoded(payload))
        except (ValueError, InvalidSignature):
            return None
        in_time = claims["iat"] - LEEWAY < self._now() < claims["exp"] + LEEWAY
        return claims if in_time and claims["aud"] == audience else None

    def _projects_of(self, identity: str) -> set[str]:
        try:
            _, payload, _ = identity.split(".")
            claims = json.loads(_decoded(payload))
        except ValueError:
            raise _RefusalError("invalid-payload", "malformed JWT") from None
        if claims.get("iss") not in {CLAIMS[name]["iss"] for name in KNOWN}:
            raise _RefusalError("invalid-payload", "unknown trusted publishing issuer")
        if self.checked(identity, self.audience) is None:
            raise _RefusalError("invalid-token", "malformed or invalid token")
        created = self.pending.pop(claims["sub"], None)
        if created is not None:
            self.publishers.setdefault(claims["sub"], set()).add(created)
        if claims["sub"] not in self.publishers:
            raise _RefusalError(
                "invalid-publisher",
                "valid token, but no corresponding publisher (Publisher with matching claims was"
                " not found)",
            )
        if claims["jti"] in self._used:
            raise _RefusalError("invalid-reuse-token", "invalid token: already used")
        self._used.add(claims["jti"])
        return self.publishers[claims["sub"]]

    def take(self, exchange: Exchange) -> Answer:
        """Pass an upload on if its token allows that."""
        scheme, _, login = exchange.request.headers.pop("authorization", "").partition(" ")
        name, _, token = base64.b64decode(login).decode().partition(":")
        if scheme != "Basic" or name != "__token__" or token not in self._ends:
            return Answer(403, reason=b"Invalid or non-existent authentication information.")
        ends, projects = self._ends[token]
        if self._now() >= ends:
            return Answer(403, reason=b"Invalid API Token: token is expired")
        if not any(
            f'filename="{project}-'.encode() in exchange.request.body for project in projects
        ):
            said = "Invalid API Token: OIDC scoped token is not valid for project 'lantern'"
            return Answer(403, reason=said.encode())
        return exchange.forward()


def _json(value: Mapping[str, Any], status: int = 200) -> Answer:
    headers = {"Content-Type": "application/json", "Date": formatdate(usegmt=True)}
    return Answer(status, json.dumps(value).encode(), headers=headers)
