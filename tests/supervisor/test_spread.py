"""When many children fail for one reason their restarts are spread; single failures, and different ones, are not."""

from random import Random
from typing import Any

import pytest
import trio

from supervisor import Backoff, BadTree, Child, Limit, Me, Spread, Supervisor, child
from supervisor._judge import Spreader
from supervisor.testing import Trace, check_failure_conservation, check_restarts_keep_their_delays, trace

tenth = Backoff(0.1, 0.1, 0.1)
many = Limit(1000, 60.0)


def fails_at(seconds: float, error: Exception) -> Any:
    async def run(me: Me) -> None:
        await trio.sleep(seconds if me.generation == 1 else 1000.0)
        raise error

    return run


def fleet(count: int, error: type[Exception] = ConnectionResetError, apart: float = 0.01) -> list[Child]:
    return [child(f"c{place}", fails_at(5.0 + place * apart, error()), backoff=tenth) for place in range(count)]


def lived(tree: Supervisor) -> Trace:
    found = trace(tree, until=60.0)
    check_failure_conservation(found)
    check_restarts_keep_their_delays(found, tree)
    return found


def delays(found: Trace) -> list[float]:
    return [event.decision.delay for event in found.of("ended") if event.decision.action == "restart"]


def test_the_restarts_after_a_common_cause_are_spread_and_those_before_it_was_seen_are_not() -> None:
    found = delays(lived(Supervisor("bot", fleet(100), limit=many, spread=Spread(8, within=1.0, over=5.0))))

    assert found[:7] == [0.1] * 7
    assert all(0.1 <= delay <= 5.1 for delay in found[7:])
    assert len({round(delay, 3) for delay in found[7:]}) > 80
    assert max(found) - min(found[7:]) > 4.0


def test_the_spreading_is_said_in_the_decision() -> None:
    found = lived(Supervisor("bot", fleet(10), limit=many, spread=Spread(3, within=1.0, over=5.0)))
    reasons = [event.decision.reason for event in found.of("ended") if event.decision.action == "restart"]

    assert ["many fail alike" in reason for reason in reasons] == [False] * 2 + [True] * 8


def test_the_law_of_delays_knows_how_far_restarts_are_spread() -> None:
    tree = Supervisor("bot", fleet(100), limit=many, spread=Spread(8, within=1.0, over=5.0))
    found = lived(tree)

    with pytest.raises(AssertionError, match="spread"):
        check_restarts_keep_their_delays(found, Supervisor("bot", fleet(100), limit=many, spread=Spread(8, over=0.0)))
    below = Supervisor("bot", [Supervisor("group", fleet(100), limit=many)], spread=Spread(8, within=1.0, over=5.0))
    assert max(delays(lived(below))) > 4.0, "a group without a spread of its own has that of the supervisor above it"


def test_failures_that_are_far_apart_have_no_common_cause() -> None:
    found = lived(Supervisor("bot", fleet(8, apart=0.5), limit=many, spread=Spread(4, within=1.0, over=5.0)))

    assert delays(found) == [0.1] * 8


def test_different_reasons_are_no_common_cause() -> None:
    kinds = (ConnectionResetError, ValueError, KeyError, OSError, TimeoutError, TypeError, LookupError, EOFError)
    below = [child(f"c{place}", fails_at(5.0, kind()), backoff=tenth) for place, kind in enumerate(kinds)]

    assert delays(lived(Supervisor("bot", below, limit=many, spread=Spread(3)))) == [0.1] * 8


def test_the_same_class_with_another_errno_is_another_reason() -> None:
    below = [child(f"c{place}", fails_at(5.0, OSError(place, "no")), backoff=tenth) for place in range(8)]

    assert delays(lived(Supervisor("bot", below, limit=many, spread=Spread(3)))) == [0.1] * 8


def test_one_child_that_fails_again_and_again_is_no_common_cause() -> None:
    spreader = Spreader(Spread(3, within=10.0, over=5.0))

    assert [spreader.delay("bot/a", ConnectionResetError(), at, Random(1)) for at in (1.0, 2.0, 3.0, 4.0)] == [0.0] * 4


def test_by_default_the_whole_tree_is_watched_and_a_supervisor_can_be_watched_apart() -> None:
    def tree(**options: Any) -> Supervisor:
        groups = [Supervisor(f"s{place}", fleet(4), limit=many, **options) for place in range(4)]
        return Supervisor("bot", groups)

    assert any(delay > 0.1 for delay in delays(lived(tree())))
    assert delays(lived(tree(spread=Spread(5)))) == [0.1] * 16


def test_the_cause_is_looked_for_inside_groups() -> None:
    def group() -> Exception:
        return ExceptionGroup("nursery", [ConnectionResetError()])

    below = [child(f"c{place}", fails_at(5.0, group()), backoff=tenth) for place in range(8)]
    found = delays(lived(Supervisor("bot", below, limit=many, spread=Spread(8))))

    assert found[-1] > 0.1


def test_a_spreader_remembers_a_bounded_number_of_causes() -> None:
    spreader = Spreader(Spread(2, within=10.0))
    for place in range(1000):
        kind = type(f"Kind{place}", (Exception,), {})
        spreader.delay(f"bot/{place}", kind(), 1.0, Random(1))

    assert len(spreader._failed) <= 16


@pytest.mark.parametrize("wrong", [Spread(failures=0), Spread(within=-1.0), Spread(over=float("nan"))])
def test_a_spread_that_makes_no_sense_is_refused(wrong: Spread) -> None:
    with pytest.raises(BadTree, match=r"spread\."):
        Supervisor("bot", [], spread=wrong)
