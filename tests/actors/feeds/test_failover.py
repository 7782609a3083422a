"""Which source a feed follows: the choice alone, under any schedule of what sources can do."""

from collections.abc import Iterable, Iterator
from math import log2
from random import Random
from typing import NamedTuple

import attrs
from hypothesis import given, settings
from hypothesis import strategies as st

from actors._feeds._failover import MOMENT, SETTLE, Choice, Explanation, Move, Terms
from actors._feeds._freshness import QUICKEST

from ..prints import published

TERMS = Terms(stale_after=5.0, stable=30.0)


class Event(NamedTuple):
    """Something that a source brings. ``price`` set: a trade; ``live`` set: what it says about itself; else a gap."""

    at: float
    source: str
    price: float | None = None
    late: float = 0.0
    live: bool | None = None


@attrs.frozen
class Look:
    """The choice right after it has judged."""

    at: float
    move: Move | None
    state: Explanation
    next_at: float
    event: Event | None = None
    """What it had just seen; None: time went by."""


def looks(choice: Choice, events: Iterable[Event], until: float, *, explain: bool = True) -> Iterator[Look]:
    """Let it see the events, and judge when it wants to, as its actor does."""
    nothing = choice.explain(0.0)

    def judge(now: float, event: Event | None = None) -> Look:
        move = choice.judge(now)
        return Look(now, move, choice.explain(now) if explain else nothing, choice.next_at(), event)

    last = judge(0.0)
    yield last
    for event in [*events, None]:
        end = until if event is None else event.at
        while last.next_at < end:
            assert last.next_at > last.at, "time goes on"
            last = judge(last.next_at)
            yield last
        if event is None:
            return
        if event.price is not None:
            choice.traded(event.source, published("x", 1, event.at - event.late, event.price), event.at)
        elif event.live is not None:
            choice.said(event.source, live=event.live, reason="it says so")
        else:
            choice.gap(event.source)
        last = judge(event.at, event)
        yield last


def moves(choice: Choice, events: Iterable[Event], until: float) -> list[tuple[float, str | None]]:
    """When it followed whom; that it is blind in the beginning is left out."""
    told = [
        (look.at, look.move.source) for look in looks(choice, events, until, explain=False) if look.move is not None
    ]
    return told[1:] if told[0] == (0.0, None) else told


def steady(
    source: str, since: float, until: float, *, every: float = 0.1, price: float = 100.0, late: float = 0.0
) -> list[Event]:
    """A live source that trades regularly."""
    count = int((until - since) / every)
    return [
        Event(since, source, live=True),
        *(Event(since + n * every, source, price, late) for n in range(count)),
    ]


def merged(*events: Iterable[Event]) -> list[Event]:
    return sorted((event for some in events for event in some), key=lambda event: event.at)


# Any schedule ----------------------------------------------------------------------------------------------------

MODES = ("steady", "busy", "mute", "late", "wrong", "down", "flicker", "gaps")


@st.composite
def lives(draw: st.DrawFn, source: str, until: float) -> list[Event]:
    """What one source does: it is in one mode after the other."""
    random = Random(draw(st.integers(0, 2**32)))
    at, events = draw(st.sampled_from([0.0, 0.7, 3.0])), [Event(0.0, source, live=False)]
    while at < until:
        mode = draw(st.sampled_from(MODES))
        end = min(until, at + draw(st.sampled_from([0.3, 1.0, 2.5, 8.0, 35.0])))
        if mode not in ("mute", "down"):
            events.append(Event(at, source, live=True))
        elif mode == "down":
            events.append(Event(at, source, live=False))
        while at < end:
            if mode == "mute":
                at = end
                break
            at += random.expovariate(8 if mode == "busy" else 2)
            if mode == "gaps" and random.random() < 0.3:
                events.append(Event(at, source))
            elif mode == "flicker":
                events.append(Event(at, source, live=random.random() < 0.5))
            wrong = mode == "wrong" or (mode == "flicker" and random.random() < 0.2)
            late = random.choice([0.0, 3.0]) if mode == "late" else random.random() * 0.05
            events.append(Event(at, source, 130.0 if wrong else 100.0 + random.random() / 2, late))
    return [event for event in events if event.at < until]


