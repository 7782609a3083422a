"""One feed over several venues, on the virtual clock, against the exchange's true record."""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

import attrs
import pytest
import trio

from actors import Gap, Venue, binance, binance_usdm, bybit, bybit_linear, gate, kucoin, okx
from actors._best_feed import best_feed, explain_feed
from actors._feeds._failover import MOMENT
from actors._feeds._freshness import QUICKEST
from actors._feeds._merge import Merge
from actors._records import BestItem, Blind, Switched
from actors.simulator import Exchange, Fault, open_network
from supervisor import (
    Backoff,
    BadTree,
    Ended,
    Mailbox,
    Me,
    NoSuchChild,
    Note,
    Running,
    Supervisor,
    actor,
)
from supervisor.testing import run_virtually

from ..in_memory import drain, through
from ..prints import EPOCH

SPOT, USDM = "binance-btcusdt", "binance-usdm-btcusdt"
TWO = ((binance, "BTCUSDT"), (binance_usdm, "BTCUSDT"))
OTHERS = {
    "okx": ((okx, "BTC-USDT"), (binance, "BTCUSDT")),
    "bybit": ((bybit, "BTCUSDT"), (okx, "BTC-USDT")),
    "bybit-linear": ((bybit_linear, "BTCUSDT"), (bybit, "BTCUSDT")),
    "kucoin": ((kucoin, "BTC-USDT"), (gate, "BTC_USDT")),
    "gate": ((gate, "BTC_USDT"), (kucoin, "BTC-USDT")),
}


@attrs.define
class Scene:
    """A running feed: what came out of it, with the time at which it did, and the notes of its tree."""

    running: Running
    exchange: Exchange
    got: list[tuple[float, Any]] = attrs.Factory(list)
    events: list[Any] = attrs.Factory(list)

    def changes(self) -> list[str | None]:
        return [item.source if isinstance(item, Switched) else None for item in self.told(Switched, Blind)]

    def told(self, *kinds: type) -> list[Any]:
        return [item for _, item in self.got if isinstance(item, kinds)]

    def trades(self) -> list[tuple[float, Any]]:
        return [(at, item) for at, item in self.got if not isinstance(item, Switched | Blind | Gap)]

    def longest_silence(self, since: float, until: float) -> float:
        times = [since, *(at for at, _ in self.trades() if since <= at <= until), until]
        return max(later - earlier for earlier, later in zip(times, times[1:], strict=False))

    def notes(self, *kinds: str) -> list[Note]:
        return [event for event in self.events if isinstance(event, Note) and event.what in kinds]

    def check(self, *, dense: bool = True) -> None:
        """Hold what came against the promise: nothing stale, nothing twice; with dense ids, nothing left out unsaid."""
        source: str | None = None
        following: int | None = None
        seen: set[tuple[str, object]] = set()
        for at, item in self.got:
            if isinstance(item, Switched):
                assert item.source != source
                source, following = item.source, None
            elif isinstance(item, Blind):
                source = None
            else:
                assert source == f"{item.venue}-{item.symbol}".lower()
                first, last = (item.first_id, item.last_id) if isinstance(item, Gap) else (item.first_id, item.id)
                if dense:
                    assert isinstance(first, int) and isinstance(last, int)
                    assert following is None or first == following
                    following = last + 1
                if not isinstance(item, Gap):
                    assert at - (item.time - EPOCH) / 1000 <= 1.1, "fresh"
                    assert (item.venue, item.id) not in seen, "once"
                    seen.add((item.venue, item.id))


