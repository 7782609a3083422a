"""Each law's check can fail: the evidence of a clean day is falsified in one place, and the law that is broken says so."""

import json
from collections.abc import Callable, Iterator, Sequence
from decimal import Decimal
from typing import Any

import attrs
import pytest

from actors import AccountState, FeedState, Gap, OrderUpdate, Switched
from actors.simulator import Violation
from supervisor import Ended, Started, Unstoppable

from .accounts import Holding
from .bot import Boom
from .day import Settings, run_day
from .evidence import Breach, Evidence, Life, Poll
from .laws.every import breaches
from .sealed import Posted

pytestmark = pytest.mark.slow
SETTINGS = Settings(seed=2, minutes=10, faults=60)
ACCOUNTS = [holding.name for holding in SETTINGS.holdings()]


@pytest.fixture(scope="module")
def clean() -> Evidence:
    """A short day with failures and with a restart of the process."""
    evidence = run_day(SETTINGS)
    assert breaches(evidence) == []
    assert len(evidence.lives) > 1
    return evidence


@pytest.fixture(autouse=True)
def _put_back(clean: Evidence) -> Iterator[None]:
    """Journals and records are falsified in place."""
    record, journals = clean.record, [life.journal for life in clean.lives]
    pages = ("trades", "best", "quotes", "orders", "books", "live_books", "booms")
    kept = [{name: list(getattr(journal, name)) for name in pages} for journal in journals]
    yield
    for journal, before in zip(journals, kept, strict=True):
        for name, page in before.items():
            setattr(journal, name, page)
    record.violations._items.clear()


def broken(evidence: Evidence) -> set[str]:
    return {breach.law for breach in breaches(evidence)}


def longest(evidence: Evidence) -> Life:
    return max(evidence.lives, key=lambda life: len(life.journal.trades))


def with_life(evidence: Evidence, old: Life, new: Life) -> Evidence:
    return attrs.evolve(evidence, lives=tuple(new if life is old else life for life in evidence.lives))


def with_events(evidence: Evidence, life: Life, change: Callable[[list[Any]], Sequence[Any]]) -> Evidence:
    trace = attrs.evolve(life.trace, events=tuple(change(list(life.trace.events))))
    return with_life(evidence, life, attrs.evolve(life, trace=trace))


def places_of(life: Life, venue: str) -> list[int]:
    """Where single trades stand in the journal that the venue's ids prove."""
    return [
        place
        for place, (_, item) in enumerate(life.journal.trades)
        if not isinstance(item, FeedState | Gap) and item.venue == venue
    ]


# L1


def test_an_end_without_a_record_is_seen(clean: Evidence) -> None:
    life = longest(clean)
    one = next(event for event in life.trace.events if isinstance(event, Ended))
    assert "L1" in broken(with_events(clean, life, lambda events: [event for event in events if event is not one]))


def test_a_failure_that_is_not_in_the_database_is_seen_and_so_is_one_too_many(clean: Evidence) -> None:
    life = next(life for life in clean.lives if not life.killed and life.written)
    assert "L1" in broken(with_life(clean, life, attrs.evolve(life, written=life.written[1:])))
    assert "L1" in broken(with_life(clean, life, attrs.evolve(life, written=(*life.written, life.written[0]))))


def test_a_failure_of_the_strategy_that_nobody_recorded_is_seen(clean: Evidence) -> None:
    longest(clean).journal.booms.append(100.0)
    assert "L1" in broken(clean)


def test_an_error_that_no_actor_of_ours_may_end_with_is_seen(clean: Evidence) -> None:
    life = longest(clean)

    def change(events: list[Any]) -> list[Any]:
        place = next(p for p, event in enumerate(events) if isinstance(event, Ended) and event.end.kind == "crashed")
        end = attrs.evolve(events[place].end, exception=KeyError("a bug"))
        return [*events[:place], attrs.evolve(events[place], end=end), *events[place + 1 :]]

    assert any("a bug" in breach.what for breach in breaches(with_events(clean, life, change)))
    assert issubclass(Boom, Exception)


# L2


