"""The synchroniser and the local book against a model exchange: what is live is right, and every loss is repaired."""

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from actors._feeds._book import Book
from actors._feeds._book_sync import PATIENCE, STALE_SNAPSHOTS, BookSync, Step
from actors._session import Session
from actors._source import BookRule, Depth

from ..book_model import BYBIT, KUCOIN, OKX, RULES, SPOT, USDM, Change, Follower, Line, Model

changes = st.lists(
    st.builds(Change, bid=st.booleans(), distance=st.integers(-6, 8), quantity=st.integers(0, 5)), max_size=4
)

fates = st.sampled_from(["arrives", "arrives", "waits", "lost", "twice", "overtakes"])


class Broadcast(RuleBasedStateMachine):
    """Two connections to a model exchange, each of which may lose, repeat, reorder and delay what it carries."""

    kind = "spot"

    def __init__(self) -> None:
        super().__init__()
        self.model = Model(RULES[self.kind])
        self.sync = BookSync(RULES[self.kind], held=20)
        self.follower = Follower(self.sync)
        self.book = Book("X")
        self.lines = [Line(), Line()]
        self.now = 0.0
        self.answers: list[Depth] = []
        self.unanswered = 0

    def follow(self, step: Step) -> None:
        for item in self.follower.items(step):
            self.book.apply(item)
            if self.book.live:
                self.compare()

    def compare(self) -> None:
        bids, asks = self.model.states[self.book.time]
        assert (tuple(self.book.bids()), tuple(self.book.asks())) == (bids, asks)

    def carry(self, line: Line) -> None:
        self.follow(self.sync.take(line.session, line.queue.popleft(), self.now))

    # What the exchange does

    @initialize(both=st.booleans())
    def begin(self, both: bool) -> None:
        self.open(0)
        if both:
            self.open(1)
        self.ask_rest(0)
        self.rest_answers()
        self.arrive()

    @rule(changes=changes, skip=st.integers(0, 3), fates=st.tuples(fates, fates))
    def change(self, changes: list[Change], skip: int, fates: tuple[str, str]) -> None:
        self.send(self.model.change(changes, skip), fates)

    @precondition(lambda self: self.kind == "okx")
    @rule(fates=st.tuples(fates, fates))
    def keep_alive(self, fates: tuple[str, str]) -> None:
        self.send(self.model.keep_alive(), fates)

    # Once: with old numbers that are as low as the new ones nobody could tell the two apart.
    @precondition(lambda self: self.model.number >= 100)
    @rule(fates=st.tuples(fates, fates))
    def renumber(self, fates: tuple[str, str]) -> None:
        message = self.model.renumber()
        if self.kind in ("okx", "bybit", "kucoin"):
            self.send(message, fates)

    def send(self, message: Depth, fates: tuple[str, str]) -> None:
        for line, fate in zip(self.lines, fates, strict=True):
            if not line.open:
                continue
            if fate != "lost":
                line.queue.append(message)
            if fate == "twice":
                line.queue.append(message)
            if fate == "overtakes":
                line.queue.rotate(1)
            while line.queue and fate in ("arrives", "twice"):
                self.carry(line)

    def arrive(self) -> None:
        for line in self.lines:
            while line.queue:
                self.carry(line)

    # What connections do

    @rule(which=st.integers(0, 1))
    def open(self, which: int) -> None:
        line = self.lines[which]
        if line.open:
            return
        self.lines[which] = line = Line(open=True)
        self.sync.opened(line.session)
        if self.model.rule.base == "stream":
            line.queue.append(self.model.newest)

    @rule(which=st.integers(0, 1))
    def end(self, which: int) -> None:
        line = self.lines[which]
        self.lines[which] = Line()
        self.follow(self.sync.lost(line.session))

    @rule(which=st.integers(0, 1), count=st.integers(1, 5))
    def deliver(self, which: int, count: int) -> None:
        for _ in range(min(count, len(self.lines[which].queue))):
            self.carry(self.lines[which])

    @rule(which=st.integers(0, 1))
    def replay(self, which: int) -> None:
        queue = self.lines[which].queue
        if queue:
            queue.appendleft(queue[-1])

    # What the actor does

    @rule(lag=st.integers(0, 4))
    def ask_rest(self, lag: int) -> None:
        if self.sync.need == "snapshot":
            self.answers.append(self.model.history[max(-1 - lag, -len(self.model.history))])

    @rule()
    def rest_answers(self) -> None:
        if self.answers:
            self.follow(self.sync.snapshot(self.answers.pop(0)))

    @rule()
    def renew_subscription(self) -> None:
        if self.sync.need == "subscription" or self.sync.suspect is not None:
            wanted = self.sync.suspect or self.sync.sessions[0]
            for line in self.lines:
                if line.session is wanted:
                    line.queue.clear()
                    self.sync.opened(line.session)
                    if self.model.rule.base == "stream":
                        line.queue.append(self.model.newest)

    @rule(seconds=st.sampled_from([0.1, PATIENCE]))
    def wait(self, seconds: float) -> None:
        self.now += seconds
        deadline = self.sync.deadline
        if deadline is not None and self.now >= deadline:
            self.follow(self.sync.overdue())
            assert self.sync.deadline is None

    @invariant()
    def live_is_right(self) -> None:
        assert self.book.live == (self.sync.sequence is not None)
        if self.book.live:
            self.compare()
        bid, ask = self.book.bids(1, stale_ok=True), self.book.asks(1, stale_ok=True)
        assert not bid or not ask or bid[0][0] < ask[0][0]
        assert self.sync.held <= 20

    def teardown(self) -> None:
        """Without further faults the book becomes live, and true to the last change, in a bounded number of rounds."""
        for which in (0, 1):
            if not self.lines[which].open:
                self.open(which)
        self.answers.clear()
        for _ in range(8):
            self.model.tick(6_000)
            self.change([Change(True, 2, 3)], 0, ("arrives", "arrives"))
            self.wait(PATIENCE)
            for _ in range(STALE_SNAPSHOTS):
                self.ask_rest(0)
                self.rest_answers()
            self.renew_subscription()
            self.arrive()
        assert self.book.live
        assert (tuple(self.book.bids()), tuple(self.book.asks())) == self.model.state


