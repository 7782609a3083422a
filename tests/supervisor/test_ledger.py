"""The ledger: exact counts, bounded samples. And the event stream."""

import trio

from supervisor import Backoff, Ended, Limit, Me, Supervisor, child
from supervisor._ledger import _PATHS, Ledger
from supervisor._outcome import Decision, End
from supervisor.testing import Cue, OnCue, Recorder, trace


def ended(path: str) -> Ended:
    end = End("crashed", OSError(), (), 0.0, 1.0, None)
    return Ended(path, 1, 1.0, end=end, decision=Decision("restart", "because"))


def test_counts_stay_exact_while_samples_are_bounded() -> None:
    recorder = Recorder()
    crashing = OnCue((Cue("crash", after=0.1),), recorder)
    tree = Supervisor("bot", [child("a", crashing, backoff=Backoff(0, 0, 0))], limit=Limit(10**6))

    found = trace(tree, recorder, until=100.05)

    assert found.ledger.failures == found.ledger.of("bot/a").failures == 1000
    assert len(found.ledger.recent) == 256
    assert len(found.ledger.first_failures) == 256


def test_any_number_of_paths_takes_bounded_room_and_loses_no_count() -> None:
    ledger = Ledger()
    for number in range(_PATHS + 500):
        ledger.record(ended(f"bot/{number}"))

    assert ledger.failures == _PATHS + 500
    assert ledger.of(Ledger.OTHERS).failures >= 500
    assert len(ledger._by_path) <= _PATHS + 1


async def test_a_slow_subscriber_loses_the_oldest_events_which_are_counted(autojump_clock: trio.abc.Clock) -> None:
    async def note(me: Me) -> None:
        for number in range(100):
            me.note("tick", number=number)
        await trio.sleep_forever()

    async with Supervisor("bot", [child("a", note)]).open() as running:
        late = running.events(10)
        running.stop()
        await running.wait_stopped()
        early_dropped = late.dropped

    events = [event async for event in late]
    assert early_dropped == 0
    assert [event.kind for event in events] == ["stopping", "ended", "ended"]


async def test_events_are_numbered_without_holes_and_a_full_reader_keeps_the_newest(
    autojump_clock: trio.abc.Clock,
) -> None:
    async def note(me: Me) -> None:
        await trio.sleep(1)
        for number in range(100):
            me.note("tick", number=number)

    async with Supervisor("bot", [child("a", note, restart="temporary")]).open() as running:
        reader, whole = running.events(10), running.events(1000)
        await trio.sleep(2)

    kept = [event.seq async for event in reader]
    assert reader.dropped == 101 + 1 - 10
    seqs = [event.seq async for event in whole]
    assert seqs == list(range(seqs[0], seqs[0] + len(seqs)))
    assert kept == seqs[-10:]
