"""An exchange of one symbol in miniature, pure: it publishes, loses, repeats and reorders, and answers REST with a lag."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import attrs
from hypothesis import strategies as st

from actors._feeds._continuity import Question, Track
from actors._records import FeedState, Gap, Trade
from actors._session import Session


@attrs.frozen
class Print:
    """A trade of no venue in particular."""

    id: int | str
    first_id: int | str
    time: int
    venue: str = "model"
    symbol: str = "X"
    price: Decimal = Decimal(1)
    quantity: Decimal = Decimal(1)
    side: Any = "buy"
    received: int = 0


@attrs.define
class Line:
    """One session: what the venue sent on it, and nobody has read yet."""

    session: Session
    queue: list[Print] = attrs.field(factory=list)
    mute: bool = False


class Model:
    """Drives a track, and writes down what it delivers.

    Args:
        track: What is tested.
        make: Makes the trade of a place, counted from 0.
        page: Rows of one answer.
        pages_by_time: ``since`` is obeyed, and the rows begin there.
    """

    def __init__(self, track: Track, make: Any, *, page: int = 1000, pages_by_time: bool = False) -> None:
        self.track = track
        self.make = make
        self.page = page
        self.pages_by_time = pages_by_time
        self.published: list[Print] = []
        self.withheld: set[int | str] = set()
        self.out: list[Trade | Gap | FeedState] = []
        self.lines: list[Line] = []
        self.now = 0.0
        self.asked: Question | None = None
        self.unhelpful = 0
        self.room = 10**6
        """How many items the bot's mailbox still takes."""
        self.opened_at: int | None = None
        """How many were published before the first session."""

    # What the venue does ---------------------------------------------------------------------------------------

    def publish(self, count: int, lost: Sequence[int] = ()) -> None:
        """Publish trades; the lines of these numbers do not get them."""
        for _ in range(count):
            trade = self.make(len(self.published))
            self.published.append(trade)
            for number, line in enumerate(self.lines):
                if number not in lost and not line.mute:
                    line.queue.append(trade)

    def open(self) -> None:
        if self.opened_at is None:
            self.opened_at = len(self.published)
        line = Line(Session())
        self.lines.append(line)
        self.track.opened(line.session, self.now)
        self.flush()

    def close(self, number: int) -> None:
        if self.lines:
            line = self.lines.pop(number % len(self.lines))
            self.track.lost(line.session)

    def read(self, number: int, count: int, how: str = "live") -> None:
        if not self.lines:
            return
        line = self.lines[number % len(self.lines)]
        batch, line.queue = line.queue[:count], line.queue[count:]
        if how == "twice":
            batch = batch + batch
        elif how == "shuffled":
            batch = batch[::-1]
        self.track.live(line.session, batch, self.now)
        self.flush()

    def read_all(self) -> None:
        for number in range(len(self.lines)):
            self.read(number, 10**6)

    # REST ------------------------------------------------------------------------------------------------------

    def ask(self) -> None:
        question = self.track.question(self.now)
        if question is not None and question.not_before <= self.now:
            self.asked = question
        self.flush()

    def rows(self, question: Question, lag: int) -> list[Print]:
        there = [t for t in self.published[: max(0, len(self.published) - lag)] if t.id not in self.withheld]
        if question.kind == "newest":
            return there[-1:]
        if question.kind == "fill":
            assert question.missing is not None
            return [t for t in there if int(t.first_id) >= question.missing.first][: self.page]
        if self.pages_by_time and question.since is not None:
            return [t for t in there if t.time >= question.since][: self.page]
        return there[-self.page :]

    def answer(self, lag: int = 0, *, final: bool = False) -> None:
        question, self.asked = self.asked, None
        if question is None:
            return
        helped = self.track.answer(question, self.rows(question, lag), final=final)
        self.unhelpful = 0 if helped else self.unhelpful + 1
        self.flush()

    def fail(self) -> None:
        question, self.asked = self.asked, None
        if question is not None:
            self.track.give_up(question, "REST is down")
            self.flush()

    def settle(self) -> None:
        """Ask until there is nothing to be asked, as the feed does."""
        self.room = 10**6
        self.flush()
        self.answer()
        for _ in range(200):
            self.now += 2.0
            self.ask()
            if self.asked is None:
                return
            self.answer(final=self.unhelpful >= 3)
        raise AssertionError("the track asks for ever")

    # The bot ---------------------------------------------------------------------------------------------------

    def flush(self) -> None:
        ready = self.track.cursor.ready[: self.room]
        self.room -= len(ready)
        self.out += ready
        self.track.cursor.delivered(len(ready))

    def crash(self) -> None:
        self.lines.clear()
        self.asked = None
        self.track.restarted()

    # What must hold --------------------------------------------------------------------------------------------

    @property
    def places(self) -> list[int]:
        at = {trade.id: place for place, trade in enumerate(self.published)}
        return [at[item.id] for item in self.out if not isinstance(item, Gap | FeedState)]

    @property
    def gaps(self) -> list[Gap]:
        return [item for item in self.out if isinstance(item, Gap)]

    def check_order(self) -> None:
        places = self.places
        assert places == sorted(set(places)), f"not once and in order: {places}"

    def check_covered(self) -> None:
        """Everything published since the first session was delivered, or lies inside a gap as its neighbours tell."""
        at: dict[Any, int] = {trade.id: place for place, trade in enumerate(self.published)}
        delivered = set(self.places)
        holes: list[tuple[int, int]] = []
        for place, item in enumerate(self.out):
            if isinstance(item, Gap):
                following = [x.id for x in self.out[place:] if not isinstance(x, Gap | FeedState)]
                before = item.before_id if item.before_id is not None else (following[0] if following else None)
                holes.append((at.get(item.after_id, -1), at.get(before, len(self.published))))
        for place in range(self.opened_at or 0, len(self.published)):
            inside = any(lo < place < hi for lo, hi in holes)
            assert place in delivered or inside, f"{place} is missing; gaps {holes}"

    def check_numbered(self) -> None:
        """The same for ids without holes, exactly: each id is delivered or in a gap, and never both."""
        covered = list(self.places)
        missing = [i for gap in self.gaps for i in range(gap.first_id or 0, (gap.last_id or 0) + 1)]
        both = sorted(covered + missing)
        assert len(set(both)) == len(both), "neither twice, nor both delivered and in a gap"
        if both:
            assert both == list(range(both[0], both[-1] + 1)), "nothing between is unaccounted for"
            assert both[0] <= (self.opened_at or 0) and both[-1] >= len(self.published) - 1


