"""A reference model of the supervisor: a definition and its scripts in, what must happen out.

It is written apart from the runtime and unlike it: no Trio, no timers that are taken back, no cursors. It keeps a queue
of future moments and, after each, applies rules to the whole of every supervisor until nothing changes. Slow, and easy to
check by reading. It covers actors that play cues (`OnCue`), all strategies, restart kinds, limits, first starts,
readiness, silence, grace and nesting; not operators, budgets, templates and spreading.

Jitter is outside: give it backoffs whose floor, base and cap are equal. So are coincidences: where two children act at
the same instant the scheduler chooses the order, and more than one outcome is right.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable
from itertools import count
from typing import Literal

import attrs

from .._spec import Child, Supervisor
from .._strategy import restarts_with
from ._cues import Cue, OnCue

Line = tuple[float, str, str, int, str]
"""One expected event: time, kind, path, incarnation, and for an end how it was and what was decided."""

Phase = Literal["idle", "starting", "ready", "ending", "down", "parked"]
_ALIVE = ("starting", "ready", "ending")
_PLANNED_NOT_BEFORE = 1.0
_ENDS = {
    "return": "returned",
    "stop": "returned",
    "planned": "planned",
    "crash": "crashed",
    "group": "crashed",
    "foreign_cancelled": "crashed",
    "masked": "crashed",
}


@attrs.define(eq=False)
class _Kid:
    """One child of one incarnation of a supervisor."""

    node: Child | Supervisor
    path: str
    place: int
    generation: int = 0
    phase: Phase = "down"
    group: int | None = None
    doomed: bool = False
    """Whether it must end before its group can start."""
    failures: int = 0
    was_ready: bool = False
    started: float = 0.0
    ready_at: float | None = None
    asked: str = ""
    verdict: str = ""
    """How its end will be recorded, where it was ended for being stuck."""
    hung: bool = False
    inner: _Sup | None = None


@attrs.define(eq=False)
class _Sup:
    """One incarnation of a supervisor."""

    node: Supervisor
    kids: list[_Kid]
    above: _Kid | None
    phase: Literal["running", "stopping", "over"] = "running"
    due: dict[int, float] = attrs.Factory(dict)
    first: int | None = None
    restarts: list[float] = attrs.Factory(list)
    gave_up: bool = False
    owner: _Sup | None = None


def expected(tree: Supervisor, *, until: float) -> list[Line]:
    """Return what must happen when this tree is opened at 0 and stopped at ``until`` (seconds).

    Ends with the events of the root itself left out: `Running` writes those.
    """
    return _World(tree, until).play()


class _World:
    def __init__(self, tree: Supervisor, until: float) -> None:
        self.now = 0.0
        self.log: list[Line] = []
        self._queue: list[tuple[float, int, Callable[[], None]]] = []
        self._serial = count()
        self._groups = count()
        self._generations: dict[str, int] = {}
        self._root = self._new_sup(tree, tree.name, None, None)
        self._until = until

    def play(self) -> list[Line]:
        """Run to the end."""
        self._begin(self._root)
        self._at(self._until, lambda: self._stop(self._root))
        while self._queue and self._root.phase != "over":
            self.now, _, act = heapq.heappop(self._queue)
            act()
        return self.log

    # Plumbing --------------------------------------------------------------------------------------------------

    def _at(self, time: float, act: Callable[[], None]) -> None:
        heapq.heappush(self._queue, (max(time, self.now), next(self._serial), act))

    def _for_life(self, kid: _Kid, time: float, act: Callable[[], None]) -> None:
        """Do something at a time, if the child still lives the same incarnation then."""
        generation = kid.generation
        self._at(time, lambda: act() if kid.generation == generation and kid.phase in _ALIVE else None)

    def _say(self, kind: str, kid: _Kid, details: str = "") -> None:
        self.log.append((self.now, kind, kid.path, kid.generation, details))

    def _new_sup(self, node: Supervisor, path: str, above: _Kid | None, owner: _Sup | None) -> _Sup:
        kids = [_Kid(child, f"{path}/{child.name}", place) for place, child in enumerate(node.children)]
        return _Sup(node, kids, above, owner=owner)

    # Starting --------------------------------------------------------------------------------------------------

    def _begin(self, sup: _Sup) -> None:
        sup.first = next(self._groups)
        sup.due[sup.first] = self.now
        for kid in sup.kids:
            kid.phase, kid.group = "idle", sup.first
        self._settle(sup)

    def _start(self, sup: _Sup, kid: _Kid) -> None:
        kid.generation = self._generations[kid.path] = self._generations.get(kid.path, 0) + 1
        kid.phase, kid.started, kid.ready_at = "starting", self.now, None
        kid.asked = kid.verdict = ""
        kid.hung = False
        self._say("started", kid)
        if isinstance(kid.node, Supervisor):
            kid.inner = self._new_sup(kid.node, kid.path, kid, sup)
            self._begin(kid.inner)
            return
        policy, cue = kid.node.policy, _cue(kid)
        if policy.ready_within is not None:
            limit = policy.ready_within
            self._for_life(kid, self.now + limit, lambda: self._stuck(sup, kid, "start_timeout", ("starting",)))
        opened = self.now
        if policy.ready_within is None:
            self._ready(sup, kid)
        if cue.ready_after is not None:
            opened += cue.ready_after
            self._for_life(kid, opened, lambda: self._ready(sup, kid))
        self._script(sup, kid, cue, opened)

    def _script(self, sup: _Sup, kid: _Kid, cue: Cue, opened: float) -> None:
        """Put what the cue does by itself onto the queue, and when its silence is noticed."""
        if cue.how not in ("hang", "hang_without_beat"):
            self._for_life(kid, opened + cue.after, lambda: self._own_end(sup, kid, _ENDS[cue.how]))
        silence = kid.node.policy.silence
        if silence is None:
            return
        listening = self.now if kid.node.policy.ready_within is None else opened
        if cue.ready_after is None and kid.node.policy.ready_within is not None:
            return  # It never becomes ready, so nobody listens for beats.
        if listening + silence < opened:
            self._for_life(kid, listening + silence, lambda: self._stuck(sup, kid, "stale", ("ready",)))
        elif cue.how == "hang_without_beat":
            # Becoming ready counts as a sign of life only where it is what readiness waits for.
            self._for_life(kid, listening + silence, lambda: self._stuck(sup, kid, "stale", ("ready",)))

    def _ready(self, sup: _Sup, kid: _Kid) -> None:
        if kid.phase != "starting":
            return
        kid.phase, kid.ready_at, kid.was_ready = "ready", self.now, True
        kid.group = None
        self._say("ready", kid)
        self._settle(sup)

    # Ending ----------------------------------------------------------------------------------------------------

    def _ask(self, sup: _Sup, kid: _Kid, why: str) -> None:
        kid.phase, kid.asked = "ending", why
        self._say("stopping", kid)
        if kid.inner is not None and isinstance(kid.node, Supervisor):
            inner = kid.inner
            self._at(self.now, lambda: self._stop(inner))
            return
        policy, cue = kid.node.policy, _cue(kid)
        takes = 0.0 if cue.when_stopped in ("end", "crash") else cue.stopping_takes
        if cue.when_stopped == "clean_up":
            takes = min(takes, policy.grace)
        how = "crashed" if cue.when_stopped == "crash" else "stopped"
        if takes > policy.grace + policy.bound:
            self._for_life(kid, self.now + policy.grace + policy.bound, lambda: self._hang(sup, kid))
        self._for_life(kid, self.now + takes, lambda: self._end(sup, kid, how))

    def _hang(self, sup: _Sup, kid: _Kid) -> None:
        kid.hung = True
        self._say("unstoppable", kid)
        self._settle(sup)

    def _stuck(self, sup: _Sup, kid: _Kid, verdict: str, phases: tuple[str, ...]) -> None:
        if kid.phase in phases:
            kid.verdict = verdict
            self._ask(sup, kid, "failure")

    def _own_end(self, sup: _Sup, kid: _Kid, how: str) -> None:
        if kid.phase != "ending":  # An asked one ends the way in which it reacts to being asked.
            self._end(sup, kid, how)

    def _stop(self, sup: _Sup) -> None:
        if sup.phase == "running":
            sup.phase = "stopping"
            for kid in sup.kids:
                kid.group, kid.doomed = None, False
                if kid.phase == "idle":
                    kid.phase = "down"
            self._settle(sup)

    def _end(self, sup: _Sup, kid: _Kid, how: str) -> None:
        how = kid.verdict or how
        failed = how in ("crashed", "stale", "start_timeout")
        for_group = kid.asked == "group" or kid.doomed
        kid.asked, kid.verdict, kid.hung, kid.doomed = "", "", False, False
        kid.inner = None
        if sup.phase != "running":
            kid.phase = "down"
            self._record(kid, how, "ignored" if failed else "stop")
        elif for_group:
            temporary = kid.node.policy.restart == "temporary"
            kid.phase = "down" if temporary else "idle"
            kid.group = None if temporary else kid.group
            self._record(kid, how, "stop" if temporary else "restart")
        else:
            self._decide(sup, kid, how, failed)
        self._settle(sup)

    def _record(self, kid: _Kid, how: str, action: str) -> None:
        self._say("ended", kid, f"{how} {action} {kid.failures}")

    def _decide(self, sup: _Sup, kid: _Kid, how: str, failed: bool) -> None:
        policy = kid.node.policy
        if kid.ready_at is not None and self.now - kid.ready_at >= policy.healthy_after:
            kid.failures = 0
        planned = how == "planned" and policy.restart != "temporary"
        again = policy.restart == "permanent" or (policy.restart == "transient" and failed)
        if planned and self.now - kid.started >= _PLANNED_NOT_BEFORE:
            self._regroup(sup, kid, self.now, planned=True)
            self._record(kid, how, "planned_restart")
            return
        again = again or planned
        kid.failures += again
        action = "restart" if again else "stop"
        if failed and not kid.was_ready and policy.first_start == "fail":
            action = "escalate"
        elif again and policy.max_failures is not None and kid.failures >= policy.max_failures:
            action = policy.at_max
        elif again:
            limit = sup.node.limit
            sup.restarts = [at for at in sup.restarts if self.now - at <= limit.within]
            if len(sup.restarts) >= limit.restarts:
                action = limit.then
            else:
                sup.restarts.append(self.now)
        self._carry_out(sup, kid, how, action)

    def _carry_out(self, sup: _Sup, kid: _Kid, how: str, action: str) -> None:
        if action == "restart":
            self._regroup(sup, kid, self.now + _delay(kid), planned=False)
        elif action == "park":
            kid.phase = "parked"
            if sup.node.strategy == "one_for_one":
                kid.group = None
            else:
                self._regroup(sup, kid, self.now, planned=True, lead_phase="parked", wait=False)
        else:
            kid.phase, kid.group = "down", None
        self._record(kid, how, action)
        if action == "escalate":
            sup.gave_up = True
            self._stop(sup)

    # Groups ----------------------------------------------------------------------------------------------------

    def _regroup(
        self, sup: _Sup, lead: _Kid, due: float, *, planned: bool, lead_phase: Phase = "idle", wait: bool = True
    ) -> None:
        group = next(self._groups)
        lead.phase = lead_phase
        for kid in sup.kids:
            if not restarts_with(sup.node.strategy, lead.place, kid.place):
                continue
            if kid is not lead:
                if kid.node.policy.restart == "temporary" and kid.phase == "down":
                    continue
                if kid.phase == "idle" and kid.group is not None and wait:
                    due = max(due, sup.due[kid.group])
                if kid.phase in ("starting", "ready") and not planned:
                    due = max(due, self.now + _delay(kid))
                kid.doomed = kid.phase in _ALIVE
                kid.phase = "idle" if kid.phase == "down" else kid.phase
            if kid.group is not None and kid.group == sup.first and sup.node.strategy != "one_for_one":
                self._first_over(sup)
            kid.group = group
        sup.due[group] = due
        self._at(due, lambda: self._settle(sup))

    def _first_over(self, sup: _Sup) -> None:
        if sup.first is not None:
            sup.first = None
            if sup.above is not None and sup.owner is not None:
                above, owner = sup.above, sup.owner
                self._ready(owner, above)

    # The rules -------------------------------------------------------------------------------------------------

    def _settle(self, sup: _Sup) -> None:
        while sup.phase != "over" and self._one_rule(sup):
            pass

    def _one_rule(self, sup: _Sup) -> bool:
        """Apply the first rule that changes something; say whether one did."""
        if sup.phase == "stopping":
            return self._stopping_rule(sup)
        for group in sorted({kid.group for kid in sup.kids if kid.group is not None}):
            members = [kid for kid in sup.kids if kid.group == group]
            doomed = [kid for kid in members if kid.doomed and kid.phase in _ALIVE]
            if doomed:
                if doomed[-1].phase != "ending":
                    self._ask(sup, doomed[-1], "group")
                    return True
            elif self.now >= sup.due[group] and self._starting_rule(sup, members):
                return True
        if sup.first is not None and self._first_is_done(sup):
            self._first_over(sup)
            return True
        return False

    def _stopping_rule(self, sup: _Sup) -> bool:
        living = [kid for kid in sup.kids if kid.phase in _ALIVE]
        waited_for = [kid for kid in living if not kid.hung]
        if waited_for and waited_for[-1].phase != "ending":
            self._ask(sup, waited_for[-1], "shutdown")
            return True
        if not living:
            sup.phase = "over"
            if sup.above is not None and sup.owner is not None:
                self._end(sup.owner, sup.above, "crashed" if sup.gave_up else "stopped")
        return False

    def _starting_rule(self, sup: _Sup, members: list[_Kid]) -> bool:
        together = sup.node.strategy != "one_for_one"
        if sup.node.strategy == "one_for_all" and any(kid.phase == "parked" for kid in members):
            return False
        for kid in members:
            if kid.phase == "idle":
                self._start(sup, kid)
                return True
            if kid.phase in ("starting", "ending") or (kid.phase == "parked" and together):
                return False
        return False

    def _first_is_done(self, sup: _Sup) -> bool:
        members = [kid for kid in sup.kids if kid.group == sup.first]
        return not any(kid.phase in ("idle", "starting", "ending") for kid in members)


def _cue(kid: _Kid) -> Cue:
    assert isinstance(kid.node, Child) and isinstance(kid.node.actor, OnCue), "the model plays cues only"
    script = kid.node.actor.script
    return script[min(kid.generation, len(script)) - 1]


def _delay(kid: _Kid) -> float:
    low, high = kid.node.policy.backoff.bounds(max(kid.failures, 1))
    assert low == high, "the model has no jitter: floor, base and cap must be equal"
    return low
