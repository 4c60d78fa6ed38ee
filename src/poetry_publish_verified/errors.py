"""Every error: a stable code, what is true now, what to do next, and the exit code."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

Severity = Literal["error", "warning"]


class Verdict(StrEnum):
    """How a run, or one release of it, ended; `RUNNING` until it has."""

    RUNNING = "running"
    VERIFIED = "verified"
    KEPT_REMOTE = "kept-remote"
    PREFLIGHT_REFUSED = "preflight-refused"
    UPLOAD_FAILED = "upload-failed"
    CONFLICT = "conflict"
    NOT_VISIBLE = "not-visible"
    VERIFICATION_FAILED = "verification-failed"
    LOCK_TIMEOUT = "lock-timeout"
    BLOCKED = "blocked"
    INTERRUPTED = "interrupted"
    DRY_RUN = "dry-run"
    ERROR = "error"

    @property
    def exit_code(self) -> int | None:
        """The process's exit code for this verdict; None while running or blocked."""
        return _EXIT_CODES.get(self)


_EXIT_CODES = {
    Verdict.VERIFIED: 0,
    Verdict.KEPT_REMOTE: 0,
    Verdict.DRY_RUN: 0,
    Verdict.ERROR: 1,
    Verdict.PREFLIGHT_REFUSED: 3,
    Verdict.UPLOAD_FAILED: 4,
    Verdict.CONFLICT: 5,
    Verdict.NOT_VISIBLE: 6,
    Verdict.VERIFICATION_FAILED: 7,
    Verdict.LOCK_TIMEOUT: 8,
    Verdict.INTERRUPTED: 130,
}

# Where several things went wrong, the first of these that occurred names the run.
_GRAVEST_FIRST = (
    Verdict.INTERRUPTED,
    Verdict.ERROR,
    Verdict.VERIFICATION_FAILED,
    Verdict.CONFLICT,
    Verdict.UPLOAD_FAILED,
    Verdict.NOT_VISIBLE,
    Verdict.LOCK_TIMEOUT,
    Verdict.PREFLIGHT_REFUSED,
)


def gravest(verdicts: list[Verdict]) -> Verdict:
    """The verdict that names the whole; of successes, `KEPT_REMOTE` before the others."""
    for verdict in _GRAVEST_FIRST:
        if verdict in verdicts:
            return verdict
    return Verdict.KEPT_REMOTE if Verdict.KEPT_REMOTE in verdicts else verdicts[0]


