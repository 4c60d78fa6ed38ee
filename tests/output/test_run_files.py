"""What is left of a run: timeline, Markdown, HTML, JUnit, outputs, annotations and history."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from xml.etree import ElementTree as ET

from poetry_publish_verified.core import events
from poetry_publish_verified.core.history import history_line
from poetry_publish_verified.core.receipt import START, is_written_by_runs
from poetry_publish_verified.core.timeline import timeline
from poetry_publish_verified.output import ci, html_report, markdown
from poetry_publish_verified.sanitize import harmless
from tests.output.ended_run import (
    BIG,
    FILES,
    HOSTILE,
    INDEX,
    MIRROR,
    NOON,
    PAGE,
    SDIST,
    STORY,
    WHEEL,
    of_many,
    receipt,
)

SEEN = harmless(HOSTILE)


def test_timeline() -> None:
    """Each upload, each client's wait, and the downloads, with how it ended."""
    (lane,) = timeline(receipt())
    seconds = [
        (bar.label, (bar.start - NOON).total_seconds(), (bar.end - NOON).total_seconds(), bar.state)
        for bar in lane.bars
    ]
    assert lane.title == "lantern 1.0"
    assert seconds == [
        (f"upload {WHEEL}", 1.5, 2.6, "good"),
        (f"upload {BIG}", 2.7, 6.1, "good"),
        (f"upload {SDIST}", 6.2, 7.0, "good"),
        (f"pip waits for {INDEX}", 7.1, 7.8, "good"),
        (f"uv waits for {INDEX}", 7.1, 8.9, "good"),
        (f"verify {INDEX}", 8.9, 13.0, "good"),
        (f"pip waits for {MIRROR}", 9.0, 15.0, "good"),
        (f"uv waits for {MIRROR}", 9.0, 18.1, "bad"),
    ]


def test_timeline_of_a_killed_run() -> None:
    """What was begun and not ended is open, up to the last moment that is known."""
    (lane,) = timeline(receipt(STORY[:8]))
    assert [bar.state for bar in lane.bars] == ["good", "open"]
    assert lane.bars[-1].end >= lane.bars[-1].start


def test_stage_and_repository_are_apart() -> None:
    """What happens on a stage has tables, a lane and a name of its own."""
    story = [
        *STORY[:4],
        (1.5, events.OnStage("testpypi", events.TargetsFound("https://t.example/", (MIRROR,)))),
        (1.5, events.OnStage("testpypi", events.DistributionsRead(FILES))),
        (1.6, events.OnStage("testpypi", events.UploadStarted(SDIST, 1, 1, 6))),
        (1.7, events.OnStage("testpypi", events.UploadEnded(SDIST, "uploaded"))),
        *STORY[4:],
    ]
    stage, repository = timeline(receipt(story))
    assert (stage.title, [bar.label for bar in stage.bars]) == (
        "lantern 1.0 on testpypi",
        [f"upload {SDIST}"],
    )
    assert len(repository.bars) == 8
    text = markdown.summary(receipt(story))
    assert text.index("### lantern 1.0 on testpypi: ") < text.index("### lantern 1.0: not-visible")
    assert text.count(f"| {SDIST} |") == 2


def test_timeline_of_many_releases() -> None:
    """Hundreds of bars cannot be read: each release has one."""
    assert len(timeline(of_many(3))) == 3
    (lane,) = timeline(of_many(50))
    assert len(lane.bars) == 50
    assert timeline(receipt(STORY[:1])) == []


def test_markdown() -> None:
    """Files with hashes, indexes with clients and times, problems with remedies, a gantt."""
    text = markdown.summary(receipt())
    lines = text.splitlines()
    assert lines[0] == markdown.MARK
    assert "## lantern 1.0: not-visible" in lines
    assert f"| {SDIST} | 54,321 | {'c' * 64} | uploaded |" in lines
    assert any("| proven | after 0.7 s | after 1.8 s | pip (2 downloaded" in line for line in lines)
    assert any("| not proven | after 6.0 s | no |" in line for line in lines)
    gantt = text.partition("```mermaid\n")[2].partition("```")[0].splitlines()
    assert gantt[:4] == ["gantt", "    dateFormat x", "    axisFormat %H:%M:%S", gantt[3]]
    noon = round(NOON.timestamp() * 1000)
    assert f"    upload {SDIST} :done, {noon + 6200}, {noon + 7000}" in gantt
    assert all(re.fullmatch(r"    [\w .+/()-]+ :\w+, \d+, \d+", line) for line in gantt[4:])


def test_codes_lead_to_the_documentation() -> None:
    """Where it is known, summary and report link each code to its place there."""
    site = "https://docs.example/"
    page = f"{site}reference/codes.html#pv601"
    assert f"**Error [PV601]({page})**: " in markdown.summary(receipt(), site)
    assert f'<a href="{page}" rel="noreferrer">PV601</a>' in html_report.report(receipt(), site)


