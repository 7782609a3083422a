"""Order books: never crossed, in step with the trades, known at every number; and how Binance tells of them."""

import json
from decimal import Decimal
from random import Random
from typing import Any

import pytest
import trio
from hypothesis import given, settings
from hypothesis import strategies as st

from actors.simulator import Exchange
from actors.simulator._book import Book, BookHistory, fixed
from actors.simulator._market import Tape
from actors.simulator._record import Log
from actors.simulator.venues import SCHEMES

from .shapes import shape

NAMES = {"binance": ["BTCUSDT"], "binance-usdm": ["BTCUSDT"]}

DEPTH = """{"e":"depthUpdate","E":1672515782136,"s":"BNBBTC","U":157,"u":160,"b":[["0.0024","10"]],"a":[["0.0026",
"100"]]}"""
USDM_DEPTH = """{"e":"depthUpdate","E":123456789,"T":123456788,"s":"BNBUSDT","U":157,"u":160,"pu":149,"b":[["0.0024",
"10"]],"a":[["0.0026","100"]],"ps":"BTCUSDT","st":1}"""
TICKER = """{"u":400900217,"s":"BNBUSDT","b":"25.35190000","B":"31.21000000","a":"25.36520000","A":"40.66000000"}"""
USDM_TICKER = """{"e":"bookTicker","u":400900217,"E":1568014460893,"T":1568014460891,"s":"BNBUSDT","b":"25.35190000",
"B":"31.21000000","a":"25.36520000","A":"40.66000000","ps":"BTCUSDT","st":1}"""


def apply(side: dict[str, str], levels: Any) -> None:
    for price, size in levels:
        if size == "0":
            del side[price]
        else:
            side[price] = size


@settings(deadline=None, max_examples=30)  # shared machines stall
@given(
    st.sampled_from(sorted(SCHEMES)),
    st.integers(),
    st.lists(st.none() | st.tuples(st.sampled_from(["buy", "sell"]), st.integers(1, 10_000_000)), max_size=60),
)
def test_a_book_is_never_crossed_and_holds_what_its_trades_take(
    venue: str, seed: int, steps: list[tuple[Any, int] | None]
) -> None:
    tape = Tape(venue, "BTCUSDT", SCHEMES[venue], str(seed), Log(), Log(), Log())
    state = tape.book.state()
    bids, asks = dict(state.bids), dict(state.asks)
    last, most = state.last, SCHEMES[venue].book_levels
    for step in steps:
        if step is None:
            changes = [tape.drift(1.0, 1)]
        else:
            printed = tape.print(1.0, 1, side=step[0], price=fixed(step[1], 2))
            changes = [change for change in (printed.before, printed.after) if change is not None]
            trade = printed.aggregate
        for change in changes:
            if step is not None and change is changes[-1]:
                # Just before it, the best price on the maker's side was the trade's, with enough of it.
                side = asks if trade.side == "buy" else bids
                best = (min if trade.side == "buy" else max)(side, key=Decimal)
                assert Decimal(best) == Decimal(trade.price)
                left = Decimal(dict((*change.bids, *change.asks))[best])
                assert Decimal(side[best]) - left == Decimal(trade.quantity)
            assert change.previous == last < change.first <= change.last
            assert len(change.bids) + len(change.asks) == change.last - change.first + 1
            if not SCHEMES[venue].book_holes:
                assert change.first == last + 1
            last = change.last
            apply(bids, change.bids)
            apply(asks, change.asks)
            assert asks
            assert not bids or max(map(Decimal, bids)) < min(map(Decimal, asks))
            assert len(bids) <= most
            assert most // 2 <= len(asks) <= most
            assert tape.book.quote == tape.quotes[-1] if tape.quotes else True
        now = tape.book.state()
        assert (dict(now.bids), dict(now.asks)) == (bids, asks)


@settings(deadline=None, max_examples=20)  # shared machines stall
@given(st.integers(), st.integers(1, 3000))
def test_a_book_left_to_itself_is_never_crossed(seed: int, price: int) -> None:
    book = Book(Random(seed), price, price_decimals=2, quantity_decimals=3, levels=20, first=0)
    for n in range(300):
        change = book.drift(float(n), n)
        assert change.bids or change.asks
        assert not book.bids(1) or Decimal(book.bids(1)[0][0]) < Decimal(book.asks(1)[0][0])