@asynccontextmanager
async def scene(
    *before: Fault, venues: Sequence[tuple[Venue, str]] = TWO, rate: float = 50.0, **options: Any
) -> AsyncIterator[Scene]:
    """A feed of some venues, each with so many trades a second; ``before`` is what is wrong when it is opened."""
    exchange = Exchange(
        seed=7,
        symbols={venue.name: [symbol] for venue, symbol in venues},
        trades_per_second=rate,
        epoch=EPOCH / 1000,
    )
    out: Mailbox[BestItem] = Mailbox("best", capacity=1000)
    async with open_network(exchange) as network, trio.open_nursery() as nursery:
        sources = [through(venue, network).trades(symbol) for venue, symbol in venues]
        running = Running(Supervisor("bot", [best_feed("btc", sources, out=out, **options)]), 1)
        it = Scene(running, exchange)
        for fault in before:
            exchange.inject(fault)

        async def collect() -> None:
            async for item in running.mailbox(out):
                it.got.append((trio.current_time(), item))

        nursery.start_soon(collect)
        nursery.start_soon(drain, running.events(capacity=100_000), it.events)
        nursery.start_soon(exchange.run)
        async with running.opened():
            yield it
        nursery.cancel_scope.cancel()


def virtually(main: Callable[[], Any]) -> None:
    run_virtually(main)


def test_with_the_first_venue_mute_the_feed_is_silent_no_longer_than_its_limit() -> None:
    async def main() -> None:
        async with scene(stable=10.0) as it:
            await trio.sleep(15)
            assert it.changes()[-1] == SPOT
            muted = trio.current_time()
            it.exchange.inject(Fault("mute", venue="binance", duration=8))
            await trio.sleep(5)
            assert it.changes()[-1] == USDM
            assert it.longest_silence(10, muted + 5) <= QUICKEST + 0.1
            switched = next(at for at, item in it.got if isinstance(item, Switched) and item.source == USDM)
            assert switched - muted <= QUICKEST, "long before its feed has found out by asking"
            (note,) = it.notes("switched")[1:]
            assert note.path == "bot/btc/selector"
            assert note.fields["source"] == USDM and note.fields["previous"] == SPOT
            assert "silent for 1.0 s, and its limit is 1.0 s" in note.fields["reason"]
            # The venue is back after 8 s, and is gone back to after 10 s without a fault.
            await trio.sleep(11)
            assert it.changes()[-1] == USDM
            await trio.sleep(20)
            assert it.changes()[-1] == SPOT
            it.check()

    virtually(main)


@pytest.mark.parametrize("venue", OTHERS)
def test_any_venue_is_left_and_any_is_gone_on_with(venue: str) -> None:
    async def main() -> None:
        async with scene(venues=OTHERS[venue]) as it:
            await trio.sleep(12)
            first, second = [f"{venue.name}-{symbol}".lower() for venue, symbol in OTHERS[venue]]
            assert it.changes()[-1] == first
            muted = trio.current_time()
            it.exchange.inject(Fault("mute", venue=venue, duration=20))
            await trio.sleep(5)
            assert it.changes()[-1] == second
            assert it.longest_silence(10, muted + 5) <= QUICKEST + 0.2
            it.check(dense=False)

    virtually(main)


def test_the_venue_that_is_alone_with_its_price_is_left() -> None:
    async def main() -> None:
        async with scene(venues=[*TWO, (okx, "BTC-USDT")], rate=10) as it:
            await trio.sleep(10)
            assert it.changes()[-1] == SPOT
            it.exchange.print_trade("binance", "BTCUSDT", price="75000.00")
            await trio.sleep(5)
            assert it.changes()[-1] == USDM
            (note,) = it.notes("switched")[1:]
            assert "apart from the others with its price 7" in note.fields["reason"]
            wrong = [at for at, item in it.trades() if item.price > 70_000]
            assert wrong[-1] - wrong[0] <= MOMENT

    virtually(main)


def test_when_no_source_is_fresh_it_is_blind_and_says_when_it_sees_again() -> None:
    async def main() -> None:
        async with scene() as it:
            await trio.sleep(10)
            it.exchange.inject(Fault("mute", duration=10))
            await trio.sleep(8)
            assert it.changes()[-1] is None
            assert it.longest_silence(12, 18) == 6
            explained = explain_feed(it.running, "bot/btc")
            assert explained.followed is None and not any(source.fresh for source in explained.sources)
            assert str(explained).startswith("btc has been blind for ")
            assert it.notes("blind")[-1].fields["reason"].endswith("and its limit is 1.0 s")
            await trio.sleep(15)
            assert it.changes()[-1] is not None
            assert explain_feed(it.running, "bot/btc").followed == it.changes()[-1]
            it.check()

    virtually(main)


