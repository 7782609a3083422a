"""The dead man's switch of a venue that watches a connection: held open while the bot is healthy, and no longer (Bybit).

The venue cancels when the last connection of this kind has been gone for the declared time. So what has to be done for
cancelling is to close it, which happens by itself when the process dies; and what has to be kept up while all is well is
an ordinary connection: login, subscription, pings.
"""

from __future__ import annotations

import math
from typing import Any, Final

import attrs
import trio

from supervisor import Backoff, Budget, Mailbox, Me, actor

from .._account_source import AccountSource
from .._cancel_rules import ConnectionRule
from .._connections._venue_clock import VenueClock, asked
from .._errors import HttpFailure, PongTimeout, SecretMissing, Unauthorized, Unsubscribed, WireError
from .._messages import Hold, kept
from .._net._dial import Dial, Tls
from .._net._http import open_http
from .._net._wire import Wire, open_wire
from .._source import Acknowledged, Ask, Control, Denied, Refused
from .._wall_clock import now_ms
from ._cancel_after import LOOK, Armed, AtStop, Watch

ANSWER_WITHIN: Final = 10.0
"""Seconds for each answer."""
PING_WITHIN: Final = 1.0
"""Seconds until a ping must be with the operating system."""
PONG_WITHIN: Final = 10.0
"""Seconds from a ping until something must have come."""


@actor(
    first_start="retry",
    max_failures=None,
    backoff=Backoff(floor=0.5, base=1.0, cap=15.0),
    on={Unauthorized: "park", SecretMissing: "park"},
)
@attrs.frozen
class GuardedConnection:
    """Holds the connection; see `actors.Venue.cancel_all_after`."""

    source: AccountSource
    rule: ConnectionRule
    ws: str
    rest: str
    seconds: int
    needs: tuple[str, ...]
    at_stop: AtStop
    attempts: Budget
    ws_hold: Mailbox[Hold]
    rest_hold: Mailbox[Hold]
    memory: Mailbox[Armed]
    clock: Mailbox[VenueClock]
    tls: Tls = None
    dial: Dial | None = None
    transport: Any = None

    async def run(self, me: Me) -> None:
        """Watch, and hold the connection while the bot is healthy, until cancelled.

        Cancellation: with ``at_stop="disarm"`` the connection of a healthy bot ends its subscription before it is closed.

        Raises:
            Unauthorized: The venue refuses the credentials: parks.
            SecretMissing: A credential is missing: parks.
            WireError: The connection failed; the time at the venue runs until the next one.
            Unsubscribed: The venue refused to watch it, or did not answer.
            HttpFailure: The time could not be set.
            BadFrame: The venue sent what cannot be read.
        """
        armed = kept(self.memory, Armed)
        me.expose(armed.facts)
        watch = Watch(me, self.needs, armed)
        me.ready()
        while True:
            if not watch.healthy():
                await trio.sleep(LOOK)
                continue
            try:
                await self._set_window()
                await self._wait_until_allowed(me)
                await self._hold(me, watch, armed)
            except (HttpFailure, Unsubscribed, WireError) as failure:
                armed.failed(me, str(failure))
                raise

    async def _wait_until_allowed(self, me: Me) -> None:
        wait = kept(self.ws_hold, Hold).until - trio.current_time()
        if wait > 0:
            await trio.sleep(wait)
        await me.spend(self.attempts)

    async def _set_window(self) -> None:
        clock = kept(self.clock, VenueClock)
        async with open_http(
            self.rest,
            self.source.failure,
            hold=kept(self.rest_hold, Hold),
            transport=self.transport,
            limit=self.source.limits.rest,
        ) as http:
            await asked(clock, http, self.source, self.rule.window(self.seconds))

    async def _hold(self, me: Me, watch: Watch, armed: Armed) -> None:
        """Hold one connection until the bot is no longer healthy."""
        url = f"{self.source.door(self.ws, None, '').url}?{self.rule.query}"
        async with open_wire(url, tls=self.tls, dial=self.dial) as wire:
            talk = _Talk(self.source, wire, self.rule.ping_every)
            login = self.source.phase(0, kept(self.clock, VenueClock).now(), "", 1)
            for ask in (*(login or ()), self.rule.subscribe):
                await talk.ask(ask)
            # From here on nothing is cancelled as long as it lives.
            armed.set(me, math.inf)
            try:
                while watch.healthy():
                    await talk.listen(LOOK)
            except trio.Cancelled:
                if self.at_stop == "disarm" and watch.orderly():
                    with me.cleanup():
                        await self._disarm(me, armed, talk)  # noqa: ASYNC102 - the runtime shields and bounds it
                raise
            finally:
                if armed.until == math.inf:
                    armed.until = trio.current_time() + self.seconds

    async def _disarm(self, me: Me, armed: Armed, talk: _Talk) -> None:
        try:
            await talk.ask(self.rule.unsubscribe)
        except (Unsubscribed, WireError) as failure:
            armed.failed(me, str(failure))
        else:
            armed.until = -math.inf
            me.note("cancel_all_disarmed")


class _Talk:
    """What is said on the connection, one thing after the other."""

    def __init__(self, source: AccountSource, wire: Wire, ping_every: float) -> None:
        self._source = source
        self._wire = wire
        self._ping_every = ping_every
        self._pings = 0
        self._ping_due = trio.current_time() + ping_every
        self._heard_by = math.inf

    async def ask(self, ask: Ask) -> None:
        """Send a request, and wait for its acknowledgement.

        Raises:
            Unauthorized: The venue refuses the credentials.
            Unsubscribed: It refuses, or does not answer.
        """
        await self._wire.send(ask.text)
        with trio.move_on_after(ANSWER_WITHIN):
            while True:
                for control in await self._receive():
                    if isinstance(control, Acknowledged) and control.id == ask.id:
                        return
        raise Unsubscribed(f"no answer within {ANSWER_WITHIN:g} s")

    async def listen(self, seconds: float) -> None:
        """Take what comes for a time, and ping when that is due.

        Raises:
            PongTimeout: Nothing came after a ping.
        """
        now = trio.current_time()
        if now >= self._heard_by:
            raise PongTimeout(PONG_WITHIN)
        if now >= self._ping_due:
            self._ping_due, self._heard_by = now + self._ping_every, now + PONG_WITHIN
            self._pings += 1
            text = self._source.ping(self._pings)
            assert text is not None, "these venues are pinged by text"
            # A send that is cut short would leave nothing to say goodbye on.
            with trio.CancelScope(shield=True):
                await self._wire.send(text, within=PING_WITHIN)
        with trio.move_on_after(seconds):
            while True:
                await self._receive()

    async def _receive(self) -> list[Control]:
        frames = await self._wire.receive_many()
        self._heard_by = math.inf
        decoded = self._source.decode_many(frames, now_ms())
        if decoded.error is not None:
            raise decoded.error
        for control in decoded.controls:
            if isinstance(control, Denied):
                raise Unauthorized("login", control.message, code=control.code)
            if isinstance(control, Refused) and not control.harmless:
                raise Unsubscribed(f"refused: {control.message}")
        return decoded.controls
