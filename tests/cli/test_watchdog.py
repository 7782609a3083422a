"""`unblinking watchdog` as a user starts it, against a bot in a process of its own."""

import json
import signal
import socket
import subprocess
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from .conftest import BOUND, Command

TOKEN = "110201543:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw"
BOT = """
import trio
from actors import dead_mans_switch, health, ledger
from supervisor import Supervisor, actor

@actor()
async def strategy(me):
    await trio.sleep(BLOCKS_AFTER)
    import time
    time.sleep(BLOCKS_FOR)
    await trio.sleep_forever()

tree = Supervisor("bot", [
    ledger("failures.sqlite"), health(HEALTH), strategy.child("strategy"), dead_mans_switch("http://127.0.0.1:BEATS/k3y-capability", every=0.3),
])
"""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def start_bot(
    unblinking: Command, health: int, beats: int, *, blocks_after: float = 1e6, blocks_for: float = 0.0
) -> subprocess.Popen[str]:
    values = {"HEALTH": health, "BEATS": beats, "BLOCKS_AFTER": blocks_after, "BLOCKS_FOR": blocks_for}
    text = BOT
    for name, value in values.items():
        text = text.replace(name, str(value))
    (unblinking.folder / "bot.py").write_text(text)
    process = unblinking.start("run", "bot.py", "--log-format", "json")
    assert process.stderr is not None
    for line in process.stderr:
        told = json.loads(line)
        if (told["event"], told["path"]) == ("ready", "bot/dead_mans_switch"):
            threading.Thread(target=process.stderr.read, daemon=True).start()
            return process
    raise AssertionError(process.communicate())


def start_stand_in(unblinking: Command) -> tuple[subprocess.Popen[str], int]:
    process = unblinking.start_python(str(Path(__file__).parent / "stand_in.py"))
    assert process.stdout is not None
    return process, int(process.stdout.readline())


def next_told(stand_in: subprocess.Popen[str]) -> dict[str, Any]:
    assert stand_in.stdout is not None
    bound = threading.Timer(BOUND, stand_in.kill)
    bound.start()
    line = stand_in.stdout.readline()
    bound.cancel()
    return dict(json.loads(line))


def wait_for(log: list[str], word: str) -> None:
    end = time.monotonic() + BOUND
    while word not in "".join(log):
        assert time.monotonic() < end, log
        time.sleep(0.05)


def start_watchdog(unblinking: Command, *arguments: str) -> tuple[subprocess.Popen[str], list[str]]:
    """Start it, wait until it watches, and return it with its log, which grows."""
    process = unblinking.start("watchdog", *arguments, "--log-format", "json")
    assert process.stderr is not None
    lines: list[str] = []
    watches = threading.Event()

    def read() -> None:
        assert process.stderr is not None
        for line in process.stderr:
            lines.append(line)
            if '"ready"' in line and ("prober" in line or "heartbeats" in line):
                watches.set()

    threading.Thread(target=read, daemon=True).start()
    assert watches.wait(30), lines
    return process, lines


@pytest.mark.slow
def test_kill_9_of_the_bot_is_told_after_three_probes_and_its_return_as_well(unblinking: Command) -> None:
    stand_in, telegram = start_stand_in(unblinking)
    health, beats = free_port(), free_port()
    unblinking.environment["UNBLINKING_TELEGRAM_TOKEN"] = TOKEN
    bot = start_bot(unblinking, health, beats)
    options = ("--every", "1", "--telegram", "42", "--telegram-api", f"http://127.0.0.1:{telegram}")
    watchdog, log = start_watchdog(unblinking, f"127.0.0.1:{health}", *options)
    wait_for(log, "first_well")
    bot.send_signal(signal.SIGKILL)
    down = next_told(stand_in)
    start_bot(unblinking, health, beats)
    well = next_told(stand_in)
    watchdog.send_signal(signal.SIGTERM)

    assert watchdog.wait(30) == 0
    assert (down["path"], down["chat_id"]) == (f"/bot{TOKEN}/sendMessage", "42")
    assert down["text"].startswith(f"127.0.0.1:{health}: DOWN: it does not answer: ")
    assert "3 probes in a row failed; it was last well" in down["text"]
    assert well["text"].startswith(f"127.0.0.1:{health}: resolved: it is well again after ")
    assert log and TOKEN not in "".join(log) and "AAHdqTcv" not in "".join(log)


