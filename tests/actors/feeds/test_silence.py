"""A mute is noticed in time, and quiet is left alone. Arrivals come from seeds."""

import heapq
import random
from collections.abc import Callable, Iterator

import attrs
import pytest

from actors._feeds._rhythm import BUSY_CAP, FLOOR
from actors._feeds._silence import RENEWAL, Action, Probe, Silence
from actors._messages import Reconnect, Resubscribe
from actors._session import Session

HOUR = 3600.0


@attrs.define
class Stand:
    """A venue with one or more sessions, and the ladder that listens to them. REST answers after ``lag`` seconds."""

    seed: int = 0
    silence: Silence = attrs.field(factory=lambda: Silence(30.0, 0.1))
    lag: float = 0.1
    rest: bool = True
    published: dict[str, float] = attrs.field(factory=dict)
    """When the latest trade of each symbol was published."""
    brought: dict[str, float] = attrs.field(factory=dict)
    """When the latest that was brought was published."""
    done: list[tuple[float, Action]] = attrs.field(factory=list)

    def run(self, arrivals: Iterator[tuple[float, str, int, tuple[Session, ...]]], until: float) -> None:
        """Go through arrivals: when, symbol, how many, and which sessions bring it."""
        answers: list[tuple[float, str]] = []
        arrival = next(arrivals, None)
        while True:
            now = min(
                arrival[0] if arrival else float("inf"),
                self.silence.next_at,
                answers[0][0] if answers else float("inf"),
            )
            if now >= until:
                return
            if arrival and now == arrival[0]:
                _, symbol, count, sessions = arrival
                self.published[symbol] = now
                for number, session in enumerate(sessions):
                    self.silence.heard(session, symbol, count if number == 0 else 0, now)
                    self.brought[symbol] = now
                arrival = next(arrivals, None)
            elif answers and now == answers[0][0]:
                _, symbol = heapq.heappop(answers)
                news = self.published.get(symbol, -1.0) > self.brought.get(symbol, -1.0) if self.rest else None
                self.brought[symbol] = self.published.get(symbol, -1.0)
                self._note(now, self.silence.told(symbol, now, news=news), answers)
            else:
                self._note(now, self.silence.due(now), answers)

    def _note(self, now: float, actions: list[Action], answers: list[tuple[float, str]]) -> None:
        for action in actions:
            self.done.append((now, action))
            if isinstance(action, Probe):
                heapq.heappush(answers, (now + self.lag, action.symbol))

    @property
    def orders(self) -> list[tuple[float, Resubscribe | Reconnect]]:
        return [(at, action) for at, action in self.done if not isinstance(action, Probe)]

    @property
    def probes(self) -> list[tuple[float, str]]:
        return [(at, action.symbol) for at, action in self.done if isinstance(action, Probe)]


def poisson(rate: float, dice: random.Random) -> Iterator[tuple[float, int]]:
    now = 0.0
    while True:
        now += dice.expovariate(rate)
        yield now, 1


def bursty(rate: float, dice: random.Random) -> Iterator[tuple[float, int]]:
    """Bursts of five to forty trades within a few milliseconds, and nothing between."""
    now = 0.0
    while True:
        now += dice.expovariate(rate / 22.5)
        for _ in range(dice.randint(5, 40)):
            now += 0.001
            yield now, 1


def swinging(rate: float, dice: random.Random) -> Iterator[tuple[float, int]]:
    """Half the rate in one minute, one and a half in the next."""
    now = 0.0
    while True:
        now += dice.expovariate(rate * (0.5 if int(now / 60) % 2 else 1.5))
        yield now, 1


def until_mute(
    events: Iterator[tuple[float, int]], mute_at: float, session: Session
) -> Iterator[tuple[float, str, int, tuple[Session, ...]]]:
    for now, count in events:
        yield now, "A", count, (session,) if now < mute_at else ()


