"""What is where after a release that failed, what may be deleted, and which version is next."""

from __future__ import annotations

from typing import Any

import pytest

from poetry_publish_verified.core.awaited import NotAwaitableError
from poetry_publish_verified.core.rollback import SentRelease, sent_in
from poetry_publish_verified.core.rollback_plan import next_version, plan_of
from poetry_publish_verified.errors import Code
from poetry_publish_verified.output import rollback as output

A, B = "a" * 64, "b" * 64
WHEEL, SDIST = "lantern-1.0-py3-none-any.whl", "lantern-1.0.tar.gz"


def file(filename: str, upload: str, sha256: str = A, remote: str | None = None) -> dict[str, Any]:
    """A distribution of a receipt."""
    return {
        "filename": filename, "size": 5, "sha256": sha256, "remote_sha256": remote,
        "upload": upload, "attempts": 1, "requires_python": None, "url": None,
    }  # fmt: skip


def release(*files: dict[str, Any], url: str | None = "https://i.example/", **more: Any) -> Any:
    """A release of a receipt."""
    return {
        "name": "lantern", "version": "1.0", "verdict": "upload-failed", "blocked_by": [],
        "repository": {"name": "harbour", "url": url}, "distributions": list(files),
        "indexes": [], "stages": [], "problems": [], "rollback": None, **more,
    }  # fmt: skip


def receipt(*releases: Any) -> dict[str, Any]:
    """A receipt with these releases."""
    return {
        "schema": "publish-verified.receipt/1", "verdict": "upload-failed", "rehearsal": False,
        "releases": list(releases),
    }  # fmt: skip


@pytest.mark.parametrize(
    ("version", "later", "following"),
    [
        ("1.0", (), "1.0.1"),
        ("1.0", ("1.0.1", "1.0.2"), "1.0.3"),
        ("1", (), "1.0.1"),
        ("1.2.3", ("1.3",), "1.2.4"),
        ("2026.11.26.1", (), "2026.11.26.2"),
        ("1.0rc1", ("1.0rc2",), "1.0rc3"),
        ("1.0a9", (), "1.0a10"),
        ("1.0.post1", (), "1.0.post2"),
        ("1.0rc1.dev3", (), "1.0rc1.dev4"),
        ("1!1.0.9", (), "1!1.0.10"),
        ("1.0.1+cuda", (), "1.0.2"),
    ],
)
def test_next_version(version: str, later: tuple[str, ...], following: str) -> None:
    """The smallest step of the same kind that is not taken."""
    assert next_version(version, later) == following


def test_plan_says_what_is_where() -> None:
    """Files are told apart by who uploaded them, and by what is known of them."""
    plan = plan_of(
        release(
            file("a.whl", "uploaded"), file("b.whl", "already-there"), file("c.whl", "unknown"),
            file("d.whl", "failed"), file("e.whl", "not-sent", remote=B),
        ),
        ("1.0.1",),
    )  # fmt: skip
    assert plan == {
        "places": [
            {
                "repository": "harbour",
                "there": [
                    {"filename": "a.whl", "sha256": A, "ours": True},
                    {"filename": "b.whl", "sha256": A, "ours": False},
                    {"filename": "e.whl", "sha256": B, "ours": False},
                ],
                "unknown": ["c.whl"],
                "absent": ["d.whl"],
                "page": None,
            }
        ],
        "next_version": "1.0.2",
    }


def test_plan_of_a_release_that_failed_on_its_stage() -> None:
    """What is on the stage is not free either, and can be taken back too."""
    stage = {
        "verdict": "verification-failed", "finished": None, "indexes": [],
        "repository": {"name": "rehearsals", "url": "https://stage.example/"},
        "distributions": [file(WHEEL, "uploaded")],
    }  # fmt: skip
    failed = release(file(WHEEL, "not-sent"), stages=[stage])
    plan = plan_of(failed, ())
    assert plan is not None
    assert plan["next_version"] == "1.0.1"
    assert [place["repository"] for place in plan["places"]] == ["harbour", "rehearsals"]
    shown: Any = receipt(failed | {"rollback": plan})
    said = list(output.lines(shown, "r.json"))
    assert said[:2] == [
        f"lantern 1.0 on harbour: not there: {WHEEL}",
        f"lantern 1.0 on rehearsals: uploaded by this run: {WHEEL}",
    ]
    (sent,) = sent_in(receipt(failed))
    assert (sent.repository, sent.url) == ("rehearsals", "https://stage.example/")


def test_plan_of_what_never_arrived() -> None:
    """The version is still free; whoever only waits has no plan."""
    plan = plan_of(release(file("a.whl", "failed")), ())
    assert plan is not None
    assert plan["next_version"] == "1.0"
    assert plan_of(release(file("a.whl", "unknown"), url=None), ()) is None


