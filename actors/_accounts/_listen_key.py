"""The key of a private stream as an actor: made on demand, kept alive, replaced when it is gone or about to end."""

from __future__ import annotations

from typing import Any, Final

import attrs
import trio

from supervisor import Backoff, Mailbox, Me, actor

from .._account_source import AccountSource, Keeping, Question
from .._connections._venue_clock import VenueClock
from .._errors import ClockOff, HttpFailure, KeyGone, RateLimited, SecretMissing, Unauthorized
from .._messages import Denial, Hold, Key, KeyRequest, Order, PrivateInflow, Rotate, kept
from .._net._http import Http, open_http
from ._inquiring import Inquirer

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
    inflow: Mailbox[PrivateInflow[Any]]
    """Of the owner, who is told when the credentials are refused."""
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
            try:
                await _Keeper(self, me, http, keeping).run()
            except (Unauthorized, SecretMissing) as refusal:
                with me.cleanup():
                    # Shielded, and bounded by the grace.
                    await self.inflow.send(Denial(str(refusal)))  # noqa: ASYNC120
                raise


class _Keeper:
    """One incarnation of the key's actor."""

    def __init__(self, settings: ListenKeeper, me: Me, http: Http, keeping: Keeping) -> None:
        self._settings = settings
        self._source = settings.source
        self._me = me
        self._http = http
        self._keeping = keeping
        self._clock = kept(settings.clock, VenueClock)
        self._inquirer = Inquirer(settings.source, http, self._clock, self._limited)

    async def run(self) -> None:
        self._me.ready()
        request = await self._settings.requests.receive()
        while True:
            value = self._source.key(await self._inquirer.ask(self._keeping.create))
            # A newer request means that the connection which asked is gone already.
            request = _newest(self._settings.requests, request)
            await self._settings.keys.send(Key(request.session, value))
            request = await self._keep_alive(value)

    async def _limited(self, limited: RateLimited) -> None:
        await trio.lowlevel.checkpoint()
        self._me.note("rate_limited", seconds=limited.retry_after)

    async def _keep_alive(self, value: str) -> KeyRequest:
        """Extend the key, or have it replaced, until the next request, and return that."""
        made = trio.current_time()
        due = made + self._keeping.every
        while True:
            with trio.move_on_at(due):
                return await self._settings.requests.receive()
            if self._keeping.extend is None:
                over = trio.current_time() >= made + self._keeping.life
                self._replace(value, "the key ends, and cannot be extended", over=over)
                due = trio.current_time() + RETRY_EVERY
            else:
                made, due = await self._extend(self._keeping.extend, value, made)

    async def _extend(self, question: Question, value: str, made: float) -> tuple[float, float]:
        """Extend the key once; return since when it lives, and when to extend it again."""
        try:
            reply = await self._http.request(self._source.request(question, self._clock.now()))
            if self._source.key(reply.body) != value:
                self._replace(value, "the venue has another key now", over=True)
        except Unauthorized:
            raise
        except HttpFailure as failure:
            self._me.note("key_not_extended", reason=str(failure))
            if isinstance(failure, KeyGone):
                self._replace(value, "the key is gone", over=True)
            elif trio.current_time() - made > self._keeping.life * GIVE_UP:
                raise
            elif isinstance(failure, ClockOff):
                await self._inquirer.set_clock()
            wait = failure.retry_after if isinstance(failure, RateLimited) else RETRY_EVERY
            return made, trio.current_time() + max(wait, RETRY_EVERY)
        self._me.note("key_extended")
        return trio.current_time(), trio.current_time() + self._keeping.every

    def _replace(self, value: str, reason: str, *, over: bool) -> None:
        self._me.note("key_lost" if over else "key_ends", reason=reason)
        self._settings.control.send_nowait(Rotate(value, reason, over))


def _newest(requests: Mailbox[KeyRequest], request: KeyRequest) -> KeyRequest:
    try:
        return requests.receive_nowait()
    except trio.WouldBlock:
        return request