@st.composite
def schedules(draw: st.DrawFn) -> tuple[list[str], list[Event], float]:
    names = ["a", "b", "c", "d"][: draw(st.integers(1, 4))]
    until = draw(st.sampled_from([5.0, 15.0, 45.0]))
    return names, merged(*(draw(lives(name, until)) for name in names)), until


@settings(deadline=None)
@given(schedules(), st.sampled_from([2.0, 10.0, 30.0]))
def test_whatever_the_sources_do_exactly_one_that_is_fresh_is_followed_or_none(
    schedule: tuple[list[str], list[Event], float], stable: float
) -> None:
    names, events, until = schedule
    terms = attrs.evolve(TERMS, stable=stable)
    choice = Choice("feed", names, terms)
    heard: dict[str, float] = {}
    followed: str | None = None
    sound: dict[str, float] = {}
    switched = 0
    first = True
    for look in looks(choice, events, until):
        if look.event is not None and look.event.price is not None:
            heard[look.event.source] = look.at
        state, by_name = look.state, {source.name: source for source in look.state.sources}
        # A move says where from and where to, and there is one exactly when that changes; blindness is told at the start.
        if look.move is None:
            assert state.followed == followed and not first
        else:
            assert (look.move.previous, look.move.source) == (followed, state.followed)
            assert first or look.move.source != look.move.previous
        # Exactly one, or none; and the explanation is about the same.
        assert [source.name for source in state.sources if source.followed] == [
            name for name in names if name == state.followed
        ]
        if state.followed is None:
            # Nobody could be had: each says why.
            for source in state.sources:
                assert source.sound_for is None or source.sound_for < source.sound_needed or "apart" in source.verdict \
                    or "first of the order" in source.verdict  # fmt: skip
        else:
            chosen = by_name[state.followed]
            assert chosen.fresh and chosen.verdict.startswith("followed")
            assert chosen.silent is not None and chosen.silent < chosen.silent_limit <= terms.stale_after
            assert look.at - heard[state.followed] < terms.stale_after
        if look.move is not None and look.move.source is not None:
            switched += 1
            new = by_name[look.move.source]
            assert new.live and new.fresh
            old = by_name.get(look.move.previous or "")
            if old is not None and old.sound_for is not None:
                # Left although nothing was wrong with it: only for one that comes before it and has proved itself.
                assert names.index(new.name) < names.index(old.name)
                assert look.at >= sound[new.name] + terms.stable
        for source in state.sources:
            if source.sound_for is None:
                sound.pop(source.name, None)
            else:
                sound.setdefault(source.name, look.at)
        followed, first = state.followed, False
    most = len(names) * (until / stable + 2) * (log2(stable) + 4)
    assert switched <= most


@settings(deadline=None)
@given(schedules(), st.data())
def test_between_two_looks_nothing_happens_unless_something_comes(
    schedule: tuple[list[str], list[Event], float], data: st.DataObject
) -> None:
    names, events, until = schedule
    choice = Choice("feed", names, TERMS)
    seen = list(looks(choice, events, until))[-1]
    end = min(seen.next_at, seen.at + 100.0)
    between = data.draw(st.floats(seen.at, end, exclude_max=True) if end > seen.at else st.just(seen.at))
    assert choice.judge(between) is None
    assert choice.followed == seen.state.followed


def test_two_sources_that_fail_by_turns_every_second_do_not_make_the_feed_flap() -> None:
    """The worst schedule against hysteresis: whatever was just chosen goes down, and the other one comes."""
    choice = Choice("feed", ["a", "b"], TERMS)
    count, at, seconds = 0, 0.0, 300.0
    while at < seconds:
        for name in ("a", "b"):
            choice.said(name, live=name != choice.followed, reason="against you")
            choice.traded(name, published("x", 1, at - (3.0 if name == choice.followed else 0.0)), at)
        move = choice.judge(at)
        count += move is not None and move.source is not None
        at += 0.05
    assert 2 < count <= 2 * (seconds / TERMS.stable + 2) * (log2(TERMS.stable) + 4)
    assert count < seconds / 3


# One thing at a time ---------------------------------------------------------------------------------------------


