"""A real browser, headless, and the processes that it looks at.

Where Chromium, its driver or Selenium is missing the tests are skipped and say so; with UNBLINKING_BROWSER set, as
`nox -s browser` does, that is a failure instead.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import actors

SOURCE = str(Path(str(actors.__file__)).parent.parent)
BOUND = 30.0
"""Seconds after which what should have come is taken for missing."""


def chromium() -> tuple[str, str]:
    """Return where the browser and its driver are."""
    missing = [name for name in ("chromium", "chromedriver") if shutil.which(name) is None]
    try:
        import selenium  # noqa: F401
    except ImportError:
        missing.append("selenium")
    if missing:
        reason = f"no {', '.join(missing)} here: apt-get install chromium chromium-driver, pip install selenium"
        if os.environ.get("UNBLINKING_BROWSER"):
            pytest.fail(reason)
        pytest.skip(reason)
    return str(shutil.which("chromium")), str(shutil.which("chromedriver"))


class Browser:
    """One tab of a headless Chromium."""

    def __init__(self, binary: str, driver: str) -> None:
        from selenium import webdriver
        from selenium.webdriver.chrome.service import Service

        options = webdriver.ChromeOptions()
        options.binary_location = binary
        # In containers, as root, there is neither a sandbox nor much shared memory.
        for argument in ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"):
            options.add_argument(argument)
        options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
        self.driver: Any = webdriver.Chrome(options, Service(driver))
        self.resize(1200, 1000)

    def open(self, url: str) -> None:
        self.driver.get(url)

    def resize(self, width: int, height: int, *, mobile: bool = False) -> None:
        """Set the size of the page, in pixels."""
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": mobile}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)

    def colours(self, scheme: str) -> None:
        """Set what the reader prefers: light or dark."""
        wanted = {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", wanted)

    def run(self, script: str, *arguments: object) -> Any:
        return self.driver.execute_script(script, *arguments)

    def text(self, selector: str) -> str:
        """Return what a reader sees of the first such element; nothing where it is not there, or hidden."""
        found = self.run(
            "const one = document.querySelector(arguments[0]); return one?.checkVisibility() ? one.innerText : ''",
            selector,
        )
        return str(found)

    def row(self, section: str, *words: str) -> list[str]:
        """Return the cells of the first row of a section that has all these words in it."""
        found = self.run(
            "return [...document.querySelectorAll(`#${arguments[0]} tbody tr`)].map(row =>"
            " [...row.cells].map(cell => cell.innerText))",
            section,
        )
        return next((row for row in found if all(word in " ".join(row) for word in words)), [])

    def until(self, condition: Callable[[], Any], what: str, within: float = BOUND) -> Any:
        """Wait until the condition gives something true, and return it."""
        deadline = time.monotonic() + within
        while not (found := condition()):
            assert time.monotonic() < deadline, f"not within {within:g} s: {what}\n{self.text('body')}"
            time.sleep(0.05)
        return found

    def complaints(self) -> list[str]:
        """Return what the browser has complained about since the last call, but for answers that did not come."""
        return [
            entry["message"] for entry in self.driver.get_log("browser") if "Failed to load" not in entry["message"]
        ]


@pytest.fixture(scope="session")
def chrome() -> Iterator[Browser]:
    browser = Browser(*chromium())
    yield browser
    browser.driver.quit()


@pytest.fixture
def browser(chrome: Browser) -> Iterator[Browser]:
    """The browser, at an empty page, without anything from the test before."""
    chrome.open("about:blank")
    chrome.resize(1200, 1000)
    chrome.complaints()
    yield chrome
    chrome.open("about:blank")


class Processes:
    """Processes of one test."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.started: list[subprocess.Popen[str]] = []

    def start(self, *arguments: str, **environment: str) -> subprocess.Popen[str]:
        """Start this Python; its standard output and error are one."""
        process = subprocess.Popen(
            [sys.executable, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            cwd=self.folder,
            env={**os.environ, "PYTHONPATH": SOURCE, "NO_COLOR": "1", **environment},
        )
        self.started.append(process)
        return process

    def unblinking(self, *arguments: str, **environment: str) -> subprocess.Popen[str]:
        """Start the command, as a user does."""
        return self.start("-c", "from actors._cli import main; main()", *arguments, **environment)

    def close(self) -> None:
        """Kill what still runs."""
        for process in self.started:
            process.kill()
            process.communicate()


def line_with(process: subprocess.Popen[str], text: str) -> str:
    """Return the next line of a process that has this text in it."""
    assert process.stdout is not None
    seen = []
    for line in process.stdout:
        seen.append(line)
        if text in line:
            return line
    raise AssertionError(f"it ended without {text!r}:\n{''.join(seen)}")


@pytest.fixture
def processes(tmp_path: Path) -> Iterator[Processes]:
    held = Processes(tmp_path)
    yield held
    held.close()