def test_a_source_that_crashes_or_is_parked_takes_nothing_with_it() -> None:
    async def main() -> None:
        async with scene(stable=10.0, rate=20) as it:
            await trio.sleep(15)
            it.running.park_child(f"bot/btc/{SPOT}")
            await trio.sleep(10)
            assert it.changes()[-1] == USDM
            it.running.restart_child(f"bot/btc/{USDM}/feed")
            await trio.sleep(10)
            it.running.unpark_child(f"bot/btc/{SPOT}")
            await trio.sleep(20)
            assert it.changes()[-1] == SPOT
            assert it.longest_silence(15, 55) < 3
            ends = [event.path for event in it.events if isinstance(event, Ended)]
            assert "bot/btc/selector" not in ends and "bot/btc" not in ends
            it.check()

    virtually(main)


@pytest.mark.parametrize(
    "fault",
    [Fault("mute", venue="binance", duration=20), Fault("refuse", venue="binance", duration=20)],
    ids=lambda fault: fault.kind,
)
def test_a_first_venue_that_is_dead_at_the_start_delays_nothing(fault: Fault) -> None:
    async def main() -> None:
        opened = trio.current_time()
        async with scene(fault) as it:
            await trio.sleep_until(opened + 6)
            assert it.changes() == [None, USDM]
            assert it.trades()[0][0] - opened < 2

    virtually(main)


def test_a_selector_that_fails_goes_on_where_it_was() -> None:
    async def main() -> None:
        async with scene(rate=20) as it:
            await trio.sleep(10)
            it.exchange.inject(Fault("mute", venue="binance", duration=5))
            await trio.sleep(10)
            assert it.changes()[-1] == USDM
            changes = it.changes()
            for _ in range(10):
                it.running.restart_child("bot/btc/selector")
                await trio.sleep(0.7)
            assert it.changes() == changes, "it knows whom it followed, and since when"
            assert not it.told(Gap)
            assert it.longest_silence(12, 27) < QUICKEST
            it.check()

    virtually(main)


def test_a_selector_that_crashes_again_and_again_loses_and_doubles_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    ready, calls = Merge.ready, 0

    def sometimes(merge: Merge, now: float, received: int) -> list[BestItem]:
        nonlocal calls
        calls += 1
        if calls % 30 == 0:
            raise RuntimeError("on purpose")
        return ready(merge, now, received)

    monkeypatch.setattr(Merge, "ready", sometimes)

    async def main() -> None:
        async with scene(rate=20) as it:
            await trio.sleep(20)
            crashed = [event for event in it.events if isinstance(event, Ended) and event.path == "bot/btc/selector"]
            assert len(crashed) > 3
            assert it.changes()[:2] == [None, SPOT]
            # What it did not hand out while it waited for its restart is a gap when it was too long; nothing else is.
            it.check()

    virtually(main)


