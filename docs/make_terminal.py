"""Draws what a program writes as a terminal, in SVG: `program --ansi | make_terminal.py > FILE`.

Without fonts, styles or scripts from elsewhere: pages that show the picture do not load them.
"""

from __future__ import annotations

import io
import sys

from rich.console import Console
from rich.text import Text

COMMAND = "poetry publish-verified --rehearse --build"
WIDTH = 114
TITLE = "lighthouse"
# That of rich, without its web font and its second frame.
FORMAT = """\
<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img">
<title>poetry publish-verified --rehearse --build</title>
<style>
.{unique_id}-matrix {{
font-family: ui-monospace, "SF Mono", Menlo, Consolas, "DejaVu Sans Mono", monospace;
font-size: {char_height}px;
line-height: {line_height}px;
}}
.{unique_id}-title {{ font-family: sans-serif; font-size: 18px; }}
{styles}
</style>
<defs>
<clipPath id="{unique_id}-clip-terminal">
<rect x="0" y="0" width="{terminal_width}" height="{terminal_height}" />
</clipPath>
{lines}
</defs>
{chrome}
<g transform="translate({terminal_x}, {terminal_y})" clip-path="url(#{unique_id}-clip-terminal)">
{backgrounds}
<g class="{unique_id}-matrix">
{matrix}
</g>
</g>
</svg>
"""


def drawn(said: str) -> str:
    """The picture of a command and what it wrote, with its colors."""
    console = Console(
        record=True, width=WIDTH, file=io.StringIO(), force_terminal=True, color_system="standard"
    )
    console.print(Text.assemble(("$ ", "bold green"), (COMMAND, "bold")))
    console.print(Text.from_ansi(said.rstrip()))
    return console.export_svg(title=TITLE, code_format=FORMAT, unique_id="terminal")


if __name__ == "__main__":
    said = sys.stdin.read()
    # A pipe hides how the program ended.
    if "verified:" not in said:
        sys.exit(f"The rehearsal failed:\n{said}")
    sys.stdout.write(drawn(said))
