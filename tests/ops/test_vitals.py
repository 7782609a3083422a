"""The verdict about a tree: healthy exactly while everything required lives, is live and is fresh."""

import math

import attrs
import trio
from hypothesis import given
from hypothesis import strategies as st

from actors.ops._vitals import StreamVital, Verdict, facts, read, verdict
from supervisor import Backoff, Me, Supervisor, actor, child
from supervisor.testing import run_virtually


@attrs.define
class World:
    """What the owners of a test say about themselves."""

    streams: list[StreamVital] = attrs.field(factory=lambda: [StreamVital("BTCUSDT", live=True, age=0.1, limit=5.0)])
    silent: bool = False


@actor(first_start="retry", backoff=Backoff(floor=10, base=10, cap=10), on={PermissionError: "park"})
@attrs.frozen
class Owner:
    world: World
    required: bool = True
    fails: type[Exception] | None = None

    async def run(self, me: Me) -> None:
        if not self.world.silent:
            me.expose(lambda: facts("feed", "venue", required=self.required, streams=self.world.streams))
        if self.fails is not None:
            raise self.fails("no luck")
        await trio.sleep_forever()


def reasons_of(tree: Supervisor, *needs: str) -> Verdict:
    async def main() -> Verdict:
        async with tree.open() as running:
            await trio.sleep(1)
            return verdict(running.status(), running.tree, needs=needs, now=trio.current_time())

    return run_virtually(main)


def test_a_tree_whose_required_streams_are_live_and_fresh_is_healthy() -> None:
    assert reasons_of(Supervisor("bot", [child("feed", Owner(World()))])) == Verdict(healthy=True)


def test_a_stream_that_is_not_live_is_a_reason_with_its_words() -> None:
    world = World([StreamVital("BTCUSDT", live=False, reason="reconnecting")])
    found = reasons_of(Supervisor("bot", [child("feed", Owner(world))]))

    assert found == Verdict(healthy=False, reasons=("bot/feed (feed venue) BTCUSDT is not live: reconnecting",))


def test_a_stream_older_than_its_limit_is_a_reason() -> None:
    world = World([StreamVital("BTCUSDT", live=True, age=5.25, limit=5.0)])

    assert reasons_of(Supervisor("bot", [child("feed", Owner(world))])).reasons == (
        "bot/feed (feed venue) BTCUSDT: nothing for 5.2 s, allowed are 5 s",
    )


def test_an_owner_that_waits_is_a_reason_and_tells_when_it_is_tried_next() -> None:
    found = reasons_of(Supervisor("bot", [child("feed", Owner(World(), fails=OSError))]))

    assert found.reasons == ("bot/feed is waiting, next try in 9.0 s: crashed: OSError: no luck",)


def test_a_parked_owner_is_a_reason() -> None:
    found = reasons_of(Supervisor("bot", [child("feed", Owner(World(), fails=PermissionError))]))

    assert found.reasons == ("bot/feed is parked: crashed: PermissionError: no luck",)


def test_an_owner_that_has_told_nothing_is_unhealthy_if_the_tree_requires_it() -> None:
    needed = child("feed", Owner(World(silent=True)))
    spare = child("spare", Owner(World(silent=True), required=False))

    assert reasons_of(Supervisor("bot", [spare])).healthy
    assert reasons_of(Supervisor("bot", [spare, needed])).reasons == ("bot/feed has told nothing about itself yet",)


def test_an_owner_below_a_supervisor_that_was_never_started_is_not_forgotten() -> None:
    group = Supervisor("group", [child("first", Owner(World(), fails=OSError)), child("second", Owner(World()))])
    found = reasons_of(Supervisor("bot", [group.with_(strategy="rest_for_one")]))

    assert {reason.split()[0] for reason in found.reasons} == {"bot/group/first", "bot/group/second"}


def test_what_is_not_required_never_makes_it_unhealthy() -> None:
    world = World([StreamVital("BTCUSDT", live=False)])
    tree = Supervisor("bot", [child("feed", Owner(world, required=False, fails=OSError))])

    assert reasons_of(tree) == Verdict(healthy=True)


def test_other_children_can_be_needed() -> None:
    tree = Supervisor("bot", [child("feed", Owner(World()))])

    assert reasons_of(tree, "bot/feed").healthy
    assert reasons_of(tree, "bot/strategy").reasons == ("bot/strategy is not there",)


STREAMS = st.lists(
    st.builds(
        StreamVital,
        name=st.just("X"),
        live=st.booleans(),
        age=st.none() | st.floats(0, 10),
        limit=st.none() | st.floats(0, 10),
    ),
    max_size=3,
)


@given(owners=st.lists(st.tuples(STREAMS, st.booleans()), max_size=4))
def test_healthy_means_exactly_that_every_required_stream_is_live_and_within_its_limit(
    owners: list[tuple[list[StreamVital], bool]],
) -> None:
    tree = Supervisor(
        "bot", [child(f"o{n}", Owner(World(streams), required)) for n, (streams, required) in enumerate(owners)]
    )
    well = all(
        streams
        and all(
            s.live and (-math.inf if s.age is None else s.age) <= (math.inf if s.limit is None else s.limit)
            for s in streams
        )
        for streams, required in owners
        if required
    )

    assert reasons_of(tree).healthy == well


def test_what_is_exposed_comes_back_as_it_was() -> None:
    stream = StreamVital(
        "ETH", live=True, reason="since 3 s", age=1.0, limit=2.0, rate=3.5, lag=12.0, gaps=1, state="ok"
    )

    async def main() -> None:
        async with Supervisor("bot", [child("feed", Owner(World([stream])))]).open() as running:
            await trio.testing.wait_all_tasks_blocked()
            (vital,) = read(running.status(), running.tree)
            assert (vital.path, vital.vital, vital.venue, vital.required) == ("bot/feed", "feed", "venue", True)
            assert vital.streams == (stream,)

    trio.run(main)


async def test_an_owner_that_was_added_and_does_not_live_counts_as_it_was_known(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with Supervisor("bot", []).open() as running:
        path = running.add_child("bot", child("feed", Owner(World())))
        await trio.sleep(1)
        known = {vital.path: vital.required for vital in read(running.status(), running.tree)}
        running.park_child(path)
        await running.wait_state(path, "parked")
        found = read(running.status(), running.tree, known=known)
        running.remove_child(path)
        await trio.sleep(1)

        assert (known, [vital.condition for vital in found]) == ({"bot/feed": True}, ["parked"])
        assert read(running.status(), running.tree, known=known) == []


def test_vital_signs_that_make_no_sense_are_a_reason_and_not_an_error() -> None:
    world = World()
    world.streams = [object()]  # type: ignore[list-item]
    told_error = reasons_of(Supervisor("bot", [child("feed", Owner(world))])).reasons

    @actor()
    async def odd(me: Me) -> None:
        me.expose(lambda: {"vital": "feed", "venue": "v", "streams": 7})
        await trio.sleep_forever()

    told_nonsense = reasons_of(Supervisor("bot", [odd.child("feed")])).reasons

    assert told_error[0].startswith("bot/feed has told nothing about itself yet: ")
    assert told_nonsense == (
        "bot/feed (feed v) ? is not live: its vital signs cannot be read: TypeError: 'int' object is not iterable",
    )
