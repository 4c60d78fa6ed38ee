"""What should be out and what is out: each way in which they disagree (PV9xx)."""

from collections.abc import Collection

from poetry_publish_verified.core.problems.repository import get_an_answer
from poetry_publish_verified.core.problems.words import Text, problem, some, why
from poetry_publish_verified.errors import Code
from poetry_publish_verified.sanitize import harmless


@problem(Code.TAGGED_NOT_PUBLISHED)
def tagged_not_published(release: str, tag: str, age: str, index: str, newest: str | None) -> Text:
    there = f"the newest there is {newest}" if newest else "nothing of the project is there"
    return Text(
        f"{release} is tagged, not published: the tag {harmless(tag)} is {age} old, and {index}"
        f" does not list that version ({there}).",
        "Check the job that publishes tags, and run it again. If the version is not to be released,"
        f" delete the tag: git push --delete origin {harmless(tag)}",
    )


@problem(Code.PUBLISHED_NOT_TAGGED)
def published_not_tagged(release: str, index: str, patterns: Collection[str]) -> Text:
    return Text(
        f"{release} is published, not tagged: {index} lists it, and no git tag of the form"
        f" {some(patterns)} names that version.",
        "Tag the commit that it was built from, and push the tag. If tags look different here, set"
        ' tags in [tool.publish-verified]; if there are no tags, set it to "none".',
    )


@problem(Code.TAGS_UNKNOWN)
def tags_unknown(release: str, reason: str) -> Text:
    return Text(
        f"Cannot tell which version of {release} is tagged: the tags are not there, because"
        f" {reason}.",
        "Run git fetch --tags first, in a shallow clone with --unshallow (GitHub: fetch-depth: 0"
        ' for actions/checkout; GitLab: GIT_DEPTH: "0").'
        if "git cannot" not in reason
        else "Run git status there: it says why.",
    )


@problem(Code.METADATA_BEHIND)
def metadata_behind(place: str, version: str | None, release: str, index: str) -> Text:
    has = f"has {version}" if version else "does not exist"
    return Text(
        f"The release metadata is behind the index: {harmless(place)} {has}, and {index} has"
        f" {release}.",
        "Run poetry publish-verified again for that version, which writes the file, and commit or"
        " upload it.",
    )


@problem(Code.METADATA_AHEAD)
def metadata_ahead(place: str, release: str, index: str) -> Text:
    return Text(
        f"The release metadata is ahead of the index: {harmless(place)} has {release}, which"
        f" {index} does not list.",
        "Publish that version, or restore the file's previous content.",
    )


@problem(Code.MIRROR_BEHIND)
def mirror_behind(
    index: str, release: str, own: str, newest: str | None, missing: Collection[str]
) -> Text:
    """`missing` are the files that it lacks, where it has others of the release."""
    has = f"its newest version is {newest}" if newest else "it has no version of the project"
    lacks = f"it lacks {some(missing)}" if missing else has
    return Text(
        f"The mirror {index} is behind {own}: {lacks}, and {release} is published.",
        "Check the mirror's synchronization, or purge its cache.",
    )


@problem(Code.INCOMPLETE)
def incomplete(index: str, release: str, missing: Collection[str]) -> Text:
    return Text(
        f"{release} is incomplete on {index}: it lacks {some(missing)}, which its receipt or"
        " metadata lists.",
        "Run poetry publish-verified again for that version: it sends what is missing.",
    )


@problem(Code.PROJECT_BEHIND)
def project_behind(release: str, index: str, newest: str) -> Text:
    return Text(
        f"The project is behind the index: pyproject.toml has {release}, and {index} has {newest}.",
        "Update the checkout, or set the version in pyproject.toml.",
    )


@problem(Code.FEWER_KINDS_OF_FILES, "warning")
def fewer_kinds(index: str, release: str, lacks: Collection[str], previous: str) -> Text:
    return Text(
        f"{release} has fewer kinds of files on {index} than {previous}: it lacks {some(lacks)}.",
        "Check the jobs that build them. No action needed if they are not built any more.",
    )


@problem(Code.YANKED, "warning")
def yanked(index: str, release: str, filenames: Collection[str], reason: str | None) -> Text:
    """`filenames` are the yanked files of a release that has others."""
    what = f"{some(filenames)} of {release}" if filenames else release
    return Text(
        f"{index} lists {what} as yanked{why(reason)}, so installers skip it.",
        "No action needed if that is intended.",
    )


@problem(Code.INDEX_NOT_REACHED)
def not_known(index: str, said: str, name: str | None, *, malformed: bool) -> Text:
    """An index gave no usable answer, or a `malformed` page; `name` is that of its login."""
    return Text(
        f"Cannot tell what {index} has: {said.rstrip('.')}.",
        get_an_answer(said, name, malformed=malformed),
    )


@problem(Code.NO_INDEX_THERE)
def no_index_there(index: str, said: str) -> Text:
    return Text(
        f"There seems to be no index at {index}: {said}.",
        "Pass --index with the root URL of the simple API, which often ends in /simple/.",
    )
