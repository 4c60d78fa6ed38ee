"""What each code means, from the functions that make its problems and the catalog of refusals."""

import inspect
from collections.abc import Callable, Iterable, Iterator
from importlib import import_module
from pkgutil import iter_modules
from typing import Any

from poetry_publish_verified.core import problems
from poetry_publish_verified.core.problems import distributions, upload, verification, workspace
from poetry_publish_verified.core.problems.words import MADE
from poetry_publish_verified.core.upload.refusal import in_full
from poetry_publish_verified.core.upload.refusals import PARTICULAR
from poetry_publish_verified.core.upload.refusals.exchange import EXCHANGE
from poetry_publish_verified.core.upload.refusals.general import GENERAL, UNKNOWN
from poetry_publish_verified.core.upload.refusals.row import Row
from poetry_publish_verified.errors import Code, Problem
from poetry_publish_verified.output.causes import CAUSES
from poetry_publish_verified.values import Value

_SHA256, _OTHER = "9f86d081884c7d65", "2c26b46b68ffc68f"
_SDIST, _WHEEL = "lantern-1.0.tar.gz", "lantern-1.0-py3-none-any.whl"
_INDEX, _UPLOAD = "https://pypi.company.example/simple/", "https://pypi.company.example/legacy/"
# What the functions are given for an example, by the parameter's name or as `function.parameter`.
# What is not here is shown as `<name>`.
_GIVEN: dict[str, Any] = {
    **dict.fromkeys(("filename", "wheel"), _WHEEL),
    **dict.fromkeys(("index", "own"), _INDEX),
    **dict.fromkeys(("upload_url", "url"), _UPLOAD),
    **dict.fromkeys(("name", "project", "member"), "lantern"),
    **dict.fromkeys(("repository", "source"), "company"),
    **dict.fromkeys(("release", "what"), "lantern 1.0"),
    **dict.fromkeys(("local", "sha256", "expected", "listed", "published"), _SHA256),
    **dict.fromkeys(("remote", "served", "got", "actual"), _OTHER),
    **dict.fromkeys(("filenames", "files", "members"), (_SDIST, _WHEEL)),
    **dict.fromkeys(("directories", "names"), ("packages/lantern", "packages/harbour")),
    **dict.fromkeys(("said", "detail"), "the server answered 503"),
    **dict.fromkeys(("error", "reason"), "permission denied"),
    **dict.fromkeys(("directory", "base", "root", "place"), "packages/lantern"),
    **dict.fromkeys(("dependency", "requirement"), "harbour>=2"),
    **dict.fromkeys(("version", "status_version"), "1.0"),
    "algorithm": "md5",
    "audience": "pypi",
    "classifier": "Private :: Do Not Upload",
    "client": "pip",
    "ahead": 300.0,
    "asked": False,
    "coding": "gzip",
    "configured": "https://pypi.company.example/other/",
    "instead": (),
    "cannot_delete.instead": "1.0.1",
    "cannot_delete.page": None,
    "cannot_delete.why": "the index is not volatile",
    "others_files.filenames": ("lantern-1.0-cp313-cp313-win_amd64.whl",),
    "not_confirmed.releases": ("lantern 1.0",),
    "commit": "d22fb4e",
    "details": ("asked 12 times for pip and uv",),
    "differing": ("lantern/light.py",),
    "difference": "requires-python is now >=3.12",
    "empty": ("POETRY_PYPI_TOKEN_COMPANY",),
    "fault": "it is not an identifier",
    "field": "Classifier",
    "fields": ("Requires-Dist",),
    "age": "2 days",
    "file": "pyproject.toml",
    "fold": 4000.0,
    "found": ("lantern.py",),
    "kept_in": "~/.cache/pypoetry/publish-verified",
    "known": ("index", "until", "timeout"),
    "length": 700,
    "lacks": ("cp313-cp313-win_amd64 wheel",),
    "meant": "timeout",
    "missing": (_WHEEL,),
    "newest": "0.9",
    "most": 512,
    "normalized": _WHEEL,
    "other": "harbour",
    "page": _INDEX,
    "path": "receipt.json",
    "pattern": "packages/*",
    "patterns": ("packages/*",),
    "platforms": ("linux_x86_64",),
    "plugins": ("poetry-plugin-export",),
    "previous": "0.9",
    "provider": "GitHub",
    "python": "3.13",
    "releases": ("harbour 2.0",),
    "severity": "error",
    "released": "2026-01-02T12:00:00.000Z",
    "sign_in": False,
    "size": 2**27,
    "status": "archived",
    "tag": "v1.0",
    "tags": ("v1.1",),
    "target": "https://login.company.example/",
    "there": "lantern 2.0",
    "timeout": 900.0,
    "tool": "setuptools-scm",
    "variable": "POETRY_REPOSITORIES_COMPANY_URL",
    "variables": ("POETRY_HTTP_BASIC_COMPANY_USERNAME", "POETRY_HTTP_BASIC_COMPANY_PASSWORD"),
    "verdict": "upload-failed",
    "waited": 900.0,
    "words": "503 Service Unavailable",
    "workflow": ".github/workflows/release.yml",
    "bad_certificate.name": "company",
    "bad_certificate.path": "ca.pem",
    "build_failed.directory": None,
    "build_failed.reason": "the build backend ended with exit code 1",
    "changed_since_build.files": ("lantern/light.py",),
    "classifier_deprecated.classifier": "Natural Language :: Ukranian",
    "classifier_deprecated.instead": ("Natural Language :: Ukrainian",),
    "classifier_unknown.classifier": "Topic :: Lighthouses",
    "client_cannot_install.detail": "No matching distribution found for lantern==1.0",
    "client_got_other_bytes.got": _WHEEL,
    "client_prefers_another.got": "lantern-1.0-1-py3-none-any.whl",
    "cycle.names": ("lantern", "harbour", "lantern"),
    "denied.name": "company",
    "denied.said": "the server answered 403",
    "direct_url.dependency": "harbour @ https://files.company.example/harbour-2.tar.gz",
    "field_refused.field": "Author-email",
    "field_refused.what_to_do": "Correct the addresses in",
    "hook_failed.failure": "it ended with exit code 2",
    "hook_failed.program": "./announce",
    "hook_failed.setting": "on-success",
    "not_notified.failure": "the server answered 404",
    "not_notified.server": "https://chat.company.example:443",
    "extra_missing.extra": "attestations",
    "extra_missing.package": "poetry-publish-verified",
    "extra_missing.what": "--attest",
    "file_large.most": 10**8,
    "filename_not_normalized.filename": "Lantern-1.0-py3-none-any.whl",
    "filename_too_long.most": 27,
    "files_disagree.base": _SDIST,
    "internal.error": ValueError("an example"),
    "invalid_name.name": "-lantern",
    "invalid_setting.error": "expected a duration such as 90s or 15m",
    "invalid_setting.name": "--timeout",
    "_layout.rule": "must contain one directory named lantern-1.0.dist-info",
    "leads_out.members": ("../../.bashrc",),
    "license_files_missing.names": ("LICENSE",),
    "line_break_in_password.repository": "company",
    "local_version.version": "1.0+cuda12",
    "metadata_disagrees.name": "harbour",
    "no_client_asked.reasons": ("no Python here fits its tags",),
    "no_project.error": "no pyproject.toml was found",
    "no_match.option": "--projects packages/*",
    "needs_left_out.directory": "packages/harbour",
    "nothing_to_publish.left_out": ("packages/site is left out (package-mode = false)",),
    "none_found.place": "dist",
    "not_awaitable.reason": "'lantern' names no version: any older release would end the wait",
    "not_the_archive.flaw": "it is not a zip archive",
    "path_dependency.dependency": "harbour",
    "path_dependency.requirement": "harbour @ file:///home/me/harbour",
    "poetry_cache_not_cleared.warning": "Poetry's cache is not writable",
    "poetrys_files_packed.members": (".poetry/plugins/click.py",),
    "project_status.reason": "no longer maintained",
    "range_unsatisfied.requirement": "harbour<1",
    "metadata_copy.place": "https://lantern.example/latest-release.json",
    "metadata_unusable.place": "https://lantern.example/latest-release.json",
    "record_changes_version.files": ("latest-release.json",),
    "record_not_writable.key": "metadata",
    "record_not_writable.path": "latest-release.json",
    "newer_metadata.path": "latest-release.json",
    "record_packed.filename": _SDIST,
    "record_packed.members": ("lantern-1.0/latest-release.json",),
    "record_wrong.fault": "wrong",
    "rehearsal_index_not_started.python": "/usr/bin/python3",
    "rehearsal_index_unavailable.requirement": "pypiserver>=2.4,<3",
    "release_yanked.reason": "broken on Windows",
    "same_bytes_elsewhere.other": _SDIST,
    "metadata_ahead.place": "latest-release.json",
    "metadata_behind.place": "latest-release.json",
    "metadata_behind.version": "0.9",
    "mirror_behind.index": "https://mirror.company.example/simple/",
    "mirror_behind.missing": (),
    "project_behind.newest": "1.1",
    "published_not_tagged.patterns": ("v{version}", "{version}"),
    "several_new.names": ("lantern", "harbour"),
    "several_new.page": "the page for pending publishers",
    "several_sdists.filenames": (_SDIST, "lantern-1.0.zip"),
    "has_credentials.source": "POETRY_PYPI_TOKEN_COMPANY",
    "stale_client_cache.remedy": "pip cache purge",
    "of_reusable_workflow.caller": "octo/harbour/.github/workflows/main.yml",
    "publisher_not_accepted.publisher": "https://gitlab.company.example",
    "unfit_attestation.name": f"{_WHEEL}.publish.attestation",
    "unfit_attestation.reason": "it is for other content",
    "tags_unknown.reason": "the clone is shallow",
    "tags_unknown.release": "lantern",
    "malformed_provenance.reason": "is not valid JSON",
    "no_provenance.said": "the server answered 404",
    "not_as_claimed.claimed": "GitHub octo/lantern release.yml",
    "not_as_claimed.signer": "github:octo/harbour:release.yml",
    "not_verifiable.reason": "PermissionError: ~/.cache/sigstore-python",
    "of_another_file.named": "lantern-0.9-py3-none-any.whl",
    "of_another_publisher.signers": ("github:octo/harbour:release.yml",),
    "of_another_publisher.wanted": ("github:octo/lantern:release.yml",),
    "of_another_publisher.what": "repository",
    "of_other_bytes.attested": _OTHER,
    "signed_at_another_time.detail": "1733440441 is not in 1733354041 to 1733354641",
    "unknown_code.code": "PV49",
    "unknown_code.meant": "PV409",
    "unusable_statement.detail": "unknown attestation type",
    "untrusted_certificate.detail": "all candidates exhausted with no interior errors",
    "wrong_log_entry.detail": "inclusion proof contains invalid root hash",
    "wrong_signature.detail": "DSSE: invalid signature",
    "unknown_index.name": "mirror",
    "unknown_repository.error": "Repository company is not defined",
    "unknown_setting.name": "--timeuot",
    "unpacks_to_too_much.most": 50,
    "version_spelled_otherwise.filenames": ("lantern-1.0.0.tar.gz",),
    "yanked.reason": "broken on Windows",
    "wheel_tags.tags": ("py2-none-any",),
}
_BY_TYPE = {"bool": False, "int": 3, "float": 3.0}
_FILES = "The receipt says which files are on the index. The run ends with exit code"
_STATES: dict[str, str] = {
    "PV804": "What was sent before is in the receipt. The run ends with exit code 8.",
    "PV1": "Nothing was changed. The command ends with exit code 1.",
    "PV2": "Nothing was uploaded. The run ends with exit code 3.",
    "PV3": f"Nothing more is uploaded. {_FILES} 3 if there is none yet, else with 4.",
    "PV34": "With --attest this is a warning: the files are uploaded without attestations, which"
    " they cannot get later. With --attest=require nothing more is uploaded, and the run ends with"
    " exit code 3 or 4.",
    "PV4": f"This file is not on the index. {_FILES} 4, or 3 before the upload.",
    "PV5": f"Nothing on the index was replaced. {_FILES} 5.",
    "PV6": f"The release is not proven. {_FILES} 6, or 3 before the upload.",
    "PV7": f"An index does not have the release as built. {_FILES} 7, or 3 before the upload.",
    "PV8": "Nothing was changed. The command ends with exit code 8.",
    Code.ATTESTATION_UNFIT: "Nothing was uploaded. The run ends with exit code 3.",
    "PV9": "The status command has changed nothing. It ends with exit code 9.",
    Code.TAGS_UNKNOWN: "The status command has changed nothing. It ends with exit code 6.",
    Code.PROVENANCE_TOO_LATE: "Nothing was uploaded. The run ends with exit code 3.",
    Code.UPLOAD_STATE_UNKNOWN: f"The file may or may not be on the index. {_FILES} 4.",
    Code.WEB_PAGE: f"The file is probably not on the index. {_FILES} 4.",
    Code.RECORD_NOT_WRITABLE: (
        "Before the upload, nothing was uploaded, and the run ends with exit code 3. Afterwards the"
        " release is as the last line says, and missing metadata ends the run with exit code 1."
    ),
    **dict.fromkeys(
        (Code.CANNOT_DELETE, Code.OTHERS_FILES, Code.NOT_CONFIRMED, Code.ANOTHER_REPOSITORY),
        "Nothing was deleted. The command ends with exit code 3.",
    ),
    Code.DELETION_FAILED: "Some files may be deleted. The command ends with exit code 4.",
    Code.INTERNAL: "The receipt says how far the run got. The command ends with exit code 1.",
}
_WARNED = "This is a warning, which does not end the run."
_STRICT = f"{_WARNED} With --strict it is an error, and the run ends with exit code 3."