def test_markdown_has_no_foreign_markup() -> None:
    """All that a server may have said is text: no HTML, no links, no cells, no mentions."""
    text = markdown.summary(receipt())
    foreign = text.replace(markdown.MARK, "").replace(f"<{PAGE}1.0/>", "")
    assert "<" not in foreign
    assert "](" not in foreign
    assert "@all" not in foreign
    assert "##vso" not in foreign
    assert "\x1b" not in foreign
    rows = [line for line in text.splitlines() if line.startswith("|")]
    assert {line.count("|") for line in rows} == {5, 6}


def test_markdown_of_many_releases_is_bounded() -> None:
    """CI systems drop a summary of more than a mebibyte whole, and Mermaid draws so much only."""
    text = markdown.summary(of_many(2500))
    assert len(text.encode()) < 900_000
    assert len(text.partition("```mermaid")[2]) < 50_000


class _Page(HTMLParser):
    """The elements of a page, with their attributes, and its text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data


def test_html() -> None:
    """One page with all of it, without scripts and without anything to load."""
    page = _Page(html_report.report(receipt()))
    names = {name for name, _ in page.elements}
    assert not names & {"script", "img", "link", "iframe", "object", "form", "base", "svg"}
    links = [attributes["href"] for _, attributes in page.elements if "href" in attributes]
    assert links == [f"{PAGE}1.0/"]
    assert not any(key.startswith("on") or key == "src" for _, a in page.elements for key in a)
    for words in ("c" * 64, SDIST, BIG, "after 1.8 s", "PV601", SEEN, "not-visible"):
        assert words in page.text
    assert html_report.report(receipt()).startswith(f"<!doctype html>{html_report.MARK}")


def test_junit() -> None:
    """A case per check; errors fail, warnings do not; any XML reader takes it."""
    suites = ET.fromstring(ci.junit(receipt()))  # noqa: S314 - our own
    run, release = suites
    assert (run.get("name"), len(run)) == ("publish-verified", 0)
    assert (release.get("tests"), release.get("failures")) == (str(len(release)), "3")
    failed = [str(case.get("name")) for case in release if case.find("failure") is not None]
    assert failed == [
        f"{MIRROR} lists every file for uv",
        f"{MIRROR} is proven",
        "PV601",
    ]
    assert {case.get("classname") for case in release} == {"lantern 1.0"}
    (failure,) = [case.find("failure") for case in release if case.get("name") == "PV601"]
    assert failure is not None
    assert SEEN in str(failure.text)
    (upload,) = [case for case in release if case.get("name") == f"upload of {SDIST}"]
    assert upload.get("time") == "0.800"
    refused = ET.fromstring(ci.junit(receipt(STORY[:4])))  # noqa: S314 - our own
    assert refused[1].get("skipped") == str(len(FILES))


def test_outputs() -> None:
    """Single lines; of several releases there is no one version."""
    found = ci.outputs(receipt(), "/tmp/ümläut dir/receipt.json\nverdict=verified")  # noqa: S108
    assert found == {
        "version": "1.0",
        "verdict": "not-visible",
        "receipt": "/tmp/ümläut dir/receipt.json verdict=verified",  # noqa: S108
        "url": f"{PAGE}1.0/",
    }
    assert ci.github_outputs(found).splitlines()[:2] == ["version=1.0", "verdict=not-visible"]
    assert ci.dotenv(found).splitlines()[:2] == [
        "RELEASE_VERSION=1.0",
        "RELEASE_VERDICT=not-visible",
    ]
    assert ci.outputs(of_many(2), "")["version"] == ""
    story = [*STORY[:2], (1.0, events.TargetsFound(None, (INDEX,)))]
    assert ci.outputs(receipt(story), "")["url"] == f"{INDEX}lantern/"


def test_annotations() -> None:
    """One line per problem, errors first, each escaped as GitHub wants it."""
    error, warning = ci.annotations(receipt())
    assert error.startswith(f"::error title=PV601::lantern 1.0: {MIRROR} lacks")
    assert warning.startswith("::warning title=PV233::lantern 1.0: The tag")
    for line in (error, warning):
        assert line.count("%0A") == 1
        assert "%250A" in line
        assert line.isprintable()
        assert line.find("::", line.index("::", 2) + 2) < 0 or " ::error::boo" in line


def test_history() -> None:
    """One line of JSON with what each run did."""
    line = json.loads(json.dumps(history_line(receipt())))
    (release,) = line.pop("releases")
    assert line["problems"] == ["PV233", "PV601"]
    assert (line["commit"], line["verdict"], line["exit_code"]) == ("c0ffee", "not-visible", 6)
    assert release["proven_on"] == [INDEX]
    assert release["files"] == {each.filename: each.sha256 for each in FILES}
    assert history_line(receipt(STORY[:5]))["releases"][0]["files"] == {}


def test_none_of_them_counts_as_a_source() -> None:
    """Wherever they are written, the next run does not take them for changed sources."""
    made = receipt()
    for text in (
        markdown.summary(made),
        html_report.report(made),
        ci.junit(made),
        ci.dotenv(ci.outputs(made, "")),
        json.dumps(history_line(made)),
    ):
        assert is_written_by_runs("some/file", text.encode()[:START]), text[:START]