@pytest.mark.parametrize("kind", [poisson, bursty, swinging])
@pytest.mark.parametrize("seed", range(25))
def test_a_mute_of_fifty_trades_a_second_is_noticed_within_three_seconds(
    seed: int, kind: Callable[[float, random.Random], Iterator[tuple[float, int]]]
) -> None:
    stand, session = Stand(), Session()
    stand.silence.opened(session, frozenset("A"), 0.0)
    mute_at = 200.0 + seed
    stand.run(until_mute(kind(50.0, random.Random(seed)), mute_at, session), mute_at + 10)
    assert stand.orders, "it was noticed"
    missed_at = next(at for at, _ in kind(50.0, random.Random(seed)) if at >= mute_at)
    assert mute_at < stand.orders[0][0] <= missed_at + 3.0
    assert isinstance(stand.orders[0][1], Resubscribe)
    # A question now and then, where trades come in bursts; never a storm.
    assert len(stand.probes) <= mute_at / 10


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("rate", [0.0, 1 / HOUR, 1 / 300, 0.02, 0.1, 1.0, 5.0])
def test_an_hour_of_any_natural_rate_raises_no_alarm(rate: float, seed: int) -> None:
    stand, session, dice = Stand(), Session(), random.Random(seed)
    stand.silence.opened(session, frozenset("A"), 0.0)
    events = poisson(rate, dice) if rate else iter(())
    stand.run(until_mute(events, float("inf"), session), HOUR)
    assert stand.orders == []
    if rate <= 1 / 300:
        assert HOUR / 30 - 30 <= len(stand.probes) <= HOUR / 30 + 30, "asked at the declared silence, and no more"
    assert len(stand.probes) <= HOUR / 30 + 30


@pytest.mark.parametrize("rate", [0.2, 1.0, 5.0])
@pytest.mark.parametrize("seed", range(10))
def test_a_mute_is_noticed_within_the_declared_silence_at_the_latest(rate: float, seed: int) -> None:
    stand, session = Stand(), Session()
    stand.silence.opened(session, frozenset("A"), 0.0)
    stand.run(until_mute(poisson(rate, random.Random(seed)), 400.0, session), 460.0)
    # From the first trade that is missed on there is news.
    missed_at = next(at for at, _ in poisson(rate, random.Random(seed)) if at >= 400.0)
    assert stand.orders[0][0] <= max(400.0 + 30.0, missed_at + 30.0) + 2.2


def test_the_ladder_is_renewal_then_replacement() -> None:
    stand, session = Stand(), Session()
    stand.silence.opened(session, frozenset("A"), 0.0)
    stand.run(until_mute(poisson(50.0, random.Random(1)), 100.0, session), 120.0)
    (renewed, first), (replaced, second) = stand.orders
    assert isinstance(first, Resubscribe)
    assert first.symbols == {"A"}
    assert isinstance(second, Reconnect)
    assert replaced - renewed == pytest.approx(RENEWAL)


def test_a_renewal_that_is_confirmed_and_brings_nothing_is_followed_by_a_replacement() -> None:
    stand, session = Stand(), Session()
    stand.silence.opened(session, frozenset("A"), 0.0)
    events = until_mute(poisson(50.0, random.Random(1)), 100.0, session)
    stand.run(events, 103.0)
    assert len(stand.orders) == 1
    stand.silence.opened(session, frozenset("A"), 103.0)
    stand.run(events, 120.0)
    assert isinstance(stand.orders[1][1], Reconnect)
    assert stand.orders[1][0] <= 103.0 + 3.0


def test_a_renewal_that_helps_ends_the_matter() -> None:
    stand, session = Stand(), Session()
    stand.silence.opened(session, frozenset("A"), 0.0)
    events = poisson(50.0, random.Random(1))

    def come_back() -> Iterator[tuple[float, str, int, tuple[Session, ...]]]:
        for now, count in events:
            yield now, "A", count, () if 100 <= now < 103 else (session,)

    source = come_back()
    stand.run(source, 102.9)
    stand.silence.opened(session, frozenset("A"), 102.95)
    stand.run(source, 400.0)
    assert len(stand.orders) == 1


def test_a_trade_that_rest_knows_first_is_no_alarm() -> None:
    stand, session = Stand(lag=0.0), Session()
    stand.silence.opened(session, frozenset("A"), 0.0)
    [probe] = stand.silence.due(30.0)
    assert probe == Probe("A")
    assert stand.silence.told("A", 30.1, news=True) == []
    stand.silence.heard(session, "A", 1, 31.0)
    assert stand.silence.due(60.0) == []


def test_when_the_venue_cannot_be_asked_three_times_the_silence_is_enough() -> None:
    stand, session = Stand(rest=False), Session()
    stand.silence.opened(session, frozenset("A"), 0.0)
    stand.run(iter(()), 1000.0)
    [(at, order)] = stand.orders
    assert isinstance(order, Reconnect)
    assert 90.0 <= at <= 125.0
    assert len(stand.probes) <= 5


def test_a_quiet_symbol_of_a_lively_session_is_left_alone_while_the_venue_cannot_be_asked() -> None:
    stand, session = Stand(rest=False), Session()
    stand.silence.opened(session, frozenset("AB"), 0.0)
    stand.run(((at / 2, "A", 1, (session,)) for at in range(2000)), 1000.0)
    assert stand.orders == []


