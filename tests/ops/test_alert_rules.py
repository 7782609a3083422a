"""When there is an alert, and when it is over."""

from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.ops import Alert
from actors.ops._alert_rules import AlertRules, Watch
from actors.ops._vitals import StreamVital, Vital
from supervisor import Decision, End, Ended, Event, GaveUp, Note, Status, Unstoppable


def ended(path: str, action: str, error: Exception | None = None, at: float = 0.0) -> Ended:
    end = End("crashed", error or ConnectionError("no route"), (), at - 1, at, None)
    return Ended(path, 1, at, wall=at, end=end, decision=Decision(action, "said so"))  # type: ignore[arg-type]


def note(path: str, what: str, at: float = 0.0, **fields: object) -> Note:
    return Note(path, 1, at, wall=at, what=what, fields=fields)


def node(path: str, state: str = "ready", *children: Status, facts: dict[str, object] | None = None) -> Status:
    return Status(path, "actor", state, 1, 0, 0, 0.0, None, None, None, None, children, facts)  # type: ignore[arg-type]


def owner(path: str, vital: str, *, live: bool, required: bool = True, lag: float | None = None) -> Vital:
    streams = (StreamVital("S", live=live, reason="because", lag=lag),)
    return Vital(path, vital, "okx", required, alive=True, condition="ready", streams=streams)


class Scene:
    """A watch over a tree of one child that is always there."""

    def __init__(self, **rules: object) -> None:
        self.watch = Watch("bot", AlertRules(**rules))  # type: ignore[arg-type]

    def after(self, *events: Event) -> list[Alert]:
        self.watch.take(events)
        return self.watch.changes()

    def look(
        self, now: float, *vitals: Vital, state: str = "ready", facts: dict[str, object] | None = None
    ) -> list[Alert]:
        self.watch.look(node("bot", "ready", node("bot/a", state, facts=facts)), vitals, now, now)
        return self.watch.changes()


def told(changes: list[Alert]) -> list[tuple[str, bool]]:
    return [(change.key, change.over is None) for change in changes if change.fresh]


def test_a_parked_child_is_an_alert_until_it_is_no_longer_parked() -> None:
    scene = Scene()
    (opened,) = scene.after(ended("bot/a", "park", PermissionError("bad key 4711")))

    assert (opened.kind, opened.severity, opened.title) == ("parked", "critical", "bot/a is parked")
    assert opened.cause == "PermissionError: bad key N"
    assert opened.lines == ("crashed: PermissionError: bad key 4711", "decision: park (said so)")
    assert told(scene.look(1.0, state="parked")) == []
    assert told(scene.look(2.0, state="starting")) == [("parked bot/a", False)]


def test_one_that_was_parked_unseen_is_seen_at_the_next_look() -> None:
    scene = Scene()

    assert told(scene.look(1.0, state="parked")) == [("parked bot/a", True)]
    assert told(scene.look(2.0, state="parked")) == []


def test_a_parked_child_that_is_removed_is_over() -> None:
    scene = Scene()
    scene.after(ended("bot/gone", "park"))

    assert told(scene.look(1.0)) == [("parked bot/gone", False)]


def test_the_root_giving_up_is_told_by_the_child_over_which_it_does_and_only_once() -> None:
    scene = Scene()

    assert told(scene.after(ended("bot/a/b", "escalate"))) == []
    assert told(
        scene.after(ended("bot/a", "escalate"), ended("bot", "escalate", GaveUp("bot", "x", [ValueError()], 1)))
    ) == [("escalated bot", True)]


def test_blind_is_over_with_the_next_source_or_when_its_owner_is_live() -> None:
    scene = Scene()
    best = owner("bot/a", "best", live=False)

    assert told(scene.after(note("bot/a", "blind", reason="all stale"))) == [("blind bot/a", True)]
    assert told(scene.look(1.0, best)) == []
    assert told(scene.after(note("bot/a", "switched", source="okx"))) == [("blind bot/a", False)]
    scene.after(note("bot/a", "blind", reason="all stale"))
    assert told(scene.look(2.0, owner("bot/a", "best", live=True))) == [("blind bot/a", False)]


@pytest.mark.parametrize(("vital", "after"), [("account", 30.0), ("feed", 60.0)])
def test_required_data_that_is_not_live_for_its_time_is_an_alert(vital: str, after: float) -> None:
    scene = Scene()
    bad, good = owner("bot/a", vital, live=False), owner("bot/a", vital, live=True)

    assert told(scene.look(0.0, bad)) == told(scene.look(after - 1, bad)) == []
    assert told(scene.look(after - 0.5, good)) == []
    assert told(scene.look(after, bad)) == told(scene.look(2 * after - 1, bad)) == []
    (opened,) = scene.look(2 * after, bad)
    assert opened.kind == ("account" if vital == "account" else "data")
    assert opened.lines == (f"bot/a ({vital} okx) S is not live: because",)
    assert told(scene.look(2 * after + 1, bad)) == []
    assert told(scene.look(2 * after + 2, good)) == [(opened.key, False)]


