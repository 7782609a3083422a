"""The dead man's switch at the exchange: its orders are cancelled when the bot is not healthy for too long.

Theory of operation
-------------------
* Whether the bot is healthy is what ``/healthz`` and `actors.ops.dead_mans_switch` call so: read from the tree every two seconds.
* A countdown is set anew a few times within its length, each time right after a look that found the bot healthy, and never
  by a timer alone. A bot that is blind, stuck, killed or cut off does not set it, and it runs out at the exchange. One
  request that fails is not repeated by itself: the next look decides.
* Where the venue watches a connection instead (Bybit), one is held open only while the bot is healthy, see
  `actors._accounts._cancel_line`.
* What runs out cancels once; when the bot is healthy again, it is set again.
"""

from __future__ import annotations

import math
from typing import Any, Final, Literal, TypeAlias

import attrs
import trio

from supervisor import Backoff, Mailbox, Me, OpenTree, actor

from .._account_source import AccountSource
from .._cancel_rules import CountdownRule
from .._connections._venue_clock import VenueClock, asked, measure
from .._errors import HttpFailure, RateLimited, SecretMissing, Unauthorized
from .._messages import Hold, kept
from .._net._http import Http, open_http
from ..ops._watched import Watched

LOOK: Final = 2.0
"""Seconds between two looks at the tree."""
PARTS: Final = 4
"""How often a countdown is set within its length: that many requests in a row may fail but one."""

AtStop: TypeAlias = Literal["leave", "disarm"]


@attrs.define
class Armed:
    """What it did, whatever becomes of its incarnations."""

    until: float = -math.inf
    """When the orders are cancelled unless it is set again, on Trio's clock; infinite while a connection holds them."""
    healthy: bool = False
    trouble: str = ""
    """Why it could not be set; empty: it could."""
    times: int = 0
    """How often it was set."""

    def facts(self) -> dict[str, Any]:
        """Return what is shown of it."""
        left = self.until - trio.current_time()
        return {
            "armed": left > 0,
            "healthy": self.healthy,
            "seconds_left": None if math.isinf(left) else round(max(left, 0.0), 1),
            "times": self.times,
            "trouble": self.trouble,
        }

    def saw(self, me: Me, *, healthy: bool, reason: str) -> None:
        """Note what a look at the bot has shown, where that is news."""
        now = trio.current_time()
        if self.healthy and not healthy:
            me.note("cancel_all_not_renewed", reason=reason, seconds_left=_shown(self.until - now))
        self.healthy = healthy
        if not healthy and -math.inf < self.until <= now:
            self.until = -math.inf
            me.note("cancel_all_ran_out", reason=reason)

    def set(self, me: Me, until: float) -> None:
        """Note that it was set."""
        if self.until <= trio.current_time() or self.trouble:
            me.note("cancel_all_armed", seconds=_shown(until - trio.current_time()))
        self.until, self.trouble = until, ""
        self.times += 1

    def failed(self, me: Me, reason: str) -> None:
        """Note that it could not be set; once a trouble."""
        if not self.trouble:
            me.note("cancel_all_not_armed", reason=reason, seconds_left=_shown(self.until - trio.current_time()))
        self.trouble = reason


def _shown(seconds: float) -> float | None:
    return None if math.isinf(seconds) else round(max(seconds, 0.0), 1)


class Watch:
    """What decides: the tree, as it is at the moment of the question.

    Args:
        me: Of the actor.
        needs: Paths of children that must be ready, beside what the tree requires.
        armed: Is told what was seen.
    """

    def __init__(self, me: Me, needs: tuple[str, ...], armed: Armed) -> None:
        self._me = me
        self._watched = Watched(me.tree, needs, dict)
        self._armed = armed

    def healthy(self) -> bool:
        """Say whether the bot is."""
        look = self._watched.look()
        if look.status.state == "stopping" and not _failing(self._me.tree):
            # Our own turn to be stopped comes in a moment. Until then it is as it was.
            return self._armed.healthy
        verdict = look.verdict
        self._armed.saw(self._me, healthy=verdict.healthy, reason=next(iter(verdict.reasons), ""))
        return verdict.healthy

    def orderly(self) -> bool:
        """Say whether this end is one in order: the bot was healthy, and nothing in the tree failed and is to be restarted."""
        return self._armed.healthy and not _failing(self._me.tree)


def _failing(tree: OpenTree) -> bool:
    return any(
        status.state == "waiting" or (status.last_decision is not None and status.last_decision.action == "escalate")
        for status in tree.status().walk()
    )


@actor(
    first_start="retry",
    max_failures=None,
    backoff=Backoff(floor=0.5, base=1.0, cap=15.0),
    on={Unauthorized: "park", SecretMissing: "park"},
)
@attrs.frozen
class CancelAllAfter:
    """Sets the countdown at the exchange; see `actors.Venue.cancel_all_after`."""

    source: AccountSource
    rule: CountdownRule
    rest: str
    seconds: int
    symbols: tuple[str, ...]
    needs: tuple[str, ...]
    at_stop: AtStop
    hold: Mailbox[Hold]
    memory: Mailbox[Armed]
    clock: Mailbox[VenueClock]
    transport: Any = None

    async def run(self, me: Me) -> None:
        """Watch, and set the countdown, until cancelled.

        Cancellation: with ``at_stop="disarm"`` the countdown of a healthy bot is ended, within the grace.

        Raises:
            Unauthorized: The venue refuses the credentials: parks.
            SecretMissing: A credential is missing: parks.
        """
        armed = kept(self.memory, Armed)
        me.expose(armed.facts)
        watch = Watch(me, self.needs, armed)
        async with open_http(
            self.rest,
            self.source.failure,
            hold=kept(self.hold, Hold),
            transport=self.transport,
            limit=self.source.limits.rest,
        ) as http:
            me.ready()
            try:
                await self._watch(me, watch, armed, http)
            except trio.Cancelled:
                if self.at_stop == "disarm" and watch.orderly():
                    with me.cleanup():
                        await self._disarm(me, armed, http)  # noqa: ASYNC102 - the runtime shields and bounds it
                raise

    async def _watch(self, me: Me, watch: Watch, armed: Armed, http: Http) -> None:
        due = -math.inf
        while True:
            if watch.healthy() and trio.current_time() >= due:
                try:
                    await self._set(me, armed, http)
                    due = trio.current_time() + self.seconds / PARTS
                except Unauthorized:
                    raise
                except RateLimited as limited:
                    # Asking earlier makes a ban longer. Looking goes on.
                    due = trio.current_time() + limited.retry_after
                    armed.failed(me, str(limited))
                except HttpFailure as failure:
                    armed.failed(me, str(failure))
            await trio.sleep(LOOK)

    async def _set(self, me: Me, armed: Armed, http: Http) -> None:
        clock = kept(self.clock, VenueClock)
        if not clock.known:
            await measure(clock, http, self.source)
        started = trio.current_time()
        for question in self.rule.questions(self.seconds, self.symbols):
            await asked(clock, http, self.source, question)
        # Counted from before the request: the venue's begins later.
        armed.set(me, started + self.seconds)

    async def _disarm(self, me: Me, armed: Armed, http: Http) -> None:
        clock = kept(self.clock, VenueClock)
        try:
            for question in self.rule.questions(0, self.symbols):
                await http.request(self.source.request(question, clock.now()))
        except (HttpFailure, SecretMissing) as failure:
            armed.failed(me, str(failure))
        else:
            armed.until = -math.inf
            me.note("cancel_all_disarmed")
