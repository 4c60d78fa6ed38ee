"""What PyPI and TestPyPI refuse beyond the specifications, as far as that is certain.

Source: `_validate_metadata` in warehouse/forklift/metadata.py, and `_valid_platform_tag` and
"Filename is too long" in warehouse/forklift/legacy.py, as of August 2026. Such copies drift, so
rules that need the server's own libraries (email-validator, rfc3986) are only copied where these
leave no doubt.
"""

import re
from collections.abc import Iterator
from email.utils import getaddresses

from poetry_publish_verified.core.distribution import Distribution
from poetry_publish_verified.core.problems import distributions as problems
from poetry_publish_verified.errors import Problem
from poetry_publish_verified.sanitize import printable, redacted

_LONGEST_LABEL = 32
# The server keeps a wheel's metadata under the wheel's name with this at its end.
_LONGEST_NAME, _METADATA = 255, ".metadata"
_PLAIN_LINUX = {"linux_armv6l", "linux_armv7l"}
_ATOM = r"[a-zA-Z0-9_!#$%&'*+\-/=?^`{|}~\u0080-\U0010FFFF]+"
_LABEL = r"[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?"
# Compiled when they are needed: that takes milliseconds, for the many characters.
_LOCAL = rf"{_ATOM}(?:\.{_ATOM})*"
_DOMAIN = rf"(?:{_LABEL}\.)+(?:[a-zA-Z0-9-]*[a-zA-Z])"


def of_metadata(distribution: Distribution) -> Iterator[Problem]:
    """Metadata fields that these two refuse."""
    raw = distribution.raw_metadata
    if raw.get("license") and raw.get("license_expression"):
        fault = "it is deprecated where there is a License-Expression"
        yield problems.field_refused("license", fault, "Remove it from")
    for key in ("author_email", "maintainer_email"):
        address = _only_address(str(raw.get(key, "")))
        if address and _is_malformed(address):
            yield _refused(key, f"{printable(address, 120)!r} is not a valid e-mail address")
    urls: list[tuple[str, str]] = []
    urls += [(key, raw[key]) for key in ("home_page", "download_url") if key in raw]
    for label, url in raw.get("project_urls", {}).items():
        shown = repr(printable(label, 120))
        if not label or not url:
            yield _refused("project_urls", f"{shown} needs a label and a URL")
        elif len(label) > _LONGEST_LABEL:
            yield _refused("project_urls", f"{shown} has more than {_LONGEST_LABEL} characters")
        else:
            urls.append(("project_urls", url))
    for key, url in urls:
        if not re.match(r"https?:", url, re.IGNORECASE):
            shown = repr(printable(redacted(url), 120))
            yield _refused(key, f"{shown} does not begin with http:// or https://")


def of_filename(distribution: Distribution) -> Iterator[Problem]:
    """File names and platforms that these two refuse."""
    filename, parsed = distribution.filename, distribution.parsed
    most = _LONGEST_NAME - (len(_METADATA) if parsed.kind == "wheel" else 0)
    if len(filename.encode()) > most:
        yield problems.filename_too_long(filename, most)
    platforms = {tag.platform for tag in parsed.tags if tag.platform.startswith("linux_")}
    if plain := sorted(platforms - _PLAIN_LINUX):
        yield problems.plain_linux(filename, plain)


def _refused(key: str, fault: str) -> Problem:
    return problems.field_refused(key.replace("_", "-").removesuffix("s"), fault, "Fix it in")


def _only_address(text: str) -> str:
    """The address in a field; none if there are several, which the server does not check."""
    found = getaddresses([text])
    return found[0][1] if len(found) == 1 else ""


def _is_malformed(address: str) -> bool:
    if '"' in address or "[" in address:
        return False  # whatever these mean
    local, _, domain = address.partition("@")
    if not re.fullmatch(_LOCAL, local):
        return True
    # Others are for IDNA to judge.
    return domain.isascii() and not re.fullmatch(_DOMAIN, domain)
