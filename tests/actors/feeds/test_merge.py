"""What a feed of several sources hands out: one source's trades at a time, fresh, in order, once, or gaps."""

from collections.abc import Iterator
from random import Random

import attrs
from hypothesis import given, settings
from hypothesis import strategies as st

from actors import FeedItem, FeedState, Gap
from actors._feeds._failover import Terms
from actors._feeds._merge import MOST_WAITING, Merge
from actors._records import BestItem, Blind, Switched

from ..prints import EPOCH, Print, published

TERMS = Terms(stale_after=3.0, stable=5.0, max_age=1.0)


def state(source: str, *, live: bool) -> FeedState:
    return FeedState("binance", source, live, "it says so", 0)


def gap(source: str, first: int, last: int) -> Gap:
    return Gap("binance", source, first - 1, last + 1, None, None, first, last, "lost", 0)


@attrs.define
class Reader:
    """Takes what is ready when it likes, and writes down when it got what."""

    merge: Merge
    got: list[tuple[float, BestItem]] = attrs.Factory(list)

    def read(self, now: float, most: int) -> None:
        items = self.merge.ready(now, 0)[:most]
        self.got += [(now, item) for item in items]
        self.merge.taken(len(items))

    @property
    def trades(self) -> list[int]:
        return [item.id for _, item in self.got if isinstance(item, Print)]


def bring(merge: Merge, now: float, source: str, *items: FeedItem) -> None:
    merge.take(source, items, now, 0)


@st.composite
def batches(draw: st.DrawFn, names: list[str], until: float) -> list[tuple[float, str, list[FeedItem]]]:
    """Batches of sources that are busy, late, mute, not live, and have gaps."""
    found: list[tuple[float, str, list[FeedItem]]] = []
    for name in names:
        random = Random(draw(st.integers(0, 2**32)))
        at, number = 0.0, 100
        found.append((at, name, [state(name, live=True)]))
        while at < until:
            # What is usual for a source has to be seen first.
            mode = draw(st.sampled_from(["steady", "steady", "mute", "late", "down"])) if at > 0 else "steady"
            end = at + draw(st.sampled_from([0.5, 2.0, 7.0]))
            if mode == "down":
                found.append((at, name, [state(name, live=False)]))
            while at < end:
                at += end if mode == "mute" else random.expovariate(4)
                items: list[FeedItem] = []
                for _ in range(random.randint(1, 3)):
                    if random.random() < 0.05:
                        items.append(gap(name, number, number + 2))
                        number += 3
                    late = random.choice([0.0, 0.4, 1.5, 4.0]) if mode == "late" else 0.0
                    items.append(published(name, number, at - late))
                    number += 1
                found.append((at, name, items))
            found.append((at, name, [state(name, live=True)]))
    return sorted((batch for batch in found if batch[0] < until), key=lambda batch: batch[0])


@settings(deadline=None)
@given(st.data(), st.sampled_from([["a"], ["a", "b"], ["a", "b", "c"]]))
def test_every_trade_of_the_followed_source_once_in_order_and_fresh_or_a_gap(
    data: st.DataObject, names: list[str]
) -> None:
    until = 25.0
    merge = Merge("feed", names, TERMS)
    reader = Reader(merge)
    random = Random(data.draw(st.integers(0, 2**32)))
    pauses = data.draw(st.sampled_from([0.0, 0.5, 3.0]))
    merge.judge(0.0, 0)
    reads_at = 0.0
    for at, source, items in data.draw(batches(names, until)):
        while merge.choice.next_at() < at:
            merge.judge(merge.choice.next_at(), 0)
        bring(merge, at, source, *items)
        if at >= reads_at:
            reader.read(at, random.choice([1, 5, 1000]))
            reads_at = at + random.random() * pauses
    reader.read(until, 10_000)

    check(reader.got)
    assert len(merge.ready(until, 0)) == 0


def check(got: list[tuple[float, BestItem]]) -> None:
    """Compare what was handed out with what is promised."""
    source: str | None = None
    following: int | None = None
    seen: set[tuple[str, int]] = set()
    for now, item in got:
        if isinstance(item, Switched):
            source, following = item.source, None
        elif isinstance(item, Blind):
            source = None
        else:
            assert item.symbol == source, "only the source that is followed, and nothing while blind"
            first, last = (item.first_id, item.last_id) if isinstance(item, Gap) else (item.id, item.id)
            assert isinstance(first, int) and isinstance(last, int)
            assert following is None or first == following, "in order, and without a hole that is not told"
            following = last + 1
            if not isinstance(item, Gap):
                assert now - (item.time - EPOCH) / 1000 <= TERMS.max_age + 0.001, "fresh, by the venue's own time"
                assert (item.symbol, last) not in seen, "once"
                seen.add((item.symbol, last))


