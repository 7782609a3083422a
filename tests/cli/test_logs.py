"""How loud each event is in the log."""

import ast
import json
from pathlib import Path

import pytest
import trio

import actors
from actors._cli._logs import LEVELS, NOTES, configure, level_of, log
from supervisor import (
    Blocked,
    DeadLettered,
    Event,
    GaveUp,
    Limit,
    Me,
    Note,
    PlannedEnd,
    Running,
    Started,
    Supervisor,
    Unstoppable,
    actor,
)

AT = {"seq": 1, "at": 0.0, "wall": 0.0, "path": "bot/a", "generation": 3}


@actor(restart="transient")
async def planned(me: Me) -> None:
    if me.generation == 1:
        await trio.sleep(86_400)
        raise PlannedEnd("24 h")


@actor(on={ValueError: "park"})
async def failing(me: Me) -> None:
    if me.generation == 1:
        raise ConnectionError("the line went dead")
    raise ValueError("the key is refused")


async def events_of(tree: Supervisor) -> list[Event]:
    running = Running(tree, seed=1)
    events = running.events()
    try:
        async with running.opened():
            await running.wait_stopped()
    except GaveUp:
        pass
    return events.receive_nowait()


async def test_planned_ends_are_no_news_restarts_are_warnings_and_what_is_parked_is_an_error(
    autojump_clock: object,
) -> None:
    running = Running(Supervisor("bot", [failing.child("failing"), planned.child("planned")]), seed=1)
    events = running.events()
    async with running.opened():
        await running.wait_state("bot/failing", "parked")
        await running.wait_state("bot/planned", "down")
    levels = {
        (event.path, event.generation, event.decision.action): level_of(event)
        for event in events.receive_nowait()
        if event.kind == "ended"
    }

    assert levels[("bot/planned", 1, "planned_restart")] == "info"
    assert levels[("bot/failing", 1, "restart")] == "warning"
    assert levels[("bot/failing", 2, "park")] == "error"
    assert levels[("bot", 1, "stop")] == "info"


async def test_a_root_that_gives_up_is_critical(autojump_clock: object) -> None:
    @actor()
    async def broken(me: Me) -> None:
        raise ConnectionError

    told = await events_of(Supervisor("bot", [broken.child("broken")], limit=Limit(restarts=1, within=60)))
    last = [event for event in told if event.path == "bot" and event.kind == "ended"][-1]

    assert level_of(last) == "critical"


@pytest.mark.parametrize(
    ("event", "level"),
    [
        (Started(**AT), "info"),
        (Unstoppable(**AT, stack=("in f",)), "critical"),
        (Blocked(**AT, seconds=2.0), "warning"),
        (DeadLettered(**AT, mailbox="m", deliveries=3, error=ValueError()), "error"),
        (Note(**AT, what="blind", fields={}), "error"),
        (Note(**AT, what="gap", fields={}), "warning"),
        (Note(**AT, what="pong", fields={}), "debug"),
        (Note(**AT, what="switched", fields={}), "info"),
        (Note(**AT, what="anything of yours", fields={}), "info"),
    ],
)
def test_each_event_has_its_level(event: Event, level: str) -> None:
    assert level_of(event) == level


class Kept:
    def __init__(self) -> None:
        self.lines: list[str] = []

    def put(self, line: str) -> None:
        self.lines.append(line)


@pytest.mark.parametrize("level", LEVELS)
def test_only_what_is_loud_enough_is_written_with_path_and_incarnation(level: str) -> None:
    kept = Kept()
    configure(kept, "json", colors=False, level=level)  # type: ignore[arg-type]
    log(Note(**AT, what="pong", fields={}))
    log(Started(**AT))
    log(Note(**AT, what="gap", fields={}))
    log(Note(**AT, what="blind", fields={}))
    log(Unstoppable(**AT, stack=("in f",)))
    told = [json.loads(line) for line in kept.lines]

    assert [line["level"] for line in told] == list(LEVELS)[list(LEVELS).index(level) :]  # type: ignore[arg-type]
    assert {(line["path"], line["incarnation"]) for line in told} == {("bot/a", 3)}


def test_a_hung_child_is_one_line_for_people_and_a_list_for_programs() -> None:
    people, programs = Kept(), Kept()
    configure(people, "text", colors=False)
    log(Unstoppable(**AT, stack=("a.py:1 f", "b.py:2 g")))
    configure(programs, "json", colors=False)
    log(Unstoppable(**AT, stack=("a.py:1 f", "b.py:2 g")))

    assert len(people.lines) == 1 and "\n" not in people.lines[0]
    assert people.lines[0].endswith("hangs_in='a.py:1 f > b.py:2 g'")
    assert json.loads(programs.lines[0])["stack"] == ["a.py:1 f", "b.py:2 g"]


@pytest.mark.parametrize("form", ["text", "json"])
@pytest.mark.parametrize(
    "name",
    [
        "exc_info",
        "exception",
        "incarnation",
        "level",
        "logger",
        "method_name",
        "self",
        "stack",
        "stack_info",
        "timestamp",
    ],
)
def test_a_notes_field_is_told_whatever_it_is_called_and_changes_nothing_else(form: str, name: str) -> None:
    kept = Kept()
    configure(kept, form, colors=False)  # type: ignore[arg-type]
    log(Note(**AT, what="pong of mine", fields={name: "VALUE"}))
    (line,) = kept.lines

    assert "VALUE" in line and "info" in line and "\n" not in line and "1970-01-01T00:00:00.000Z" in line
    if form == "json":
        told = json.loads(line)
        assert (told["incarnation"], told["level"], told["path"]) == (3, "info", "bot/a")


def test_every_note_that_has_a_level_is_a_note_that_an_actor_makes() -> None:
    made = {"cleanup_cut_off", "last_words_failed"}  # Of the supervisor itself.
    for file in Path(str(actors.__file__)).parent.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute | ast.Name):
                name = node.func.attr if isinstance(node.func, ast.Attribute) else node.func.id
                for argument in node.args[:1] if name.lower().endswith("note") else []:
                    made |= {part.value for part in ast.walk(argument) if isinstance(part, ast.Constant)}

    assert set(NOTES) <= made