def poisson(source: str, rate: float, since: float, until: float, seed: int) -> list[Event]:
    random, at, events = Random(seed), since, [Event(since, source, live=True)]
    while (at := at + random.expovariate(rate)) < until:
        events.append(Event(at, source, 100.0, random.random() * 0.05))
    return events


def test_a_source_of_fifty_trades_a_second_that_goes_mute_is_left_within_a_second() -> None:
    for seed in range(5):
        choice = Choice("feed", ["a", "b"], TERMS)
        first = poisson("a", 50, 0, 60, seed)
        told = moves(choice, merged(first, poisson("b", 50, 0, 70, seed + 100)), 70)
        assert [source for _, source in told] == ["a", "b"]
        assert told[-1][0] - first[-1].at == QUICKEST


def test_no_rhythm_is_taken_for_a_failure() -> None:
    """An hour of random trades, at three rates: the first source is never left."""
    terms = attrs.evolve(TERMS, stale_after=60.0)
    for rate, seconds in ((0.5, 7200), (5, 3600), (50, 600)):
        choice = Choice("feed", ["a", "b"], terms)
        events = [Event(0, "a", 100.0), *merged(*(poisson(name, rate, 0, seconds, n) for n, name in enumerate("ab")))]
        assert [source for _, source in moves(choice, events, seconds)] == ["a"], rate


def test_bursts_are_a_rhythm_too() -> None:
    """A hundred trades at once, then nothing for two seconds: no reason to leave."""
    choice = Choice("feed", ["a", "b"], TERMS)
    bursts = [Event(2.0 * n, "a", 100.0) for n in range(150) for _ in range(100)]
    told = moves(choice, merged([Event(0, "a", live=True)], bursts, poisson("b", 20, 0, 300, 1)), 299)
    assert told == [(0.0, "a")]


def test_a_market_that_calms_down_is_learned_at_its_first_pause() -> None:
    choice = Choice("feed", ["a"], TERMS)
    told = moves(choice, merged(poisson("a", 50, 0, 60, 1), steady("a", 62, 120, every=2.0)), 121)
    # One pause of two seconds is longer than its limit of one; those after it are not.
    assert [source for _, source in told] == ["a", None, "a"]


def test_however_quiet_a_source_is_it_is_stale_after_the_declared_time() -> None:
    choice = Choice("feed", ["a"], TERMS)
    told = moves(choice, steady("a", 0, 120, every=4.0), 200)
    assert told[-1] == (116.0 + TERMS.stale_after, None)


def test_a_clock_that_is_off_or_drifts_does_not_count() -> None:
    random = Random(1)
    for offset in (-3600.0, 0.0, 86_400.0):
        choice = Choice("feed", ["a"], TERMS)
        drifting = [Event(n / 10, "a", 100.0, offset + n / 10 * 0.0005 + random.random() * 0.2) for n in range(12_000)]
        told = moves(choice, [Event(0, "a", live=True), *drifting], 1200)
        assert [source for _, source in told] == ["a"], offset


def test_one_trade_from_the_future_makes_no_others_late_for_long() -> None:
    choice = Choice("feed", ["a"], TERMS)
    events = [*steady("a", 0, 60), Event(60.0, "a", 100.0, -30.0), *steady("a", 60.1, 80)]
    told = moves(choice, events, 80)
    assert told[-1][1] == "a" and told[-1][0] < 71


def test_a_source_that_comes_late_is_left_and_what_it_missed_is_not_fresh() -> None:
    choice = Choice("feed", ["a", "b"], TERMS)
    outage = [Event(20.0, "a", live=False), *(Event(28.0, "a", 100.0, 8.0 - n / 10) for n in range(80))]
    events = merged(steady("a", 0, 20), outage, steady("a", 28.01, 90), steady("b", 0, 90))
    (_, first), (left, second), (back, third) = moves(choice, events, 90)
    assert (first, second, third) == ("a", "b", "a")
    assert left == 20.0, "not live, and another one is sound: at once"
    assert back >= 28.0 + TERMS.stable


