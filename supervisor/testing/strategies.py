"""Hypothesis strategies for trees and for the schedules of their failures. Needs Hypothesis installed."""

from __future__ import annotations

from typing import Any, get_args

from hypothesis import strategies as st

from .._actor import child as make_child
from .._policy import Backoff, Limit
from .._spec import Child, Node, Supervisor
from .._strategy import STRATEGIES
from ._cues import Cue, How, OnCue, Recorder, WhenStopped

# Coarse times make coincidences likely, and those are where supervisors go wrong.
times: st.SearchStrategy[float] = st.sampled_from([0.0, 0.0, 0.5, 1.0, 1.5, 2.0, 3.0])
seeds: st.SearchStrategy[int] = st.integers(0, 2**32 - 1)


@st.composite
def cues(draw: st.DrawFn) -> Cue:
    """What one incarnation does."""
    return Cue(
        how=draw(st.sampled_from(get_args(How))),
        after=draw(times),
        ready_after=draw(st.one_of(times, st.none())),
        when_stopped=draw(st.sampled_from(get_args(WhenStopped))),
        stopping_takes=draw(times),
    )


backoffs: st.SearchStrategy[Backoff] = st.builds(
    lambda floor, more, cap, first: Backoff(floor, floor + more, floor + more + cap, immediate_first=first),
    st.sampled_from([0.0, 0.25, 1.0]),
    st.sampled_from([0.0, 0.5]),
    st.sampled_from([0.0, 4.0]),
    st.booleans(),
)

limits: st.SearchStrategy[Limit] = st.builds(
    Limit, st.integers(0, 6), st.sampled_from([1.0, 5.0, 60.0]), st.sampled_from(["escalate", "park"])
)


@st.composite
def children(draw: st.DrawFn, name: str, recorder: Recorder) -> Child:
    """One actor that plays a drawn script."""
    script = tuple(draw(st.lists(cues(), min_size=1, max_size=4)))
    restart = draw(st.sampled_from(["permanent", "transient", "temporary"]))
    options: dict[str, Any] = {
        "restart": restart,
        "backoff": draw(backoffs),
        "healthy_after": draw(st.sampled_from([0.5, 2.0, 30.0])),
        "max_failures": draw(st.sampled_from([None, None, 1, 3])),
        "at_max": draw(st.sampled_from(["escalate", "park"])),
        "ready_within": draw(st.sampled_from([None, 1.0, 2.5])),
        "silence": draw(st.sampled_from([None, None, 1.0])),
        "grace": draw(st.sampled_from([0.0, 1.0, 2.0])),
        "bound": draw(st.sampled_from([0.0, 0.5])),
    }
    if restart != "temporary":
        options["first_start"] = draw(st.sampled_from(["fail", "retry"]))
    return make_child(name, OnCue(script, recorder), **options)


@st.composite
def trees(draw: st.DrawFn, recorder: Recorder, name: str = "bot", depth: int = 2) -> Supervisor:
    """A tree of actors that fail on cue."""
    below: list[Node] = []
    for place in range(draw(st.integers(0 if depth < 2 else 1, 4))):
        if depth > 0 and draw(st.integers(0, 3)) == 0:
            below.append(draw(trees(recorder, f"s{place}", depth - 1)))
        else:
            below.append(draw(children(f"c{place}", recorder)))
    return Supervisor(
        name,
        below,
        strategy=draw(st.sampled_from(STRATEGIES)),
        limit=draw(limits),
        restart=draw(st.sampled_from(["permanent", "transient"])),
        backoff=draw(backoffs),
        first_start=draw(st.sampled_from(["fail", "retry"])),
    )
