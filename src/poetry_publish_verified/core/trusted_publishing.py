"""Trusted publishing: when it is used, for which audience, and what an index answers.

The protocol is in PyPI's documentation: "Trusted Publishers", "Internals and Technical Details".
"""

import base64
import re
from collections.abc import Mapping
from dataclasses import field, replace
from enum import StrEnum
from typing import Any
from urllib.parse import urlencode, urlsplit

from poetry_publish_verified.core.caching import is_transient, moment_of, retry_after
from poetry_publish_verified.core.problems import trusted_publishing as problems
from poetry_publish_verified.core.settings import TrustedPublishing
from poetry_publish_verified.core.upload.outcomes import Answered, NoAnswer
from poetry_publish_verified.core.upload.refusal import site
from poetry_publish_verified.core.upload.refusals.exchange import EXCHANGE
from poetry_publish_verified.core.upload.server_words import json_object, server_words
from poetry_publish_verified.core.urls import RepositoryTarget, goes_in_the_clear
from poetry_publish_verified.errors import Problem, ReleaseError
from poetry_publish_verified.sanitize import harmless, printable
from poetry_publish_verified.values import Value

# Seconds for which PyPI's tokens are valid, and the share of them after which a new one is taken.
_LIFETIME = 900.0
_FRESH = 2 / 3
# Tokens are written to CI logs, to be masked there, so they must not hold a line end.
_TOKEN = re.compile(r"[A-Za-z0-9._~+/=:-]{1,16384}")
_AUDIENCE = re.compile(r"[!-~]{1,200}")
# Audiences that other services accept. A token for one of them opens that service to whoever has
# it: those of PyPI and TestPyPI are for them alone, and the rest for no index at all.
_OF_OTHERS = re.compile(
    r"(test)?pypi|sigstore|npm:.*|(https://)?(www\.)?(crates|rubygems|nuget)\..*"
    r"|sts\.amazonaws\.com(\.cn)?|api://AzureADTokenExchange\w*"
    r"|(https:)?//iam\.googleapis\.com/.*|https://(vault|github)\b.*",
    re.IGNORECASE,
)


class Provider(StrEnum):
    """The CI systems that issue identity tokens."""

    GITHUB = "GitHub Actions"
    GITLAB = "GitLab CI/CD"
    GOOGLE = "Google Cloud"
    BUILDKITE = "Buildkite"
    CIRCLECI = "CircleCI"

    @property
    def fixed(self) -> bool:
        """Whether a job has only one token, which an index accepts only once."""
        return self is Provider.GITLAB


def provider_in(environment: Mapping[str, str], *, google_machine: bool) -> Provider | None:
    """The CI system that a process runs in; None outside of those.

    Like `id`, which however treats GITHUB_ACTIONS=false as true, and GitLab on a Google machine
    as Google.
    """
    if environment.get("GITHUB_ACTIONS", "").lower() not in {"", "0", "false"}:
        return Provider.GITHUB
    if environment.get("GITLAB_CI"):
        return Provider.GITLAB
    if environment.get("GOOGLE_SERVICE_ACCOUNT_NAME") or google_machine:
        return Provider.GOOGLE
    if environment.get("BUILDKITE"):
        return Provider.BUILDKITE
    return Provider.CIRCLECI if environment.get("CIRCLECI") else None


def trusted(
    repository: RepositoryTarget, mode: TrustedPublishing, provider: Provider | None
) -> RepositoryTarget:
    """The repository, marked for trusted publishing if it has no credentials.

    Raises ReleaseError if `mode` is always, and that is not possible.
    """
    if mode == "never":
        return repository
    fault = None
    if repository.access.basic is not None and not repository.half_login:
        fault = problems.has_credentials(repository.name, repository.source)
    elif goes_in_the_clear(repository.url):
        fault = problems.needs_https(repository.url)
    elif provider is None:
        fault = problems.no_provider()
    if fault is not None and mode == "always":
        raise ReleaseError.refused(fault)
    return repository if fault else replace(repository, trusted=mode)


def gitlab_variable(audience: str) -> str:
    """The variable that holds GitLab's token for `audience`, by the convention of `id`."""
    return re.sub(r"[^A-Z0-9_]|^[^A-Z_]", "_", audience.upper()) + "_ID_TOKEN"


class Publisher(Value):
    """Who an identity token says that it is for.

    `fields` are named as on PyPI's page for publishers of this `provider` (empty if unknown);
    `ref` is the branch or tag; `caller` is a workflow that calls the one with this job.
    """

    provider: str
    fields: Mapping[str, str]
    ref: str = ""
    issuer: str = ""
    caller: str = ""

    def __str__(self) -> str:
        words = {name.partition("_")[0]: value or "(none)" for name, value in self.fields.items()}
        words |= {"ref": self.ref} if self.ref else {}
        return ", ".join(f"{name} {value}" for name, value in words.items())

    @property
    def if_reusable(self) -> str:
        """Advice for a job in a reusable workflow; empty for others."""
        if not self.caller:
            return ""
        return (
            f" This job is in a reusable workflow, which {self.caller} calls. The index compares"
            " the reusable one, so it is better to move the publishing job into the caller."
        )

    def page(self, upload_url: str, project: str | None, *, pending: bool = False) -> str:
        """The page for publishers of a project, or of new ones, with the form filled in."""
        new = pending or project is None
        words = f"the page for {'pending ' if pending else ''}publishers"
        root = site(upload_url)
        if root is None:
            return words
        path = "account/publishing/" if new else f"project/{project}/settings/publishing/"
        fields = {"provider": self.provider, **self.fields} if self.provider else {}
        fields |= {"project_name": project} if new and project and fields else {}
        query = urlencode({name: value for name, value in fields.items() if value})
        return f"{words} ({root}manage/{path}{'?' if query else ''}{query})"