def test_of_a_session_that_is_silent_altogether_only_a_few_symbols_are_asked_about() -> None:
    stand, session, dice = Stand(), Session(), random.Random(3)
    symbols = [f"S{number}" for number in range(300)]
    stand.silence.opened(session, frozenset(symbols), 0.0)

    def events(mute_at: float) -> Iterator[tuple[float, str, int, tuple[Session, ...]]]:
        now = 0.0
        while True:
            now += dice.expovariate(300.0)
            yield now, dice.choice(symbols), 1, (session,) if now < mute_at else ()

    stand.run(events(120.0), 130.0)
    [(at, order)] = stand.orders
    assert isinstance(order, Reconnect)
    assert at <= 120.0 + 3.0
    assert len([symbol for asked, symbol in stand.probes if asked > 120.5]) <= 4


def test_a_symbol_that_alone_falls_silent_is_renewed_alone() -> None:
    stand, session, dice = Stand(), Session(), random.Random(5)
    stand.silence.opened(session, frozenset("ABCD"), 0.0)

    def events() -> Iterator[tuple[float, str, int, tuple[Session, ...]]]:
        now = 0.0
        while True:
            now += dice.expovariate(40.0)
            symbol = dice.choice("ABCD")
            yield now, symbol, 1, () if symbol == "B" and now >= 100 else (session,)

    stand.run(events(), 103.5)
    [(at, order)] = stand.orders
    assert isinstance(order, Resubscribe)
    assert order.symbols == {"B"}
    assert 100.0 < at < 103.0


def test_many_quiet_symbols_share_the_pace_of_questions() -> None:
    stand, session = Stand(silence=Silence(30.0, 1.25)), Session()
    stand.silence.opened(session, frozenset(f"S{number}" for number in range(300)), 0.0)
    stand.silence.opened(session, frozenset("A"), 0.0)
    stand.run(((at / 2, "A", 1, (session,)) for at in range(100_000)), HOUR / 4)
    assert len(stand.probes) <= HOUR / 4 / 1.25 + 5
    assert len({symbol for _, symbol in stand.probes}) == 300, "everyone has its turn"
    assert stand.orders == []


@pytest.mark.parametrize("seed", range(10))
def test_of_two_sessions_the_mute_one_is_known_by_the_other_without_a_question(seed: int) -> None:
    stand, one, two, dice = Stand(), Session(), Session(), random.Random(seed)
    stand.silence.opened(one, frozenset("A"), 0.0)
    stand.silence.opened(two, frozenset("A"), 0.0)

    events = []
    for now, count in poisson(0.2, dice):
        events.append((now, "A", count, (two,) if now >= 500 else tuple(dice.sample((one, two), 2))))
        if now > 700:
            break
    stand.run(iter(events), 500.0)
    assert stand.orders == []
    stand.run(iter([event for event in events if event[0] >= 500]), 600.0)
    at, order = stand.orders[0]
    missed_at = next(now for now, *_ in events if now >= 500)
    assert order.session is one
    assert at <= missed_at + 2.5
    assert not [asked for asked, _ in stand.probes if missed_at < asked <= at]


def test_the_silence_behind_what_has_waited_has_begun_when_it_came() -> None:
    stand, session = Stand(), Session()
    stand.silence.opened(session, frozenset("A"), 100.0)
    stand.silence.heard(session, "A", 1, 100.0, 9.0)
    assert stand.silence.next_at == 121.0
    stand.silence.heard(session, "A", 1, 101.0, 40.0)
    assert stand.silence.due(101.0) == [Probe("A")]
    assert stand.silence.signs("A", 101.0)[0] == 10.0, "it has not become older"


def test_a_session_that_is_gone_is_not_listened_to() -> None:
    stand, session = Stand(), Session()
    stand.silence.opened(session, frozenset("AB"), 0.0)
    stand.silence.lost(session)
    assert stand.silence.due(1000.0) == []
    assert stand.silence.next_at == float("inf")
    stand.silence.heard(session, "A", 1, 1001.0)
    assert stand.silence.next_at == float("inf")


def test_a_symbol_that_is_forgotten_is_not_listened_to() -> None:
    stand, session = Stand(), Session()
    stand.silence.opened(session, frozenset("A"), 0.0)
    stand.silence.forget("A")
    assert stand.silence.due(1000.0) == []


def test_what_is_learned_survives_the_session() -> None:
    stand, one, two = Stand(), Session(), Session()
    stand.silence.opened(one, frozenset("A"), 0.0)
    stand.run(until_mute(poisson(50.0, random.Random(1)), 60.0, one), 60.0)
    stand.silence.lost(one)
    stand.silence.opened(two, frozenset("A"), 90.0)
    assert FLOOR <= stand.silence.limit("A") <= BUSY_CAP
