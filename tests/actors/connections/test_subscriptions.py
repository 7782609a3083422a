"""The state of a connection's subscriptions: whatever the venue answers and whenever, each symbol is one thing."""

import json
import random
from collections.abc import Sequence
from typing import Any

import attrs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actors import Unsubscribed
from actors._connections._subscriptions import OUTSTANDING, Subscriptions
from actors._source import Acknowledged, Listed, Refused

from ..fake_source import FakeSource

LISTING = FakeSource(lists=True)


def asked(subscriptions: Subscriptions, now: float = 0.0) -> list[dict[str, Any]]:
    """Return everything that is to be sent now."""
    found = []
    while (text := subscriptions.next(now)) is not None:
        found.append(json.loads(text))
    return found


def started(source: FakeSource, symbols: Sequence[str], **options: Any) -> tuple[Subscriptions, list[dict[str, Any]]]:
    subscriptions = Subscriptions(source, **options)
    subscriptions.want(symbols)
    return subscriptions, asked(subscriptions)


def test_symbols_are_asked_for_in_batches_with_ids_of_their_own() -> None:
    _, requests = started(FakeSource(batch=2), list("ABCDE"))
    assert [r["symbols"] for r in requests] == [["A", "B"], ["C", "D"], ["E"]]
    assert [r["id"] for r in requests] == ["1", "2", "3"]


def test_an_acknowledgement_confirms_where_nothing_can_be_listed() -> None:
    subscriptions, _ = started(FakeSource(), ["A", "B"])
    assert not subscriptions.settled
    assert subscriptions.answered(Acknowledged("1"), 0)
    assert subscriptions.settled
    assert subscriptions.confirmed == {"A", "B"}
    assert subscriptions.news().confirmed == ["A", "B"]
    assert subscriptions.news().confirmed == []


def test_an_acknowledgement_can_be_for_some_of_the_symbols_or_without_an_id() -> None:
    subscriptions, _ = started(FakeSource(), ["A", "B", "C"])
    assert subscriptions.answered(Acknowledged("1", ("B",)), 0)
    assert subscriptions.answered(Acknowledged("", ("C",)), 0)
    assert subscriptions.confirmed == {"B", "C"}
    assert not subscriptions.answered(Acknowledged("", ("C",)), 0)
    assert subscriptions.answered(Acknowledged("", ()), 0)
    assert subscriptions.settled


def test_where_the_venue_can_list_only_the_list_confirms() -> None:
    subscriptions, _ = started(LISTING, ["A", "NOPE"])
    subscriptions.answered(Acknowledged("1"), 0)
    assert not subscriptions.settled
    assert asked(subscriptions) == [{"op": "list"}]
    assert asked(subscriptions) == [], "one list at a time"
    assert subscriptions.answered(Listed(("A", "OTHER")), 0)
    assert subscriptions.settled
    assert subscriptions.confirmed == {"A"}
    assert "lists" in subscriptions.refused["NOPE"]


def test_a_confirmed_symbol_that_a_later_list_lacks_is_asked_for_again() -> None:
    subscriptions, _ = started(LISTING, ["A", "B"])
    subscriptions.answered(Acknowledged("1"), 0)
    asked(subscriptions)
    subscriptions.answered(Listed(("A", "B")), 0)
    subscriptions.want(["A", "B", "C"])
    [request] = asked(subscriptions)
    subscriptions.answered(Acknowledged(request["id"]), 0)
    asked(subscriptions)
    subscriptions.answered(Listed(("A", "C")), 0)
    assert subscriptions.confirmed == {"A", "C"}
    assert asked(subscriptions)[0]["symbols"] == ["B"]


def test_a_batch_refused_as_a_whole_is_halved_until_the_bad_one_stands_alone() -> None:
    subscriptions, requests = started(FakeSource(), list("ABCDEFGH"))
    sizes = []
    for _ in range(20):
        for request in requests:
            sizes.append(len(request["symbols"]))
            bad = "C" in request["symbols"]
            answer = Refused(10, "nonsense", request["id"]) if bad else Acknowledged(request["id"])
            subscriptions.answered(answer, 0)
        requests = asked(subscriptions)
    assert subscriptions.confirmed == set("ABDEFGH")
    assert subscriptions.refused == {"C": "nonsense (10)"}
    assert sizes == [8, 4, 4, 2, 2, 1, 1]