class Refusal(Value):
    """Why an index gives no audience or token, and after how many seconds it may, if ever."""

    problem: Problem
    again: float | None = None


def read_audience(answer: Answered | NoAnswer, upload_url: str, *, public: bool) -> str | Refusal:
    """The audience that an identity token must have; `public`: the index is PyPI or TestPyPI."""
    if isinstance(answer, NoAnswer):
        return Refusal(problems.not_offered(upload_url, printable(answer.detail)), 1.0)
    said = json_object(answer.body).get("audience") if answer.status == 200 else None
    if not isinstance(said, str) or not _AUDIENCE.fullmatch(said):
        given = answer.status == 200
        words = "it names no valid audience" if given else f"it answered {answer.status}"
        problem = problems.not_offered(upload_url, words)
        return Refusal(problem, 1.0 if answer.status >= 500 else None)
    test = (urlsplit(upload_url).hostname or "").startswith("test.")
    if said != ("testpypi" if test else "pypi") if public else _OF_OTHERS.fullmatch(said):
        return Refusal(problems.audience_of_another(upload_url, said))
    return said


class Minted(Value):
    """An upload token, and for how many seconds it is valid."""

    token: str = field(repr=False)
    lifetime: float

    def is_fresh(self, age: float, *, fixed: bool) -> bool:
        """Whether it lasts for another upload, `age` seconds after it was asked for.

        If there is no other (`fixed`), it is used to its end.
        """
        return age < self.lifetime * (1 if fixed else _FRESH)


def minted_token(answer: Answered | NoAnswer) -> str | None:
    """The upload token in the answer to an exchange; None if there is no usable one."""
    if isinstance(answer, NoAnswer) or answer.status not in {200, 201}:
        return None
    token = json_object(answer.body).get("token")
    return token if isinstance(token, str) and _TOKEN.fullmatch(token) else None


def read_minted(
    answer: Answered | NoAnswer,
    publisher: Publisher,
    upload_url: str,
    project: str,
) -> Minted | Refusal:
    """The upload token that `project` needs, or why there is none."""
    if isinstance(answer, NoAnswer):
        return Refusal(problems.exchange_failed(upload_url, printable(answer.detail)), 1.0)
    said = json_object(answer.body)
    if token := minted_token(answer):
        # A Unix time, by the server's clock and not by ours.
        now, ends = moment_of(answer.headers.get("date")), said.get("expires")
        # A number in JSON may be too large for a float.
        left = 0.0
        if now and isinstance(ends, int | float) and abs(ends) < 2**53:
            left = ends - now.timestamp()
        return Minted(token, left if 0 < left < _LIFETIME else _LIFETIME)
    if answer.status < 400:
        return Refusal(problems.exchange_failed(upload_url, f"no token, status {answer.status}"))
    if is_transient(answer.status):
        again = min(retry_after(answer.headers) or 1.0, 60.0)
        return Refusal(problems.exchange_failed(upload_url, server_words(answer)), again)
    errors = said["errors"] if isinstance(said.get("errors"), list) else []
    found = [f"{e.get('code')}: {e.get('description')}" for e in errors if isinstance(e, dict)]
    words = printable("; ".join(found), 800) or server_words(answer)
    row = next(row for row in EXCHANGE if row.said.fits(answer.status, words))
    known = {
        "claims": str(publisher),
        "issuer": publisher.issuer,
        "publishing": publisher.page(upload_url, project),
        "pending": publisher.page(upload_url, project, pending=True),
        "reusable": publisher.if_reusable,
    }
    cause, remedy = (text.format(**known) for text in (row.cause, row.remedy))
    message = f"There is no upload token: {cause}. The server said: {words}"
    return Refusal(Problem(row.code, message, remedy))


def claims_of(token: str) -> dict[str, Any]:
    """The claims in a JSON Web Token (RFC 7519), unverified; none if it is not one."""
    payload = f"{token}..".split(".")[1]
    try:
        return json_object(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    except ValueError:
        return {}


def is_for(token: str, audience: str) -> bool:
    """Whether this is an identity token for `audience` alone."""
    return bool(_TOKEN.fullmatch(token)) and claims_of(token).get("aud") == audience


def publisher_of(claims: Mapping[str, Any]) -> Publisher:
    """The publisher that the claims describe, by those that PyPI compares."""

    def said(name: str) -> str:
        # What follows // in GitLab's is no login in a URL.
        return harmless(str(claims.get(name) or ""), 200)

    issuer, ref, environment = said("iss"), said("ref"), said("environment")
    if "job_workflow_ref" in claims:
        owner, _, repository = said("repository").partition("/")
        called, caller = (said(f"{of}workflow_ref").partition("@")[0] for of in ("job_", ""))
        fields = {"owner": owner, "repository": repository}
        fields |= {"workflow_filename": called.rpartition("/")[2], "environment": environment}
        return Publisher("github", fields, ref, issuer, caller if caller != called else "")
    if "project_path" in claims:
        namespace, _, project = said("project_path").rpartition("/")
        fields = {"namespace": namespace, "project": project}
        file = said("ci_config_ref_uri").partition("//")[2].partition("@")[0]
        fields |= {"workflow_filepath": file, "environment": environment}
        return Publisher("gitlab", fields, ref, issuer)
    if "email" in claims:
        return Publisher("google", {"email": said("email"), "sub": said("sub")}, issuer=issuer)
    return Publisher("", {"issuer": issuer, "subject": said("sub")}, issuer=issuer)
