"""The exchange runs in the test, on real sockets; a library's client runs in a process of its own, as at a user's.

A client is one of the scripts in `clients/`. It gets its settings as JSON in its argument, prints one line `ready`
when it has subscribed (or, where its library does not say when that is, before), then one JSON line for each thing it
received, and ends by itself after as many as it was asked for. The market opens with the first line.
"""

from __future__ import annotations

import functools
import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any, Protocol

import attrs
import pytest
import trio

CLIENTS = Path(__file__).parent / "clients"
PYTHON = os.environ.get("UNBLINKING_THIRD_PARTY_PYTHON", sys.executable)
"""Whose environment has the libraries, if it is not the one of the tests."""
PATIENCE = 120.0
"""Seconds that a client may take from its start to its end; most of them are imports."""

_VERSIONS = """
import importlib.metadata as metadata, json
found = {}
for name in ("ccxt", "python-binance", "pybit", "cryptofeed"):
    try:
        found[name] = metadata.version(name)
    except metadata.PackageNotFoundError:
        pass
print(json.dumps(found))
"""


@functools.cache
def versions() -> dict[str, str]:
    """The libraries that are installed."""
    asked = subprocess.run([PYTHON, "-c", _VERSIONS], capture_output=True, check=True, text=True)
    return dict(json.loads(asked.stdout))


def pytest_report_header() -> str:
    shown = ", ".join(f"{name} {version}" for name, version in versions().items())
    return f"third-party clients: {shown or 'none installed'}"


@attrs.frozen
class ClientFailed(Exception):
    """The client ended in another way than it was asked to."""

    how: str
    lines: int
    errors: str

    def __str__(self) -> str:
        return f"{self.how}, after {self.lines} lines\n{self.errors}"


async def _lines(stream: trio.abc.ReceiveStream) -> AsyncIterator[str]:
    rest = b""
    async for chunk in stream:
        *whole, rest = (rest + chunk).split(b"\n")
        for line in whole:
            yield line.decode()
    if rest:
        yield rest.decode()


class OfLibrary(Protocol):
    """What each test is parametrized with, as `case`."""

    @property
    def library(self) -> str: ...


@pytest.fixture(autouse=True)
def _installed(case: OfLibrary) -> None:
    """Skip where the library is not installed; the session `third-party` installs all, and counts on it."""
    if case.library not in versions():
        missing = pytest.fail if os.environ.get("UNBLINKING_THIRD_PARTY") == "all" else pytest.skip
        missing(f"{case.library} is not installed")


RunClient = Callable[[str, Callable[[], None], Mapping[str, Any]], Awaitable[list[Any]]]


@pytest.fixture
def run_client(tmp_path: Path) -> RunClient:
    """Run one client to its end and return what it printed."""

    async def run(library: str, on_ready: Callable[[], None], settings: Mapping[str, Any]) -> list[Any]:
        script = CLIENTS / f"{library.replace('-', '_')}_client.py"
        # Nothing of ours, and no proxy, in the client's environment; what it writes by itself stays in the test's folder.
        kept = {name: os.environ[name] for name in ("PATH", "LANG", "LC_ALL", "SYSTEMROOT") if name in os.environ}
        environment = {**kept, "HOME": str(tmp_path), "NO_PROXY": "*", "PYTHONDONTWRITEBYTECODE": "1"}
        command = [PYTHON, str(script), json.dumps(dict(settings))]
        found: list[Any] = []
        errors = tmp_path / "errors.txt"
        how = f"no end within {PATIENCE:g} s"
        with trio.move_on_after(PATIENCE), errors.open("wb") as log:
            async with trio.open_nursery() as nursery:
                start = functools.partial(
                    trio.run_process, stdout=subprocess.PIPE, stderr=log, check=False, env=environment, cwd=tmp_path
                )
                process: trio.Process = await nursery.start(start, command)
                assert process.stdout is not None
                async for line in _lines(process.stdout):
                    if line == "ready":
                        on_ready()
                    elif line.startswith(("{", "[")):
                        found.append(json.loads(line))
                how = f"exit status {await process.wait()}"
        if how != "exit status 0" or len(found) < settings["count"]:
            raise ClientFailed(how, len(found), errors.read_text(errors="replace")[-4000:])
        return found

    return run
