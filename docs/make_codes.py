"""Writes docs/codes.md from the codes themselves: `python docs/make_codes.py > docs/codes.md`."""

from __future__ import annotations

from poetry_publish_verified.errors import Code

HEAD = """# Codes

Every message carries a stable code. Beside it stand, in the output and in the receipt, what is
true now and what to do next. (Made from the code by `docs/make_codes.py`.)

| code | meaning |
| --- | --- |
"""


def page() -> str:
    """The page as Markdown."""
    return HEAD + "".join(f"| {code} | {code.meaning} |\n" for code in Code)


if __name__ == "__main__":
    print(page(), end="")