def test_a_refusal_that_names_its_symbol_costs_only_that_one() -> None:
    subscriptions, _ = started(FakeSource(), list("ABC"))
    subscriptions.answered(Refused(1, "unknown", "1", ("B",)), 0)
    assert subscriptions.refused == {"B": "unknown (1)"}
    [request] = asked(subscriptions)
    assert request["symbols"] == ["A", "C"]
    subscriptions.answered(Acknowledged(request["id"]), 0)
    assert subscriptions.settled


def test_what_is_there_already_counts_as_acknowledged() -> None:
    subscriptions, _ = started(FakeSource(), list("ABC"))
    subscriptions.answered(Refused(1, "already subscribed", "1", ("B",), harmless=True), 0)
    assert subscriptions.confirmed == {"B"}
    [request] = asked(subscriptions)
    assert request["symbols"] == ["A", "C"], "a refusal takes the rest of the batch with it"
    subscriptions.answered(Refused(1, "already subscribed", request["id"], harmless=True), 0)
    assert subscriptions.confirmed == set("ABC")


def test_refusals_that_do_not_tell_whom_they_mean_are_of_those_that_nobody_else_answers() -> None:
    subscriptions, requests = started(FakeSource(batch=2), list("ABCDEF"))
    assert len(requests) == 3
    assert subscriptions.answered(Refused(1, "nonsense"), 0)
    assert subscriptions.answered(Acknowledged("1"), 0)
    assert asked(subscriptions) == [], "while that is open, another request would only add to the riddle"
    assert subscriptions.answered(Acknowledged("3"), 0)
    assert subscriptions.confirmed == set("ABEF")
    assert [r["symbols"] for r in asked(subscriptions)] == [["C"], ["D"]]
    assert subscriptions.answered(Refused(1, "nonsense"), 0)
    assert subscriptions.answered(Refused(1, "nonsense"), 0)
    assert subscriptions.refused.keys() == {"C", "D"}


def test_no_answer_in_time_means_that_the_connection_is_of_no_use() -> None:
    subscriptions, _ = started(FakeSource(), ["A"], answer_within=7)
    subscriptions.check(6.9)
    assert subscriptions.due() == 7
    with pytest.raises(Unsubscribed, match="no answer within 7 s to the subscription of A"):
        subscriptions.check(7)


def test_no_list_in_time_means_the_same() -> None:
    subscriptions, _ = started(LISTING, ["A"])
    subscriptions.answered(Acknowledged("1"), 3)
    assert asked(subscriptions, 3) == [{"op": "list"}]
    subscriptions.check(12.9)
    with pytest.raises(Unsubscribed, match="not listed within 10 s: A"):
        subscriptions.check(13)


def test_a_list_that_is_refused_too() -> None:
    subscriptions, _ = started(LISTING, ["A"])
    subscriptions.answered(Acknowledged("1"), 0)
    asked(subscriptions)
    with pytest.raises(Unsubscribed, match="refuses to list"):
        subscriptions.answered(Refused(2, "Invalid request", "99"), 0)


def test_answers_that_nobody_could_read_are_not_late() -> None:
    subscriptions, _ = started(FakeSource(), ["A"])
    subscriptions.check(60, unread_until=60)
    assert subscriptions.due() == 70
    with pytest.raises(Unsubscribed):
        subscriptions.check(70, unread_until=60)


def test_a_refused_symbol_is_tried_again_and_may_stay_without_an_answer() -> None:
    subscriptions, _ = started(FakeSource(), ["A", "B"])
    subscriptions.answered(Refused(1, "halted", "1", ("B",)), 0)
    [request] = asked(subscriptions)
    subscriptions.answered(Acknowledged(request["id"]), 0)
    assert subscriptions.news().refused == [("B", "halted (1)")]
    assert subscriptions.due() == 300
    subscriptions.check(300)
    [request] = asked(subscriptions, 300)
    assert request["symbols"] == ["B"]
    assert subscriptions.settled, "nobody waits for it"
    subscriptions.check(310)
    assert subscriptions.refused == {"B": "halted (1)"}
    subscriptions.check(610)
    [request] = asked(subscriptions, 610)
    subscriptions.answered(Acknowledged(request["id"]), 611)
    news = subscriptions.news()
    assert (news.confirmed, news.refused) == (["B"], []), "the second refusal was no news"
    assert subscriptions.refused == {}