@pytest.mark.parametrize("kind", sorted(RULES))
def test_a_live_book_is_the_true_one_whatever_connections_and_rest_do(kind: str) -> None:
    from hypothesis.stateful import run_state_machine_as_test

    machine = type(f"Broadcast_{kind}", (Broadcast,), {"kind": kind})
    run_state_machine_as_test(machine, settings=settings(max_examples=60, stateful_step_count=40, deadline=None))


def depth(
    last: int, *, first: int | None = None, previous: int | None = None, snapshot: bool = False, time: int = 0
) -> Depth:
    return Depth("X", snapshot, last if first is None else first, last, previous, [], [], time or 1_000_000 + last)


def two_sessions(rule: BookRule, at: int = 10) -> tuple[BookSync, Session, Session]:
    """Return a synchroniser of which both sessions are in step."""
    sync, one, two = BookSync(rule), Session(), Session()
    sync.opened(one)
    sync.opened(two)
    if rule.base == "rest":
        sync.snapshot(depth(at, snapshot=True))
    for session in (one, two):
        sync.take(session, depth(at, snapshot=rule.base == "stream"), 0.0)
    assert sync.sequence == at
    return sync, one, two


def numbers(step: Step) -> list[int]:
    return [message.last for message in step.apply]


def test_a_session_that_is_ahead_waits_for_the_other_to_fill_its_hole() -> None:
    sync, one, two = two_sessions(SPOT)
    assert sync.take(two, depth(13, first=12), 1.0) == Step()
    assert sync.deadline == 1.0 + PATIENCE
    assert numbers(sync.take(one, depth(11), 1.1)) == [11, 13]
    assert sync.deadline is None


def test_a_hole_that_nobody_fills_breaks_the_book_when_patience_ends() -> None:
    sync, _, two = two_sessions(SPOT)
    sync.take(two, depth(13, first=12), 1.0)
    assert sync.overdue().broken == "a hole was not filled in time"
    assert (sync.sequence, sync.need, sync.held) == (None, "snapshot", 1)
    assert numbers(sync.snapshot(depth(11, snapshot=True))) == [11, 13]


def test_a_session_that_has_gone_astray_does_not_hold_the_other_up() -> None:
    sync, one, two = two_sessions(BYBIT)
    sync.take(two, depth(15), 1.0)
    assert numbers(sync.take(one, depth(11), 1.1)) == [11]
    assert sync.overdue() == Step()
    assert sync.suspect is two
    assert sync.take(two, depth(16), 2.1) == Step()
    assert (sync.held, sync.deadline) == (0, None)
    assert numbers(sync.take(one, depth(12), 2.2)) == [12]
    sync.opened(two)
    assert sync.take(two, depth(17, snapshot=True), 2.3).apply, "it is further than the other one"
    assert numbers(sync.take(one, depth(18), 2.4)) == [18]


def test_when_only_a_session_that_has_gone_astray_is_left_the_book_is_broken() -> None:
    sync, one, two = two_sessions(BYBIT)
    sync.take(two, depth(15), 1.0)
    sync.take(one, depth(11), 1.1)
    sync.overdue()
    assert sync.lost(one).broken is not None
    assert sync.need == "subscription"


def test_when_the_session_that_would_fill_a_hole_is_lost_the_book_is_broken() -> None:
    sync, one, two = two_sessions(SPOT)
    sync.take(two, depth(13, first=12), 1.0)
    assert sync.lost(one).broken is not None
    assert sync.held == 1


