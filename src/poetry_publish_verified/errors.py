"""Every error: a stable code, what is true now, what to do next, and the exit code."""

from collections.abc import Collection, Sequence
from enum import StrEnum
from typing import Literal, Self

from poetry_publish_verified.values import Value

Severity = Literal["error", "warning"]


class Verdict(StrEnum):
    """How a run, or one release of it, ended, and the process's exit code; the gravest first.

    A release is `RUNNING` until it has ended; like one that is `BLOCKED`, it has no exit code.
    """

    exit_code: int | None

    def __new__(cls, name: str, exit_code: int | None = None) -> Self:
        """A member is its name, and knows its exit code."""
        member = str.__new__(cls, name)
        member._value_ = name
        member.exit_code = exit_code
        return member

    INTERRUPTED = "interrupted", 130
    ERROR = "error", 1
    VERIFICATION_FAILED = "verification-failed", 7
    CONFLICT = "conflict", 5
    DISAGREES = "disagrees", 9
    UPLOAD_FAILED = "upload-failed", 4
    NOT_VISIBLE = "not-visible", 6
    UNKNOWN = "unknown", 6
    LOCK_LOST = "lock-lost", 8
    LOCK_TIMEOUT = "lock-timeout", 8
    PREFLIGHT_REFUSED = "preflight-refused", 3
    KEPT_REMOTE = "kept-remote", 0
    VERIFIED = "verified", 0
    STAGED = "staged", 0
    AGREES = "agrees", 0
    DRY_RUN = "dry-run", 0
    BLOCKED = "blocked"
    RUNNING = "running"


def gravest(verdicts: Collection[Verdict]) -> Verdict:
    """The verdict that names the whole, if several releases or indexes ended differently."""
    return next(verdict for verdict in Verdict if verdict in verdicts)


