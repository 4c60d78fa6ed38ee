"""A run as Markdown, for the summary of a CI job: tables, problems, and a Mermaid timeline."""

import re
from collections.abc import Iterator

from poetry_publish_verified.core.receipt_document import ReceiptDocument
from poetry_publish_verified.core.timeline import timeline
from poetry_publish_verified.errors import anchor
from poetry_publish_verified.output.run_tables import (
    Table,
    all_problems,
    facts,
    release_parts,
    title_of,
)
from poetry_publish_verified.sanitize import harmless

MARK = "<!-- publish-verified.summary/1 -->"
"""The first line, by which a later run knows its own file."""
_TAGS = {"good": "done", "bad": "crit", "open": "active"}
# A colon is markup in `https://…` and `:tada:`, an underscore at the edge of a word.
_MARKUP = re.compile(r"[#$&*<>@\[\\\]^`{|}~]|(?<!\d):(?=\S)|(?<![A-Za-z0-9])_|_(?![A-Za-z0-9])")
# GitHub takes 1 MiB for all of a step, and Mermaid 50,000 characters for one diagram.
_MOST_ROWS = 2000
_MOST_BARS = 200


def summary(receipt: ReceiptDocument, site: str = "") -> str:
    """The whole document; codes link to the documentation, if `site` is its URL."""
    parts = release_parts(receipt)
    lines = [MARK, "", f"## {_text(title_of(receipt))}: {receipt['verdict']}", ""]
    lines += [_text(receipt["summary"] or ""), "", _text(facts(receipt)), ""]
    rows = _MOST_ROWS
    for part in parts:
        if len(parts) > 1:
            lines += [f"### {_text(part.title)}: {part.verdict}", ""]
        if part.page:
            lines += [f"<{part.page}>", ""]
        for table in (part.files, part.indexes):
            if table.rows and rows > 0:
                lines += [*_table(table), ""]
                rows -= len(table.rows)
    if rows <= 0:
        lines += ["The receipt has the other releases.", ""]
    for of, problem in all_problems(receipt)[:_MOST_BARS]:
        where = f"{_text(of)}: " if of else ""
        code = problem["code"]
        linked = f"[{code}]({site}{anchor(code)})" if site else code
        lines.append(f"- **{problem['severity'].title()} {linked}**: {where}")
        lines[-1] += f"{_text(problem['message'])} *{_text(problem['remedy'])}*"
    return "\n".join([*lines, "", *_gantt(receipt)]).rstrip("\n") + "\n"


def _table(table: Table) -> Iterator[str]:
    yield f"| {' | '.join(map(_text, table.head))} |"
    yield f"|{' --- |' * len(table.head)}"
    for row in table.rows:
        yield f"| {' | '.join(map(_text, row))} |"


def _gantt(receipt: ReceiptDocument) -> Iterator[str]:
    lanes = timeline(receipt)
    if not lanes:
        return
    yield from ("```mermaid", "gantt", "    dateFormat x", "    axisFormat %H:%M:%S")
    left = _MOST_BARS
    for lane in lanes:
        yield f"    section {_label(lane.title)}"
        for bar in lane.bars[: max(left, 0)]:
            start, end = (round(each.timestamp() * 1000) for each in (bar.start, bar.end))
            # Mermaid draws nothing of no length.
            times = f"{start}, {max(end, start + 1)}"
            yield f"    {_label(bar.label)} :{_TAGS[bar.state]}, {times}"
        left -= len(lane.bars)
    yield "```"


def _label(text: str) -> str:
    """Without what means something in a line of Mermaid."""
    text = text.removesuffix("/").replace("https://", "").replace("http://", "")
    return re.sub(r"[^\w .+/()-]", " ", harmless(text, 200))


def _text(text: str) -> str:
    """As it is, whatever it holds: markup becomes character references."""
    return _MARKUP.sub(lambda match: f"&#{ord(match[0])};", harmless(text, 2000))
