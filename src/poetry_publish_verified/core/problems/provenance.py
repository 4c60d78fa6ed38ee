"""The provenance that indexes serve: who published a file (PV612, PV613, PV722 to PV727)."""

from collections.abc import Collection

from poetry_publish_verified.core.problems.words import RERUN, Text, problem, some
from poetry_publish_verified.errors import Code, Severity
from poetry_publish_verified.sanitize import printable

_DISTRUST = "Do not install this file from there until you know who changes what the index serves."


@problem(Code.PROVENANCE_NOT_SERVED)
def no_provenance(index: str, filename: str, said: str, timeout: float) -> Text:
    """The provenance is needed, and did not come in time."""
    return Text(
        f"{index} served no provenance of {filename} within {timeout:.0f} s ({printable(said)}).",
        f"If the file was uploaded with attestations, {RERUN} later. Files that were uploaded"
        " without cannot get any.",
    )


@problem(Code.PROVENANCE_MALFORMED)
def malformed_provenance(index: str, filename: str, reason: str, severity: Severity) -> Text:
    return Text(
        f"{index} serves something else as the provenance of {filename}: it {printable(reason)}.",
        "Check what is between you and the index, such as a proxy that rewrites answers, and ask"
        " the operator of the index.",
    )


@problem(Code.PROVENANCE_OF_ANOTHER_FILE)
def of_another_file(index: str, filename: str, named: str, severity: Severity) -> Text:
    other = printable(named, 200) or "no file"
    return Text(f"{index} serves the provenance of {other} for {filename}.", _DISTRUST)


@problem(Code.PROVENANCE_OF_ANOTHER_FILE)
def of_other_bytes(index: str, filename: str, attested: str, severity: Severity) -> Text:
    digest = printable(attested, 80) or "(none)"
    return Text(
        f"The provenance of {filename} on {index} is for other content: sha256 {digest}.",
        _DISTRUST,
    )


@problem(Code.PROVENANCE_OF_ANOTHER_FILE)
def unusable_statement(index: str, filename: str, detail: str, severity: Severity) -> Text:
    return Text(
        f"The provenance of {filename} on {index} does not state which file was published"
        f" ({printable(detail, 200)}).",
        "Update this plugin's extra attestations. If that does not help, the publisher has signed"
        " something else.",
    )


@problem(Code.PUBLISHED_BY_ANOTHER)
def of_another_publisher(
    index: str,
    filename: str,
    signers: Collection[str],
    wanted: Collection[str],
    what: str,
    severity: Severity,
) -> Text:
    """`what` differs, in a word; empty if several things may."""
    where = f" (another {what})" if what else ""
    return Text(
        f"{filename} on {index} was published by {some(signers)}, not by {some(wanted)}{where}.",
        "Do not install it, unless the project is published from there now: then name that"
        " publisher.",
    )


@problem(Code.PUBLISHED_BY_ANOTHER)
def not_as_claimed(
    index: str, filename: str, claimed: str, signer: str, severity: Severity
) -> Text:
    return Text(
        f"{index} names {printable(claimed, 300)} as the publisher of {filename}, but the"
        f" certificate is that of {printable(signer, 300)}.",
        _DISTRUST,
    )


@problem(Code.SIGNATURE_WRONG)
def wrong_signature(index: str, filename: str, detail: str, severity: Severity) -> Text:
    return Text(
        f"The provenance of {filename} on {index} has a signature that is not for its statement"
        f" ({printable(detail, 200)}): one of the two was changed.",
        _DISTRUST,
    )


@problem(Code.LOG_ENTRY_WRONG)
def signed_at_another_time(index: str, filename: str, detail: str, severity: Severity) -> Text:
    return Text(
        f"The provenance of {filename} on {index} was logged at a time at which its certificate"
        f" was not valid ({printable(detail, 200)}).",
        _DISTRUST,
    )


@problem(Code.LOG_ENTRY_WRONG)
def wrong_log_entry(index: str, filename: str, detail: str, severity: Severity) -> Text:
    return Text(
        f"The provenance of {filename} on {index} is not in Sigstore's transparency log as it"
        f" says ({printable(detail, 200)}).",
        _DISTRUST,
    )


@problem(Code.CERTIFICATE_UNTRUSTED)
def untrusted_certificate(index: str, filename: str, detail: str, severity: Severity) -> Text:
    return Text(
        f"The provenance of {filename} on {index} has a certificate that Sigstore did not issue"
        f" ({printable(detail, 200)}).",
        "If what you trust may be older than Sigstore's present certificates, update this plugin's"
        " extra attestations and delete sigstore-python in the user's cache directory. If that does"
        " not help, do not install this file.",
    )


@problem(Code.PROVENANCE_NOT_VERIFIABLE)
def not_verifiable(index: str, filename: str, reason: str, severity: Severity) -> Text:
    """Something is wrong with this machine."""
    return Text(
        f"The provenance of {filename} on {index} cannot be verified here: {printable(reason)}.",
        f"Make sure that the user's cache directory is writable, then {RERUN}.",
    )


@problem(Code.PROVENANCE_TOO_LATE)
def there_without(index: str, filename: str, severity: Severity) -> Text:
    """`--attest`, and the file cannot get attestations any more."""
    return Text(
        f"{filename} is already on {index} without attestations, and cannot get any.",
        "Bump the version, or run without --attest=require."
        if severity == "error"
        else "No action needed, unless somebody relies on them: then bump the version.",
    )