def running(names: list[str]) -> Iterator[tuple[float, Merge, Reader]]:
    """A merge whose sources trade ten times a second; it follows the first one from the beginning."""
    merge = Merge("feed", names, TERMS)
    reader = Reader(merge)
    for n in range(10_000):
        for name in names:
            bring(merge, n / 10, name, *([state(name, live=True)] if n == 0 else []), published(name, n, n / 10))
        yield n / 10, merge, reader


def test_after_a_switch_the_newest_trade_of_the_new_source_comes_first_and_nothing_older() -> None:
    for now, merge, reader in running(["a", "b"]):
        reader.read(now, 100)
        if now == 2.0:
            bring(merge, now + 0.05, "a", state("a", live=False))
            reader.read(now + 0.05, 100)
            break
    (_, last), (_, switched), (_, first) = reader.got[-3:]
    assert isinstance(switched, Switched) and (switched.previous, switched.source) == ("a", "b")
    assert (last, first) == (published("a", 20, 2.0), published("b", 20, 2.0))


def test_what_is_held_too_long_is_not_handed_out_at_a_switch() -> None:
    merge = Merge("feed", ["a", "b"], TERMS)
    reader = Reader(merge)
    for n in range(30):
        bring(merge, n / 10, "a", state("a", live=True), published("a", n, n / 10))
    bring(merge, 2.0, "b", state("b", live=True), published("b", 1, 2.0))
    reader.read(2.9, 100)
    bring(merge, 3.1, "a", state("a", live=False))
    reader.read(3.1, 100)
    assert isinstance(reader.got[-1][1], Switched), "b has a trade that is fresh, and older than max_age"
    bring(merge, 3.3, "b", published("b", 2, 3.3))
    reader.read(3.3, 100)
    assert isinstance(reader.got[-2][1], Switched) and reader.trades[-1] == 2, "nor is it told as missing"


def test_a_slow_reader_gets_a_gap_in_place_of_what_it_did_not_take_and_nobody_waits() -> None:
    for now, _, reader in running(["a", "b"]):
        if now <= 1.0:
            reader.read(now, 100)
        elif now == 9.0:
            reader.read(now, 100)
            break
    at_once = [item for at, item in reader.got if at == 9.0]
    assert isinstance(at_once[0], Gap)
    missing = at_once[0]
    assert (missing.after_id, missing.first_id, missing.last_id, missing.before_id) == (10, 11, 79, 80)
    assert (missing.after_time, missing.before_time) == (EPOCH + 1000, EPOCH + 8000)
    assert missing.reason == "was not taken within 1 s"
    assert [item.id for item in at_once[1:] if isinstance(item, Print)] == list(range(80, 91))
    assert reader.merge.untaken == 69
    assert reader.merge.choice.followed == "a"


def test_trades_that_come_too_late_are_a_gap() -> None:
    for now, _, reader in running(["a"]):
        reader.read(now, 100)
        if now == 5.0:
            break
    merge = reader.merge
    late = [published("a", 51 + n, 5.2 + n / 10) for n in range(20)]
    bring(merge, 7.15, "a", *late)
    reader.read(7.15, 100)
    missing = reader.got[-11][1]
    assert isinstance(missing, Gap) and missing.reason == "came more than 1 s later than usual"
    assert (missing.first_id, missing.last_id, merge.late) == (51, 60, 10)
    assert reader.trades[-10:] == list(range(61, 71))


def test_what_waits_for_a_reader_that_never_comes_is_bounded() -> None:
    merge = Merge("feed", ["a", "b"], TERMS)
    for n in range(2 * MOST_WAITING):
        for name in ("a", "b"):
            bring(
                merge, n / 1000, name, state(name, live=(n // 500) % 2 == (name == "b")), published(name, n, n / 1000)
            )
        assert len(merge._waiting) <= MOST_WAITING + 1
    now = 2 * MOST_WAITING / 1000
    reader = Reader(merge)
    reader.read(now, 100_000)
    check(reader.got)
