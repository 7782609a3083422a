"""any_failure.py: a tree under failures that Hypothesis invents. Start it with `python any_failure.py`."""

from hypothesis import given, settings
from hypothesis import strategies as st

from supervisor import Backoff, Limit, Supervisor, child
from supervisor.testing import (
    Cue,
    OnCue,
    Recorder,
    check_failure_conservation,
    check_order_and_end,
    check_restarts_keep_their_delays,
    trace,
)
from supervisor.testing.strategies import cues, seeds

scripts = st.lists(cues(), min_size=1, max_size=4).map(tuple)


@settings(deadline=None)
@given(scripts, scripts, seeds, seeds)
def test_the_laws_hold_whatever_the_source_and_the_strategy_do(
    source: tuple[Cue, ...], strategy: tuple[Cue, ...], seed: int, schedule_seed: int
) -> None:
    """The seeds are drawn, too: one fixes the jitter, the other the order in which Trio runs what is ready at once."""
    recorder = Recorder()
    tree = Supervisor(
        "bot",
        [
            child("source", OnCue(source, recorder), first_start="retry", ready_within=5.0, silence=2.0),
            child("strategy", OnCue(strategy, recorder), restart="transient", backoff=Backoff(cap=5.0)),
        ],
        strategy="rest_for_one",
        limit=Limit(restarts=5, within=30.0),
    )
    found = trace(tree, recorder, until=60.0, seed=seed, schedule_seed=schedule_seed)

    check_failure_conservation(found)
    check_restarts_keep_their_delays(found, tree)
    # Shields and swallowed cancellations are among the cues; nobody can end those before their time.
    shields = sum(max(cue.stopping_takes for cue in script) for script in (source, strategy))
    check_order_and_end(found, tree, slack=shields)


if __name__ == "__main__":
    test_the_laws_hold_whatever_the_source_and_the_strategy_do()
    print("the laws hold")
