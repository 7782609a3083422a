"""`unblinking status`, `top`, `explain` and `failures` as a user starts them, against a bot in a process of its own."""

import json
import re
import signal
import socket
import subprocess
import time
import urllib.request
from pathlib import Path

import pytest

from actors._cli._asking import Bot
from actors._cli._load import BadInput

from .conftest import Command

BOT = """
import sys
import trio
from actors import Secret, health, ledger
from actors.ops._vitals import StreamVital, facts
from supervisor import Backoff, Limit, Supervisor, actor

@actor()
async def feed(me):
    def told():
        return facts("feed", "binance", required=True, streams=[
            StreamVital("BTCUSDT", live=LIVE, reason="\\x1b[31mreconnecting", age=0.5, limit=5.0, rate=12.5, lag=35.0)])
    me.expose(told)
    await trio.sleep_forever()

@actor(backoff=Backoff(0.01, 0.01, 0.01), first_start="retry")
async def strategy(me):
    if me.generation < 3:
        raise ValueError(f"price {me.generation} is wrong")
    await trio.sleep_forever()

tree = Supervisor("bot", [
    ledger("failures.sqlite"), health(0, token=None if not SECRET else Secret.literal("sesame-open-4711")),
    feed.child("feed"), strategy.child("strategy"),
], limit=Limit(100))
"""


def start(unblinking: Command, *, live: bool = True, secret: bool = False) -> tuple[subprocess.Popen[str], str]:
    """Start the bot and return it with the address of its endpoint, which its log names."""
    bot = unblinking.folder / "bot.py"
    bot.write_text(f"LIVE = {live}\nSECRET = {secret}\n{BOT}")
    process = unblinking.start("run", str(bot), "--log-format", "json")
    assert process.stderr is not None
    address, ready = "", False
    for line in process.stderr:
        told = json.loads(line)
        if told.get("what") == "listening":
            address = f"http://{told['addresses'][0]}"
        ready = ready or (told["event"], told["path"], told["incarnation"]) == ("ready", "bot/strategy", 3)
        if address and ready:
            return process, address
    raise AssertionError(process.communicate())


def test_status_of_a_healthy_bot_is_a_table_and_exit_code_0(unblinking: Command) -> None:
    _, url = start(unblinking)
    time.sleep(0.3)
    found = unblinking.run("status", url)
    quiet = unblinking.run("status", "-q", url.removeprefix("http://"))
    as_json = unblinking.run("status", "--json", url)

    assert (found.code, found.errors) == (0, "")
    assert found.output.splitlines()[0] == "bot: healthy"
    assert re.search(
        r"^  strategy +ready +[\d.]+ s +#3 +2 +crashed: ValueError: price 2 is wrong", found.output, re.MULTILINE
    )
    assert re.search(r"^feed BTCUSDT +binance +live +0.5 s +5 s +12.5/s +35 ms", found.output, re.MULTILINE)
    assert "failures 2, restarts 2" in found.output
    assert (quiet.code, quiet.output) == (0, "bot: healthy\n")
    assert json.loads(as_json.output)["health"]["healthy"] is True


def test_status_of_a_sick_bot_says_why_and_exits_with_1(unblinking: Command) -> None:
    _, url = start(unblinking, live=False)
    found = unblinking.run("status", url)

    assert found.code == 1
    assert found.output.splitlines()[:2] == [
        "bot: NOT HEALTHY, 1 reason",
        "  bot/feed (feed binance) BTCUSDT is not live: �[31mreconnecting",
    ]
    assert "\x1b" not in found.output


def test_status_where_nobody_answers_exits_with_2(unblinking: Command) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    found = unblinking.run("status", f"127.0.0.1:{port}")

    assert (found.code, found.output) == (2, "")
    assert found.errors.startswith(f"http://127.0.0.1:{port} does not answer: not connected")
    assert len(found.errors.splitlines()) == 1


@pytest.mark.parametrize("url", ["ftp://x", "http://", "http://x:99999999", "http://[::1", "-:-"])
def test_an_address_that_is_none_is_refused(url: str) -> None:
    with pytest.raises(BadInput, match="is not the address of a health endpoint"):
        Bot(url, None)