class Explanation(Value):
    """A code: its usual cause, what is true then, an example of each problem, with its remedy."""

    code: Code
    cause: str
    state: str
    examples: tuple[Problem, ...]


def explain(code: Code, others: Iterable[Problem] = ()) -> Explanation:
    """The explanation of a code; `others` are examples made elsewhere, of any code."""
    for module in iter_modules(problems.__path__):
        import_module(f"{problems.__name__}.{module.name}")
    made = map(_example, MADE.get(code, ()))
    more = (each for each in (*_undecorated(), *_refusals(), *others) if each.code is code)
    # Several functions may say the same, but for what the example leaves out.
    examples = tuple({(each.message, each.remedy): each for each in (*made, *more)}.values())
    state = next(_STATES[key] for key in (code, code[:4], code[:3]) if key in _STATES)
    if examples and all(each.severity == "warning" for each in examples):
        state = _STRICT if code.startswith("PV2") else _WARNED
    return Explanation(code, CAUSES[code], state, examples)


def in_text(explanation: Explanation) -> Iterator[tuple[str, str]]:
    """The paragraphs of an explanation, each with its heading."""
    yield "Usual cause", explanation.cause
    yield "What is true then", explanation.state
    number = len(explanation.examples)
    for place, each in enumerate(explanation.examples, 1):
        counted = f" {place} of {number}" if number > 1 else ""
        yield f"Example{counted}", f"{each.severity.title()} {each.code}: {each.message}"
        yield "What to do", each.remedy


