"""Section A: start."""

import math
import traceback
from typing import Any

import pytest

from supervisor import BadTree, GaveUp, Limit, NoSuchChild, Policy, Running, Supervisor, child
from supervisor.testing import Boom, Cue

from .common import counts, forever, kinds, lived, on_cue, once_ok, order_of_ends, otp, starts, which


def test_scenario_01_an_empty_supervisor_starts_and_stops_normally() -> None:
    found = lived(Supervisor("bot", []), until=1.0)

    assert kinds(found, "bot") == [("stopped", "stop")]
    assert found.error is None


def test_scenario_03_a_child_with_nothing_to_do_is_kept_as_down_and_the_next_one_starts() -> None:
    """Trio has no ``ignore``: a transient child that returns before it is ready says the same."""
    seen: list[Any] = []
    c1 = child("c1", on_cue(Cue("return", after=0.0, ready_after=None)), restart="transient", ready_within=5.0)
    found = lived(
        Supervisor("bot", [c1, otp("c2")]), (1.0, lambda running: seen.extend([which(running), counts(running)]))
    )

    assert seen == [{"c1": "down", "c2": "ready"}, (2, 1, 0, 2)]
    assert kinds(found, "bot/c1") == [("returned", "stop")]


def test_scenario_05_a_template_child_with_nothing_to_do_leaves_nothing_behind() -> None:
    """A permanent child that returns is restarted, as always; transient is what says "nothing to do" here."""
    seen: list[Any] = []

    def template(name: str, *, idle: bool) -> Any:
        cue = Cue("return", after=0.0, ready_after=None) if idle else Cue()
        return child(name, on_cue(cue), restart="transient", ready_within=5.0)

    def add(running: Running) -> None:
        running.add_child("bot/s", "idle", idle=True)
        running.add_child("bot/s", "busy", idle=False)

    tree = Supervisor("bot", [Supervisor("s", template=template)])
    found = lived(tree, (1.0, add), (2.0, lambda running: seen.append(counts(running, "bot/s"))), until=3.0)

    assert seen == [(1, 1, 0, 1)]
    assert found.error is None


def test_scenario_07_a_start_by_an_operator_that_fails_follows_the_child_s_policy() -> None:
    """OTP gives the error to the caller, and does not retry.

    Here a start returns at once, so that it never blocks anyone; a failure is a failure whoever asked for the start: it
    has its record, and the child's own backoff and limits decide. Who wants to know waits with `wait_state`.
    """
    seen: list[Any] = []
    c1 = otp("c1", once_ok(lives=1000.0), ready_within=5.0, max_failures=3, at_max="park")
    found = lived(
        Supervisor("bot", [c1, otp("c2")]),
        (1.0, lambda running: running.stop_child("bot/c1")),
        (2.0, lambda running: running.start_child("bot/c1")),
        (3.0, lambda running: seen.append(which(running))),
    )

    assert seen == [{"c1": "parked", "c2": "ready"}]
    assert kinds(found, "bot/c1") == [
        ("stopped", "stop"),
        ("crashed", "restart"),
        ("crashed", "restart"),
        ("crashed", "park"),
    ]
    assert found.error is None


def test_scenario_09_defaults_are_permanent_and_five_seconds_and_unknown_paths_are_said_so() -> None:
    refused: list[str] = []

    def ask(running: Running) -> None:
        with pytest.raises(NoSuchChild) as error:
            running.explain("bot/x")
        refused.append(str(error.value))

    lived(Supervisor("bot", [otp("a")]), (1.0, ask), until=2.0)

    assert (Policy().restart, Policy().grace) == ("permanent", 5.0)
    with pytest.raises(BadTree, match="a supervisor stops within the times of its children"):
        Supervisor("bot", [], grace=5.0)
    assert refused == ["bot/x: there is no bot/x"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"strategy": "none_for_one"}, "strategy must be one of"),
        ({"limit": Limit(math.inf, 5.0)}, "limit.restarts must be a whole number"),  # type: ignore[arg-type]
        ({"limit": Limit(1, 0.0)}, "limit.within must be a number of seconds > 0"),
        ({"limit": Limit(1, math.inf)}, "limit.within must be a number of seconds > 0"),
        ({"auto_shutdown": "sometimes"}, "auto_shutdown must be one of"),
        ({"limit": "often"}, r"limit must be a Limit\(...\)"),
        ({"silly_flag": True}, "unknown option 'silly_flag'"),
    ],
)
def test_scenario_11_wrong_flags_are_refused_each_with_its_own_words(options: Any, message: str) -> None:
    """OTP ignores unknown keys, so that a typo becomes a default; here they are refused."""
    with pytest.raises(BadTree, match=f"bot: {message}"):
        Supervisor("bot", [], **options)


@pytest.mark.parametrize("auto_shutdown", ["any", "all"])
def test_scenario_13_significant_children_need_an_automatic_shutdown_and_an_end(auto_shutdown: Any) -> None:
    with pytest.raises(BadTree, match="means nothing with auto_shutdown='never'"):
        Supervisor("bot", [child("a", forever, restart="transient", significant=True)])
    with pytest.raises(BadTree, match="significant=True contradicts restart='permanent'"):
        Supervisor("bot", [child("a", forever, significant=True)], auto_shutdown=auto_shutdown)


def test_scenario_15_a_first_start_that_fails_undoes_the_started_ones_in_reverse_and_names_the_cause() -> None:
    tree = Supervisor("bot", [otp("a"), otp("b"), otp("c", on_cue(crash_at_start), ready_within=5.0), otp("d")])
    found = lived(tree)

    assert order_of_ends(found) == ["bot/c", "bot/b", "bot/a", "bot"]
    assert isinstance(found.error, GaveUp)
    assert "bot/c" in found.error.reason
    assert isinstance(found.error.exceptions[0], Boom)


crash_at_start = Cue("crash", after=0.0, ready_after=None)


def test_scenario_15_a_first_start_may_be_declared_to_be_retried() -> None:
    """OTP never retries a first start; one venue that is down at boot must not stop the bot."""
    late = otp("b", on_cue(crash_at_start, Cue()), ready_within=5.0, first_start="retry")
    found = lived(Supervisor("bot", [otp("a"), late, otp("c")]))

    assert found.error is None
    assert len(starts(found, "bot/b")) == 2
    assert len(starts(found, "bot/c")) == 1


def test_scenario_19_a_start_that_raises_has_a_record_with_the_stack_and_harms_nobody() -> None:
    """OTP gives the error to the caller of ``start_child`` and keeps no child; here the record is in the ledger."""
    seen: list[Any] = []
    bad = otp("bad", on_cue(crash_at_start), ready_within=5.0)
    tree = Supervisor("bot", [otp("a"), Supervisor("s", template=lambda name: bad.with_(restart="temporary"))])

    def add(running: Running) -> None:
        running.add_child("bot", bad)
        running.add_child("bot/s", "bad")

    found = lived(tree, (1.0, add), (2.0, lambda running: seen.extend([which(running), which(running, "bot/s")])))

    assert seen == [{"a": "ready", "s": "ready", "bad": "down"}, {}]
    for path in ("bot/bad", "bot/s/bad"):
        (end,) = found.of("ended", path)
        assert "in _end" in "".join(traceback.format_exception(end.end.exception))
        assert end.decision.action == "stop"
    assert found.error is None
