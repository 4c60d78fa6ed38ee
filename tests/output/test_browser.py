"""The report in a real browser, on a phone and on a desk, by day and by night."""

from __future__ import annotations

import base64
import http.client
import json
import shutil
import subprocess
import time
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from poetry_publish_verified.output import html_report
from tests.beds.processes import free_port
from tests.output.ended_run import HOSTILE, SDIST, receipt

if TYPE_CHECKING:
    from collections.abc import Iterator

CHROMIUM, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")
# Kept, so that people can look at them.
SCREENSHOTS = Path(__file__).parents[2] / ".venv" / "screenshots"

pytestmark = pytest.mark.skipif(
    not (CHROMIUM and DRIVER), reason="needs chromium and chromedriver (chromium-driver)"
)


class Browser:
    """A headless Chromium, driven as https://www.w3.org/TR/webdriver2/ has it."""

    def __init__(self, port: int, profile: Path) -> None:
        self._port = port
        options = {
            "binary": CHROMIUM,
            "args": [
                *("--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars"),
                *("--disable-background-networking", f"--user-data-dir={profile}"),
            ],
        }
        wanted = {"browserName": "chrome", "goog:chromeOptions": options}
        made = self._ask("POST", "/session", {"capabilities": {"alwaysMatch": wanted}})
        self._session = f"/session/{made['sessionId']}"

    def _ask(self, method: str, path: str, body: object = None) -> Any:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=120)
        text = None if body is None else json.dumps(body)
        connection.request(method, path, text, {"Content-Type": "application/json"})
        value = json.loads(connection.getresponse().read())["value"]
        connection.close()
        assert not (isinstance(value, dict) and "error" in value), value
        return value

    def open(self, url: str, width: int, scheme: str) -> None:
        """Open a page in a window of this width, with this colour scheme."""
        size = {"width": width, "height": 1200, "deviceScaleFactor": 1, "mobile": width < 600}
        self._cdp("Emulation.setDeviceMetricsOverride", size)
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        self._cdp("Emulation.setEmulatedMedia", {"features": features})
        self._ask("POST", f"{self._session}/url", {"url": url})

    def _cdp(self, command: str, parameters: object) -> None:
        body = {"cmd": command, "params": parameters}
        self._ask("POST", f"{self._session}/goog/cdp/execute", body)

    def value(self, expression: str) -> Any:
        """What an expression is in the page."""
        script = {"script": f"return {expression}", "args": []}
        return self._ask("POST", f"{self._session}/execute/sync", script)

    def screenshot(self, path: Path) -> None:
        """Write what is seen to a file."""
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(base64.b64decode(self._ask("GET", f"{self._session}/screenshot")))

    def close(self) -> None:
        """End Chromium."""
        self._ask("DELETE", self._session)


@contextmanager
def browser(profile: Path) -> Iterator[Browser]:
    """A browser for the length of the block."""
    port = free_port()
    with subprocess.Popen([str(DRIVER), f"--port={port}"], stdout=subprocess.DEVNULL) as driver:
        try:
            while True:
                with suppress(ConnectionRefusedError), closing(Browser(port, profile)) as started:
                    yield started
                    return
                assert driver.poll() is None
                time.sleep(0.1)
        finally:
            driver.terminate()


BARS = "[...document.querySelectorAll('.track i')].map(i => i.getBoundingClientRect().width)"
OUTSIDE = (
    "[...document.querySelectorAll('.track i')].filter(i => {"
    "const a = i.getBoundingClientRect(), b = i.parentNode.getBoundingClientRect();"
    "return a.left < b.left - 1 || a.right > b.right + 4}).length"
)


def test_report_is_readable_everywhere(tmp_path: Path) -> None:
    """It fits the screen, draws its bars, loads nothing, runs nothing, and follows the night."""
    page = tmp_path / "report.html"
    page.write_text(html_report.report(receipt()), encoding="utf-8")
    papers = set()
    with browser(tmp_path / "profile") as chromium:
        for width, scheme in ((390, "light"), (390, "dark"), (1200, "light"), (1200, "dark")):
            chromium.open(page.as_uri(), width, scheme)
            chromium.screenshot(SCREENSHOTS / f"report-{width}-{scheme}.png")
            assert chromium.value("window.innerWidth") == width
            assert chromium.value("document.documentElement.scrollWidth") <= width
            bars = chromium.value(BARS)
            assert len(bars) == 8
            assert min(bars) >= 3
            assert max(bars) > width * 0.2
            assert chromium.value(OUTSIDE) == 0
            assert chromium.value("performance.getEntriesByType('resource').length") == 0
            assert chromium.value("document.scripts.length + document.images.length") == 0
            text = chromium.value("document.body.innerText")
            for words in (SDIST, "c" * 64, "PV601", HOSTILE.partition(" ")[0]):
                assert words in text
            ink, paper = (
                chromium.value(f"getComputedStyle(document.body).{name}")
                for name in ("color", "backgroundColor")
            )
            assert ink != paper
            papers.add(paper)
    assert len(papers) == 2