def test_losing_the_last_session_breaks_the_book_and_losing_an_unknown_one_changes_nothing() -> None:
    sync, one, two = two_sessions(SPOT)
    assert sync.lost(Session()) == sync.lost(one) == Step()
    assert sync.lost(two).broken == "no connection"
    assert sync.need is None, "there is nobody to bring what follows"


def test_numbers_that_fall_within_the_chain_are_followed_once() -> None:
    sync, one, two = two_sessions(OKX)
    assert numbers(sync.take(one, depth(12, previous=10), 0.0)) == [12]
    assert numbers(sync.take(one, depth(3, previous=12), 0.0)) == [3]
    assert sync.take(two, depth(12, previous=10), 0.0) == Step(), "the other one is before the fall still"
    assert sync.take(two, depth(3, previous=12), 0.0) == Step()
    assert (sync.held, sync.deadline) == (0, None)
    assert numbers(sync.take(two, depth(5, previous=3), 0.0)) == [5]
    assert sync.take(one, depth(5, previous=3), 0.0) == Step()


def test_a_fall_behind_a_hole_is_no_repetition() -> None:
    sync = BookSync(OKX)
    session = Session()
    sync.opened(session)
    sync.take(session, depth(10, snapshot=True), 0.0)
    assert sync.take(session, depth(3, previous=12), 0.0).broken is not None
    assert sync.suspect is session


def test_a_keep_alive_moves_nothing() -> None:
    sync, one, _ = two_sessions(OKX)
    assert sync.take(one, depth(10, previous=10, time=2_000_000), 0.0) == Step()
    assert sync.take(one, depth(12, previous=11), 0.0) == Step()
    assert sync.counts.holes == 1


def test_a_snapshot_with_lower_numbers_on_a_session_that_was_in_step_begins_anew() -> None:
    sync, one, two = two_sessions(BYBIT)
    assert numbers(sync.take(one, depth(1, snapshot=True), 0.0)) == [1]
    assert sync.take(two, depth(11), 0.0) == Step(), "from before the venue's restart"
    assert sync.take(two, depth(1, snapshot=True), 0.0) == Step()
    assert numbers(sync.take(two, depth(2), 0.0)) == [2]


def test_a_second_sessions_snapshot_that_is_behind_does_not_take_the_book_back() -> None:
    sync, one, two = two_sessions(BYBIT)
    sync.take(one, depth(11), 0.0)
    sync.opened(two)
    assert sync.take(two, depth(9, snapshot=True), 0.0) == Step()
    assert sync.sequence == 11
    sync.lost(one)
    assert sync.sequence == 11
    assert numbers(sync.take(two, depth(12), 0.0)) == [12]


def test_a_quiet_futures_symbol_whose_snapshot_lies_between_two_messages_joins() -> None:
    sync, session = BookSync(USDM), Session()
    sync.opened(session)
    sync.snapshot(depth(152, snapshot=True))
    assert numbers(sync.take(session, depth(160, first=157, previous=149), 0.0)) == [160]
    assert numbers(sync.take(session, depth(170, first=165, previous=160), 0.0)) == [170]
    assert sync.take(session, depth(180, first=175, previous=171), 0.0).broken is not None


def test_what_is_held_for_a_snapshot_is_bounded_and_counted() -> None:
    sync, session = BookSync(SPOT, held=3), Session()
    sync.opened(session)
    for last in range(1, 8):
        assert sync.take(session, depth(last), 0.0) == Step()
    assert (sync.held, sync.counts.discarded) == (3, 4)
    assert sync.snapshot(depth(2, snapshot=True)) == Step()
    assert sync.need == "snapshot"
    assert numbers(sync.snapshot(depth(5, snapshot=True))) == [5, 6, 7]


def test_a_stream_that_begins_behind_every_snapshot_is_not_waited_for_forever() -> None:
    sync, session = BookSync(SPOT), Session()
    sync.opened(session)
    sync.take(session, depth(1000), 0.0)
    for _ in range(STALE_SNAPSHOTS):
        assert sync.snapshot(depth(10, snapshot=True)) == Step()
    assert numbers(sync.snapshot(depth(10, snapshot=True))) == [10]


def test_a_whole_book_that_is_older_or_the_same_is_dropped_unless_the_same_session_has_two_of_one_time() -> None:
    sync, one, two = BookSync(KUCOIN), Session(), Session()
    sync.opened(one)
    sync.opened(two)
    assert numbers(sync.take(one, depth(10, snapshot=True), 0.0)) == [10]
    assert sync.take(two, depth(10, snapshot=True), 0.0) == Step()
    assert sync.take(two, depth(9, snapshot=True), 0.0) == Step()
    assert numbers(sync.take(one, depth(10, snapshot=True), 0.0)) == [10]


def test_messages_of_a_session_that_is_not_known_are_discarded() -> None:
    sync, _, _ = two_sessions(SPOT)
    assert sync.take(Session(), depth(11), 0.0) == Step()
    assert (sync.sequence, sync.counts.discarded) == (10, 1)