@pytest.mark.parametrize("code", [Code.FILENAME_BURNT, Code.CONFLICT])
def test_plan_where_the_name_is_used(code: Code) -> None:
    """A version is not free if the index says that its file names are taken for ever."""
    plan = plan_of(release(file("a.whl", "failed"), problems=[{"code": str(code)}]), ())
    assert plan is not None
    assert plan["next_version"] == "1.0.1"


def test_plan_names_the_page_that_yanks() -> None:
    """It is known for an index like PyPI, and then nothing else takes the release back."""
    url = "https://upload.index.example/legacy/"
    plan = plan_of(release(file("a.whl", "uploaded"), url=url), ())
    assert plan is not None
    page = "https://index.example/manage/project/lantern/releases/"
    assert plan["places"][0]["page"] == page
    shown: Any = receipt(release(file("a.whl", "uploaded"), url=url, rollback=plan))
    said = list(output.lines(shown, "r.json"))
    assert said[0] == "lantern 1.0 on harbour: uploaded by this run: a.whl"
    assert page in said[1]
    assert said[2].strip() == "The next free version is 1.0.1."


def test_lines_of_many_releases_end() -> None:
    """Three are enough for a screen; the receipt has all."""
    failed = release(file("a.whl", "uploaded"))
    failed["rollback"] = plan_of(failed, ())
    many: Any = receipt(*[failed] * 5)
    said = list(output.lines(many, None))
    assert len(said) == 3 * 3 + 1
    assert "rollback --receipt FILE" in said[1]
    assert said[-1] == "The receipt has the same of 2 more releases."


def test_only_what_the_run_sent_is_its_own() -> None:
    """What was there before, with the same bytes too, is somebody else's release."""
    (sent,) = sent_in(receipt(release(file(WHEEL, "uploaded"), file(SDIST, "already-there", B))))
    assert sent.files == {WHEEL: A}
    assert sent.not_ours({WHEEL: A}) == []
    assert sent.not_ours({WHEEL: A, SDIST: B}) == [SDIST]
    assert sent.not_ours({WHEEL: B}) == [WHEEL]
    (doubtful,) = sent_in(receipt(release(file(WHEEL, "unknown"))))
    assert doubtful.files == {WHEEL: A}
    assert sent_in(receipt(release(file(WHEEL, "already-there")))) == []
    assert sent_in(receipt(release(file(WHEEL, "uploaded"), url=None))) == []


def test_a_place_that_had_the_release_before() -> None:
    """A stage is not taken back alone; other releases of the receipt do not matter."""
    stage = {
        "verdict": "verified", "finished": None, "indexes": [],
        "repository": {"name": "rehearsals", "url": "https://stage.example/"},
        "distributions": [file(WHEEL, "uploaded")],
    }  # fmt: skip
    there = release(file(WHEEL, "already-there"))
    target, staged = sent_in(receipt(there | {"stages": [stage]}))
    assert (staged.repository, staged.files) == ("rehearsals", {WHEEL: A})
    assert (target.repository, target.not_ours({WHEEL: A})) == ("harbour", [WHEEL])
    second = release(file("beacon-2.0-py3-none-any.whl", "uploaded"))
    (sent,) = sent_in(receipt(there, second | {"name": "beacon", "version": "2.0"}))
    assert sent.title == "beacon 2.0"


def test_dependent_releases_come_first() -> None:
    """A receipt has them in the order of their upload, so the last one goes first."""
    other = file("beacon-2.0-py3-none-any.whl", "uploaded")
    second = release(other) | {"name": "beacon", "version": "2.0"}
    sent = sent_in(receipt(release(file(WHEEL, "uploaded")), second))
    assert [each.title for each in sent] == ["beacon 2.0", "lantern 1.0"]


@pytest.mark.parametrize(
    "wrong",
    [
        None, [], {}, {"schema": "publish-verified.plan/1"},
        receipt(), receipt({"name": "lantern"}), receipt(release()),
        receipt(release(file(WHEEL, "uploaded"))) | {"rehearsal": True},
        receipt(release(file(WHEEL, "uploaded"))) | {"verdict": "dry-run"},
        receipt(release(file("beacon-1.0.tar.gz", "uploaded"))),
    ],
)  # fmt: skip
def test_wrong_receipt(wrong: object) -> None:
    """Nothing is deleted by a receipt of something else, or a damaged one."""
    with pytest.raises(NotAwaitableError):
        sent_in(wrong)


def test_files_of_the_version() -> None:
    """Every spelling counts, and so does what only the server takes for this version."""
    (sent,) = sent_in(receipt(release(file(WHEEL, "uploaded"))))
    assert isinstance(sent, SentRelease)
    listed = [
        WHEEL, SDIST, "Lantern-1.0.0.zip", "lantern-1.0-py3.11.egg", "lantern-1.0.win32.exe",
        "lantern-1.1.tar.gz", "lantern-10.tar.gz", "beacon-1.0.tar.gz", "lantern-2.egg",
    ]  # fmt: skip
    assert sent.listed_in(listed) == listed[:5]
