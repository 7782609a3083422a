"""What an actor sees of the tree that it is in, and what it can leave for the tree's end."""

import pytest
import trio

from supervisor import Ended, GaveUp, Me, NoSuchChild, Note, Running, Supervisor, actor


@actor()
async def quiet(me: Me) -> None:
    await trio.sleep_forever()


async def test_an_actor_sees_the_tree_that_it_is_in(autojump_clock: trio.testing.MockClock) -> None:
    seen: dict[str, object] = {}

    @actor()
    async def looker(me: Me) -> None:
        seen["states"] = {status.path: status.state for status in me.tree.status().walk()}
        seen["why"] = me.tree.explain("bot/quiet")
        seen["root"] = me.tree.tree.name
        with pytest.raises(NoSuchChild):
            me.tree.explain("bot/nobody")
        seen["ends"] = me.tree.ledger.ends
        me.tree.stop("seen enough")
        await trio.sleep_forever()

    async with Supervisor("bot", [quiet.child("quiet"), looker.child("looker")]).open() as running:
        await running.wait_stopped()

    assert seen["states"] == {"bot": "ready", "bot/quiet": "ready", "bot/looker": "ready"}
    assert str(seen["why"]).startswith("bot/quiet is ready")
    assert (seen["root"], seen["ends"]) == ("bot", 0)


async def test_the_tree_is_the_running_that_the_program_holds(autojump_clock: trio.testing.MockClock) -> None:
    seen: list[object] = []

    @actor()
    async def looker(me: Me) -> None:
        seen.append(me.tree)
        await trio.sleep_forever()

    async with Supervisor("bot", [looker.child("looker")]).open() as running:
        await running.wait_state("bot/looker", "ready")
        await trio.testing.wait_all_tasks_blocked()
        assert seen == [running]


async def test_last_words_come_after_the_roots_own_end(autojump_clock: trio.testing.MockClock) -> None:
    heard: list[str] = []

    @actor()
    async def witness(me: Me) -> None:
        events = me.tree.events()
        me.at_tree_end(
            lambda: heard.extend(str(event.path) for event in events.receive_nowait() if isinstance(event, Ended))
        )
        await trio.sleep_forever()

    @actor(on={RuntimeError: "escalate"})
    async def broken(me: Me) -> None:
        await trio.sleep(1)
        raise RuntimeError("enough")

    with pytest.raises(GaveUp):
        async with Supervisor("bot", [witness.child("witness"), broken.child("broken")]).open() as running:
            await running.wait_stopped()

    assert heard == ["bot/broken", "bot/witness", "bot"]


async def test_last_words_that_fail_are_noted_and_the_others_are_said(autojump_clock: trio.testing.MockClock) -> None:
    said: list[int] = []

    @actor()
    async def clumsy(me: Me) -> None:
        me.at_tree_end(lambda: 1 / 0)  # type: ignore[arg-type,return-value]
        await trio.sleep_forever()

    @actor()
    async def careful(me: Me) -> None:
        me.at_tree_end(lambda: said.append(me.generation))
        await trio.sleep(1)
        if me.generation == 1:
            raise RuntimeError("again")
        await trio.sleep_forever()

    running = Running(Supervisor("bot", [clumsy.child("clumsy"), careful.child("careful")]), seed=1)
    events = running.events()
    async with running.opened():
        await trio.sleep(100)
    notes = [event for event in events.receive_nowait() if isinstance(event, Note)]

    assert said == [2]
    assert [(note.path, note.what) for note in notes] == [("bot/clumsy", "last_words_failed")]
    assert "ZeroDivisionError" in notes[0].fields["error"]


async def test_a_subscription_that_was_closed_gets_no_more_and_costs_nothing(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with Supervisor("bot", [quiet.child("quiet")]).open() as running:
        other = running.events()
        with running.events() as events:
            running.restart_child("bot/quiet")
            await running.wait_state("bot/quiet", "ready")
            await trio.sleep(1)
        before = len(running._runtime._subscribers)
        running.restart_child("bot/quiet")
        await trio.sleep(1)

        kinds = [event.kind async for event in events]
        events.close()

    assert before == 1
    assert kinds == ["stopping", "ended", "started", "ready"]
    assert len(other.receive_nowait()) > len(kinds)


@pytest.mark.parametrize("name", Note("bot/a", 1, 0.0, what="x", fields={}).to_dict())
async def test_a_notes_field_cannot_stand_for_what_the_note_says_itself(
    name: str, autojump_clock: trio.testing.MockClock
) -> None:
    @actor(restart="temporary")
    async def teller(me: Me) -> None:
        me.note("seen", **{name: "of the field"})

    running = Running(Supervisor("bot", [teller.child("teller")]), seed=1)
    events = running.events()
    async with running.opened():
        await running.wait_state("bot/teller", "down")

    told = [event async for event in events]
    (ended,) = [event for event in told if isinstance(event, Ended) and event.path == "bot/teller"]
    assert isinstance(ended.end.exception, ValueError)
    assert f"a note has {name} of its own" in str(ended.end.exception)
    assert not [event for event in told if isinstance(event, Note)]


def test_all_other_names_are_a_notes_fields() -> None:
    note = Note("bot/a", 1, 2.0, what="seen", fields={"kind": "a", "fields": "b", "time": 3})

    assert note.to_dict() == {
        "event": "note", "seq": 0, "wall": 0.0, "at": 2.0, "path": "bot/a", "generation": 1,
        "what": "seen", "kind": "a", "fields": "b", "time": 3,
    }  # fmt: skip


async def _drawn(seed: int) -> list[float]:
    drawn: list[float] = []

    @actor()
    async def gambler(me: Me) -> None:
        drawn.extend((me.random_once().random(), me.random.random(), me.random_once().random(), me.random.random()))
        await trio.sleep_forever()

    async with Supervisor("bot", [gambler.child("gambler")]).open(seed=seed) as running:
        await running.wait_state("bot/gambler", "ready")
        await trio.sleep(1)
        running.hurry()
    return drawn


async def test_what_an_actor_draws_is_fixed_by_the_seed_and_never_the_same_twice(
    autojump_clock: trio.testing.MockClock,
) -> None:
    first = await _drawn(1)

    assert await _drawn(1) == first
    assert len({*first, *await _drawn(2)}) == 8
