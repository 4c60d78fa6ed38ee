"""Signing attestations (PV340 to PV346)."""

from dataclasses import replace

from poetry_publish_verified.core.problems.words import RERUN, Text, problem
from poetry_publish_verified.errors import Code, Problem, Severity
from poetry_publish_verified.sanitize import printable

_STATUS = "Sigstore's status page (status.sigstore.dev) may say more."


@problem(Code.NOT_ATTESTABLE)
def no_trusted_publisher(severity: Severity) -> Text:
    return Text(
        "Indexes accept attestations only from trusted publishers, and this run is not one, so its"
        " files get none.",
        "Publish from a CI job that the index trusts, without other credentials, or do not use"
        " --attest.",
    )


@problem(Code.NOT_ATTESTABLE)
def publisher_not_accepted(publisher: str, severity: Severity) -> Text:
    return Text(
        f"No index accepts attestations from {printable(publisher)}, so the files get none.",
        "Publish from GitHub Actions, gitlab.com or Google Cloud, or do not use --attest.",
    )


@problem(Code.NOT_ATTESTABLE)
def of_reusable_workflow(caller: str, severity: Severity) -> Text:
    return Text(
        f"This job is in a reusable workflow, which {printable(caller)} calls. Attestations name"
        " the caller, but uploads need the reusable workflow as the publisher, so the index would"
        " refuse them: the files get none.",
        "Move the publishing job into the caller, and make that the publisher, or do not use"
        " --attest.",
    )


@problem(Code.ATTESTATION_UNFIT)
def unfit_attestation(filename: str, name: str, reason: str) -> Text:
    """`name` is the file beside `filename` with its attestation."""
    return Text(
        f"{printable(name)} is no attestation for {filename} and this publisher:"
        f" {printable(reason, 300)}.",
        f"Delete it and {RERUN}: --attest then signs a new one. Without --attest it is ignored.",
    )


@problem(Code.CERTIFICATE_NOT_ISSUED)
def identity_refused(words: str) -> Text:
    return Text(
        "Sigstore's certificate authority does not accept the job's identity token"
        f" ({printable(words, 300)}).",
        "On GitLab, the token may have expired during a long job: publish in a job of its own.",
    )


@problem(Code.AUTHORITY_FAILED)
def authority_failed(words: str) -> Text:
    return Text(
        "Sigstore's certificate authority (Fulcio) gave no usable certificate"
        f" ({printable(words, 300)}).",
        _STATUS,
    )


@problem(Code.LOG_FAILED)
def log_failed(words: str) -> Text:
    return Text(
        "Sigstore's transparency log (Rekor) gave no usable proof that it has the attestation"
        f" ({printable(words, 300)}).",
        _STATUS,
    )


@problem(Code.KEYS_NOT_UPDATED, "warning")
def keys_not_updated(words: str) -> Text:
    return Text(
        f"Sigstore's trusted keys cannot be updated ({printable(words, 300)}), so those that are"
        " known here are used.",
        "Allow access to tuf-repo-cdn.sigstore.dev.",
    )


@problem(Code.KEYS_UNUSABLE)
def keys_unusable(words: str) -> Text:
    return Text(
        f"Sigstore's trusted keys cannot be used ({printable(words, 300)}).",
        "Update this plugin's extra attestations, and make sure that the user's cache and data"
        " directories are writable.",
    )


def with_outcome(problem: Problem, names: str, *, required: bool) -> Problem:
    """The same, with what becomes of these files that cannot be attested."""
    if required:
        words, then = "Nothing was uploaded.", f"Then {RERUN}."
    else:
        words = f"These files are uploaded without attestations, and cannot get any later: {names}."
        then = "To upload nothing without them, use --attest=require."
    return replace(
        problem,
        message=f"{problem.message} {words}",
        remedy=f"{problem.remedy} {then}",
        severity="error" if required else "warning",
    )
