"""A run as one HTML page, with a drawn timeline; it needs no network and no script."""

from collections.abc import Iterator
from datetime import timedelta
from html import escape

from poetry_publish_verified.core.receipt_document import ReceiptDocument
from poetry_publish_verified.core.timeline import Lane, timeline
from poetry_publish_verified.errors import Verdict, anchor
from poetry_publish_verified.output.run_tables import (
    ReleasePart,
    Table,
    all_problems,
    facts,
    release_parts,
    title_of,
)
from poetry_publish_verified.sanitize import harmless

MARK = "<!-- publish-verified.report/1 -->"
"""At the start, by which a later run knows its own file."""
_POLICY = "default-src 'none'; style-src 'unsafe-inline'"
_STYLE = """
:root{color-scheme:light dark;--ink:#1b1f24;--paper:#fff;--soft:#f3f4f6;--line:#d0d5db;
--dim:#59636e;--good:#1a7f37;--bad:#c3202f;--open:#9a6700}
@media(prefers-color-scheme:dark){:root{--ink:#e6e9ed;--paper:#14181d;--soft:#1f252c;
--line:#3a424c;--dim:#9aa5b1;--good:#3fb950;--bad:#f4606b;--open:#d29922}}
*{box-sizing:border-box}
body{margin:0 auto;padding:1rem;max-width:72rem;background:var(--paper);color:var(--ink);
font:16px/1.5 system-ui,sans-serif;overflow-wrap:anywhere}
h1{font-size:1.5rem;margin:.2em 0}h2{font-size:1.15rem;margin:1.6em 0 .4em}
.dim{color:var(--dim);font-size:.875rem}a{color:inherit}
.good{color:var(--good)}.bad{color:var(--bad)}.open{color:var(--open)}
table{width:100%;border-collapse:collapse;margin:.6em 0;font-size:.875rem}
th,td{padding:.4em .6em;border-bottom:1px solid var(--line);text-align:left;vertical-align:top}
th{background:var(--soft);font-weight:600}td[data-head=Bytes]{white-space:nowrap}
td[data-head=sha256]{font-family:ui-monospace,monospace}
.problem{border-left:4px solid var(--open);background:var(--soft);padding:.5em .8em;margin:.5em 0}
.problem.error{border-color:var(--bad)}.problem p{margin:.2em 0}
.bar{display:grid;grid-template-columns:minmax(9rem,38%) 1fr;gap:.6em;align-items:center;
padding:.15em 0;font-size:.875rem}
.track{position:relative;height:1.1em;background:var(--soft);border-radius:3px}
.track i{position:absolute;top:0;bottom:0;min-width:3px;border-radius:3px;background:currentColor}
@media(max-width:40rem){
thead{display:none}tr{display:block;border:1px solid var(--line);border-radius:4px;margin:.6em 0}
td{display:block;border:0}td::before{content:attr(data-head)" ";color:var(--dim);font-size:.75rem;
display:block}td:empty{display:none}.bar{grid-template-columns:1fr;gap:.1em;padding:.3em 0}}
"""


def report(receipt: ReceiptDocument, site: str = "") -> str:
    """The whole page; codes link to the documentation, if `site` is its URL."""
    parts, title = release_parts(receipt), title_of(receipt)
    return "\n".join(
        [
            f"<!doctype html>{MARK}",
            '<html lang="en"><head><meta charset="utf-8">',
            '<meta name="viewport" content="width=device-width,initial-scale=1">',
            f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">',
            f"<title>{_text(title)}: {_text(receipt['verdict'])}</title>",
            f"<style>{_STYLE}</style></head><body>",
            f"<h1>{_text(title)}: {_verdict(receipt['verdict'])}</h1>",
            f"<p>{_text(receipt['summary'] or '')}</p>",
            f'<p class="dim">{_text(facts(receipt))}</p>',
            *_problems(receipt, site),
            *_timeline(timeline(receipt)),
            *(line for part in parts for line in _release(part)),
            "</body></html>\n",
        ]
    )


def _release(part: ReleasePart) -> Iterator[str]:
    yield f"<h2>{_text(part.title)}: {_verdict(part.verdict)}</h2>"
    if part.page:
        yield f'<p><a href="{_text(part.page)}" rel="noreferrer">{_text(part.page)}</a></p>'
    for table in (part.files, part.indexes):
        if table.rows:
            yield from _table(table)


def _table(table: Table) -> Iterator[str]:
    head = "".join(f"<th>{_text(each)}</th>" for each in table.head)
    yield f"<table><thead><tr>{head}</tr></thead>"
    for row in table.rows:
        cells = (
            f'<td data-head="{_text(head)}">{_text(cell)}</td>'
            for head, cell in zip(table.head, row, strict=True)
        )
        yield f"<tr>{''.join(cells)}</tr>"
    yield "</table>"


def _problems(receipt: ReceiptDocument, site: str) -> Iterator[str]:
    found = all_problems(receipt)
    if found:
        yield "<h2>Problems</h2>"
    for of, problem in found:
        where = f"{_text(of)}: " if of else ""
        code, severity = _text(problem["code"]), _text(problem["severity"])
        page = _text(site + anchor(code))
        linked = f'<a href="{page}" rel="noreferrer">{code}</a>' if site else code
        yield f'<div class="problem {severity}"><p><b>{severity.title()} {linked}</b>: {where}'
        yield f'{_text(problem["message"])}</p><p class="dim">{_text(problem["remedy"])}</p></div>'


def _timeline(lanes: list[Lane]) -> Iterator[str]:
    """Each bar from its start to its end, in percent of the whole."""
    bars = [bar for lane in lanes for bar in lane.bars]
    if not bars:
        return
    first, last = min(bar.start for bar in bars), max(bar.end for bar in bars)
    whole = max(last - first, timedelta(milliseconds=1))
    yield f'<h2>Timeline</h2><p class="dim">{whole.total_seconds():.1f} s from left to right</p>'
    for lane in lanes:
        if len(lanes) > 1:
            yield f"<p>{_text(lane.title)}</p>"
        for bar in lane.bars:
            left, width = 100 * (bar.start - first) / whole, 100 * (bar.end - bar.start) / whole
            took = f"{(bar.end - bar.start).total_seconds():.1f} s"
            yield (
                f'<div class="bar"><span>{_text(bar.label)} <span class="dim">{took}</span></span>'
                f'<span class="track {bar.state}">'
                f'<i style="left:{min(left, 99.5):.2f}%;width:{width:.2f}%"></i></span></div>'
            )


def _verdict(verdict: str) -> str:
    good = any(verdict == each and each.exit_code == 0 for each in Verdict)
    return f'<span class="{"good" if good else "bad"}">{_text(verdict)}</span>'


def _text(text: str) -> str:
    return escape(harmless(text, 2000))
