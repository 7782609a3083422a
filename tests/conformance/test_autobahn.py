"""Autobahn|Testsuite itself against our wire: all 301 cases of sections 1 to 10, as `nox -s conformance` runs it.

The suite runs on Python 2.7 only. It is looked for where ``UNBLINKING_AUTOBAHN`` says: ``PYTHON27:FOLDER``, the
interpreter and the folder into which the suite was installed. Without that these tests are skipped, and what remains
is our own playing of its cases, in test_rfc6455.py.
"""

import json
import os
import socket
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import trio

from actors._errors import WireClosed
from actors._net._wire import Wire, open_wire
from actors._net._ws_frames import Binary

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif("UNBLINKING_AUTOBAHN" not in os.environ, reason="UNBLINKING_AUTOBAHN does not say where it is"),
]
AGENT = "wire"
TOGETHER = 8
"""Cases under way at the same time; many of them wait a second."""
LARGE = 247
"""From this one on (9.1.1) messages are large. One at a time: the suite gives a second for the answer to a close frame."""


@asynccontextmanager
async def wire_to(url: str) -> AsyncIterator[Wire]:
    # The largest message of section 9 has 16 MiB.
    async with open_wire(url, max_message=1 << 25) as wire:
        yield wire


async def echo(url: str) -> None:
    async with wire_to(url) as wire:
        try:
            while True:
                for message in await wire.receive_many():
                    await wire.send(bytes(message) if isinstance(message, Binary) else message.decode(), within=20)
        except WireClosed:
            pass


async def run_all(url: str) -> None:
    async with wire_to(f"{url}/getCaseCount") as wire:
        cases = int((await wire.receive_many())[0])

    async def work(left: Iterator[int]) -> None:
        for case in left:
            with trio.fail_after(120):
                await echo(f"{url}/runCase?case={case}&agent={AGENT}")

    async with trio.open_nursery() as nursery:
        left = iter(range(1, LARGE))
        for _ in range(TOGETHER):
            nursery.start_soon(work, left)
    await work(iter(range(LARGE, cases + 1)))
    await echo(f"{url}/updateReports?agent={AGENT}")


@pytest.fixture(scope="module")
def verdicts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    python, folder = os.environ["UNBLINKING_AUTOBAHN"].split(":")
    outdir = tmp_path_factory.mktemp("autobahn")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
    script = Path(__file__).with_name("fuzzing_server.py")
    with (outdir / "server.log").open("wb") as log:
        command = [python, str(script), folder, str(port), str(outdir)]
        server = subprocess.Popen(command, stdout=log, stderr=log)
        try:
            trio.run(wait_for, port)
            trio.run(run_all, f"ws://127.0.0.1:{port}")
        finally:
            server.terminate()
            server.wait()
    yield json.loads((outdir / "index.json").read_text())[AGENT]


async def wait_for(port: int) -> None:
    with trio.fail_after(30):
        while True:
            try:
                stream = await trio.open_tcp_stream("127.0.0.1", port)
            except OSError:
                await trio.sleep(0.1)
            else:
                await stream.aclose()
                return


@pytest.mark.parametrize("section", ["1", "2", "3", "4", "5", "6", "7", "9", "10"])
def test_no_case_fails(verdicts: dict[str, Any], section: str) -> None:
    # Non-strict is a pass in the suite's own terms: a message that came in one read with a violation behind it is given
    # to the user, who cannot answer it any more, because the violation ends the connection at once.
    good = {"OK", "NON-STRICT", "INFORMATIONAL"}
    cases = {name: verdict for name, verdict in verdicts.items() if name.split(".")[0] == section}
    assert cases
    failed = {
        name: (verdict["behavior"], verdict["behaviorClose"])
        for name, verdict in cases.items()
        if verdict["behavior"] not in good or verdict["behaviorClose"] not in good - {"NON-STRICT"}
    }
    assert not failed


def test_all_cases_were_run(verdicts: dict[str, Any]) -> None:
    assert len(verdicts) == 301