def _example(function: Callable[..., Problem]) -> Problem:
    """What a function of `core/problems/` makes of plain values."""
    required = [
        each
        for each in inspect.signature(function).parameters.values()
        if each.default is inspect.Parameter.empty
    ]
    name = function.__name__
    return function(
        *(_value(name, each) for each in required if each.kind is not each.KEYWORD_ONLY),
        **{each.name: _value(name, each) for each in required if each.kind is each.KEYWORD_ONLY},
    )


def _value(function: str, parameter: inspect.Parameter) -> Any:
    for name in (f"{function}.{parameter.name}", parameter.name):
        if name in _GIVEN:
            return _GIVEN[name]
    annotation = getattr(parameter.annotation, "__name__", str(parameter.annotation))
    placeholder = f"<{parameter.name.replace('_', ' ')}>"
    collection = annotation in {"Collection", "Sequence", "Iterable", "tuple"}
    return _BY_TYPE.get(annotation, (placeholder,) if collection else placeholder)


def _undecorated() -> Iterator[Problem]:
    """The problems whose code depends on what is found, or that quote another one."""
    yield distributions.unreadable(_WHEEL, ValueError("File is not a zip file"), bomb=False)
    waited = verification.not_listed_in_time(_INDEX, "harbour 2.0", 900.0, (), moved=False)
    yield workspace.dependency_not_there("harbour 2.0", "packages/harbour", waited)
    yield verification.quarantined(_INDEX, "malware")
    for code, words in (
        (
            Code.OTHER_HASH_LISTED,
            verification.other_hash(_WHEEL, listed=_OTHER, published=_SHA256),
        ),
        (Code.YANKED, verification.yanked(_WHEEL, "broken on Windows")),
        (Code.OTHER_SIZE_LISTED, verification.other_size(_WHEEL, listed=3, size=2048)),
        (
            Code.OTHER_REQUIRES_PYTHON,
            verification.other_requires_python(_WHEEL, listed=">=3.9", built=">=3.11"),
        ),
        (
            Code.OTHER_METADATA_LISTED,
            verification.other_metadata(_WHEEL, listed=_OTHER, own=_SHA256),
        ),
    ):
        yield verification.page_fault(_INDEX, code, words, _WHEEL)


def _refusals() -> Iterator[Problem]:
    """What servers refuse, in their own words."""
    for row in (*PARTICULAR, *GENERAL, UNKNOWN):
        cause, remedy = in_full(row, _SDIST, _UPLOAD, repository="company")
        yield upload.refused(row.code, _SDIST, cause, words=_said(row), remedy=remedy)
    known = {"claims": "…", "issuer": "this CI system", "reusable": ""}
    known |= {"publishing": "the page for publishers", "pending": "the page for pending publishers"}
    for row in EXCHANGE:
        cause, remedy = row.cause.format(**known), row.remedy.format(**known)
        words = f"There is no upload token: {cause}. The server said: {_said(row)}"
        yield Problem(row.code, words, remedy)


def _said(row: Row) -> str:
    """Some of the words that a row is known by."""
    status = row.said.statuses[0] if row.said.statuses else 418
    return " ".join(filter(None, (str(status), row.said.beside, *row.said.words[:1])))
