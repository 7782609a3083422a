"""`unblinking run`: until a signal, in order, with a log that tells everything."""

import json
import signal
import time

TREE = """
import trio
from supervisor import Limit, Supervisor, actor

@actor(grace=1)
async def steady(me):
    try:
        await trio.sleep_forever()
    finally:
        with me.cleanup():
            await trio.sleep(0.05)

@actor(grace=0.2, bound=0.2)
async def stubborn(me):
    with trio.CancelScope(shield=True):
        await trio.sleep(SHIELDED)

@actor()
async def failing(me):
    raise ConnectionError("the line went dead")

SHIELDED = 1.0
tree = Supervisor("bot", [steady.child("one"), Supervisor("group", [steady.child("two"), steady.child("three")])])
hopeless = Supervisor("bot", [steady.child("one"), failing.child("two")], limit=Limit(restarts=1, within=60))
"""


def started(unblinking, target: str = "bot.py", *options: str):
    (unblinking.folder / "bot.py").write_text(TREE)
    return unblinking.start("run", target, "--log-format", "json", *options)


def read_until(process, event: str, path: str) -> list[dict]:
    """Read the log up to a certain event."""
    read = []
    for line in process.stderr:
        read.append(json.loads(line))
        if (read[-1]["event"], read[-1]["path"]) == (event, path):
            return read
    raise AssertionError(f"the log ended without {event} of {path}: {read}")


def parse(errors: str) -> list[dict]:
    return [json.loads(line) for line in errors.splitlines()]


def test_sigterm_stops_the_children_in_reverse_and_the_log_shows_it(unblinking) -> None:
    process = started(unblinking)
    log = read_until(process, "ready", "bot")
    process.send_signal(signal.SIGTERM)
    found = unblinking.finish(process)

    assert (found.code, found.output) == (0, "")
    assert [line["path"] for line in log if line["event"] == "started"] == [
        "bot", "bot/one", "bot/group", "bot/group/two", "bot/group/three",
    ]  # fmt: skip
    ended = [line for line in parse(found.errors) if line["event"] == "ended"]
    assert [line["path"] for line in ended] == ["bot/group/three", "bot/group/two", "bot/group", "bot/one", "bot"]
    assert {line["how"] for line in ended} <= {"stopped", "returned"}
    assert all(line["incarnation"] == 1 for line in log + ended)


def test_control_c_is_an_orderly_stop_as_well(unblinking) -> None:
    process = started(unblinking)
    read_until(process, "ready", "bot")
    process.send_signal(signal.SIGINT)

    assert unblinking.finish(process).code == 0


def test_a_root_that_gives_up_ends_with_1_and_says_why(unblinking) -> None:
    found = unblinking.finish(started(unblinking, "bot.py:hopeless"))

    assert found.code == 1
    *log, last_words = parse(found.errors)
    failures = [line for line in log if line["event"] == "ended" and line.get("error")]
    assert any("the line went dead" in line["error"] and line["path"] == "bot/two" for line in failures)
    assert last_words["event"].startswith("bot gave up: ")


def test_an_actor_that_does_not_stop_is_named_with_its_stack(unblinking) -> None:
    (unblinking.folder / "stuck.py").write_text(TREE + "\ntree = Supervisor('bot', [stubborn.child('deaf')])\n")
    process = unblinking.start("run", "stuck.py", "--log-format", "json")
    read_until(process, "ready", "bot")
    process.send_signal(signal.SIGTERM)
    log = parse(unblinking.finish(process).errors)

    named = [line for line in log if line["event"] == "unstoppable"]
    assert [line["path"] for line in named] == ["bot/deaf"]
    assert any("stubborn" in frame for frame in named[0]["stack"])


def test_the_text_log_has_one_line_an_event_with_path_and_incarnation(unblinking) -> None:
    (unblinking.folder / "bot.py").write_text(TREE)
    found = unblinking.finish(unblinking.start("run", "bot.py:hopeless"))

    line = next(line for line in found.errors.splitlines() if "ended" in line and "path=bot/two" in line)
    assert "incarnation=1" in line
    assert "ConnectionError: the line went dead" in line
    assert "decision=restart" in line


def test_what_actors_log_with_structlog_goes_the_same_way(unblinking) -> None:
    text = TREE + (
        "\nimport structlog\n@actor()\nasync def talker(me):\n    structlog.get_logger().info('hello', path=me.path)\n"
        "    await trio.sleep_forever()\ntree = Supervisor('bot', [talker.child('t')])\n"
    )
    (unblinking.folder / "talk.py").write_text(text)
    process = unblinking.start("run", "talk.py", "--log-format", "json")

    assert read_until(process, "hello", "bot/t")[-1]["level"] == "info"
    process.send_signal(signal.SIGTERM)
    assert unblinking.finish(process).code == 0


def test_a_file_that_is_no_tree_ends_with_2_before_anything_starts(unblinking) -> None:
    (unblinking.folder / "bot.py").write_text("tree = None")

    assert unblinking.run("run", "bot.py").code == 2


def test_a_log_that_nobody_reads_does_not_stop_the_tree(unblinking) -> None:
    """Some megabytes of log into a pipe that is full: the actor goes on all the same."""
    text = TREE + (
        "\n@actor()\nasync def chatty(me):\n    for number in range(20_000):\n        me.note('x' * 100, n=number)\n"
        "        if number % 100 == 0:\n            await trio.lowlevel.checkpoint()\n"
        "    open('done', 'w').close()\n    await trio.sleep_forever()\n"
        "tree = Supervisor('bot', [chatty.child('c')])\n"
    )
    (unblinking.folder / "chatty.py").write_text(text)
    process = unblinking.start("run", "chatty.py", "--log-format", "json")
    done, deadline = unblinking.folder / "done", time.monotonic() + 20
    while not done.exists() and time.monotonic() < deadline:
        time.sleep(0.05)

    assert done.exists()
    process.send_signal(signal.SIGTERM)
    found = unblinking.finish(process)
    assert found.code == 0
    assert "not read in time" in found.errors or "faster than they could be told" in found.errors