def test_an_account_whose_owner_dies_is_not_resolved_by_that() -> None:
    scene = Scene()
    dead = Vital("bot/a", "", "", required=True, alive=False, condition="waiting, next try in 3.0 s")
    scene.look(0.0, owner("bot/a", "account", live=False))

    assert told(scene.look(30.0, dead)) == [("live bot/a", True)]
    assert told(scene.look(31.0, owner("bot/a", "account", live=False))) == []
    assert told(scene.look(32.0, dead)) == []
    assert told(scene.look(33.0, owner("bot/a", "account", live=True))) == [("live bot/a", False)]


def test_data_that_is_not_required_is_nobodys_alert() -> None:
    scene = Scene()

    assert [told(scene.look(at, owner("bot/a", "feed", live=False, required=False))) for at in (0.0, 100.0)] == [[], []]


def test_more_restarts_than_allowed_are_one_alert_with_exact_counts_by_cause() -> None:
    scene = Scene(restarts=20, within=60.0)
    changes: list[Alert] = []
    for second in range(10):
        for number in range(1000):
            error = ConnectionError(f"no route {number}") if number % 4 else OSError("no disk")
            changes += scene.after(ended(f"bot/{number}", "restart", error, at=second))
        changes += scene.look(second + 0.5)
    quiet = scene.look(80.0)

    assert told(changes) == [("restarts bot", True)]
    assert changes[-1].lines == (
        "10000 restarts since it began", "7500 x ConnectionError: no route N", "2500 x OSError: no disk",
    )  # fmt: skip
    assert told(quiet) == [("restarts bot", False)]
    assert len(scene.watch._rate._slots) <= 61


def test_as_many_restarts_as_allowed_are_none() -> None:
    scene = Scene(restarts=20, within=60.0)
    changes = scene.after(*(ended("bot/a", "restart", at=float(at)) for at in range(20)))

    assert changes + scene.look(20.0) == []
    assert told(scene.after(ended("bot/a", "restart", at=21.0)) + scene.look(21.0)) == [("restarts bot", True)]


def test_gaps_are_one_alert_that_counts_until_there_are_none_for_a_while() -> None:
    scene = Scene(quiet=100.0)
    changes = scene.after(*(note("bot/a", "gap", at, symbol="BTCUSDT", reason="too old") for at in (0.0, 50.0, 99.0)))

    assert told(changes) == [("gap of bot/a", True)]
    assert changes[-1].lines == ("BTCUSDT: too old", "3 times so far")
    assert told(scene.look(198.0)) == []
    assert told(scene.look(199.0)) == [("gap of bot/a", False)]


def test_a_clock_that_is_off_is_an_alert_until_it_is_right() -> None:
    scene = Scene()
    (opened,) = scene.after(note("bot/main/orders", "clock_off", seconds=-61.0, advice="set it"))
    assert (opened.kind, opened.path) == ("clock", "bot/main/orders")
    assert "seconds -61.0" in opened.lines[0]
    assert told(scene.after(note("bot/main/orders", "clock_off", at=600.0, seconds=-61.0, advice="set it"))) == []
    assert told(scene.after(note("bot/main/orders", "clock_right", at=1200.0, seconds=0.1))) == [(opened.key, False)]
    assert scene.after(note("bot/main/orders", "clock_right", at=1800.0, seconds=0.1)) == []


@pytest.mark.parametrize("state", ["connecting", "authenticating", "reconciling", "degraded"])
def test_an_account_in_any_state_but_live_is_an_alert_after_a_while(state: str) -> None:
    scene = Scene(account_after=30.0)
    stream = StreamVital("main", live=False, reason="because", state=state)
    vital = Vital("bot/main/orders", "account", "okx", True, alive=True, condition="ready", streams=(stream,))
    assert told(scene.look(0.0, vital)) == []
    (opened,) = scene.look(31.0, vital)
    assert (opened.kind, opened.severity) == ("account", "critical")
    assert "because" in opened.lines[0]


def test_data_from_the_future_means_that_the_clock_is_off() -> None:
    scene = Scene(clock=1.0)
    ahead, fine = owner("bot/a", "feed", live=True, lag=-1500.0), owner("bot/a", "feed", live=True, lag=-900.0)

    assert told(scene.look(0.0, ahead)) == told(scene.look(9.0, ahead)) == []
    (opened,) = scene.look(10.0, ahead)
    assert (opened.kind, opened.lines) == ("clock", ("S: 1.5 s ahead",))
    assert told(scene.look(11.0, fine)) == [(opened.key, False)]