def test_the_token_comes_from_a_file_or_the_environment_and_is_never_shown(unblinking: Command, tmp_path: Path) -> None:
    _, url = start(unblinking, secret=True)
    without = unblinking.run("status", url)
    (tmp_path / "token").write_text("sesame-open-4711\n")
    by_file = unblinking.run("status", url, "--token-file", str(tmp_path / "token"))
    unblinking.environment["UNBLINKING_TOKEN"] = "sesame-open-4711"
    by_environment = unblinking.run("status", url)

    assert (without.code, by_file.code, by_environment.code) == (2, 0, 0)
    assert "needs its token" in without.errors
    assert "sesame" not in f"{without}{by_file}{by_environment}"


def test_explain_prints_why_a_child_is_as_it_is(unblinking: Command) -> None:
    _, url = start(unblinking)
    found = unblinking.run("explain", url, "bot/strategy")
    nobody = unblinking.run("explain", url, "bot/no body/&x=1")

    assert found.code == 0
    assert found.output.startswith("bot/strategy is ready for ")
    assert "Its last end" in found.output
    assert (nobody.code, nobody.errors) == (2, "bot/no body/&x=1: there is no bot/no body\n")


def requests(url: str) -> int:
    """Return how many requests the bot has answered."""
    with urllib.request.urlopen(f"{url}/tree.json", timeout=10) as reply:
        told = json.load(reply)
    return int(told["tree"]["children"][1]["facts"]["requests"])


def test_top_shows_the_bot_and_says_when_it_has_lost_it(unblinking: Command) -> None:
    bot, url = start(unblinking)
    watching = unblinking.start("top", url, "--every", "0.2")
    asked = requests(url)
    deadline = time.monotonic() + 20
    while (now := requests(url)) < asked + 3 and time.monotonic() < deadline:
        asked += 1  # by this test
        time.sleep(0.3)
    assert now >= asked + 3, "it does not look again and again"
    bot.kill()
    time.sleep(3)
    watching.send_signal(signal.SIGINT)
    output, errors = watching.communicate(timeout=60)

    assert (watching.returncode, errors) == (0, "")
    assert "BOT LOST" in output


def test_top_without_a_bot_exits_with_2(unblinking: Command) -> None:
    assert unblinking.run("top", "127.0.0.1:9").code == 2


def test_failures_lists_what_the_ledger_has_and_sums_it_up_by_cause(unblinking: Command) -> None:
    bot, _ = start(unblinking)
    bot.send_signal(signal.SIGTERM)
    bot.communicate(timeout=60)
    found = unblinking.run("failures")
    none = unblinking.run("failures", "--path", "bot/feed")
    as_json = json.loads(unblinking.run("failures", "--json", "--path", "bot/strategy", "--since", "1h").output)

    assert found.code == 0
    lines = found.output.splitlines()
    assert re.search(
        r"bot/strategy#1  crashed: ValueError: price 1 is wrong  -> restart in 0\.0 s, ready again", lines[0]
    )
    assert lines[3] == "2 failures, by cause:"
    assert lines[4] == "      2  ValueError: price N is wrong"
    assert none.output == "no failures\n"
    assert [failure["incarnation"] for failure in as_json["failures"]] == [1, 2]
    assert as_json["causes"][0]["count"] == 2
    assert (as_json["runs"][0]["how"], as_json["runs"][0]["missing"]) == ("stopped", 0)


def test_failures_without_a_ledger_or_with_a_strange_time_exits_with_2(unblinking: Command) -> None:
    no_file = unblinking.run("failures", "--ledger", "nowhere.sqlite")
    (unblinking.folder / "garbage").write_bytes(b"garbage" * 1000)
    garbage = unblinking.run("failures", "--ledger", "garbage")
    strange = unblinking.run("failures", "--since", "yesterday")

    assert (no_file.code, garbage.code, strange.code) == (2, 2, 2)
    assert "no such file" in no_file.errors
    assert "cannot be read" in garbage.errors
    assert "yesterday" in strange.errors
