"""The market: ids without holes, aggregates over their raw trades, pages by id and time."""

from decimal import Decimal

from hypothesis import given, settings
from hypothesis import strategies as st

from actors.simulator import PublishedTrade
from actors.simulator._market import Tape, page_by_id, page_by_time
from actors.simulator._record import Log
from actors.simulator.venues import SCHEMES


def new_tape(venue: str, seed: int = 0) -> Tape:
    return Tape(venue, "BTCUSDT", SCHEMES[venue], str(seed), Log(), Log(), Log())


@settings(deadline=None)  # shared machines stall
@given(st.integers(), st.integers(1, 100))
def test_raw_and_aggregate_ids_are_consecutive_and_cover_each_other(seed: int, count: int) -> None:
    tape = new_tape("binance", seed)
    for n in range(count):
        tape.print(float(n), n)
    raw, aggregates = tape.trades, tape.aggregates
    assert [trade.id for trade in raw] == list(range(raw[0].id, raw[0].id + len(raw)))
    assert [trade.id for trade in aggregates] == list(range(aggregates[0].id, aggregates[0].id + count))
    by_id = {trade.id: trade for trade in raw}
    assert aggregates[0].first_id == raw[0].id
    for trade, following in zip(aggregates, [*aggregates[1:], None], strict=True):
        assert following is None or following.first_id == trade.last_id + 1
        parts = [by_id[number] for number in range(trade.first_id, trade.last_id + 1)]
        assert sum(Decimal(part.quantity) for part in parts) == Decimal(trade.quantity)
        assert {(part.price, part.side) for part in parts} == {(trade.price, trade.side)}


def test_usdm_numbers_its_aggregates_only() -> None:
    tape = new_tape("binance-usdm")
    for n in range(10):
        tape.print(float(n), n)
    assert list(tape.trades) == list(tape.aggregates)


def test_what_is_given_is_printed_as_given() -> None:
    tape = new_tape("binance")
    printed = tape.print(1.0, 5, side="sell", price="123.45", quantity="0.5")
    assert printed.raw == (
        PublishedTrade(printed.raw[0].id, "123.45", "0.5", "sell", 5, printed.raw[0].id, printed.raw[0].id, 1.0),
    )
    assert tape.price == "123.45"


@settings(deadline=None)  # shared machines stall
@given(st.integers(-5, 60), st.integers(1, 60))
def test_pages_from_an_id_are_inclusive_and_ascending(offset: int, limit: int) -> None:
    tape = new_tape("binance-usdm")
    for n in range(50):
        tape.print(float(n), n)
    first = int(tape.trades[0].id)
    expected = [trade for trade in tape.trades if int(trade.id) >= first + offset][:limit]
    assert page_by_id(tape.trades, first + offset, limit) == expected
    assert page_by_id(tape.trades, None, limit) == tape.trades[-limit:]


@settings(deadline=None)  # shared machines stall
@given(st.none() | st.integers(-5, 60), st.none() | st.integers(-5, 60), st.integers(1, 60))
def test_pages_between_times_include_both_ends(start: int | None, end: int | None, limit: int) -> None:
    tape = new_tape("binance-usdm")
    for n in range(50):
        tape.print(float(n), n // 2)
    found = [
        trade for trade in tape.trades if (start is None or trade.time >= start) and (end is None or trade.time <= end)
    ]
    assert page_by_time(tape.trades, start, end, limit) == (found[-limit:] if start is None else found[:limit])


@settings(deadline=None)  # shared machines stall
@given(st.integers(1, 50), st.integers(0, 300))
def test_a_log_is_bounded_and_counts_what_it_forgets(limit: int, count: int) -> None:
    log: Log[int] = Log(limit)
    for n in range(count):
        log.append(n)
    assert min(count, limit) <= len(log) <= limit + limit // 4
    assert log.total == count
    assert list(log) == list(range(log.dropped, count))
