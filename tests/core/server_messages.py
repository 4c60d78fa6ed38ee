"""What servers say when they refuse a file, and what must come of it.

The messages are complete ones from PyPI's server and others, with made-up names.
"""

from __future__ import annotations

from typing import NamedTuple

from poetry_publish_verified.core.upload.outcomes import Again
from poetry_publish_verified.errors import Code

PYPI_LIKE = "https://upload.example.org/legacy/"


class Case(NamedTuple):
    """A server's message and what must come of it; the remedy contains `does`."""

    status: int
    message: str
    code: Code
    does: str
    again: Again = "no"


SEE = "See https://example.org/help/ for more information."
CORE = "See https://packaging.python.org/specifications/core-metadata for more information."
TOKEN = "Invalid API Token: "
BAD_FILE = "Invalid distribution file. "
SIGNED = "Invalid attestations supplied during upload: "
USER = "User 'keeper', associated with the API token used, does not have "

C = Case
ACCOUNT = [
    C(403, "Read-only mode: Uploads are temporarily disabled.", Code.CLOSED, "later", "later"),
    C(403, f"New uploads are temporarily disabled. {SEE}", Code.CLOSED, "later", "later"),
    C(
        403,
        f"New project registration temporarily disabled. {SEE}",
        Code.NEW_PROJECTS_CLOSED,
        "later",
        "later",
    ),
    C(429, "Too many new projects created", Code.TOO_MANY_NEW_PROJECTS, "limit", "after-reset"),
    C(
        403,
        f"Invalid or non-existent authentication information. {SEE}",
        Code.CREDENTIALS_REFUSED,
        "/manage/account/token/",
    ),
    C(
        403,
        "Username/Password authentication is no longer supported. Migrate to API Tokens or Trusted"
        " Publishers instead. See https://example.org/help/#apitoken and"
        " https://example.org/help/#trusted-publishers",
        Code.PASSWORD_NOT_TAKEN,
        "__token__",
    ),
    *(
        C(
            status,
            f"{USER}a verified primary email address. Please add a verified primary email before"
            f" attempting to upload. {SEE}",
            Code.EMAIL_NOT_VERIFIED,
            "https://example.org/manage/account/",
        )
        for status in (400, 403)
    ),
    C(
        403,
        f"{USER}two-factor authentication enabled. Please enable two-factor authentication before"
        f" attempting to upload. {SEE}",
        Code.TWO_FACTOR_MISSING,
        "https://example.org/manage/account/two-factor/",
    ),
    C(403, f"{TOKEN}token is expired", Code.TOKEN_EXPIRED, "new token", "once"),
    C(
        403,
        f"{TOKEN}project-scoped token is not valid for project: 'lantern'",
        Code.TOKEN_OF_ANOTHER_PROJECT,
        "scope is lantern",
    ),
    C(
        403,
        f"{TOKEN}OIDC scoped token is not valid for project 'lantern'",
        Code.PUBLISHER_OF_ANOTHER_PROJECT,
        "https://example.org/manage/project/lantern/settings/publishing/",
    ),
    C(
        403,
        f"{TOKEN}current OIDC publisher does not match publisher restriction in token",
        Code.PUBLISHER_OF_ANOTHER_PROJECT,
        "publishing",
    ),
    C(403, f"{TOKEN}signatures do not match", Code.TOKEN_VOID, "new token"),
    C(403, f"{TOKEN}deleted or nonexistent macaroon", Code.TOKEN_VOID, "new token"),
    C(
        403,
        f"{TOKEN}current user does not match user restriction in token",
        Code.TOKEN_VOID,
        "new token",
    ),
    C(
        403,
        f"The user 'keeper' isn't allowed to upload to project 'lantern'. {SEE}",
        Code.NOT_ALLOWED,
        "https://example.org/manage/project/lantern/collaboration/",
    ),
    C(
        403,
        f"The given token isn't allowed to upload to project 'lantern'. {SEE}",
        Code.NOT_ALLOWED,
        "archived",
    ),
    C(
        400,
        "Non-user identities cannot create new projects. This was probably caused by successfully"
        " using a pending publisher but specifying the project name incorrectly (either in the"
        " publisher or in your project's metadata). Please ensure that both match.",
        Code.PENDING_PUBLISHER_NAME,
        "pyproject.toml",
    ),
    C(
        400,
        "Organization account owning this project is inactive. This may be due to inactive billing"
        " for Company Organizations, or administrator intervention for Community Organizations.",
        Code.ORGANIZATION_INACTIVE,
        "billing",
    ),
]
NAMES = [
    *(
        C(status, f"The name 'lantern' {said} {SEE}", Code.NAME_REFUSED, "another name")
        for status in (400, 409)
        for said in (
            "conflicts with an existing project.",
            "isn't allowed.",
            "is too similar to an existing project.",
            "isn't allowed (conflict with Python Standard Library module name).",
        )
    ),
    C(400, "The name 'lantern-' is invalid.", Code.NAME_REFUSED, "letters"),
    C(400, 'The name "lantern\'s" is invalid.', Code.NAME_REFUSED, "letters"),
    C(
        400,
        f"This filename was previously used by a file that has since been deleted. Use a different"
        f" version. {SEE}",
        Code.FILENAME_BURNT,
        "Bump the version",
    ),
    C(
        409,
        "The version 1.0 of package lantern has been deleted. It cannot be restored or pushed.",
        Code.FILENAME_BURNT,
        "Bump the version",
    ),
    C(409, "Version 1.0 was deleted before.", Code.FILENAME_BURNT, "Bump the version"),
    C(
        400,
        "Uploading new files to releases older than 14 days is not allowed.",
        Code.RELEASE_CLOSED,
        "Bump the version",
    ),
    C(
        400,
        "Only one sdist may be uploaded per release.",
        Code.SECOND_SDIST,
        "https://example.org/manage/project/lantern/releases/",
    ),
    *(
        C(400, said, Code.FILENAME_REFUSED, "poetry build --clean")
        for said in (
            (
                "Invalid file extension: Extension .zip is invalid for filetype bdist_wheel. See"
                " https://www.python.org/dev/peps/pep-0527 for more information."
            ),
            "Invalid file extension: Use .tar.gz, .whl or .zip extension.",
            "Cannot upload a file with '/' or '\\' in the name.",
            "Invalid source distribution filename: lantern.tar.gz",
            "Invalid wheel filename (wrong number of parts): 'lantern-1.0'",
            "Start filename for 'lantern' with 'lantern'.",
            "Filename 'Lantern-1.0.tar.gz' is invalid, should be 'lantern-1.0.tar.gz'.",
            "Filename 'L.n-1.0.whl' should contain the normalized project name 'l_n', not 'L.n'.",
            "Version in filename should be '1.0' not '1.1'.",
            "Filename is too long: 'lantern-1.0-py3-none-any.whl'",
        )
    ),
    C(
        400,
        "Binary wheel 'lantern-1.0-py3-none-linux_x86_64.whl' has an unsupported platform tag"
        " 'linux_x86_64'.",
        Code.PLATFORM_TAG,
        "manylinux",
    ),
]
FILES = [
    C(
        400,
        "The digest supplied does not match a digest calculated from the uploaded file.",
        Code.DIGEST_MISMATCH,
        "same command again",
        "once",
    ),
    C(
        400,
        f"File too large. Limit for project 'lantern' is 100 MB. {SEE}",
        Code.FILE_TOO_LARGE,
        "smaller",
    ),
    C(
        400,
        f"Project size too large. Limit for project 'lantern' total size is 10 GB. {SEE}",
        Code.PROJECT_TOO_LARGE,
        "https://example.org/manage/project/lantern/releases/",
    ),
    C(400, f"{BAD_FILE}File exceeds compression ratio of 50", Code.ARCHIVE_TOO_DENSE, "exclude"),
    *(
        C(400, f"{BAD_FILE}{said}", Code.ARCHIVE_REFUSED, "build again")
        for said in (
            f"ZIP archive not accepted: Malformed zip file. {SEE}",
            f"tar archive not accepted: Sparse members are not allowed. {SEE}",
            "File is not a zipfile",
            "File is not a tarfile",
            "File is both a zip and a tar file",
            "File does not use a supported compression type",
            "Incorrect number of top-level directories in sdist",
            "The archive holds what no release should.",
        )
    ),
    *(
        C(400, said, Code.ARCHIVE_INCOMPLETE, "build again")
        for said in (
            f"{BAD_FILE}PKG-INFO not found at lantern-1.0/PKG-INFO",
            f"{BAD_FILE}WHEEL not found at lantern-1.0.dist-info/WHEEL",
            (
                "Wheel 'lantern-1.0-py3-none-any.whl' does not contain the required RECORD file:"
                " lantern-1.0.dist-info/RECORD"
            ),
            (
                "Wheel 'lantern-1.0-py3-none-any.whl' does not contain the required METADATA file:"
                " lantern-1.0.dist-info/METADATA"
            ),
        )
    ),
    C(
        400,
        "License-File LICENSE does not exist in distribution file lantern-1.0.tar.gz at"
        " lantern-1.0/LICENSE",
        Code.ARCHIVE_INCOMPLETE,
        "license-files",
    ),
    *(
        C(409, said, Code.UPLOAD_REFUSED, "administrators")
        for said in (
            (
                "The repository 'local' rejected the deployment of an artifact 'lantern.whl' due to"
                " its snapshot/release handling policy."
            ),
            "The artifact violates the policies of this repository.",
            "A conflict with the repository's include/exclude patterns.",
            "Checksum error for 'lantern.whl': received 'ab' but actual is 'cd'",
        )
    ),
    C(413, "Request Entity Too Large", Code.FILE_TOO_LARGE, "limit"),
    C(400, "The body of the request is too large", Code.FILE_TOO_LARGE, "limit"),
]
METADATA = [
    C(
        400,
        "Wheel 'lantern-1.0-py3-none-any.whl' has invalid entry points defined in the"
        " entry_points.txt file",
        Code.METADATA_REFUSED,
        "project.scripts",
    ),
    C(
        400,
        f"'Topic :: Lanterns' is not a valid classifier. {CORE}",
        Code.CLASSIFIER_REFUSED,
        "https://example.org/classifiers/",
    ),
    *(
        C(
            400,
            f"The classifier 'Topic :: Lamps' has been deprecated{more}. {CORE}",
            Code.CLASSIFIER_REFUSED,
            "that the server names",
        )
        for more in ("", ", use one of ['Topic :: Utilities'] instead")
    ),
    C(
        400,
        "The use of local versions in '1.0+x' is not allowed. See"
        " https://packaging.python.org/specifications/version-specifiers/ for more information.",
        Code.METADATA_REFUSED,
        "poetry version",
    ),
    C(
        400,
        f"Can't have direct dependency: oil @ https://files.example.org/oil.whl. {CORE}",
        Code.METADATA_REFUSED,
        "poetry add",
    ),
    C(
        400,
        f"The description failed to render for 'text/x-rst'. {SEE}",
        Code.METADATA_REFUSED,
        "readme",
    ),
    C(400, f"'9.9' is not a valid metadata version. {CORE}", Code.METADATA_REFUSED, "poetry-core"),
    C(
        400,
        f"license-file introduced in metadata version 2.4, not 2.1. {CORE}",
        Code.METADATA_REFUSED,
        "poetry-core",
    ),
    C(
        400,
        "License is deprecated when License-Expression is present. Only License-Expression should"
        f" be present. {CORE}",
        Code.METADATA_REFUSED,
        "SPDX",
    ),
    *(
        C(400, f"{said} {CORE}", Code.METADATA_REFUSED, "that the server names")
        for said in (
            (
                "'lantern!' is an invalid value for Name. Error: Start and end with a letter or"
                " numeral containing only ASCII numeric and '.', '_' and '-'."
            ),
            "'summary' field must be 512 characters or less.",
            "'keeper' is not a valid email address: There must be one @.",
            "'lantern' is not a valid url.",
            "Dynamic field 'name' is not a valid dynamic field.",
            "'version' is not allowed as a dynamic field.",
            "'keyword' has invalid data.",
            "'>=three' is invalid for 'requires-python'.",
            (
                "'../LICENSE' is invalid for 'license-file', parent directory indicators are not"
                " allowed."
            ),
            "'name' is a required field.",
            "'summary' must be a single line.",
        )
    ),
    C(
        400,
        "Invalid value for classifiers. Error: 'Topic :: Lanterns' is not known.",
        Code.METADATA_REFUSED,
        "that the server names",
    ),
]
UPLOADS = [
    *(
        C(400, f"{SIGNED}{said}", Code.ATTESTATIONS_REFUSED, "ublish without --attest")
        for said in (
            "Attestations are only supported when using Trusted Publishing",
            "Attestations are not currently supported with Lamp publishers",
            "Malformed attestations: an empty attestation set is not permitted",
            "A maximum of 2 attestations per file are supported",
            "Could not verify the uploaded artifact using the included attestation: no match",
            "Attestation with unsupported predicate type: https://example.org/lamp/v1",
            (
                "Multiple attestations for the same file with the same predicate type are not"
                " supported"
            ),
            "They are upside down",
        )
    ),
    C(
        400,
        f"{SIGNED}Unknown error while trying to verify included attestations: time-out",
        Code.ATTESTATIONS_NOT_CHECKED,
        "same command again",
        "once",
    ),
    *(
        C(400, said, Code.CLIENT_FAULT, "Report")
        for said in (
            "Unknown protocol version.",
            "Upload payload does not have a file.",
            "Error: Include at least one message digest.",
            "summary: Should not be a tuple.",
            "Invalid value for filetype. Error: Use a known file type.",
            "Invalid value for pyversion. Error: Use 'source' as Python version for an sdist.",
            "Invalid value for sha256_digest. Error: Use a valid, SHA256 message digest.",
            "Invalid value for blake2_256_digest. Error: Use a valid, BLAKE2 message digest.",
        )
    ),
    C(
        308,
        "An upload was attempted to /legacy but the expected upload URL is /legacy/ (with a"
        " trailing slash)",
        Code.REDIRECTED,
        f"poetry config repositories.harbour {PYPI_LIKE}",
    ),
    *(
        C(410, said, Code.NOT_AN_UPLOAD_URL, "current upload URL")
        for said in (
            "Project pre-registration is no longer required or supported, upload your files.",
            "Uploading documentation is no longer supported, we recommend using another host.",
        )
    ),
]
BY_STATUS = [
    C(
        302,
        "Found, redirecting to the sign-in page https://h.example/login",
        Code.REDIRECTED,
        "without a sign-in page",
    ),
    *(C(status, "Moved", Code.REDIRECTED, "slash") for status in (301, 307, 308)),
    C(401, "Unauthorized", Code.CREDENTIALS_REFUSED, "http-basic.harbour"),
    C(403, "Forbidden", Code.CREDENTIALS_REFUSED, "pypi-token.harbour <token>"),
    C(404, "Not Found", Code.NOT_AN_UPLOAD_URL, "upload URL"),
    C(405, "Method Not Allowed", Code.NOT_AN_UPLOAD_URL, "simple index"),
    C(410, "Gone", Code.NOT_AN_UPLOAD_URL, "upload URL"),
    C(408, "Request Timeout", Code.TRY_LATER, "Wait", "yes"),
    C(429, "Too Many Requests", Code.TRY_LATER, "Wait", "yes"),
    C(400, "The moon is full.", Code.UPLOAD_REFUSED, "what the server reports"),
    C(418, "I'm a teapot", Code.UPLOAD_REFUSED, "what the server reports"),
]
CASES = [*ACCOUNT, *NAMES, *FILES, *METADATA, *UPLOADS, *BY_STATUS]