class Code(StrEnum):
    """The stable code of every problem; a code is never reused for another meaning."""

    meaning: str

    def __new__(cls, code: str, meaning: str) -> Code:
        """A member is its code, and knows what it means."""
        member = str.__new__(cls, code)
        member._value_ = code
        member.meaning = meaning
        return member

    SETTING = "PV101", "An option or setting has a bad value, or a setting's name is unknown."
    NOT_AWAITABLE = "PV102", "What was named cannot be waited for."
    INTERNAL = "PV109", "A fault of this plugin."
    NO_PROJECT = "PV201", "There is no readable pyproject.toml."
    NOT_A_PACKAGE = "PV202", "The project is in non-package mode."
    NO_DISTRIBUTIONS = "PV203", "The dist folder holds no file of this version."
    BUILD_FAILED = "PV204", "The build failed."
    ARCHIVE_BROKEN = "PV205", "A wheel or sdist cannot be read."
    METADATA_DISAGREES = "PV206", "A file's own metadata names another project or version."
    METADATA_INVALID = "PV207", "A metadata field is not what the specification allows."
    LOCAL_VERSION = "PV208", "A version with a + was to go to PyPI or TestPyPI."
    RECEIPT_NOT_WRITABLE = "PV209", "The receipt cannot be written."
    REHEARSAL_UNAVAILABLE = "PV210", "The rehearsal's index is not to be had or does not start."
    MORE_THAN_ONE_SDIST = "PV211", "The release has more than one sdist."
    METADATA_UNKNOWN = "PV212", "The metadata is of a version newer than this installation knows."
    BUILD_DECLINED = "PV213", "The question whether to build anyway was answered with no."
    DIST_DIR_UNREADABLE = "PV214", "The dist folder cannot be read."
    PLUGINS_NOT_ACTIVE = "PV215", "Plugins that the project requires are not active."
    CLIENT_UNAVAILABLE = "PV216", "The client that is to be asked at the end cannot be set up."
    RECEIPT_UNREADABLE = "PV217", "A receipt cannot be read, or holds nothing to wait for."
    CLASSIFIER_UNFIT = "PV218", "A classifier is deprecated, or keeps the project private."
    CLASSIFIER_UNKNOWN = "PV219", "A classifier is not among those known here."
    DIRECT_URL = "PV220", "A dependency is a URL, which PyPI and TestPyPI refuse."
    LICENSE_FILE_MISSING = "PV221", "A licence file that the metadata names is not in the archive."
    SUMMARY = "PV222", "The summary has several lines or more than 512 characters."
    FILE_LARGE = "PV223", "A file is larger than PyPI usually takes."
    RECORD_WRONG = "PV224", "A wheel's RECORD does not fit what is in the wheel."
    ARCHIVE_LAYOUT = "PV225", "A wheel or sdist is not laid out as installers need it."
    MEMBER_LEADS_OUT = "PV226", "A file in an archive would be unpacked outside its folder."
    ARCHIVE_BOMB = "PV227", "An archive unpacks to absurdly much."
    FILENAME_NOT_NORMALISED = "PV228", "A file's name is not in the normalised form."
    WHEEL_TAGS = "PV229", "A wheel's own tags are not those of its file name."
    FILES_DISAGREE = "PV230", "The sdist and the wheels ask for different things."
    BUILT_FROM_ANOTHER = "PV231", "The files were built from another pyproject.toml."
    CHANGED_SINCE_BUILD = "PV232", "Files that git tracks have changed since the build."
    TAG_DISAGREES = "PV233", "The commit has a git tag of another version."
    POETRYS_FILES_PACKED = "PV234", "An archive holds Poetry's own working files."
    NO_PROJECTS = "PV240", "No project was found where several were asked for."
    NAME_TWICE = "PV241", "Two of the projects have the same name."
    CYCLE = "PV242", "The projects need each other in a circle."
    PATH_DEPENDENCY = "PV243", "A dependency is a folder of the machine that built it."
    RANGE_UNSATISFIED = "PV244", "A project needs a version of another that will not be there."
    BUILDS_WITH_MEMBER = "PV245", "A project is built with another one of the same run."
    NEEDED_NOT_THERE = "PV246", "A project that this one needs is not there in time."
    MEMBERS_UNKNOWN = "PV247", "Which projects this one is released with is not known."
    REPOSITORY_UNKNOWN = "PV301", "The repository is not configured."
    REPOSITORY_URL = "PV302", "The repository's URL cannot be used."
    INDEX_UNKNOWN = "PV303", "Which index shows what is uploaded is not known."
    INDEX_STATE_UNKNOWN = "PV304", "The index does not tell what it holds, so nothing is sent."
    CERTIFICATE = "PV305", "A certificate file cannot be used."
    CREDENTIALS_MISSING = "PV306", "There are no credentials for the repository, or half of them."
    REPOSITORY_NOT_REACHED = "PV310", "The repository's upload URL cannot be reached."
    PLAIN_HTTP = "PV311", "Credentials or files would go over the network unencrypted."
    CREDENTIALS_REFUSED = "PV401", "The credentials were refused."
    EMAIL_NOT_VERIFIED = "PV402", "The account's primary e-mail address is not verified."
    NOT_ALLOWED = "PV403", "The account or token may not upload to this project."
    FILE_TOO_LARGE = "PV404", "The file is larger than the index takes."
    NOT_AN_UPLOAD_URL = "PV405", "The address takes no uploads."
    REDIRECTED = "PV406", "The upload URL redirects elsewhere."
    UPLOAD_REFUSED = "PV407", "The index refused a file for a reason of its own, which is shown."
    UPLOAD_NOT_SENT = "PV408", "A file could not be sent at all."
    UPLOAD_STATE_UNKNOWN = "PV409", "Whether a file was stored is unknown."
    CLOSED = "PV410", "The index takes no uploads at the moment."
    TRY_LATER = "PV411", "The index asks to wait before the next upload."
    PASSWORD_NOT_TAKEN = "PV412", "The index takes API tokens, and no passwords."
    TWO_FACTOR_MISSING = "PV413", "The account has no two-factor authentication."
    TOKEN_EXPIRED = "PV414", "The API token has expired."
    TOKEN_VOID = "PV415", "The API token is not one that the index knows, or it was damaged."
    TOKEN_OF_ANOTHER_PROJECT = "PV416", "The API token is one for another project."
    PUBLISHER_OF_ANOTHER_PROJECT = "PV417", "The trusted publisher is not one of this project."
    NEW_PROJECTS_CLOSED = "PV418", "The index takes no new projects at the moment."
    TOO_MANY_NEW_PROJECTS = "PV419", "The limit on new projects is reached."
    NAME_REFUSED = "PV420", "The index does not take a project of this name."
    PENDING_PUBLISHER_NAME = "PV421", "The pending trusted publisher names another project."
    ORGANIZATION_INACTIVE = "PV422", "The organization that owns the project is inactive."
    FILENAME_BURNT = "PV423", "A file of this name was on the index once, and was deleted."
    RELEASE_CLOSED = "PV424", "The release is too old to be given new files."
    SECOND_SDIST = "PV425", "The release has an sdist on the index already."
    DIGEST_MISMATCH = "PV426", "The file changed on its way."
    PROJECT_TOO_LARGE = "PV427", "All files of the project together reach the index's limit."
    ARCHIVE_REFUSED = "PV428", "The index does not take the archive as it was built."
    ARCHIVE_INCOMPLETE = "PV429", "The archive lacks a file that it must have."
    ARCHIVE_TOO_DENSE = "PV430", "The archive unpacks to far more than its own size."
    FILENAME_REFUSED = "PV431", "The index does not take a file of this name."
    PLATFORM_TAG = "PV432", "The index does not take wheels for this platform."
    METADATA_REFUSED = "PV433", "The index does not take the metadata."
    CLASSIFIER_REFUSED = "PV434", "A classifier is unknown to the index, or deprecated."
    ATTESTATIONS_REFUSED = "PV435", "The index does not take the attestations."
    ATTESTATIONS_NOT_CHECKED = "PV436", "The index could not check the attestations."
    CLIENT_FAULT = "PV437", "The upload itself was malformed: a fault of this plugin."
    FILE_CHANGED = "PV438", "A file in the dist folder changed while the release was sent."
    CONFLICT = "PV501", "The index holds other bytes under the same file name."
    SAME_BYTES_ELSEWHERE = "PV503", "The index holds the same bytes under another file name."
    OTHER_SOURCES = "PV504", "Files of this version are on the index, built from other sources."
    KEPT_REMOTE = "PV502", "Other bytes are on the index, and were kept as asked."
    NOT_LISTED_IN_TIME = "PV601", "An index did not list every file in time."
    NOT_FETCHED_IN_TIME = "PV602", "An index lists a file that does not come."
    INDEX_DENIED = "PV603", "An index refuses to be read."
    NO_INDEX_THERE = "PV604", "There is no index at an address: its own root is not there either."
    INDEX_NOT_REACHED = "PV605", "An index cannot be reached."
    COMPLETENESS_UNKNOWN = "PV606", "Which files a release should have is not known here."
    INDEXES_DISAGREE = "PV607", "Two indexes, or two copies of one, list different files."
    OTHER_HASH_LISTED = "PV701", "An index lists a file under another sha256."
    NO_HASH_LISTED = "PV702", "An index lists a file without a sha256."
    OTHER_BYTES_SERVED = "PV703", "An index serves other bytes than were published."
    CLIENT_CANNOT_INSTALL = "PV704", "A real client cannot download what was published."
    NOT_INSTALLABLE_BY_NATURE = "PV705", "The release has no wheel, so installable was not checked."
    EXTRA_FILE = "PV706", "An index lists more files of this version than were built here."
    CLIENT_TAKES_ANOTHER = "PV707", "A real client prefers another wheel of this release."
    YANKED = "PV708", "An index lists a file as yanked."
    QUARANTINED = "PV709", "An index has put the project under quarantine."
    OTHER_REQUIRES_PYTHON = "PV710", "An index lists a file with another requires-python."
    OTHER_METADATA_LISTED = "PV711", "An index lists a file with another hash of its metadata."
    OTHER_METADATA_SERVED = "PV712", "An index serves other metadata than is in the file."
    OTHER_SIZE_LISTED = "PV713", "An index lists a file with another size."
    PROJECT_STATUS = "PV714", "The project is archived or deprecated on an index."
    # PV715 was a warning of cool-down settings, and stays unused.
    WARM_CACHE = "PV716", "A client's own cache does not know the release yet."
    COPIES_BY_USER_AGENT = "PV718", "An index's edge has a copy of a page for every User-Agent."
    POETRY_CACHE_NOT_CLEARED = "PV717", "Poetry's own cache could not be told of the release."
    OTHER_DIGEST_LISTED = "PV719", "An index lists a file under another hash than its sha256."
    LINK_UNUSABLE = "PV720", "An index lists a file with a link that no client can use."
    ENCODED_IN_TRANSIT = (
        "PV721",
        "An index serves a file under a Content-Encoding, which clients undo.",
    )
    NOT_TAKEN_BY_A_CLIENT = "PV722", "An index lists a file in a way that a client does not take."
    LOCK_NOT_FREE = "PV801", "Another process did not let go of a lock in time."
    LOCK_UNAVAILABLE = "PV802", "A lock that is needed cannot be had on this filesystem."
    LOCK_ORDER = "PV803", "A nested command would have to wait for what its parent may wait for."


@dataclass(frozen=True, slots=True)
class Problem:
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
