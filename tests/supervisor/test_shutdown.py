"""Significant children and automatic shutdown: any, all, nested; and what does not count as their end."""

from typing import Any, Literal

import pytest
import trio

from supervisor import Backoff, BadTree, Child, Me, Supervisor, child
from supervisor.testing import Cue, OnCue, Recorder, Step, Trace, check_failure_conservation, trace

soon = Backoff(0.5, 0.5, 0.5)


async def forever(me: Me) -> None:
    await trio.sleep_forever()


def significant(
    name: str, *cues: Cue, restart: Literal["transient", "temporary"] = "transient", **options: Any
) -> Child:
    return child(name, OnCue(cues or (Cue(),), Recorder()), restart=restart, significant=True, backoff=soon, **options)


def lived(tree: Supervisor, *steps: Step, until: float = 20.0) -> Trace:
    found = trace(tree, until=until, steps=steps)
    check_failure_conservation(found)
    return found


def ended_at(found: Trace, path: str = "bot") -> float:
    at: float = found.of("ended", path)[-1].at
    return at


@pytest.mark.parametrize("restart", ["transient", "temporary"])
def test_any_the_normal_end_of_one_significant_child_ends_the_supervisor_normally_in_reverse_order(
    restart: Any,
) -> None:
    tree = Supervisor(
        "bot",
        [child("a", forever), significant("b", Cue("return", after=3.0), restart=restart), child("c", forever)],
        auto_shutdown="any",
    )
    found = lived(tree)

    assert [(event.path, event.at) for event in found.of("ended")] == [
        ("bot/b", 3.0),
        ("bot/c", 3.0),
        ("bot/a", 3.0),
        ("bot", 3.0),
    ]
    assert found.error is None
    assert "auto_shutdown: bot/b has ended" in found.of("ended", "bot/a")[0].decision.reason


def test_all_only_the_last_end_counts() -> None:
    tree = Supervisor(
        "bot",
        [significant("a", Cue("return", after=3.0)), significant("b", Cue("return", after=7.0)), child("c", forever)],
        auto_shutdown="all",
    )

    assert ended_at(lived(tree)) == 7.0


def test_all_a_significant_child_that_waits_for_its_restart_is_still_there() -> None:
    tree = Supervisor(
        "bot",
        [
            significant("a", Cue("crash", after=2.0), Cue("return", after=5.0)).with_(backoff=Backoff(3.0, 3.0, 3.0)),
            significant("b", Cue("return", after=3.0)),
        ],
        auto_shutdown="all",
    )

    assert ended_at(lived(tree)) == 10.0


def test_a_crash_of_a_transient_child_restarts_it_and_a_crash_of_a_temporary_one_is_its_end() -> None:
    crash_once = (Cue("crash", after=2.0), Cue())

    assert ended_at(lived(Supervisor("bot", [significant("a", *crash_once)], auto_shutdown="any"))) == 20.0
    assert (
        ended_at(lived(Supervisor("bot", [significant("a", *crash_once, restart="temporary")], auto_shutdown="any")))
        == 2.0
    )


def test_a_failure_that_is_declared_as_an_end_is_not_a_normal_one() -> None:
    tree = Supervisor("bot", [significant("a", Cue("crash", after=2.0), on={Exception: "stop"})], auto_shutdown="any")

    assert ended_at(lived(tree)) == 20.0


@pytest.mark.parametrize("verb", ["stop_child", "park_child", "remove_child"])
@pytest.mark.parametrize("auto_shutdown", ["any", "all"])
def test_what_an_operator_ends_does_not_end_the_supervisor(verb: str, auto_shutdown: Any) -> None:
    tree = Supervisor("bot", [significant("a"), child("b", forever)], auto_shutdown=auto_shutdown)

    assert ended_at(lived(tree, (2.0, lambda running: getattr(running, verb)("bot/a")))) == 20.0


def test_a_temporary_child_that_is_stopped_with_the_group_of_a_sibling_does_not_end_the_supervisor() -> None:
    crashing = child("x", OnCue((Cue("crash", after=2.0), Cue()), Recorder()), backoff=soon)
    tree = Supervisor(
        "bot",
        [crashing, significant("a", restart="temporary")],
        strategy="one_for_all",
        auto_shutdown="any",
    )
    found = lived(tree)

    assert found.of("ended", "bot/a")[0].at == 2.0
    assert ended_at(found) == 20.0


def nested(**inner: Any) -> Supervisor:
    below = Supervisor("b", [significant("c", Cue("return", after=3.0))], auto_shutdown="any", **inner)
    return Supervisor("bot", [child("a", forever), below], auto_shutdown="any")


def test_the_shutdown_of_a_significant_supervisor_goes_on_upwards() -> None:
    found = lived(nested(restart="transient", significant=True))

    assert [event.path for event in found.of("ended")] == ["bot/b/c", "bot/b", "bot/a", "bot"]
    assert ended_at(found) == 3.0
    assert found.of("ended", "bot/b")[0].end.kind == "returned"


def test_the_shutdown_of_another_supervisor_ends_there() -> None:
    found = lived(nested(restart="transient"))

    assert ended_at(found, "bot/b") == 3.0
    assert ended_at(found) == 20.0


def test_a_permanent_supervisor_that_shut_itself_down_is_started_again() -> None:
    found = lived(nested(backoff=soon), until=6.0)

    assert [event.at for event in found.of("started", "bot/b")] == [0.0, 3.5]


def test_giving_up_is_a_failure_and_not_a_normal_end_of_a_significant_supervisor() -> None:
    """In OTP a supervisor over its limit ends with ``shutdown``, which its parent takes for a normal end."""
    crashing = child("c", OnCue((Cue("crash", after=1.0), Cue()), Recorder()), max_failures=1)
    below = Supervisor("b", [crashing], restart="transient", significant=True, backoff=soon, auto_shutdown="never")
    found = lived(Supervisor("bot", [below], auto_shutdown="any"))

    assert [event.at for event in found.of("started", "bot/b")] == [0.0, 1.5]
    assert ended_at(found) == 20.0


@pytest.mark.parametrize(
    ("children", "options", "message"),
    [
        ([significant("a")], {}, "means nothing with auto_shutdown='never'"),
        ([significant("a").with_(restart="permanent")], {"auto_shutdown": "any"}, "contradicts restart='permanent'"),
        ([], {"auto_shutdown": "sometimes"}, "auto_shutdown must be one of"),
        ([], {"auto_shutdown": "any", "template": significant}, "template= contradicts auto_shutdown"),
    ],
)
def test_combinations_that_make_no_sense_are_refused(children: list[Child], options: Any, message: str) -> None:
    with pytest.raises(BadTree, match=message):
        Supervisor("bot", children, **options)
