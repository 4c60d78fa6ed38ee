"""How each problem usually comes about, for `explain` and the page of codes."""

from collections.abc import Mapping

from poetry_publish_verified.errors import Code

CAUSES: Mapping[Code, str] = {
    Code.SETTING: "A typing mistake, or options that exclude each other.",
    Code.NOT_AWAITABLE: "The command needs exact versions: an older release satisfies a range.",
    Code.UNKNOWN_CODE: "A typing mistake.",
    Code.HOOK_FAILED: "The program does not exist, failed, or took longer than --hook-timeout.",
    Code.NOT_NOTIFIED: "The chat system is down, or the webhook was deleted or needs another form.",
    Code.INTERNAL: "This plugin met something that it does not handle.",
    Code.NO_PROJECT: "The current directory is not a project, or its pyproject.toml is invalid.",
    Code.NOT_A_PACKAGE: "Projects with package-mode = false are not built, so nothing is there.",
    Code.NO_DISTRIBUTIONS: "The project was not built, its version changed since, or a CI job did"
    " not get the files that another one built.",
    Code.BUILD_FAILED: "The build backend ended with an error; its output is above the message.",
    Code.ARCHIVE_BROKEN: "An interrupted build or download, a full disk, or a file that is no"
    " archive.",
    Code.METADATA_DISAGREES: "The file was renamed, or the project's name or version changed since"
    " it was built.",
    Code.METADATA_INVALID: "pyproject.toml has a value that the build backend copied as it is.",
    Code.LOCAL_VERSION: "The version has a part such as +cuda12, which is for builds that are"
    " distributed locally (PEP 440). A plugin may have added it, as for an untagged commit.",
    Code.RECEIPT_NOT_WRITABLE: "The directory is read-only or belongs to somebody else, or another"
    " kind of file has that name.",
    Code.REHEARSAL_UNAVAILABLE: "pip cannot reach its index (offline, a proxy), or the port or the"
    " cache directory cannot be used.",
    Code.MORE_THAN_ONE_SDIST: "An older build in another format was left in the dist directory.",
    Code.METADATA_UNKNOWN: "The build backend writes newer metadata than this installation reads.",
    Code.BUILD_DECLINED: "The dist directory had files of this version, and you answered no.",
    Code.DIST_DIR_UNREADABLE: "Another user, such as root in a container, has created it.",
    Code.PLUGINS_NOT_ACTIVE: "[tool.poetry.requires-plugins] names plugins, and no poetry install"
    " has built them for this Poetry and this Python.",
    Code.CLIENT_UNAVAILABLE: "The client is not installed or does not start, or no Python on this"
    " machine fits the wheel.",
    Code.RECEIPT_UNREADABLE: "The path is wrong, the file is no receipt, or CI has not passed it"
    " on: some systems skip hidden directories.",
    Code.CLASSIFIER_UNFIT: "pyproject.toml has a classifier that was replaced, or Private ::, with"
    " which PyPI refuses every upload on purpose.",
    Code.CLASSIFIER_UNKNOWN: "A typing mistake, or a classifier that is newer than the list.",
    Code.DIRECT_URL: "A dependency is declared with a URL or as a git or path dependency.",
    Code.LICENSE_FILE_MISSING: "The build backend was told not to pack the file, or it is named in"
    " another case.",
    Code.SUMMARY: "The description in pyproject.toml is more than one short line.",
    Code.FILE_LARGE: "The file contains more than it should, or the project needs a higher limit.",
    Code.RECORD_WRONG: "Something changed the wheel after it was built, as repairing and signing"
    " tools do.",
    Code.ARCHIVE_LAYOUT: "The file was packed by hand, or by an old build backend.",
    Code.MEMBER_LEADS_OUT: "A link in the project's directory leads outside it, or somebody made"
    " the archive to do harm.",
    Code.ARCHIVE_BOMB: "It contains huge empty or repetitive files, or was made to do harm.",
    Code.FILENAME_NOT_NORMALIZED: "An old build backend, or the file was renamed.",
    Code.WHEEL_TAGS: "The wheel was renamed in place of being built for that platform.",
    Code.FILES_DISAGREE: "The metadata is computed while building, and differs by machine or"
    " Python; or the files are from different builds.",
    Code.BUILT_FROM_ANOTHER: "pyproject.toml was edited after the build.",
    Code.CHANGED_SINCE_BUILD: "Sources were edited after the build, so nobody can build the same"
    " files from a commit.",
    Code.TAG_DISAGREES: "The version was not raised before the tag was set, or the tag is wrong.",
    Code.POETRYS_FILES_PACKED: "The build backend was told to pack everything in the directory.",
    Code.FIELD_REFUSED: "The value follows the specification, but not the index's own rules.",
    Code.FILENAME_LONG: "The project's name, version or platform tags are very long.",
    Code.PLAIN_LINUX: "The wheel was built on the machine itself, not in a manylinux image, so it"
    " may depend on that machine's libraries.",
    Code.DESCRIPTION: "The README has a syntax error, or directives that indexes do not allow.",
    Code.NO_PROJECTS: "The pattern is relative to another directory, or has a typing mistake.",
    Code.NAME_TWICE: "A project was copied, and its name not changed.",
    Code.CYCLE: "Two projects need each other, so neither can be installed before the other is.",
    Code.PATH_DEPENDENCY: "A path dependency has no published range beside it.",
    Code.RANGE_UNSATISFIED: "A project's version was raised, and the ranges of others were not.",
    Code.BUILDS_WITH_MEMBER: "build-system.requires names another project of the same run.",
    Code.NEEDED_NOT_THERE: "The job that publishes the dependency failed, waits for a runner, or is"
    " slower than --timeout.",
    Code.MEMBERS_UNKNOWN: "No pattern of projects is given, or none matches this project.",
    Code.EXTRA_MISSING: "The option needs packages that are not installed by default.",
    Code.UPLOAD_NOT_CONFIRMED: "The answer was no, there is no terminal to ask on, or another"
    " process wrote to the dist directory meanwhile.",
    Code.RECORD_NOT_WRITABLE: "The place is read-only, or has a file of another kind.",
    Code.RECORD_PACKED: "The file is in a directory that the build backend packs.",
    Code.RECORD_CHANGES_VERSION: "The version is made from git, and a changed tracked file gives"
    " another version.",
    Code.NOT_TO_BE_PUBLISHED: "Somebody has excluded this project from being published.",
    Code.NEEDS_LEFT_OUT: "The project depends on one that is not to be published.",
    Code.REPOSITORY_UNKNOWN: "Poetry's configuration has no repository of this name: a typing"
    " mistake, or a variable that this job does not have.",
    Code.REPOSITORY_URL: "The URL in Poetry's configuration or in the variable is malformed.",
    Code.INDEX_UNKNOWN: "The upload URL has a shape that is not known, or --index names something"
    " that is no URL, no source and no repository.",
    Code.INDEX_STATE_UNKNOWN: "The index failed, or denies reading to whoever may upload.",
    Code.CERTIFICATE: "The path is wrong, or the file is no certificate in PEM form.",
    Code.CREDENTIALS_MISSING: "Nothing is configured under this repository's name, or the CI secret"
    " is empty, as for pull requests from forks and for other environments.",
    Code.CLOCK_WRONG: "The machine does not synchronize its clock, as after it was suspended.",
    Code.REPOSITORY_NOT_REACHED: "The server is down, the URL has a typing mistake, or a proxy, a"
    " firewall or a certificate is in the way.",
    Code.PLAIN_HTTP: "The URL begins with http://.",
    Code.STAGE_UNFIT: "Two names have the same URL in Poetry's configuration.",
    Code.PUBLISHING_NOT_POSSIBLE: "This is no CI job that issues identity tokens, or there are"
    " credentials, which would be used in their place.",
    Code.PUBLISHING_NOT_OFFERED: "Only some indexes offer it, PyPI among them.",
    Code.AUDIENCE_OF_ANOTHER: "The server is set up wrongly, or wants to act in your name"
    " elsewhere.",
    Code.NO_IDENTITY: "The workflow does not give the job permission to get one, or the pull"
    " request is from a fork.",
    Code.IDENTITY_UNUSABLE: "The variable is missing in the job, has another audience, or was"
    " changed on the way.",
    Code.EXCHANGE_FAILED: "The index failed, or something between answered in its place.",
    Code.ISSUER_UNKNOWN: "The index accepts tokens of a few CI systems only.",
    Code.NOT_ENABLED: "An administrator of the index has switched it off, mostly for a while.",
    Code.IDENTITY_REFUSED: "The job ran for longer than the token is valid, or the clock is wrong.",
    Code.PENDING_PUBLISHER_USELESS: "Somebody else has created the project since the pending"
    " publisher was added.",
    Code.PUBLISHER_UNKNOWN: "Owner, repository, workflow file or environment differ from what the"
    " index has: often after a rename, or in a reusable workflow.",
    Code.IDENTITY_USED: "An earlier command of the same job has exchanged it.",
    Code.TOKEN_MAY_NOT_SUFFICE: "The CI system gives one token per job, so it cannot be renewed.",
    Code.SEVERAL_NEW_PROJECTS: "A pending publisher creates one project, once.",
    Code.NOT_ATTESTABLE: "Attestations need trusted publishing, from a CI system and a workflow for"
    " which the index can check them.",
    Code.ATTESTATION_UNFIT: "The file was built again after it was attested, or another workflow"
    " has attested it.",
    Code.CERTIFICATE_NOT_ISSUED: "The token has another audience than sigstore, or its issuer is"
    " not known there.",
    Code.AUTHORITY_FAILED: "The service is down, or cannot be reached from here.",
    Code.LOG_FAILED: "The service is down, or cannot be reached from here.",
    Code.KEYS_NOT_UPDATED: "Sigstore's repository cannot be reached from here.",
    Code.KEYS_UNUSABLE: "The copy on this machine is damaged or too old, and cannot be updated.",
    Code.CREDENTIALS_REFUSED: "They are for another server, were revoked, or have expired.",
    Code.EMAIL_NOT_VERIFIED: "The account is new, or its address has changed.",
    Code.NOT_ALLOWED: "The account is no maintainer, the name belongs to somebody else, or the"
    " project accepts no files (archived, quarantined).",
    Code.FILE_TOO_LARGE: "A limit of the index, or of a proxy in front of it, such as nginx's"
    " client_max_body_size.",
    Code.NOT_AN_UPLOAD_URL: "It is the URL from which clients install, or has a typing mistake.",
    Code.REDIRECTED: "The URL lacks its last slash, begins with http:// where the server wants"
    " https://, or leads to a page on which people sign in.",
    Code.UPLOAD_REFUSED: "A rule of this server, which is not known here; its words are quoted.",
    Code.UPLOAD_NOT_SENT: "The connection could not be made, or broke each time before the server"
    " had the whole file.",
    Code.UPLOAD_STATE_UNKNOWN: "The answer to the upload was lost or meant a fault of the server"
    " (a dropped connection, 500, 502, 503, 504), and the index did not show the file within the"
    " time in which the run looked for it. The server may have stored it all the same.",
    Code.CLOSED: "The index is in maintenance, or its administrators have stopped uploads.",
    Code.TRY_LATER: "Too many requests came from this address or account.",
    Code.PASSWORD_NOT_TAKEN: "A user name and a password are configured in place of a token.",
    Code.TWO_FACTOR_MISSING: "The index requires it of everybody who uploads.",
    Code.TOKEN_EXPIRED: "It was created with an end date, or an upload took longer than the token"
    " of a trusted publisher is valid.",
    Code.TOKEN_VOID: "It was deleted, was cut when it was copied, or is TestPyPI's on PyPI, or the"
    " other way round.",
    Code.TOKEN_OF_ANOTHER_PROJECT: "The token's scope is one project, and this is another one, or"
    " a new one.",
    Code.PUBLISHER_OF_ANOTHER_PROJECT: "The workflow is the trusted publisher of other projects,"
    " not of this one.",
    Code.NEW_PROJECTS_CLOSED: "The index's administrators have stopped new projects for a while.",
    Code.TOO_MANY_NEW_PROJECTS: "The index limits how many projects one may create in a while.",
    Code.NAME_REFUSED: "It is taken, too similar to another one, reserved, or the name of a module"
    " of the standard library.",
    Code.PENDING_PUBLISHER_NAME: "The name in pyproject.toml is not that of the pending publisher.",
    Code.ORGANIZATION_INACTIVE: "Often its billing.",
    Code.FILENAME_BURNT: "An owner has deleted the file or the release.",
    Code.RELEASE_CLOSED: "The index takes new files for a release for some days only (PyPI: 14).",
    Code.SECOND_SDIST: "The sdist was built in another format, or its name is spelled differently.",
    Code.DIGEST_MISMATCH: "Something on the way has changed the file: a proxy, or bad hardware.",
    Code.PROJECT_TOO_LARGE: "All releases together have reached the limit of the index.",
    Code.ARCHIVE_REFUSED: "The format is not accepted, or the file is damaged.",
    Code.ARCHIVE_INCOMPLETE: "The build backend is old, or the file was packed by hand.",
    Code.ARCHIVE_TOO_DENSE: "It contains large empty or repetitive files.",
    Code.FILENAME_REFUSED: "The file was renamed, or an old build backend named it.",
    Code.PLATFORM_TAG: "The wheel was not built for a platform that the index knows.",
    Code.METADATA_REFUSED: "pyproject.toml has something that the index does not accept.",
    Code.CLASSIFIER_REFUSED: "A typing mistake, or the classifier was replaced by another one.",
    Code.ATTESTATIONS_REFUSED: "They are for another file or publisher, or the upload did not use"
    " trusted publishing.",
    Code.ATTESTATIONS_NOT_CHECKED: "Something failed on the index's side.",
    Code.CLIENT_FAULT: "The index expects a form that this version does not send.",
    Code.FILE_CHANGED: "Another build, or another job in the same checkout, wrote to the file.",
    Code.WEB_PAGE: "A proxy, a sign-in page or a page about maintenance answered in the index's"
    " place.",
    Code.CONFLICT: "This version was published before from another build: by another machine, from"
    " other sources, or by a build that is not reproducible.",
    Code.KEPT_REMOTE: "The same as for PV501, and --skip-existing asked to keep what is there.",
    Code.SAME_BYTES_ELSEWHERE: "The file was renamed after an earlier upload.",
    Code.OTHER_SOURCES: "The sources changed after an earlier run had begun to upload.",
    Code.VERSION_SPELLED_OTHERWISE: "1.0 and 1.0.0 are one version, and another build backend or"
    " setting spelled it differently.",
    Code.PROVENANCE_TOO_LATE: "An earlier run, or another tool, has uploaded the file without.",
    Code.CANNOT_DELETE: "The index has no way for programs to delete, or keeps everything.",
    Code.OTHERS_FILES: "Another job or person has added to the release, or replaced a file.",
    Code.NOT_CONFIRMED: "The answer was not yes, or there is no terminal to ask on.",
    Code.DELETION_FAILED: "The index refused, failed, or serves an old page from a cache.",
    Code.ANOTHER_REPOSITORY: "The repository was given another URL since, or the receipt is not"
    " from this set-up.",
    Code.NOT_LISTED_IN_TIME: "A cache in front of the index keeps the old page, the index writes"
    " its pages late, or this is not the index that shows the uploads.",
    Code.NOT_FETCHED_IN_TIME: "The page is newer than the store of files, or files need other"
    " credentials.",
    Code.INDEX_DENIED: "Reading needs credentials, or others than uploading does.",
    Code.NO_INDEX_THERE: "The URL has a typing mistake, or is that of a web page.",
    Code.INDEX_NOT_REACHED: "The server is down, or a proxy, a firewall or a certificate is in the"
    " way.",
    Code.COMPLETENESS_UNKNOWN: "A name and a version do not say how many files there should be.",
    Code.LISTED_IMPROPERLY: "The index writes pages that break the standards, so clients may read"
    " them in different ways.",
    Code.NOT_UPLOADED: "The publisher's run failed or was killed.",
    Code.METADATA_UNUSABLE: "The document is missing, malformed, or of another kind, and no good"
    " copy is known.",
    Code.METADATA_COPY: "The server is down, or has something malformed or older.",
    Code.PROVENANCE_NOT_SERVED: "The file was uploaded without attestations, or the index (often a"
    " mirror) does not serve them.",
    Code.PROVENANCE_NOT_VERIFIABLE: "Something is missing on this machine: Sigstore's keys, or the"
    " right to read them.",
    Code.OTHER_HASH_LISTED: "Somebody has replaced the file, or a mirror has another one of that"
    " name.",
    Code.NO_HASH_LISTED: "The index does not write hashes into its pages.",
    Code.OTHER_BYTES_SERVED: "A damaged store or cache, or somebody has replaced the file.",
    Code.CLIENT_CANNOT_INSTALL: "The wheel's tags, its Requires-Python or the index's page do not"
    " allow it.",
    Code.NOT_INSTALLABLE_BY_NATURE: "Only an sdist was built.",
    Code.EXTRA_FILE: "Another job adds wheels for its platform, or somebody else has uploaded.",
    Code.CLIENT_TAKES_ANOTHER: "Two wheels differ in the build tag alone.",
    Code.YANKED: "An owner has yanked the release, so that installers skip it.",
    Code.QUARANTINED: "The index's administrators suspect the project.",
    Code.OTHER_REQUIRES_PYTHON: "The index has stored what the upload's form said, or a cache has"
    " another version of the page.",
    Code.OTHER_METADATA_LISTED: "The index has computed it from something else.",
    Code.OTHER_METADATA_SERVED: "The index has extracted it from something else, or a cache is"
    " mixed up.",
    Code.OTHER_SIZE_LISTED: "The index has recorded another file's size.",
    Code.PROJECT_STATUS: "An owner has marked it.",
    Code.WARM_CACHE: "The client asked before the release, and keeps that page for as long as the"
    " index allows: ten minutes on PyPI.",
    Code.POETRY_CACHE_NOT_CLEARED: "The cache belongs to somebody else, or is in use.",
    Code.COPIES_BY_USER_AGENT: "The server sends Vary: User-Agent.",
    Code.OTHER_DIGEST_LISTED: "The index lists hashes that it has not computed itself.",
    Code.NEWER_METADATA: "An older version is published after a newer one, as a fix for it.",
    Code.ENCODED_IN_TRANSIT: "The server compresses everything that it sends.",
    Code.PROVENANCE_MALFORMED: "The index, or something in front of it, has replaced it.",
    Code.PROVENANCE_OF_ANOTHER_FILE: "The file was replaced, or the index has mixed them up.",
    Code.PUBLISHED_BY_ANOTHER: "The project has moved to another repository or workflow, or"
    " somebody else can publish it.",
    Code.SIGNATURE_WRONG: "Somebody, or something on the way, has changed it.",
    Code.LOG_ENTRY_WRONG: "Somebody, or something on the way, has changed it.",
    Code.CERTIFICATE_UNTRUSTED: "It was signed elsewhere, or Sigstore's keys here are old.",
    Code.LOCK_NOT_FREE: "Another Poetry works on the same thing, or its host died and left its"
    " lock.",
    Code.LOCK_UNAVAILABLE: "A network filesystem without a lock service, or one that does not"
    " answer.",
    Code.LOCK_ORDER: "A hook, plugin or build runs Poetry inside of Poetry.",
    Code.LOCK_LOST: "This run gave no sign of life for long, as on a suspended machine, and another"
    " run took its place.",
    Code.LOCK_BROKEN: "The other run's host is gone, or was suspended.",
    Code.LOCKS_OF_ONE_HOST: "A mount option keeps locks on one host, such as nolock.",
    Code.TAGGED_NOT_PUBLISHED: "The job that publishes tags failed, was skipped, or never ran.",
    Code.PUBLISHED_NOT_TAGGED: "Somebody published by hand, or the tag was not pushed.",
    Code.METADATA_BEHIND: "A run was killed before it wrote the file, or its commit was forgotten.",
    Code.METADATA_AHEAD: "The release was deleted, or somebody edited the file.",
    Code.MIRROR_BEHIND: "The mirror keeps its pages for longer, or does not fetch.",
    Code.INCOMPLETE: "A job for one platform failed, or a file was deleted.",
    Code.PROJECT_BEHIND: "The version was raised elsewhere: on another branch, or by hand.",
    Code.FEWER_KINDS_OF_FILES: "A job for one platform did not run.",
    Code.TAGS_UNKNOWN: "CI systems clone without tags unless told otherwise.",
}