def test_when_every_symbol_is_refused_the_error_names_them_with_the_reason() -> None:
    subscriptions, _ = started(FakeSource(), [f"S{number}" for number in range(7)])
    subscriptions.check_hope()
    subscriptions.answered(Refused(1, "unknown", "1", tuple(f"S{number}" for number in range(7))), 0)
    with pytest.raises(Unsubscribed, match=r"every symbol of trades: S0: unknown \(1\); .*; and 2 more"):
        subscriptions.check_hope()
    subscriptions.want([])
    subscriptions.check_hope()


def test_what_is_dropped_leaves_before_something_else_comes() -> None:
    source = attrs.evolve(FakeSource(), limits=attrs.evolve(FakeSource().limits, symbols=2))
    subscriptions, _ = started(source, ["A", "B"])
    subscriptions.answered(Acknowledged("1"), 0)
    subscriptions.want(["B", "C"])
    [request] = asked(subscriptions)
    assert (request["op"], request["symbols"]) == ("unsubscribe", ["A"])
    subscriptions.answered(Acknowledged(request["id"]), 0)
    [request] = asked(subscriptions)
    assert (request["op"], request["symbols"]) == ("subscribe", ["C"])
    subscriptions.answered(Acknowledged(request["id"]), 0)
    assert subscriptions.confirmed == {"B", "C"}
    subscriptions.want(["B", "C", "D"])
    assert asked(subscriptions) == []
    assert subscriptions.refused == {"D": "the venue takes 2 symbols a connection"}


def test_what_is_dropped_and_wanted_again_at_once_is_told_again() -> None:
    subscriptions, _ = started(FakeSource(), ["A", "B"])
    subscriptions.answered(Acknowledged("1"), 0)
    subscriptions.news()
    subscriptions.want(["B"])
    subscriptions.want(["A", "B"])
    assert asked(subscriptions) == []
    assert subscriptions.news().confirmed == ["A"]


def test_a_renewal_ends_the_subscription_and_then_asks_for_it_again() -> None:
    subscriptions, _ = started(FakeSource(), ["A", "B"])
    subscriptions.answered(Acknowledged("1"), 0)
    subscriptions.news()
    subscriptions.renew(["A", "NEVER"])
    assert subscriptions.confirmed == {"B"}
    [request] = asked(subscriptions)
    assert (request["op"], request["symbols"]) == ("unsubscribe", ["A"])
    # That it cannot be ended, because it is not there, is what one suspects of a mute subscription.
    subscriptions.answered(Refused(1, "not subscribed", request["id"]), 0)
    [request] = asked(subscriptions)
    assert (request["op"], request["symbols"]) == ("subscribe", ["A"])
    subscriptions.answered(Acknowledged(request["id"]), 0)
    assert subscriptions.news().confirmed == ["A"]


