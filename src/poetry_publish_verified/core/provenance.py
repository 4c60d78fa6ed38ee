"""Provenance: who published a file, by the attestations that an index serves (PEP 740).

A document names publishers, but that is only the index's claim: what counts is whom the certificate
of each attestation was issued to.
"""

import json
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Literal

from poetry_publish_verified.core.problems import provenance as problems
from poetry_publish_verified.core.publishers import GITLAB, NamedPublisher, SignerIdentity
from poetry_publish_verified.core.trusted_publishing import Publisher
from poetry_publish_verified.errors import Problem, Severity
from poetry_publish_verified.sanitize import printable
from poetry_publish_verified.values import Value

MAX_BYTES = 2 * 1024 * 1024
# PyPI has two kinds of attestation; each is 5 to 10 kB.
_MOST = 64


def named(publisher: Publisher) -> NamedPublisher | None:
    """A trusted publisher as users name it; None for one whose attestations no index accepts."""
    said = publisher.fields
    match publisher.provider:
        case "github":
            words = (said["owner"], said["repository"], said["workflow_filename"])
        case "gitlab" if publisher.issuer == GITLAB:
            words = (said["namespace"], said["project"], said["workflow_filepath"])
        case "google":
            return NamedPublisher("google", said["email"])
        case _:
            return None
    group, project, workflow = words
    return NamedPublisher(publisher.provider, f"{group}/{project}", workflow)


class Attested(Value):
    """An attestation that is genuine and about the file.

    `predicate` is the URL of its kind, `log_index` its number in the transparency log. `claimed`:
    the publisher that the document names beside it, and whether the certificate confirms that.
    """

    identity: SignerIdentity
    predicate: str
    log_index: int | None
    claimed: str
    confirmed: bool


Fault = Literal[
    "malformed", "certificate", "time", "log", "signature", "statement", "name", "bytes"
]


class Unverified(Value):
    """An attestation that proves nothing; `detail` is whatever else the problem needs to say."""

    fault: Fault
    detail: str


class NotVerifiable(Value):
    """Why this machine cannot verify anything, which says nothing about an attestation."""

    reason: str


Assessment = Attested | Unverified


def named_in(publisher: Mapping[str, Any]) -> str:
    """The publisher that a document names, in words: `GitHub octo/lantern release.yml`."""
    keys = ("kind", "repository", "workflow", "workflow_filepath", "email", "project_id")
    return printable(" ".join(str(publisher[key]) for key in keys if key in publisher), 300)


class MalformedProvenanceError(ValueError):
    """Not a provenance document; the message goes on after "it", and is printable."""


def read_document(body: bytes) -> list[tuple[Any, Any]]:
    """Each attestation of a provenance document, after the publisher that it is said to be of.

    Both are JSON objects, and otherwise unchecked. Raises MalformedProvenanceError.
    """
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        raise MalformedProvenanceError("is not valid JSON") from None
    if not isinstance(document, dict):
        raise MalformedProvenanceError("is not a JSON object")
    if document.get("version") != 1 or document["version"] is True:
        raise MalformedProvenanceError("is not of version 1")
    found = [
        (bundle.get("publisher"), attestation)
        for bundle in _objects(document.get("attestation_bundles"), "attestation_bundles")
        for attestation in _objects(bundle.get("attestations"), "attestations")
    ]
    if len(found) > _MOST:
        raise MalformedProvenanceError(f"has more than {_MOST} attestations")
    if not all(isinstance(publisher, dict) for publisher, _ in found):
        raise MalformedProvenanceError("has a publisher that is not a JSON object")
    return found


def _objects(value: Any, key: str) -> list[dict[str, Any]]:
    if not isinstance(value, list) or not all(isinstance(each, dict) for each in value):
        raise MalformedProvenanceError(f"has no list of JSON objects as {key!r}")
    if not value:
        raise MalformedProvenanceError(f"has an empty list as {key!r}")
    return value


def subject_of(statement: bytes) -> tuple[str, str]:
    """The file name and the sha256 in an attestation's statement; empty where it has none."""
    try:
        (subject,) = json.loads(statement)["subject"]
        name, sha256 = subject["name"], subject["digest"].get("sha256")
    except (ValueError, RecursionError, KeyError, TypeError, AttributeError):
        return "", ""
    return name if isinstance(name, str) else "", sha256 if isinstance(sha256, str) else ""


def judge(
    index: str,
    filename: str,
    found: Iterable[Assessment],
    publishers: tuple[NamedPublisher, ...],
    severity: Severity = "error",
) -> Problem | None:
    """What is wrong with the provenance of a file; None if it proves who published the file.

    All attestations must be genuine, and one of them by one of the `publishers`. If none are named,
    each must be by whom the document says.
    """
    genuine = []
    for each in found:
        if isinstance(each, Unverified):
            return _PROBLEMS[each.fault](index, filename, each.detail, severity)
        genuine.append(each)
    if not publishers:
        for each in genuine:
            if not each.confirmed:
                told = (each.claimed, str(each.identity))
                return problems.not_as_claimed(index, filename, *told, severity)
        return None
    differences = [each.identity.differs(named) for each in genuine for named in publishers]
    if "" in differences:
        return None
    signers = list(dict.fromkeys(str(each.identity) for each in genuine))
    wanted = list(map(str, publishers))
    # Of several publishers and attestations there is no telling which were meant to agree.
    what = differences[0] if len(differences) == 1 else ""
    return problems.of_another_publisher(index, filename, signers, wanted, what, severity)


_PROBLEMS: dict[Fault, Callable[[str, str, str, Severity], Problem]] = {
    "malformed": problems.malformed_provenance,
    "certificate": problems.untrusted_certificate,
    "time": problems.signed_at_another_time,
    "log": problems.wrong_log_entry,
    "signature": problems.wrong_signature,
    "statement": problems.unusable_statement,
    "name": problems.of_another_file,
    "bytes": problems.of_other_bytes,
}