@pytest.mark.parametrize("venue", ["binance", "binance-usdm", "bybit", "okx", "bybit-linear", "kucoin", "gate"])
def test_a_trade_that_is_missing_or_comes_twice_or_out_of_order_is_seen(clean: Evidence, venue: str) -> None:
    life = longest(clean)
    trades, places = life.journal.trades, places_of(longest(clean), venue)
    middle, after = places[len(places) // 2], places[len(places) // 2 + 1]
    whole = list(trades)

    del trades[middle]
    assert "L2" in broken(clean), "missing"
    trades[:] = [*whole[:after], whole[middle], *whole[after:]]
    assert "L2" in broken(clean), "twice"
    trades[:] = whole
    trades[middle], trades[after] = (trades[middle][0], trades[after][1]), (trades[after][0], trades[middle][1])
    assert "L2" in broken(clean), "out of order"


def test_a_life_may_end_behind_a_gap_that_names_its_trades_and_covers_no_others(clean: Evidence) -> None:
    life = next(life for life in clean.lives if not life.last and len(places_of(life, "binance")) > 3)
    first, second, third = places_of(life, "binance")[-3:]
    at, before = life.journal.trades[first - 1][0], life.journal.trades[places_of(life, "binance")[-4]][1]
    ids = [life.journal.trades[place][1].id for place in (first, second)]
    kept = [entry for place, entry in enumerate(life.journal.trades) if place not in (first, second, third)]

    def ended_with(*named: int) -> set[str]:
        gap = Gap("binance", before.symbol, before.id, None, before.time, None, named[0], named[-1], "no answer", 0)
        state = FeedState("binance", before.symbol, live=False, reason="down", received=0)
        life.journal.trades[:] = sorted([*kept, (at, state), (at, gap)], key=lambda entry: entry[0])
        return {breach.what for breach in breaches(clean) if breach.law == "L2"}

    assert ended_with(*ids) == set(), "the third is open, and the feed says that it is not live"
    assert any("missed" in what for what in ended_with(ids[1])), "the first is in no gap"


def test_a_trade_that_is_not_as_it_was_published_is_seen(clean: Evidence) -> None:
    life = longest(clean)
    place = places_of(life, "okx")[3]
    at, trade = life.journal.trades[place]
    false = type(
        "False",
        (),
        {name: getattr(trade, name) for name in ("venue", "symbol", "id", "first_id", "quantity", "side", "time")},
    )()
    false.price = trade.price + Decimal("0.01")
    life.journal.trades[place] = at, false
    assert "L2" in broken(clean)


def test_the_last_trades_of_the_day_are_asked_for(clean: Evidence) -> None:
    journal = clean.lives[-1].journal
    last = places_of(clean.lives[-1], "binance")[-20:]
    journal.trades = [entry for place, entry in enumerate(journal.trades) if place not in last]
    assert "L2" in broken(clean)


def test_a_failover_that_loses_a_trade_or_hands_out_another_source_s_is_seen(clean: Evidence) -> None:
    best = longest(clean).journal.best
    whole = list(best)
    place = next(
        place
        for place in range(5, len(best))
        if all(
            getattr(best[near][1], "venue", "") == "binance" and hasattr(best[near][1], "price")
            for near in (place - 1, place, place + 1)
        )
    )
    del best[place]
    assert "L2" in broken(clean)
    best[:] = whole
    best.insert(place, (best[place][0], Switched("best", "okx-btc-usdt", "binance-btcusdt", "a test", 0)))
    assert "L2" in broken(clean)


def test_a_book_that_is_wrong_by_one_level_is_seen(clean: Evidence) -> None:
    books = longest(clean).journal.books
    place = next(place for place, book in enumerate(books) if book.venue == "bybit")
    (price, size), *others = books[place].bids
    books[place] = attrs.evolve(books[place], bids=((price, f"{size}1"), *others))
    assert "L2" in broken(clean)


def test_a_book_that_is_not_the_present_one_at_the_end_is_seen(clean: Evidence) -> None:
    assert "L2" in broken(attrs.evolve(clean, last_books=clean.last_books[1:]))


def test_a_quote_that_never_was_is_seen(clean: Evidence) -> None:
    quotes = longest(clean).journal.quotes
    place = next(place for place, (_, item) in enumerate(quotes) if not isinstance(item, FeedState))
    at, quote = quotes[place]
    quotes[place] = at, attrs.evolve(quote, bid=quote.bid - 1)
    assert "L2" in broken(clean)


# L3


def told(life: Life, account: str) -> list[int]:
    """Where the updates of an account stand in the journal."""
    return [
        place
        for place, (_, item) in enumerate(life.journal.orders)
        if isinstance(item, OrderUpdate) and item.account == account
    ]


def fills(life: Life, account: str) -> list[int]:
    return [place for place in told(life, account) if life.journal.orders[place][1].fill is not None]


def of_account(breach: Breach, account: str) -> bool:
    return breach.law == "L3" and f" {account} in " in breach.what


@pytest.mark.parametrize("account", ACCOUNTS)
def test_a_fill_that_comes_twice_or_is_not_as_it_was_is_seen(clean: Evidence, account: str) -> None:
    orders = longest(clean).journal.orders
    whole, place = list(orders), fills(longest(clean), account)[0]
    at, update = orders[place]

    orders.append(orders[place])
    assert any(of_account(breach, account) and "more than once" in breach.what for breach in breaches(clean))
    dearer = attrs.evolve(update.fill, price=update.fill.price + 1)
    orders[:] = [*whole[:place], (at, attrs.evolve(update, fill=dearer)), *whole[place + 1 :]]
    assert any(of_account(breach, account) and "is not" in breach.what for breach in breaches(clean))


@pytest.mark.parametrize("account", ACCOUNTS)
def test_an_account_that_is_live_without_what_happened_is_seen(clean: Evidence, account: str) -> None:
    life = longest(clean)
    orders = life.journal.orders
    live = next(
        place
        for place, (_, item) in enumerate(orders)
        if isinstance(item, AccountState) and item.live and item.account == account
    )
    number = next(orders[place][1].order_id for place in told(life, account) if live < place)
    life.journal.orders = [
        entry for entry in orders if (entry[1].account, getattr(entry[1], "order_id", None)) != (account, number)
    ]
    assert any(of_account(breach, account) and "live" in breach.what for breach in breaches(clean))


@pytest.mark.parametrize("holding", SETTINGS.holdings(), ids=ACCOUNTS)
def test_an_account_that_is_live_without_a_connection_is_seen(
    clean: Evidence, holding: Holding, monkeypatch: pytest.MonkeyPatch
) -> None:
    for connection in clean.record.connections:
        if (connection.venue, connection.surface) == (holding.venue, "private"):
            monkeypatch.setattr(connection, "closed", connection.opened + 1.0)
    assert any(of_account(breach, holding.name) and "connection" in breach.what for breach in breaches(clean))


@pytest.mark.parametrize("account", ACCOUNTS)
def test_an_order_that_goes_back_is_seen(clean: Evidence, account: str) -> None:
    life = longest(clean)
    orders = life.journal.orders
    first = next(place for place in told(life, account) if orders[place][1].status == "new")
    after = [place for place in told(life, account) if orders[place][1].order_id == orders[first][1].order_id]
    at = orders[after[-1]][0]
    orders.insert(after[-1] + 1, (at, orders[first][1]))
    assert any(of_account(breach, account) and "goes back" in breach.what for breach in breaches(clean))


def test_a_fill_that_no_life_tells_is_seen_and_so_is_one_that_two_lives_tell(clean: Evidence) -> None:
    """Also between two lives: what happened while no process ran is told by the next one."""
    journals = [life.journal for life in clean.lives]
    by_life = [[places for account in ACCOUNTS for places in fills(life, account)[:1]] for life in clean.lives]
    before = next(number for number, places in enumerate(by_life) if places and number + 1 < len(journals))
    once = journals[before].orders[by_life[before][0]][1]

    journals[before + 1].orders.append((clean.lives[before + 1].stopped, once))
    assert any("by a life before" in breach.what for breach in breaches(clean))
    for journal in journals:
        journal.orders = [entry for entry in journal.orders if getattr(entry[1], "order_id", None) != once.order_id]
    assert any("never told" in breach.what for breach in breaches(clean))


# L4


def test_a_feed_that_is_live_without_what_was_published_is_seen(clean: Evidence) -> None:
    life = longest(clean)
    trades = life.journal.trades
    late = places_of(life, "binance-usdm")[-40:]
    moved = [(at + 80.0, item) for place, (at, item) in enumerate(trades) if place in late]
    rest = [entry for place, entry in enumerate(trades) if place not in late]
    life.journal.trades = sorted(rest + moved, key=lambda entry: entry[0])
    assert "L4" in broken(clean)


def test_a_failure_without_a_cause_is_seen(clean: Evidence) -> None:
    assert "L4" in broken(attrs.evolve(clean, happened=()))


# L5


def test_a_limit_that_is_broken_is_seen(clean: Evidence) -> None:
    clean.record.violations.append(Violation(300.0, "okx", "ws", "attempts", "too many"))
    assert "L5" in broken(clean)


def test_a_restart_before_its_time_is_seen(clean: Evidence) -> None:
    life = longest(clean)

    def change(events: list[Any]) -> list[Any]:
        ended = next(e for e in events if isinstance(e, Ended) and e.decision.action == "restart" and e.decision.delay)
        place = next(
            p for p, e in enumerate(events) if isinstance(e, Started) and e.path == ended.path and e.at > ended.at
        )
        return [*events[:place], attrs.evolve(events[place], at=ended.at), *events[place + 1 :]]

    assert "L5" in broken(attrs.evolve(with_events(clean, life, change), operated=False))


# L6


def test_a_task_that_is_left_is_seen(clean: Evidence) -> None:
    life = clean.lives[-1]
    assert "L6" in broken(with_life(clean, life, attrs.evolve(life, left=1)))


def test_children_that_stop_in_the_wrong_order_are_seen(clean: Evidence) -> None:
    life = clean.lives[-1]

    def change(events: list[Any]) -> list[Any]:
        last = [place for place, e in enumerate(events) if e.kind == "stopping" and e.path.count("/") == 1][-2:]
        events[last[0]], events[last[1]] = events[last[1]], events[last[0]]
        return events

    assert "L6" in broken(with_events(clean, life, change))


def test_a_child_that_does_not_end_is_seen(clean: Evidence) -> None:
    life = clean.lives[-1]
    stuck = Unstoppable("bot/strategy", 1, life.ended, seq=len(life.trace.events), stack=("a.py:1 f",))
    assert "L6" in broken(with_events(clean, life, lambda events: [*events, stuck]))


# L7


def well(evidence: Evidence) -> list[Poll]:
    return [poll for poll in evidence.polls if poll.status == 200]


def test_an_endpoint_that_says_well_while_it_is_dark_is_seen(clean: Evidence) -> None:
    polls = tuple(Poll(poll.at, 200) for poll in clean.polls)
    assert "L7" in broken(attrs.evolve(clean, polls=polls))


def test_an_endpoint_that_says_ill_while_all_is_well_is_seen(clean: Evidence) -> None:
    polls = tuple(Poll(poll.at, 503, ("a mood",)) for poll in clean.polls)
    assert any(
        "a mood" in breach.what and "all is live" in breach.what
        for breach in breaches(attrs.evolve(clean, polls=polls))
    )


def test_a_heartbeat_that_is_missing_is_seen_and_so_is_a_false_one(clean: Evidence) -> None:
    beats = [posted for posted in clean.posted if posted.path == "/beats"]
    others = [posted for posted in clean.posted if posted.path != "/beats"]
    assert "L7" in broken(attrs.evolve(clean, posted=tuple(others)))
    false = [attrs.evolve(beats[0], at=poll.at) for poll in clean.polls]
    assert "L7" in broken(attrs.evolve(clean, posted=(*clean.posted, *false)))


def test_a_bot_that_does_not_become_well_again_is_seen(clean: Evidence) -> None:
    polls = tuple(attrs.evolve(poll, status=503) if poll.at > clean.seconds - 20 else poll for poll in clean.polls)
    found: list[Breach] = breaches(attrs.evolve(clean, polls=polls))
    assert any("does not become well" in breach.what for breach in found)


def test_a_child_that_is_parked_without_a_word_is_seen_and_one_that_was_told_before_is_not(clean: Evidence) -> None:
    life = longest(clean)
    ended = next(event for event in life.trace.events if isinstance(event, Ended))
    at = life.opened + 60.0
    decision = attrs.evolve(ended.decision, action="park")
    parked = attrs.evolve(ended, path="bot/sleeper", at=at, decision=decision)
    evidence = with_events(clean, life, lambda events: [*events, parked])

    def told(seconds: float, **lists: list[dict[str, str]]) -> Posted:
        alert = {"opened": [], "repeated": [], "resolved": []} | lists
        return Posted(at + seconds, "/alerts", json.dumps(alert).encode())

    about = [{"key": "parked bot/sleeper", "kind": "parked", "path": "bot/sleeper"}]

    def silent(*messages: Posted) -> bool:
        found = breaches(attrs.evolve(evidence, posted=(*clean.posted, *messages)))
        return any("nobody was told" in breach.what for breach in found)

    assert silent()
    assert not silent(told(30.0, opened=about))
    assert not silent(told(-30.0, opened=about))
    assert silent(told(-30.0, opened=about), told(-10.0, resolved=about))


def test_an_alert_that_is_never_resolved_is_seen(clean: Evidence) -> None:
    body = b'{"opened": [{"key": "live x", "kind": "data"}], "repeated": [], "resolved": []}'
    alert = attrs.evolve(clean.posted[0], at=clean.seconds - 1, path="/alerts", body=body)
    assert "L7" in broken(attrs.evolve(clean, posted=(*clean.posted, alert)))