def test_a_reader_that_stops_makes_no_source_wait_and_gets_a_gap() -> None:
    @actor()
    async def nobody(me: Me) -> None:
        await trio.sleep_forever()

    async def main() -> None:
        exchange = Exchange(symbols={"binance": ["BTCUSDT"]}, trades_per_second=50.0, epoch=EPOCH / 1000)
        out: Mailbox[BestItem] = Mailbox("best", capacity=10)
        async with open_network(exchange) as network, trio.open_nursery() as nursery:
            tree = Supervisor("bot", [best_feed("btc", [through(binance, network).trades("BTCUSDT")], out=out)])
            async with tree.open() as running:
                nursery.start_soon(exchange.run)
                await trio.sleep(20)
                explained = explain_feed(running, "bot/btc")
                assert explained.followed == SPOT
                (source,) = explained.sources
                assert source.trades > 800
                inner = next(box for box in running.mailboxes() if box.name.startswith("btc from"))
                assert inner.used <= 10 and inner.peak < 1000
                items: list[Any] = []
                while len(items) < 200:
                    items += await running.mailbox(out).receive_many()
                waited = [item for item in items[:10] if not isinstance(item, Switched | Blind)]
                assert waited, "what had been handed out before is the reader's"
                (gap,) = [item for item in items if isinstance(item, Gap)]
                assert gap.reason == "was not taken within 1 s" and gap.after_id == waited[-1].id
                behind = items[items.index(gap) + 1]
                assert behind.id == gap.last_id + 1 and behind.time / 1000 >= EPOCH / 1000 + 18.9
            nursery.cancel_scope.cancel()

    virtually(main)


def test_a_group_is_a_value_and_its_sources_cannot_take_it_down() -> None:
    out: Mailbox[BestItem] = Mailbox("best", capacity=10)
    sources = [binance.trades("BTCUSDT"), binance_usdm.trades("BTCUSDT")]
    group = best_feed("btc", sources, out=out)
    assert [child.name for child in group.children] == ["selector", SPOT, USDM]
    assert group == best_feed("btc", sources, out=out)
    assert group.strategy == "one_for_one" and group.limit.then == "park"
    for source in group.children[1:]:
        assert (source.policy.first_start, source.policy.max_failures) == ("retry", None)
    assert group.policy == Supervisor("x").policy
    assert best_feed("btc", sources, out=out, backoff=Backoff(cap=5)).policy.backoff.cap == 5


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda out: best_feed("btc", [], out=out), r"btc/selector: a feed needs at least one source"),
        (
            lambda out: best_feed("btc", [binance.trades(["BTCUSDT", "ETHUSDT"])], out=out),
            r"btc/selector: .* must have one symbol, not 2",
        ),
        (
            lambda out: best_feed("btc", [binance.quotes("BTCUSDT")], out=out),
            r"btc/selector: .* must bring trades, not quotes",
        ),
        (
            lambda out: best_feed("btc", [binance.trades("BTCUSDT")] * 2, out=out),
            r"2 children are named 'binance-btcusdt'",
        ),
        (lambda out: best_feed("btc", [binance.trades("BTCUSDT")], out=print), r"out must be a Mailbox"),  # type: ignore[arg-type]
        (
            lambda out: best_feed("btc", [binance.trades("BTCUSDT")], out=out, stale_after=0),
            r"stale_after must be a number of seconds > 0, not 0",
        ),
        (
            lambda out: best_feed("btc", [binance.trades("BTCUSDT")], out=out, tolerance="1%"),
            r"tolerance must be a part between 0 and 1, such as 0.01, not '1%'",
        ),
        (
            lambda out: best_feed("btc", [binance.trades("BTCUSDT")], out=out, stabel=3),
            r"btc: unknown option 'stabel'",
        ),
        (
            lambda out: best_feed("btc", [binance.trades("BTC/USDT")], out=out),
            r"btc/binance-btc-usdt/feed: .*BTC/USDT",
        ),
        (
            lambda out: best_feed("btc", [binance.trades("BTCUSDT", out=Mailbox("x", capacity=1))], out=out),  # type: ignore[list-item]
            r"btc/selector: a source must be such as binance.trades\('BTCUSDT'\), without out=; it is a Supervisor",
        ),
    ],
)
def test_what_is_wrong_is_reported_with_its_path(build: Any, message: str) -> None:
    with pytest.raises(BadTree, match=message):
        build(Mailbox("best", capacity=10))


def test_only_a_feed_of_several_sources_can_be_explained() -> None:
    async def main() -> None:
        async with scene() as it:
            for path in ("bot", "bot/btc/selector", "bot/nobody", "other/btc"):
                with pytest.raises(NoSuchChild):
                    explain_feed(it.running, path)

    virtually(main)