class FakeVenue:
    """Holds what is subscribed, and answers as its options say, when it is asked to."""

    def __init__(self, source: FakeSource, bad: frozenset[str], habits: random.Random) -> None:
        self.source = source
        self.bad = bad
        self.held: set[str] = set()
        self.most_held = 0
        self._answers: list[Any] = []
        self._names, self._tells_ids, self._one_by_one, self._orderly = (habits.random() < 0.5 for _ in range(4))
        self._nonsense = source.lists and habits.random() < 0.5
        """Whether it acknowledges what does not exist."""
        self._habits = habits

    @property
    def owes(self) -> bool:
        return bool(self._answers)

    def take(self, text: str) -> None:
        request = json.loads(text)
        if request["op"] == "list":
            self._answers.append(Listed(tuple(self.held)))
            return
        symbols = request["symbols"]
        assert 1 <= len(symbols) <= self.source.batch
        ask_id = request["id"]
        if request["op"] == "unsubscribe":
            self.held -= set(symbols)
            self._acknowledge(ask_id, symbols)
            return
        bad = [name for name in symbols if name in self.bad]
        if bad and not self._nonsense:
            told = ask_id if self._tells_ids else ""
            self._answers.append(Refused(1, "unknown", told, tuple(bad[:1]) if self._names else ()))
            return
        there = [name for name in symbols if name in self.held]
        if there and self._habits.random() < 0.5:
            self._answers.append(Refused(2, "already", ask_id, tuple(there[:1]), harmless=True))
            return
        self.held |= set(symbols) - self.bad
        self.most_held = max(self.most_held, len(self.held))
        self._acknowledge(ask_id, symbols)

    def _acknowledge(self, ask_id: str, symbols: list[str]) -> None:
        if self._one_by_one:
            self._answers += [Acknowledged(self._habits.choice([ask_id, ""]), (name,)) for name in symbols]
        else:
            self._answers.append(Acknowledged(ask_id))

    def answer(self) -> Any:
        place = 0 if self._orderly or not self._tells_ids else self._habits.randrange(len(self._answers))
        return self._answers.pop(place)


NAMES = [f"S{number}" for number in range(12)]


@settings(max_examples=300, deadline=None)
@given(
    seed=st.integers(0, 2**32),
    lists=st.booleans(),
    batch=st.integers(1, 12),
    room=st.integers(3, 12),
    bad=st.frozensets(st.sampled_from(NAMES), max_size=5),
    steps=st.lists(st.sampled_from(["send", "send", "answer", "answer", "want", "renew", "wait"]), max_size=60),
)
def test_whatever_happens_each_wanted_symbol_is_subscribed_or_rejected_in_the_end(
    seed: int, lists: bool, batch: int, room: int, bad: frozenset[str], steps: list[str]
) -> None:
    chance = random.Random(seed)
    source = FakeSource(batch=batch, lists=lists, limits=attrs.evolve(FakeSource().limits, symbols=room))
    venue = FakeVenue(source, bad, chance)
    subscriptions = Subscriptions(source)
    wanted: list[str] = []
    told: dict[str, str] = {}
    now = 0.0

    def step(what: str) -> None:
        nonlocal now, wanted
        if what == "send" and (text := subscriptions.next(now)) is not None:
            venue.take(text)
        elif what == "answer" and venue.owes:
            subscriptions.answered(venue.answer(), now)
        elif what == "want":
            wanted = chance.sample(NAMES, chance.randrange(room + 1))
            subscriptions.want(wanted)
        elif what == "renew":
            subscriptions.renew(chance.sample(NAMES, 2))
        elif what == "wait" and not venue.owes:
            now += 301
            subscriptions.check(now)
        news = subscriptions.news()
        told.update(dict.fromkeys(news.confirmed, "confirmed"), **{name: "refused" for name, _ in news.refused})
        assert not subscriptions.confirmed & subscriptions.refused.keys()
        assert subscriptions.confirmed <= set(wanted)
        assert len(subscriptions._sent) <= OUTSTANDING
        assert venue.most_held <= room

    for what in steps:
        step(what)
    left = 1000
    while venue.owes or subscriptions.has_next(now):
        left -= 1
        assert left, "it comes to rest"
        step("send")
        step("answer")
    assert subscriptions.settled
    assert subscriptions.confirmed == set(wanted) - bad
    assert subscriptions.refused.keys() == set(wanted) & bad
    assert venue.held == set(wanted) - bad, "nothing is left subscribed that nobody wants"
    for name in wanted:
        assert told[name] == ("refused" if name in bad else "confirmed")


def test_data_stands_in_for_an_answer_that_is_lost() -> None:
    subscriptions = Subscriptions(FakeSource(), answer_within=10.0)
    subscriptions.want(["A", "B"])
    while subscriptions.next(0.0) is not None:
        pass
    subscriptions.brought(["A", "stranger"])
    assert subscriptions.confirmed == frozenset(), "an answer may still come"
    with pytest.raises(Unsubscribed, match="B"):
        subscriptions.check(10.0)
    assert subscriptions.confirmed == {"A"}
