"""How an end is classified, and what a policy wants after it."""

import pytest
import trio

from supervisor import End, ForeignCancelled, GaveUp, PlannedEnd, Policy, StaleActor, StopActor
from supervisor._outcome import classify, describe, sort_caught, verdict


def end_of(error: BaseException | None, *, cancelled: bool = False, cause: BaseException | None = None) -> End:
    return classify(
        sort_caught(error),
        cancel_called=cancelled,
        cause=cause,
        cause_kind=None if cause is None else "stale",
        started_at=0.0,
        ended_at=1.0,
        ready_at=0.5,
    )


async def a_cancelled() -> trio.Cancelled:
    with trio.CancelScope() as scope:
        scope.cancel()
        try:
            await trio.lowlevel.checkpoint()
        except trio.Cancelled as caught:
            return caught
    raise AssertionError("unreachable")


@pytest.mark.parametrize(
    ("error", "cancelled", "kind"),
    [
        (None, False, "returned"),
        (None, True, "stopped"),
        (OSError("x"), False, "crashed"),
        (OSError("x"), True, "crashed"),
        (PlannedEnd("24 h"), False, "planned"),
        (PlannedEnd("24 h"), True, "stopped"),
        (StopActor("done"), False, "returned"),
        (ExceptionGroup("both", [PlannedEnd("24 h"), OSError("x")]), False, "crashed"),
        (ExceptionGroup("both", [PlannedEnd("24 h"), PlannedEnd("again")]), False, "planned"),
        (GaveUp("bot/x", "limit", [PlannedEnd("24 h")], 3), False, "crashed"),
        (KeyboardInterrupt(), False, "exit"),
        (BaseExceptionGroup("g", [OSError("x"), SystemExit(3)]), False, "exit"),
    ],
)
def test_ends_are_classified_by_what_came_out_and_whether_we_had_cancelled(
    error: BaseException | None, cancelled: bool, kind: str
) -> None:
    assert end_of(error, cancelled=cancelled).kind == kind


async def test_a_cancellation_is_ours_only_if_our_scope_was_cancelled() -> None:
    error = await a_cancelled()

    assert end_of(error, cancelled=True).kind == "stopped"
    foreign = end_of(error, cancelled=False)
    assert foreign.kind == "crashed"
    assert isinstance(foreign.exception, ForeignCancelled)


async def test_a_real_failure_beside_a_cancellation_is_kept() -> None:
    error = BaseExceptionGroup("g", [await a_cancelled(), OSError("x")])

    end = end_of(error, cancelled=True)

    assert end.kind == "crashed"
    assert "OSError: x" in describe(end.exception or OSError())


async def test_what_a_cancellation_hides_is_recorded() -> None:
    hidden = OSError("hidden")
    error = await a_cancelled()
    error.__context__ = hidden

    assert end_of(error, cancelled=True).masked == (hidden,)
    assert end_of(error, cancelled=False).masked == (hidden,)


async def test_a_group_of_nothing_but_cancellations_hides_nothing() -> None:
    hidden = OSError("hidden")
    error, other = await a_cancelled(), await a_cancelled()
    error.__context__ = BaseExceptionGroup("nursery", [other])
    error.__context__.__context__ = BaseExceptionGroup("nursery", [other, hidden])

    masked = end_of(error, cancelled=True).masked

    assert [str(leaf) for group in masked for leaf in group.exceptions] == ["hidden"]  # type: ignore[attr-defined]


def test_a_stale_child_that_crashes_in_its_cleanup_is_stale_and_keeps_the_crash() -> None:
    crash = OSError("in cleanup")

    end = end_of(crash, cancelled=True, cause=StaleActor("silent"))

    assert (end.kind, end.masked) == ("stale", (crash,))


class Unauthorized(Exception):
    pass


@pytest.mark.parametrize(
    ("error", "action"),
    [
        (Unauthorized(), "park"),
        (OSError(), "restart_now"),
        (ConnectionError(), "restart_now"),
        (ValueError(), "restart"),
        (ExceptionGroup("g", [OSError(), Unauthorized()]), "park"),
        (ExceptionGroup("g", [OSError(), ExceptionGroup("h", [Unauthorized(), ValueError()])]), "park"),
        (ExceptionGroup("g", [OSError(), ValueError()]), "restart"),
        (GaveUp("bot/x", "limit", [Unauthorized()], 1), "escalate"),
    ],
)
def test_the_first_matching_class_decides_and_the_worst_leaf_of_a_group(error: BaseException, action: str) -> None:
    policy = Policy(on={Unauthorized: "park", GaveUp: "escalate", OSError: "restart_now"})  # type: ignore[arg-type]

    assert verdict(policy, end_of(error))[0] == action


def test_a_key_for_all_exceptions_does_not_hide_the_leaves_of_a_group() -> None:
    policy = Policy(on={Unauthorized: "park", Exception: "restart"})  # type: ignore[arg-type]

    assert verdict(policy, end_of(ExceptionGroup("g", [OSError(), Unauthorized()])))[0] == "park"


@pytest.mark.parametrize(
    ("restart", "returned", "crashed", "planned"),
    [
        ("permanent", "restart", "restart", "restart_now"),
        ("transient", "stop", "restart", "restart_now"),
        ("temporary", "stop", "stop", "stop"),
    ],
)
def test_restart_kinds(restart: str, returned: str, crashed: str, planned: str) -> None:
    policy = Policy(restart=restart)  # type: ignore[arg-type]

    assert verdict(policy, end_of(None))[0] == returned
    assert verdict(policy, end_of(OSError()))[0] == crashed
    assert verdict(policy, end_of(PlannedEnd()))[0] == planned
    assert verdict(policy, end_of(KeyboardInterrupt()))[0] == "escalate"


def test_splitting_a_gave_up_keeps_its_type_and_what_it_says() -> None:
    try:
        raise GaveUp("bot/x", "limit", [OSError("a"), ValueError("b")], 7)
    except* OSError as caught:
        part = caught
    except* ValueError:
        pass

    assert isinstance(part, GaveUp)
    assert (part.path, part.total, part.reason) == ("bot/x", 7, "limit")