class Code(StrEnum):
    """The stable code of every problem; a code is never reused for another meaning."""

    meaning: str

    def __new__(cls, code: str, meaning: str) -> Self:
        """A member is its code, and knows what it means."""
        member = str.__new__(cls, code)
        member._value_ = code
        member.meaning = meaning
        return member

    SETTING = "PV101", "A setting has an invalid value, or its name is unknown."
    NOT_AWAITABLE = "PV102", "No release to wait for is named, or its name is invalid."
    UNKNOWN_CODE = "PV103", "The code to explain does not exist."
    HOOK_FAILED = "PV104", "A program to run after the release failed."
    NOT_NOTIFIED = "PV105", "The receipt could not be posted to notify-url."
    INTERNAL = "PV109", "A bug in this plugin."
    NO_PROJECT = "PV201", "There is no readable pyproject.toml."
    NOT_A_PACKAGE = "PV202", "The project is in non-package mode."
    NO_DISTRIBUTIONS = "PV203", "The dist directory contains no file of this version."
    BUILD_FAILED = "PV204", "The build failed."
    ARCHIVE_BROKEN = "PV205", "A wheel or sdist cannot be read."
    METADATA_DISAGREES = "PV206", "A file's metadata names another project or version."
    METADATA_INVALID = "PV207", "A metadata field violates the specification."
    LOCAL_VERSION = "PV208", "PyPI and TestPyPI do not accept versions with a +."
    RECEIPT_NOT_WRITABLE = "PV209", "The receipt cannot be written."
    REHEARSAL_UNAVAILABLE = "PV210", "The rehearsal's local index cannot be installed or started."
    MORE_THAN_ONE_SDIST = "PV211", "The release has more than one sdist."
    METADATA_UNKNOWN = "PV212", "The metadata version is newer than this installation supports."
    BUILD_DECLINED = "PV213", "The user declined to build over existing files."
    DIST_DIR_UNREADABLE = "PV214", "The dist directory cannot be read."
    PLUGINS_NOT_ACTIVE = "PV215", "Poetry plugins that the project requires are not active."
    CLIENT_UNAVAILABLE = "PV216", "A client that should check the release cannot be set up."
    RECEIPT_UNREADABLE = "PV217", "A receipt cannot be read, or contains nothing to wait for."
    CLASSIFIER_UNFIT = "PV218", "A classifier is deprecated, or keeps the project private."
    CLASSIFIER_UNKNOWN = "PV219", "A classifier is not in the installed list of classifiers."
    DIRECT_URL = "PV220", "A dependency is a URL, which PyPI and TestPyPI do not accept."
    LICENSE_FILE_MISSING = "PV221", "The archive lacks a license file that its metadata names."
    SUMMARY = "PV222", "The summary has several lines or more than 512 characters."
    FILE_LARGE = "PV223", "A file is larger than PyPI usually accepts."
    RECORD_WRONG = "PV224", "A wheel's RECORD does not match its contents."
    ARCHIVE_LAYOUT = "PV225", "The layout of a wheel or sdist is not what installers need."
    MEMBER_LEADS_OUT = "PV226", "An archive contains files or links that lead outside it."
    ARCHIVE_BOMB = "PV227", "An archive unpacks to an absurd size."
    FILENAME_NOT_NORMALIZED = "PV228", "A file name is not in the normalized form."
    WHEEL_TAGS = "PV229", "A wheel's own tags do not match its file name."
    FILES_DISAGREE = "PV230", "The sdist and the wheels declare different requirements."
    BUILT_FROM_ANOTHER = "PV231", "The files were built from a different pyproject.toml."
    CHANGED_SINCE_BUILD = "PV232", "Files tracked by git have changed since the build."
    TAG_DISAGREES = "PV233", "The commit's git tag names another version."
    POETRYS_FILES_PACKED = "PV234", "An archive contains Poetry's own working files."
    FIELD_REFUSED = "PV235", "PyPI and TestPyPI do not accept a metadata field."
    FILENAME_LONG = "PV236", "A file name is longer than PyPI and TestPyPI accept."
    PLAIN_LINUX = "PV237", "PyPI and TestPyPI do not accept wheels for linux without manylinux."
    DESCRIPTION = "PV238", "The description does not render."
    NO_PROJECTS = "PV240", "--projects matches nothing to publish."
    NAME_TWICE = "PV241", "Several projects have the same name."
    CYCLE = "PV242", "The projects depend on each other in a cycle."
    PATH_DEPENDENCY = "PV243", "A dependency is a path on the machine that built the project."
    RANGE_UNSATISFIED = "PV244", "A project needs a version of another that will not exist."
    BUILDS_WITH_MEMBER = "PV245", "A project needs another project of the same run to build."
    NEEDED_NOT_THERE = "PV246", "A project that this one depends on could not be verified in time."
    MEMBERS_UNKNOWN = "PV247", "--wait-for-dependencies does not know which projects to wait for."
    EXTRA_MISSING = "PV248", "An extra of this plugin is needed, and not installed."
    UPLOAD_NOT_CONFIRMED = (
        "PV249",
        "The release was not confirmed, or its files changed afterwards.",
    )
    RECORD_NOT_WRITABLE = "PV250", "A file that records the run cannot be written."
    RECORD_PACKED = "PV251", "An archive contains a file in which runs are recorded."
    RECORD_CHANGES_VERSION = "PV252", "A file that records runs would change the version from git."
    NOT_TO_BE_PUBLISHED = "PV253", "The project is marked as not to be published."
    NEEDS_LEFT_OUT = "PV254", "A project needs another one that is left out."
    REPOSITORY_UNKNOWN = "PV301", "The repository is not configured."
    REPOSITORY_URL = "PV302", "The repository's URL is invalid."
    INDEX_UNKNOWN = "PV303", "The index that shows uploads is unknown, or its URL is invalid."
    INDEX_STATE_UNKNOWN = "PV304", "Cannot tell which files the index has: nothing was sent."
    CERTIFICATE = "PV305", "A certificate file cannot be used."
    CREDENTIALS_MISSING = "PV306", "The repository's credentials are missing or incomplete."
    CLOCK_WRONG = "PV307", "The clock of this machine differs from that of the index."
    REPOSITORY_NOT_REACHED = "PV310", "The repository's upload URL cannot be reached."
    PLAIN_HTTP = "PV311", "Credentials or files would cross the network unencrypted."
    STAGE_UNFIT = "PV312", "A stage is the repository itself, or another stage."
    PUBLISHING_NOT_POSSIBLE = "PV320", "Trusted publishing is required, and not possible here."
    PUBLISHING_NOT_OFFERED = "PV321", "The index does not offer trusted publishing."
    AUDIENCE_OF_ANOTHER = "PV322", "An index asks for an identity token for another service."
    NO_IDENTITY = "PV323", "The CI system gives the job no identity token."
    IDENTITY_UNUSABLE = "PV324", "The CI system's identity token is missing, or cannot be used."
    EXCHANGE_FAILED = "PV325", "The index gave no usable answer to the exchange of tokens."
    ISSUER_UNKNOWN = "PV326", "The index does not accept tokens from this CI system."
    NOT_ENABLED = "PV327", "The index has trusted publishing switched off."
    IDENTITY_REFUSED = "PV328", "The index considers the identity token forged or expired."
    PENDING_PUBLISHER_USELESS = "PV329", "A pending publisher names a project that exists."
    PUBLISHER_UNKNOWN = "PV330", "The index has no trusted publisher for this run."
    IDENTITY_USED = "PV331", "The identity token was exchanged before."
    TOKEN_MAY_NOT_SUFFICE = "PV332", "The upload token may end before the uploads do."
    SEVERAL_NEW_PROJECTS = "PV333", "Several new projects need a pending publisher each."
    NOT_ATTESTABLE = "PV340", "Indexes do not accept attestations from this publisher."
    ATTESTATION_UNFIT = "PV341", "An attestation beside a file is not for it, or by another."
    CERTIFICATE_NOT_ISSUED = "PV342", "Sigstore does not accept the job's identity token."
    AUTHORITY_FAILED = "PV343", "Sigstore's certificate authority gave no usable certificate."
    LOG_FAILED = "PV344", "Sigstore's transparency log did not take an attestation."
    KEYS_NOT_UPDATED = "PV345", "Sigstore's trusted keys cannot be updated."
    KEYS_UNUSABLE = "PV346", "Sigstore's trusted keys cannot be used."
    CREDENTIALS_REFUSED = "PV401", "The index refused the credentials."
    EMAIL_NOT_VERIFIED = "PV402", "The account's primary e-mail address is not verified."
    NOT_ALLOWED = "PV403", "The account or token may not upload to this project."
    FILE_TOO_LARGE = "PV404", "The file is larger than the index accepts."
    NOT_AN_UPLOAD_URL = "PV405", "The URL does not accept uploads."
    REDIRECTED = "PV406", "The upload URL redirects elsewhere."
    UPLOAD_REFUSED = "PV407", "The index refused a file for another reason."
    UPLOAD_NOT_SENT = "PV408", "A file could not be uploaded at all."
    UPLOAD_STATE_UNKNOWN = "PV409", "Cannot tell whether a file was stored."
    CLOSED = "PV410", "The index does not accept uploads at the moment."
    TRY_LATER = "PV411", "The index asks you to wait before the next upload."
    PASSWORD_NOT_TAKEN = "PV412", "The index accepts API tokens, not passwords."
    TWO_FACTOR_MISSING = "PV413", "The account has no two-factor authentication."
    TOKEN_EXPIRED = "PV414", "The API token has expired."
    TOKEN_VOID = "PV415", "The API token is unknown to the index, or incomplete."
    TOKEN_OF_ANOTHER_PROJECT = "PV416", "The API token is for another project."
    PUBLISHER_OF_ANOTHER_PROJECT = "PV417", "The trusted publisher belongs to another project."
    NEW_PROJECTS_CLOSED = "PV418", "The index does not accept new projects at the moment."
    TOO_MANY_NEW_PROJECTS = "PV419", "The limit on new projects is reached."
    NAME_REFUSED = "PV420", "The index does not accept the project's name."
    PENDING_PUBLISHER_NAME = "PV421", "The pending trusted publisher names another project."
    ORGANIZATION_INACTIVE = "PV422", "The organization that owns the project is inactive."
    FILENAME_BURNT = "PV423", "A file of this name was deleted, so the name cannot be used again."
    RELEASE_CLOSED = "PV424", "The release is too old to accept new files."
    SECOND_SDIST = "PV425", "The release already has an sdist on the index."
    DIGEST_MISMATCH = "PV426", "The file was corrupted in transit."
    PROJECT_TOO_LARGE = "PV427", "The project exceeds the index's total size limit."
    ARCHIVE_REFUSED = "PV428", "The index does not accept the archive."
    ARCHIVE_INCOMPLETE = "PV429", "The archive lacks a file that it must contain."
    ARCHIVE_TOO_DENSE = "PV430", "The archive unpacks to far more than its own size."
    FILENAME_REFUSED = "PV431", "The index does not accept the file's name."
    PLATFORM_TAG = "PV432", "The index does not accept wheels for this platform."
    METADATA_REFUSED = "PV433", "The index does not accept the metadata."
    CLASSIFIER_REFUSED = "PV434", "A classifier is unknown to the index, or deprecated."
    ATTESTATIONS_REFUSED = "PV435", "The index does not accept the attestations."
    ATTESTATIONS_NOT_CHECKED = "PV436", "The index failed to check the attestations."
    CLIENT_FAULT = "PV437", "The upload was malformed, which is a bug in this plugin."
    FILE_CHANGED = "PV438", "A file in the dist directory changed during the upload."
    WEB_PAGE = "PV439", "A web page answered an upload instead of the index."
    CONFLICT = "PV501", "The index has a different file under the same name."
    KEPT_REMOTE = "PV502", "The index has a different file, which was kept as requested."
    SAME_BYTES_ELSEWHERE = "PV503", "The index has the same content under another file name."
    OTHER_SOURCES = "PV504", "The index has files of this version built from other sources."
    VERSION_SPELLED_OTHERWISE = "PV505", "The index has this version under another spelling."
    PROVENANCE_TOO_LATE = (
        "PV506",
        "A file is on the index without a provenance, and cannot get one.",
    )
    CANNOT_DELETE = "PV510", "The index cannot delete a release, so it was not taken back."
    OTHERS_FILES = "PV511", "The version has files that the receipt's run did not upload."
    NOT_CONFIRMED = "PV512", "The deletion was not confirmed."
    DELETION_FAILED = "PV513", "The index still has files that it was asked to delete."
    ANOTHER_REPOSITORY = "PV514", "The receipt is for another repository URL than Poetry has."
    NOT_LISTED_IN_TIME = "PV601", "An index did not list every file in time."
    NOT_FETCHED_IN_TIME = "PV602", "A file that an index lists cannot be downloaded."
    INDEX_DENIED = "PV603", "An index denies access."
    NO_INDEX_THERE = "PV604", "There is no index at this URL."
    INDEX_NOT_REACHED = "PV605", "An index cannot be reached."
    COMPLETENESS_UNKNOWN = "PV606", "Cannot tell which files the release should have."
    # PV607 was never reported, and stays unused.
    LISTED_IMPROPERLY = "PV608", "An index lists a file in a way that the standards do not allow."
    NOT_UPLOADED = "PV609", "A receipt to wait for lists files that were not uploaded."
    METADATA_UNUSABLE = "PV610", "Release metadata cannot be read, or is not valid."
    METADATA_COPY = (
        "PV611",
        "Release metadata is unavailable, and there is only the last good copy.",
    )
    PROVENANCE_NOT_SERVED = "PV612", "An index did not serve a file's provenance in time."
    PROVENANCE_NOT_VERIFIABLE = "PV613", "A file's provenance cannot be verified on this machine."
    OTHER_HASH_LISTED = "PV701", "An index lists a file with a different sha256."
    NO_HASH_LISTED = "PV702", "An index lists a file without a sha256."
    OTHER_BYTES_SERVED = "PV703", "An index serves a file that differs from the published one."
    CLIENT_CANNOT_INSTALL = "PV704", "A real client cannot install what was published."
    NOT_INSTALLABLE_BY_NATURE = "PV705", "The release has no wheel, so there is nothing to install."
    EXTRA_FILE = "PV706", "An index lists unexpected files of this version."
    CLIENT_TAKES_ANOTHER = "PV707", "A real client prefers another wheel of this release."
    YANKED = "PV708", "An index lists a file as yanked."
    QUARANTINED = "PV709", "An index has quarantined the project."
    OTHER_REQUIRES_PYTHON = "PV710", "An index lists a file with a different requires-python."
    OTHER_METADATA_LISTED = "PV711", "An index lists a file with a wrong hash of its metadata."
    OTHER_METADATA_SERVED = "PV712", "An index serves metadata that differs from the file's own."
    OTHER_SIZE_LISTED = "PV713", "An index lists a file with a wrong size."
    PROJECT_STATUS = "PV714", "The project is archived or deprecated on an index."
    # PV715 was a warning of cool-down settings, and stays unused.
    WARM_CACHE = "PV716", "A client's own cache does not show the release yet."
    POETRY_CACHE_NOT_CLEARED = "PV717", "Poetry's own cache of the release could not be cleared."
    COPIES_BY_USER_AGENT = "PV718", "A cache in front of an index keeps one copy per User-Agent."
    OTHER_DIGEST_LISTED = "PV719", "An index lists a file with a wrong hash other than sha256."
    NEWER_METADATA = "PV720", "The release metadata is of a newer version, and was left alone."
    ENCODED_IN_TRANSIT = "PV721", "An index serves a file with a Content-Encoding."
    PROVENANCE_MALFORMED = "PV722", "An index serves something else as a file's provenance."
    PROVENANCE_OF_ANOTHER_FILE = "PV723", "A file's provenance is for another file or content."
    PUBLISHED_BY_ANOTHER = "PV724", "A file was published by another publisher than expected."
    SIGNATURE_WRONG = "PV725", "The signature in a file's provenance is not for its statement."
    LOG_ENTRY_WRONG = "PV726", "A file's provenance does not match Sigstore's transparency log."
    CERTIFICATE_UNTRUSTED = (
        "PV727",
        "A file's provenance has a certificate that Sigstore did not issue.",
    )
    LOCK_NOT_FREE = "PV801", "Another process did not release a lock in time."
    LOCK_UNAVAILABLE = "PV802", "A lock is not available on this filesystem."
    LOCK_ORDER = "PV803", "A nested command would have to wait for its own parent."
    LOCK_LOST = "PV804", "Another process broke the lock of this release."
    LOCK_BROKEN = "PV805", "This run broke the lock of another process."
    LOCKS_OF_ONE_HOST = "PV806", "The locks of this filesystem do not exclude other hosts."
    TAGGED_NOT_PUBLISHED = "PV901", "A version is tagged in git, but not published."
    PUBLISHED_NOT_TAGGED = "PV902", "A version is published, but not tagged in git."
    METADATA_BEHIND = "PV903", "The release metadata is behind the index."
    METADATA_AHEAD = "PV904", "The release metadata names a version that is not published."
    MIRROR_BEHIND = "PV905", "A mirror does not show what the repository's own index does."
    INCOMPLETE = "PV906", "A published release lacks files that its receipt or metadata lists."
    PROJECT_BEHIND = "PV907", "pyproject.toml has an older version than the index."
    FEWER_KINDS_OF_FILES = "PV908", "A release has fewer kinds of files than the previous one."
    TAGS_UNKNOWN = "PV909", "The clone does not have the repository's tags."

    @property
    def named(self) -> str:
        """Its name for programs: `tagged-not-published`."""
        return self.name.lower().replace("_", "-")


def anchor(code: str) -> str:
    """Where a code is explained on the documentation's site."""
    return f"reference/codes.html#{code.lower()}"


class Problem(Value):
    """One thing that is wrong.

    `code` is stable and never reused. `message` says what is true now, `remedy` what to
    do next; both are plain text, cleaned of whatever a foreign server put into them.
    """

    code: Code
    message: str
    remedy: str
    severity: Severity = "error"
    filename: str | None = None
    index: str | None = None


class ReleaseError(Exception):
    """Ends a release: its problems and the verdict they amount to."""

    def __init__(self, verdict: Verdict, *problems: Problem) -> None:
        super().__init__("; ".join(problem.message for problem in problems))
        self.verdict = verdict
        self.problems = problems

    @classmethod
    def refused(cls, *problems: Problem) -> Self:
        """The end of a release of which nothing was sent."""
        return cls(Verdict.PREFLIGHT_REFUSED, *problems)

    @classmethod
    def combine(cls, errors: "Sequence[ReleaseError]") -> Self:
        """Several as one: the gravest verdict, and every problem once."""
        problems = dict.fromkeys(problem for error in errors for problem in error.problems)
        return cls(gravest([error.verdict for error in errors]), *problems)