@pytest.mark.slow
def test_heartbeats_that_stop_with_the_bot_are_told(unblinking: Command) -> None:
    stand_in, webhook = start_stand_in(unblinking)
    health, beats = free_port(), free_port()
    unblinking.environment["UNBLINKING_WEBHOOK"] = f"http://127.0.0.1:{webhook}/T0/s3cr3t"
    unblinking.environment["UNBLINKING_HEARTBEAT_KEY"] = "k3y-capability"
    _, log = start_watchdog(unblinking, "--heartbeat", str(beats), "--silence", "3", "--name", "my bot")
    bot = start_bot(unblinking, health, beats)
    wait_for(log, "first_heartbeat")
    bot.send_signal(signal.SIGKILL)
    down = next_told(stand_in)
    while "no heartbeat for" not in down["text"]:  # A bot that took long to start was missed at first.
        down = next_told(stand_in)
    start_bot(unblinking, health, beats)
    well = next_told(stand_in)

    assert down["path"] == "/T0/s3cr3t"
    assert down["text"].startswith("my bot: DOWN: no heartbeat for ")
    assert well["text"].startswith("my bot: resolved: heartbeats come again after ")
    assert (down["severity"], well["severity"]) == ("critical", "resolved")
    assert "s3cr3t" not in "".join(log) and "k3y-capability" not in "".join(log)


@pytest.mark.slow
def test_an_event_loop_that_is_blocked_is_told_by_both_and_the_ledger_names_the_actor(unblinking: Command) -> None:
    stand_in, webhook = start_stand_in(unblinking)
    health, beats = free_port(), free_port()
    unblinking.environment["UNBLINKING_WEBHOOK"] = f"http://127.0.0.1:{webhook}/"
    unblinking.environment["UNBLINKING_HEARTBEAT_KEY"] = "k3y-capability"
    arguments = (f"127.0.0.1:{health}", "--every", "0.3", "--heartbeat", str(beats), "--silence", "3")
    start_watchdog(unblinking, *arguments)
    bot = start_bot(unblinking, health, beats, blocks_after=1.5, blocks_for=8)
    told = [""]

    def until(*endings: str) -> None:
        # What was late to start was missed at first: only what comes last counts.
        while not all(any(ending in text for text in told) for ending in endings):
            told.append(next_told(stand_in)["text"])

    until("does not answer: no answer within", "no heartbeat for")
    told[:] = [""]
    until("well again after", "heartbeats come again after")
    bot.send_signal(signal.SIGTERM)
    assert bot.wait(30) == 0
    found = unblinking.run("failures", "--json")
    blocked = [row for row in json.loads(found.output)["failures"] if row["how"] == "blocked"]

    assert [row["path"] for row in blocked] == ["bot/strategy"], found
    assert "kept the event loop for 8." in blocked[0]["error"]


@pytest.mark.slow
def test_what_apprise_knows_is_told_as_well(unblinking: Command) -> None:
    pytest.importorskip("apprise")
    stand_in, port = start_stand_in(unblinking)
    unblinking.environment["UNBLINKING_APPRISE"] = f"json://127.0.0.1:{port}/s3cr3t"
    process = unblinking.start(
        "watchdog", f"127.0.0.1:{free_port()}", "--every", "0.2", "--after", "2", "--name", "bot"
    )

    assert next_told(stand_in)["title"].startswith("bot: DOWN: it does not answer: ")
    process.send_signal(signal.SIGTERM)
    assert "s3cr3t" not in unblinking.finish(process).errors


def test_an_address_that_apprise_does_not_know_is_refused_at_once(unblinking: Command) -> None:
    pytest.importorskip("apprise")
    found = unblinking.run("watchdog", "localhost:1", "--apprise", "nonsense://s3cr3t")

    assert (found.code, found.output) == (2, "")
    assert "apprise does not know the address" in found.errors and "s3cr3t" not in found.errors


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["localhost:8080"], "nobody would be told"),
        (["--webhook", "https://h/x"], "nothing to watch"),
        (["localhost:8080", "--telegram", "42"], "UNBLINKING_TELEGRAM_TOKEN"),
        (["localhost:8080", "--webhook", "s3cr3t"], "the webhook is not an http:// or https:// address"),
        (["http://", "--webhook", "https://h/x"], "the address of the health endpoint is none"),
        (["localhost:8080", "--webhook", "https://h/x", "--every", "0"], "--every"),
    ],
)
def test_what_cannot_work_is_exit_code_2_and_one_line(unblinking: Command, arguments: list[str], why: str) -> None:
    found = unblinking.run("watchdog", *arguments)

    assert (found.code, found.output) == (2, "")
    assert why in found.errors and "s3cr3t" not in found.errors
