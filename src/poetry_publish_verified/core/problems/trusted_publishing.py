"""Trusted publishing (PV320 to PV333), but for what the exchange of tokens says when it refuses.

That has a catalog of its own: `core/upload/refusals/exchange.py`.
"""

from collections.abc import Sequence

from poetry_publish_verified.core.problems.words import RERUN, Text, problem, some
from poetry_publish_verified.errors import Code, Severity
from poetry_publish_verified.sanitize import printable


@problem(Code.PUBLISHING_NOT_POSSIBLE)
def has_credentials(repository: str, source: str) -> Text:
    return Text(
        f"Repository {printable(repository)} has credentials, from {source}, which"
        " --trusted-publishing always does not use.",
        "Remove them, or use --trusted-publishing auto.",
    )


@problem(Code.PUBLISHING_NOT_POSSIBLE)
def needs_https(url: str) -> Text:
    return Text(
        f"Trusted publishing is not possible over plain HTTP ({url}): anyone on the network path"
        " could use the tokens.",
        "Use the server's https URL.",
    )


@problem(Code.PUBLISHING_NOT_POSSIBLE)
def no_provider() -> Text:
    return Text(
        "--trusted-publishing always needs a CI system that issues identity tokens (GitHub Actions,"
        " GitLab CI/CD, Google Cloud, Buildkite or CircleCI), and this run is not in one.",
        "Publish from there, or use --trusted-publishing auto and give Poetry credentials.",
    )


@problem(Code.PUBLISHING_NOT_OFFERED)
def not_offered(upload_url: str, detail: str) -> Text:
    return Text(
        f"{upload_url} does not offer trusted publishing ({detail}).",
        "Give Poetry credentials, and do not use --trusted-publishing always.",
    )


@problem(Code.AUDIENCE_OF_ANOTHER)
def audience_of_another(upload_url: str, audience: str) -> Text:
    return Text(
        f"{upload_url} asks for an identity token for {audience!r}, which is another service. It"
        " could use the token there in your name, so it does not get one.",
        "Check the repository's URL. If it is right, give Poetry credentials for it.",
    )


@problem(Code.NO_IDENTITY)
def no_permission(workflow: str) -> Text:
    """GitHub gives the job no token; `workflow` is the path of its file, if known."""
    return Text(
        "GitHub Actions gives this job no identity token, because the job lacks the permission"
        " id-token: write.",
        f"Add this line to the publishing job{f' in {printable(workflow)}' if workflow else ''}:"
        " permissions: {contents: read, id-token: write}",
    )


@problem(Code.NO_IDENTITY)
def of_a_fork() -> Text:
    return Text(
        "GitHub Actions gives this job no identity token, because it runs for a pull request from a"
        " fork.",
        "Publish from a push, a tag or a release event of the repository itself.",
    )


@problem(Code.NO_IDENTITY)
def no_gitlab_token(variable: str, audience: str) -> Text:
    return Text(
        f"GitLab gives this job no identity token for {audience!r}: {variable} is not set.",
        f"Add this line to the job: id_tokens: {{{variable}: {{aud: {audience!r}}}}}",
    )


@problem(Code.IDENTITY_UNUSABLE)
def unusable_identity(provider: str, audience: str) -> Text:
    return Text(
        f"The identity token from {provider} is malformed, or not for {audience!r} alone.",
        "With GitLab, set aud to just that in the job's id_tokens. Elsewhere, run the job again.",
    )


@problem(Code.IDENTITY_UNUSABLE)
def identity_failed(provider: str, words: str) -> Text:
    """`id` could not get the token; `words` are its own, and those of the service behind it."""
    if "timed out" in words:
        # It says so of a refused connection and of an unknown host, too.
        return Text(
            f"The token service of {provider} cannot be reached, or does not answer.",
            "Run the job again. On a machine of your own, check its network: the service is asked"
            " directly, whatever the proxy variables say.",
        )
    if "could not find" in words:
        return Text(
            f"The program that gets identity tokens from {provider} is not installed.",
            "Put it on the job's PATH: buildkite-agent on Buildkite, circleci on CircleCI.",
        )
    return Text(
        f"{provider} gave no identity token: {printable(words, 300)}",
        "Run the job again. The CI system's status page may say more.",
    )


@problem(Code.EXCHANGE_FAILED)
def exchange_failed(upload_url: str, words: str) -> Text:
    return Text(
        f"{upload_url} did not exchange the identity token for an upload token ({words}).",
        f"Look at the index's status page, then {RERUN}. With GitLab, retry the job: its token may"
        " be used up, although the answer was lost.",
    )


@problem(Code.TOKEN_MAY_NOT_SUFFICE)
def may_not_suffice(severity: Severity) -> Text:
    return Text(
        "GitLab's identity token can be exchanged once per job, for an upload token that is valid"
        " for 15 minutes. Uploads that begin later will be refused.",
        "If that happens, retry the job: nothing is uploaded twice. To avoid it, publish in several"
        " jobs.",
    )


@problem(Code.SEVERAL_NEW_PROJECTS)
def several_new(names: Sequence[str], page: str, severity: Severity) -> Text:
    return Text(
        f"{len(names)} projects are new ({some(names)}). A pending publisher creates only one, and"
        " a workflow (with its environment) can have only one pending publisher at a time.",
        f"Publish new projects one by one: add a pending publisher on {page}, then pass that"
        " project alone to --projects.",
    )
