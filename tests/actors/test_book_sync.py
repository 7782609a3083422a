"""The synchroniser and the local book against a model exchange: what is live is right, and every loss is repaired."""

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from actors._book import Book
from actors._book_sync import PATIENCE, STALE_SNAPSHOTS, BookSync, Step
from actors._source import Depth

from .book_model import RULES, Change, Follower, Line, Model

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