def test_a_ledger_that_cannot_be_written_is_an_alert_until_it_can() -> None:
    scene = Scene()
    trouble = note("bot/a", "ledger_trouble", kind="full", message="the disk is full")
    (opened,) = scene.after(trouble)

    assert opened.title == "failures are not written: the disk is full"
    assert told(scene.look(1.0, facts={"trouble": "full"})) == []
    assert told(scene.after(note("bot/a", "ledger_written_again"))) == [("ledger bot/a", False)]
    scene.after(trouble)
    assert told(scene.look(2.0, facts={"trouble": None})) == [("ledger bot/a", False)]


def test_a_countdown_at_the_exchange_that_cannot_be_set_is_an_alert_until_it_can() -> None:
    scene = Scene()
    trouble = note("bot/a", "cancel_all_not_armed", reason="HttpFailure: 503", seconds_left=12.5)
    (opened,) = scene.after(trouble)

    assert (opened.kind, opened.severity) == ("cancel_all", "critical")
    assert opened.lines == ("HttpFailure: 503", "orders are cancelled in 12.5 s")
    assert told(scene.look(1.0, facts={"trouble": "HttpFailure: 503"})) == []
    assert told(scene.after(note("bot/a", "cancel_all_armed", seconds=60.0))) == [("cancel_all bot/a", False)]
    (opened,) = scene.after(note("bot/a", "cancel_all_not_armed", reason="HttpFailure: 503", seconds_left=None))
    assert opened.lines == ("HttpFailure: 503",)
    assert told(scene.look(2.0, facts={"trouble": ""})) == [("cancel_all bot/a", False)]


def test_a_countdown_at_the_exchange_that_runs_out_is_an_alert() -> None:
    (opened,) = Scene().after(note("bot/a", "cancel_all_ran_out", reason="bot/main is not live"))

    assert (opened.kind, opened.severity) == ("cancel_all", "critical")
    assert opened.title == "bot/a has run out: the exchange cancels the orders"


def test_a_child_that_does_not_end_is_named_with_its_place() -> None:
    (opened,) = Scene().after(Unstoppable("bot/a", 1, 0.0, stack=("x.py:1 run", "y.py:2 hang")))

    assert (opened.severity, opened.lines) == ("critical", ("it hangs in y.py:2 hang",))


def test_kinds_that_are_not_wanted_are_not_told() -> None:
    scene = Scene(without=("gap", "parked", "restarts"), account_after=None)

    assert (
        scene.after(note("bot/a", "gap"), ended("bot/a", "park"), *(ended("bot/a", "restart") for _ in range(99))) == []
    )
    assert [scene.look(at, owner("bot/a", "account", live=False), state="parked") for at in (0.0, 99.0)] == [[], []]


PATHS = [f"bot/{name}" for name in "abc"]


def happenings() -> st.SearchStrategy[list[object]]:
    events = st.builds(ended, st.sampled_from(PATHS), st.sampled_from(["park", "restart", "stop", "ignored"]))
    notes = st.builds(
        note, st.sampled_from(PATHS), st.sampled_from(["gap", "blind", "switched", "ledger_trouble", "x"])
    )
    looks = st.lists(st.tuples(st.sampled_from(PATHS), st.sampled_from(["ready", "parked"]), st.booleans()), max_size=3)
    return st.lists(st.one_of(events, notes, looks), max_size=60)


@given(happenings())
def test_of_one_key_an_alert_opens_and_ends_in_turn_and_what_is_gone_is_over(found: list[object]) -> None:
    watch, open_keys = Watch("bot", AlertRules(restarts=3, quiet=30.0)), set[str]()

    def changes() -> Iterator[Alert]:
        for change in watch.changes():
            if change.over is not None:
                assert change.key in open_keys
                open_keys.discard(change.key)
            elif change.fresh:
                assert change.key not in open_keys
                open_keys.add(change.key)
            else:
                assert change.key in open_keys
            yield change

    for now, one in enumerate(found):
        if isinstance(one, list):
            children = {path: node(path, state) for path, state, _ in one}
            vitals = [owner(path, "account", live=live) for path, _, live in one]
            watch.look(node("bot", "ready", *children.values()), vitals, 10.0 * now, now)
        else:
            watch.take([one])
        list(changes())
    watch.look(node("bot"), [], 1e6, 0.0)
    list(changes())

    assert open_keys == set()


def test_what_merely_happens_is_kept_for_so_many_paths_only() -> None:
    scene = Scene()
    changes = scene.after(*(note(f"bot/{number}", "gap") for number in range(2000)))

    assert len(scene.watch._incidents) == 500
    assert sum(change.over is not None for change in changes) == 1500