def test_it_goes_back_to_the_preferred_source_only_when_that_was_sound_without_a_break() -> None:
    choice = Choice("feed", ["a", "b"], TERMS)
    # The trades of the outages are missing: that the venue was quiet is not what it learns from them.
    back = [Event(20, "a"), *steady("a", 20, 45), Event(48, "a"), *steady("a", 48, 100)]
    told = moves(choice, merged(steady("a", 0, 10), back, steady("b", 0, 100)), 100)
    assert [source for _, source in told] == ["a", "b", "a"]
    assert told[1][0] - 9.9 <= 1.01
    assert 48 + TERMS.stable <= told[2][0] < 48.2 + TERMS.stable


def test_the_first_of_the_order_is_waited_for_in_the_beginning() -> None:
    choice = Choice("feed", ["a", "b"], TERMS)
    assert moves(choice, merged(steady("b", 0.3, 9), steady("a", 0.9, 9)), 9)[0] == (0.9, "a")
    choice = Choice("feed", ["a", "b"], TERMS)
    assert moves(choice, steady("b", 0.3, 9), 9)[0] == (0.3 + SETTLE, "b")


def test_a_source_that_is_alone_with_its_price_is_left_when_it_stays_so() -> None:
    choice = Choice("feed", ["a", "b", "c"], TERMS)
    others = [steady("b", 0, 60), steady("c", 0, 60, price=100.5)]
    # It sees a jump first, and the others follow: nothing.
    jump = merged(steady("a", 0, 5), *others)
    jump = [event._replace(price=event.price and event.price * (1.1 if event.at > 4.6 else 1)) for event in jump]
    early = [event for event in jump if event.at < 5 and (event.source == "a" or event.at < 4.9)]
    assert [source for _, source in moves(choice, early, 5)] == ["a"]

    choice = Choice("feed", ["a", "b", "c"], TERMS)
    events = merged(steady("a", 0, 10), steady("a", 10, 60, price=150), *others)
    seen = list(looks(choice, events, 60))
    told = [(look.at, look.move.source) for look in seen if look.move]
    assert told[-1][1] == "b" and MOMENT <= told[-1][0] - 10 < MOMENT + 0.11
    assert "apart from the others with its price 150" in seen[-1].state.sources[0].verdict
    assert not any(look.state.disagree for look in seen)


def test_two_sources_that_disagree_are_reported_and_nothing_is_decided() -> None:
    choice = Choice("feed", ["a", "b"], TERMS)
    events = merged(steady("a", 0, 10), steady("a", 10, 20, price=150), steady("b", 0, 20))
    seen = list(looks(choice, events, 20))
    assert [look.move.source for look in seen if look.move] == [None, "a"]
    assert [look.state.disagree for look in seen if look.at < 10 + MOMENT] == [False] * sum(
        look.at < 10 + MOMENT for look in seen
    )
    assert seen[-1].state.disagree and "prices disagree, and there is no majority" in str(seen[-1].state)


def test_a_wrong_price_does_not_become_right_because_those_who_say_so_go_away() -> None:
    choice = Choice("feed", ["a", "b", "c"], TERMS)
    events = merged(steady("a", 0, 40, price=150), steady("b", 0, 40), steady("c", 0, 20))
    # c goes away, and then b: nobody is left to outvote a, but it was found wrong a moment ago.
    events = [event for event in events if event.source != "b" or event.at < 30]
    told = moves(choice, events, 39)
    assert "a" not in [source for at, source in told if at > 2]
    assert told[-1][1] is None


def test_the_explanation_reads_well() -> None:
    choice = Choice("btc", ["binance-btcusdt", "okx-btc-usdt"], TERMS)
    events = merged(steady("binance-btcusdt", 0, 10), steady("okx-btc-usdt", 0, 12.05, price=100.5))
    assert moves(choice, events, 12.3)[-1][1] == "okx-btc-usdt"
    assert str(choice.explain(12.3)).splitlines() == [
        "btc has followed okx-btc-usdt for 1.4 s (binance-btcusdt: silent for 1.0 s, and its limit is 1.0 s)",
        "  binance-btcusdt: silent for 2.4 s, and its limit is 1.0 s",
        "    live, silent 2.4 s of 1.0, late 0.0 s of 1.0, price 100.0 (-0.498%)",
        "  okx-btc-usdt: followed",
        "    live, silent 0.4 s of 1.0, late 0.0 s of 1.0, price 100.5 (+0.000%)",
    ]
