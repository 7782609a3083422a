"""The runtime against the reference model: the same definition and script must give the same events at the same times.

Times are drawn so that no two children act at the same instant by chance; coincidences are what test_laws is for.
"""

from collections import defaultdict
from math import sqrt
from typing import Any, get_args

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from supervisor import Backoff, Limit, Spread, Supervisor, child
from supervisor.testing import Cue, Line, OnCue, Recorder, expected, trace
from supervisor.testing._cues import How, WhenStopped
from supervisor.testing.strategies import seeds

DEFAULT = settings.get_profile("default").max_examples

# Two thousand schedules in the tests, two for each tree; a profile that asks for another number of trees gets that.
schedules = settings(
    max_examples=1000 if settings().max_examples == DEFAULT else settings().max_examples,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
coarse = st.sampled_from([0.0, 0.5, 1.0, 2.0, 3.0, 5.0])


class Distinct:
    """Makes times that do not meet: each has an irrational part of its own."""

    def __init__(self) -> None:
        self._count = 1

    def __call__(self, seconds: float) -> float:
        self._count += 1
        return seconds + sqrt(self._count) / 977 + 0.001


@st.composite
def cues(draw: st.DrawFn, apart: Distinct) -> Cue:
    return Cue(
        how=draw(st.sampled_from(get_args(How))),
        after=apart(draw(coarse)),
        ready_after=draw(st.one_of(st.just(None), coarse.map(apart))),
        when_stopped=draw(st.sampled_from(get_args(WhenStopped))),
        stopping_takes=apart(draw(coarse)),
    )


def constant(apart: Distinct, seconds: float) -> Backoff:
    delay = apart(seconds)
    return Backoff(delay, delay, delay)


@st.composite
def trees(draw: st.DrawFn, apart: Distinct, recorder: Recorder, name: str = "bot", depth: int = 2) -> Supervisor:
    below: list[Any] = []
    for place in range(draw(st.integers(1, 3 if depth else 2))):
        if depth and draw(st.integers(0, 3)) == 0:
            below.append(draw(trees(apart, recorder, f"s{place}", depth - 1)))
            continue
        restart = draw(st.sampled_from(["permanent", "permanent", "transient", "temporary"]))
        below.append(
            child(
                f"c{place}",
                OnCue(tuple(draw(st.lists(cues(apart), min_size=1, max_size=3))), recorder),
                restart=restart,  # type: ignore[arg-type]
                backoff=constant(apart, draw(coarse)),
                healthy_after=apart(draw(st.sampled_from([0.5, 3.0]))),
                max_failures=draw(st.sampled_from([None, None, 2, 4])),
                at_max=draw(st.sampled_from(["escalate", "park"])),  # type: ignore[arg-type]
                ready_within=draw(st.one_of(st.just(None), st.sampled_from([1.0, 2.0]).map(apart))),
                silence=draw(st.one_of(st.just(None), st.sampled_from([1.0, 2.0]).map(apart))),
                grace=apart(draw(st.sampled_from([0.0, 1.0, 4.0]))),
                bound=apart(draw(st.sampled_from([0.0, 1.0]))),
                first_start="fail" if restart == "temporary" else draw(st.sampled_from(["fail", "retry", "retry"])),  # type: ignore[arg-type]
            )
        )
    return Supervisor(
        name,
        below,
        strategy=draw(st.sampled_from(["one_for_one", "one_for_all", "rest_for_one"])),  # type: ignore[arg-type]
        limit=Limit(draw(st.integers(0, 5)), within=apart(10.0), then=draw(st.sampled_from(["escalate", "park"]))),  # type: ignore[arg-type]
        backoff=constant(apart, draw(coarse)),
        healthy_after=apart(3.0),
        first_start=draw(st.sampled_from(["fail", "retry"])),  # type: ignore[arg-type]
        spread=Spread(failures=10**6),
    )


def by_path(lines: list[Line]) -> dict[str, list[tuple[float, str, int, str]]]:
    sorted_out: dict[str, list[tuple[float, str, int, str]]] = defaultdict(list)
    for at, kind, path, generation, details in lines:
        sorted_out[path].append((round(at, 6), kind, generation, details))
    return dict(sorted_out)


def observed(tree: Supervisor, recorder: Recorder, until: float, schedule_seed: int) -> list[Line]:
    lines: list[Line] = []
    for event in trace(tree, recorder, until=until, schedule_seed=schedule_seed).events:
        if event.path == tree.name or event.kind == "note":
            continue
        details = ""
        if event.kind == "ended":
            end, decision = event.end, event.decision  # type: ignore[attr-defined]
            details = f"{end.kind} {decision.action} {decision.failures}"
        lines.append((event.at, event.kind, event.path, event.generation, details))
    return lines


@schedules
@given(st.data(), seeds)
def test_the_runtime_does_what_the_model_says(data: st.DataObject, schedule_seed: int) -> None:
    apart, recorder = Distinct(), Recorder()
    tree = data.draw(trees(apart, recorder))
    for until in (apart(data.draw(st.sampled_from([0.3, 1.0, 4.0]))), apart(25.0)):
        found = by_path(observed(tree, recorder, until, schedule_seed))
        wanted = by_path(expected(tree, until=until))

        differing = {path: (found.get(path), wanted.get(path)) for path in found | wanted}
        differing = {path: both for path, both in differing.items() if both[0] != both[1]}
        assert not differing, f"until {until}\n{tree}\n(found, wanted) by path: {differing}"
