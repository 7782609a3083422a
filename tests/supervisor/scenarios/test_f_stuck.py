"""Section F: restart loops that get stuck."""

from typing import Any

from supervisor import Supervisor, child
from supervisor.testing import Cue

from .common import AT_ONCE, counts, lived, never, on_cue, otp, starts, which


def test_scenario_69_stopping_the_child_that_restarts_holds_those_after_it_and_starting_it_brings_them_back() -> None:
    """In OTP c3 stays down for ever, because nobody remembers why it is down. Here it is held, and released."""
    seen: list[Any] = []
    fails = Cue("crash", after=0.0, ready_after=None)
    c2 = child("c2", on_cue(Cue("crash"), fails, fails, Cue()), ready_within=5.0)
    tree = Supervisor("bot", [otp("c1"), c2, otp("c3")], strategy="rest_for_one", limit=never(100))

    def look(running: Any) -> None:
        seen.append((which(running), counts(running)))

    found = lived(
        tree,
        (1.1, look),
        (1.2, lambda running: running.stop_child("bot/c2")),
        (40.0, look),
        (40.0, lambda running: seen.append(running.explain("bot/c3"))),
        (41.0, lambda running: running.start_child("bot/c2")),
        (59.0, look),
    )

    assert seen[0] == ({"c1": "ready", "c2": "waiting", "c3": "waiting"}, (3, 1, 0, 3))
    assert seen[1] == ({"c1": "ready", "c2": "down", "c3": "waiting"}, (3, 1, 0, 3))
    assert "It is held: it depends on bot/c2, which is down." in seen[2]
    assert seen[3] == ({"c1": "ready", "c2": "ready", "c3": "ready"}, (3, 3, 0, 3))
    assert starts(found, "bot/c1") == [0.0]
    assert starts(found, "bot/c2")[1] == 41.0


def test_scenario_69_a_restart_that_hangs_does_not_keep_its_supervisor_from_serving() -> None:
    """OTP's supervisor handles no messages while a child starts, and has no start timeout."""
    seen: list[Any] = []
    hangs = Cue("hang", ready_after=None)
    c2 = otp("c2", on_cue(Cue("crash"), hangs, Cue()), ready_within=10.0, backoff=AT_ONCE)
    found = lived(
        Supervisor("bot", [otp("c1"), c2, otp("c3")], strategy="rest_for_one", limit=never(100)),
        (2.0, lambda running: seen.append(which(running))),
        (3.0, lambda running: running.restart_child("bot/c2")),
    )

    assert seen == [{"c1": "ready", "c2": "starting", "c3": "waiting"}]
    assert starts(found, "bot/c2") == [0.0, 1.0, 3.0]
    assert starts(found, "bot/c3") == [0.0, 3.0]
