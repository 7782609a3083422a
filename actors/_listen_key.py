"""The key of a private stream as an actor: made on demand, kept alive, replaced when it is gone or about to end."""

from __future__ import annotations

from typing import Any, Final

import attrs
import trio

from supervisor import Backoff, Mailbox, Me, actor

from ._account_source import AccountSource, Keeping
from ._errors import HttpFailure, KeyGone, RateLimited, SecretMissing, Unauthorized
from ._http import Http, open_http
from ._messages import Hold, Key, KeyRequest, Order, Reconnect, kept
from ._venue_clock import VenueClock

RETRY_EVERY: Final = 60.0
"""Seconds between attempts to extend the key, after one has failed."""
GIVE_UP: Final = 11 / 12
"""Part of its life without an extension after which the key counts as lost."""


@actor(
    first_start="retry",
    max_failures=None,
    backoff=Backoff(floor=0.5, base=1.0, cap=60.0),
    on={Unauthorized: "park", SecretMissing: "park"},
)
@attrs.frozen
class ListenKeeper:
    """Gives every connection a key that is valid at that moment, and keeps the key alive.

    There is one listen key an account, shared with every other program on it. It is therefore never deleted: that would
    silence the others (exchanges.md 7b, unicorn-binance-websocket-api #396).
    """

    source: AccountSource
    rest: str
    requests: Mailbox[KeyRequest]
    keys: Mailbox[Key]
    control: Mailbox[Order]
    hold: Mailbox[Hold]
    clock: Mailbox[VenueClock]
    transport: Any = None

    async def run(self, me: Me) -> None:
        """Serve requests until cancelled.

        Raises:
            Unauthorized: The venue refuses the API key: parks, since trying again does not help.
            SecretMissing: There is no API key.
            HttpFailure: No key could be had, or the key could not be extended in time.
            BadFrame: An answer cannot be read.
        """
        keeping = self.source.keeping
        assert keeping is not None, "only accounts with keys have this actor"
        async with open_http(
            self.rest,
            self.source.failure,
            hold=kept(self.hold, Hold),
            transport=self.transport,
            limit=self.source.limits.rest,
        ) as http:
            me.ready()
            request = await self.requests.receive()
            while True:
                value = await self._create(me, http, keeping)
                # A newer request means that the connection which asked is gone already.
                request = _newest(self.requests, request)
                await self.keys.send(Key(request.session, value))
                request = await self._keep_alive(me, http, keeping, request, value)

    async def _create(self, me: Me, http: Http, keeping: Keeping) -> str:
        clock = kept(self.clock, VenueClock)
        while True:
            try:
                reply = await http.request(self.source.request(keeping.create, clock.now()))
            except RateLimited as limited:
                me.note("rate_limited", seconds=limited.retry_after)
                await trio.sleep(limited.retry_after)
            else:
                return self.source.key(reply.body)

    async def _keep_alive(self, me: Me, http: Http, keeping: Keeping, request: KeyRequest, value: str) -> KeyRequest:
        """Extend the key until the next request, and return that."""
        clock = kept(self.clock, VenueClock)
        extended = trio.current_time()
        due = extended + keeping.every
        while True:
            with trio.move_on_at(due):
                return await self.requests.receive()
            if keeping.extend is None:
                self._replace(me, request, "the listen key cannot be extended")
                due = trio.current_time() + RETRY_EVERY
                continue
            try:
                reply = await http.request(self.source.request(keeping.extend, clock.now()))
                if self.source.key(reply.body) != value:
                    self._replace(me, request, "the venue has another listen key now")
            except Unauthorized:
                raise
            except HttpFailure as failure:
                if isinstance(failure, KeyGone):
                    self._replace(me, request, "the listen key is gone")
                elif trio.current_time() - extended > keeping.life * GIVE_UP:
                    raise
                wait = failure.retry_after if isinstance(failure, RateLimited) else RETRY_EVERY
                due = trio.current_time() + max(wait, RETRY_EVERY)
                me.note("key_not_extended", reason=str(failure))
            else:
                extended = trio.current_time()
                due = extended + keeping.every
                me.note("key_extended")

    def _replace(self, me: Me, request: KeyRequest, reason: str) -> None:
        me.note("key_lost", reason=reason)
        self.control.send_nowait(Reconnect(request.session, reason))


def _newest(requests: Mailbox[KeyRequest], request: KeyRequest) -> KeyRequest:
    try:
        return requests.receive_nowait()
    except trio.WouldBlock:
        return request
