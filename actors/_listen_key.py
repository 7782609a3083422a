"""The listen key of a private stream as an actor: made on demand, kept alive, replaced when it is gone."""

from __future__ import annotations

from typing import Any, Final

import attrs
import trio

from supervisor import Backoff, Mailbox, Me, actor

from ._errors import HttpFailure, RateLimited, SecretMissing, Unauthorized
from ._http import Http, open_http
from ._messages import Hold, Key, KeyRequest, Order, Reconnect, kept
from ._source import AccountSource

EXTEND_EVERY: Final = 30 * 60.0
"""Seconds. A key is valid for 60 minutes after it was last extended (USD-M user data streams, 2026-05-28)."""
RETRY_EVERY: Final = 60.0
"""Seconds between attempts to extend it, after one has failed."""
GIVE_UP_AFTER: Final = 55 * 60.0
"""Seconds since the last success after which the key counts as lost."""


@actor(
    first_start="retry",
    max_failures=None,
    backoff=Backoff(floor=0.5, base=1.0, cap=60.0),
    on={Unauthorized: "park", SecretMissing: "park"},
)
@attrs.frozen
class ListenKeeper:
    """Gives every connection a listen key that is valid at that moment, and keeps the key alive.

    There is one key an account, shared with every other program on it. It is therefore never deleted: that would silence
    the others (exchanges.md 7b, unicorn-binance-websocket-api #396).
    """

    source: AccountSource
    rest: str
    requests: Mailbox[KeyRequest]
    keys: Mailbox[Key]
    control: Mailbox[Order]
    hold: Mailbox[Hold]
    extend_every: float = EXTEND_EVERY
    transport: Any = None

    async def run(self, me: Me) -> None:
        """Serve requests until cancelled.

        Raises:
            Unauthorized: The venue refuses the API key: parks, since trying again does not help.
            SecretMissing: There is no API key.
            HttpFailure: No key could be had, or the key could not be extended in time.
        """
        async with open_http(
            self.rest, self.source.failure, hold=kept(self.hold, Hold), transport=self.transport
        ) as http:
            me.ready()
            request = await self.requests.receive()
            while True:
                value = await self._create(me, http)
                # A newer request means that the connection which asked is gone already.
                request = _newest(self.requests, request)
                await self.keys.send(Key(request.session, value))
                request = await self._keep_alive(me, http, request, value)

    async def _create(self, me: Me, http: Http) -> str:
        while True:
            try:
                reply = await http.request(self.source.create_key_request())
            except RateLimited as limited:
                me.note("rate_limited", seconds=limited.retry_after)
                await trio.sleep(limited.retry_after)
            else:
                return self.source.listen_key(reply.body)

    async def _keep_alive(self, me: Me, http: Http, request: KeyRequest, value: str) -> KeyRequest:
        """Extend the key until the next request, and return that."""
        extended = trio.current_time()
        due = extended + self.extend_every
        while True:
            with trio.move_on_at(due):
                return await self.requests.receive()
            try:
                reply = await http.request(self.source.extend_key_request())
                if self.source.listen_key(reply.body) != value:
                    self._replace(me, request, "the venue has another listen key now")
            except Unauthorized:
                raise
            except HttpFailure as failure:
                if self.source.key_is_gone(failure):
                    self._replace(me, request, "the listen key is gone")
                elif trio.current_time() - extended > GIVE_UP_AFTER:
                    raise
                wait = failure.retry_after if isinstance(failure, RateLimited) else RETRY_EVERY
                due = trio.current_time() + max(wait, RETRY_EVERY)
                me.note("key_not_extended", reason=str(failure))
            else:
                extended = trio.current_time()
                due = extended + self.extend_every
                me.note("key_extended")

    def _replace(self, me: Me, request: KeyRequest, reason: str) -> None:
        me.note("key_lost", reason=reason)
        self.control.send_nowait(Reconnect(request.session, reason))


def _newest(requests: Mailbox[KeyRequest], request: KeyRequest) -> KeyRequest:
    try:
        return requests.receive_nowait()
    except trio.WouldBlock:
        return request