def steps(*extra: Any) -> Any:
    """Schedules of what may happen."""
    number = st.integers(0, 2)
    return st.lists(
        st.one_of(
            st.tuples(st.just("publish"), st.integers(1, 5)),
            st.tuples(st.just("read"), number, st.integers(1, 6)),
            st.sampled_from([("open",), ("ask",), ("answer", 0), ("answer", 0), ("answer", 3), ("fail",), ("crash",)]),
            st.tuples(st.just("close"), number),
            st.tuples(st.just("wait"), st.sampled_from([0.05, 0.2, 2.0])),
            st.tuples(st.just("final"), st.integers(0, 4)),
            st.tuples(st.just("room"), st.sampled_from([0, 1, 3, 10**6])),
            *extra,
        ),
        max_size=40,
    )


def play(model: Model, plan: Sequence[tuple[Any, ...]]) -> None:
    """Do what a schedule says."""
    for step in plan:
        match step:
            case ("publish", count):
                model.publish(count)
            case ("lose", count, number):
                model.publish(count, lost=(number,))
            case ("read", number, count):
                model.read(number, count)
            case ("odd", number, count, how):
                model.read(number, count, how)
            case ("open",) if len(model.lines) < 3:
                model.open()
            case ("close", number):
                model.close(number)
            case ("ask",):
                model.ask()
            case ("answer", lag):
                model.answer(lag)
            case ("final", lag):
                model.answer(lag, final=True)
            case ("fail",):
                model.fail()
            case ("wait", seconds):
                model.now += seconds
            case ("room", count):
                model.room = count
                model.flush()
            case ("crash",):
                model.crash()
            case ("withhold", count):
                model.withheld |= {model.make(len(model.published) + n).id for n in range(count)}
                model.publish(count, lost=(0, 1, 2))
            case ("wonder",):
                model.track.wonder()