def test_history_knows_every_state_that_it_has_not_forgotten() -> None:
    book = Book(Random(1), 1000, price_decimals=2, quantity_decimals=3, levels=20, first=500, holes=True)
    history = BookHistory(book.state(), limit=40, every=10)
    states = {book.last: book.state()}
    for n in range(200):
        change = book.drift(float(n), n)
        history.append(change, book)
        states[book.last] = book.state()
    known = 0
    for last, state in states.items():
        try:
            found = history.at(last)
        except KeyError:
            continue
        assert found == state
        known += 1
    assert 40 <= known <= 75
    assert history.at(book.last + 100) == book.state()
    with pytest.raises(KeyError):
        history.at(499)


async def test_books_move_by_themselves_at_the_declared_rate(autojump_clock: object) -> None:
    exchange = Exchange(1, NAMES, trades_per_second=0, book_changes_per_second=3)
    with trio.move_on_after(200):
        await exchange.run()
    history = exchange.record.books["binance", "BTCUSDT"]
    assert 500 < len(history.changes) < 700
    assert 100 < len(exchange.record.quotes["binance", "BTCUSDT"]) < 600
    still = Exchange(1, NAMES, trades_per_second=0)
    with trio.move_on_after(200):
        await still.run()
    assert len(still.record.books["binance", "BTCUSDT"].changes) == 0


@pytest.mark.parametrize(
    ("venue", "root", "rest", "samples"),
    [
        ("binance", "", "/api/v3", (DEPTH, TICKER)),
        ("binance-usdm", "/public", "/fapi/v1", (USDM_DEPTH, USDM_TICKER)),
    ],
)
async def test_binance_differences_join_the_rest_book(
    autojump_clock: object, clients: Any, venue: str, root: str, rest: str, samples: tuple[str, str]
) -> None:
    exchange = Exchange(5, NAMES, 10)
    async with clients(exchange) as client, trio.open_nursery() as nursery:
        nursery.start_soon(exchange.run)
        ws = await client.ws(venue, f"{root}/stream?streams=btcusdt@depth@100ms/btcusdt@bookTicker")
        await trio.sleep(10)
        base = (await client.get(venue, f"{rest}/depth?symbol=BTCUSDT&limit=1000")).json
        sides = [dict(base[side]) for side in ("bids", "asks")]
        joint, last, quotes = (1 if venue == "binance" else 0), None, 0
        for _ in range(1500):
            message = await ws.json()
            event = message["data"]
            if message["stream"].endswith("@bookTicker"):
                assert shape(event) == shape(json.loads(samples[1]))
                if event["u"] == last:
                    bids, asks = sides
                    assert (event["b"], event["B"]) == max(bids.items(), key=lambda level: Decimal(level[0]))
                    assert (event["a"], event["A"]) == min(asks.items(), key=lambda level: Decimal(level[0]))
                    quotes += 1
                continue
            assert list(event) == list(json.loads(samples[0]))
            if event["u"] < base["lastUpdateId"] + joint:
                continue
            if last is None:
                assert event["U"] <= base["lastUpdateId"] + joint <= event["u"]
            elif venue == "binance":
                assert event["U"] == last + 1
            else:
                assert event["pu"] == last
            last = event["u"]
            for side, name in zip(sides, "ba", strict=True):
                for price, size in event[name]:
                    # The first may overlap with the snapshot.
                    side.pop(price, None) if size == "0" else side.update({price: size})
        assert last is not None
        assert quotes > 300
        state = exchange.record.books[venue, "BTCUSDT"].at(last)
        assert [dict(state.bids), dict(state.asks)] == sides
        nursery.cancel_scope.cancel()


async def test_depth_costs_by_its_limit(autojump_clock: object, clients: Any) -> None:
    exchange = Exchange(symbols=NAMES, trades_per_second=0, epoch=0.0)
    async with clients(exchange) as client:
        for venue, rest, costs in (
            ("binance", "/api/v3", ((100, 5), (500, 25), (1000, 50), (5000, 250))),
            ("binance-usdm", "/fapi/v1", ((50, 2), (100, 5), (500, 10), (1000, 20))),
        ):
            used = 0
            for limit, cost in costs:
                answer = await client.get(venue, f"{rest}/depth?symbol=BTCUSDT&limit={limit}")
                used += cost
                assert answer.headers["x-mbx-used-weight-1m"] == str(used)
                assert answer.json["lastUpdateId"] == exchange.tapes[venue]["BTCUSDT"].book.last
            ticker = (await client.get(venue, f"{rest}/ticker/bookTicker?symbol=BTCUSDT")).json
            assert ticker["bidPrice"] == exchange.tapes[venue]["BTCUSDT"].book.quote.bid
