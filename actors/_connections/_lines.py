"""What differs between the connections of public feeds and of accounts: where they go, and what is said on them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

import attrs
import trio

from supervisor import Mailbox

from .._account_source import AccountSource, Question
from .._errors import KeyTimeout
from .._messages import Hold, Key, KeyRequest, Wanted, kept
from .._net._http import open_http
from .._session import Session
from .._source import Decoded, Door, Frame, Limits, PublicSource
from ._login import Login, Talk
from ._message_budget import MessageBudget
from ._subscriptions import Subscriptions
from ._venue_clock import VenueClock, asked, measure


class Line(Protocol):
    """What differs between public and private connections."""

    @property
    def limits(self) -> Limits:
        """What the venue allows."""

    @property
    def ping_every(self) -> float:
        """Seconds between pings."""

    @property
    def keyed(self) -> bool | None:
        """Of private lines, whether a key is made for each connection; None: it is a public one."""

    def talk(
        self, door: Door, answer_within: float, messages: MessageBudget, unread_until: Callable[[], float]
    ) -> Talk | None:
        """Return what is said on a new private connection; None: it is a public one, see `subscriptions`."""

    async def door(self, session: Session) -> Door:
        """Return where to connect.

        Raises:
            HttpFailure: It had to be asked for, and there was no answer.
            KeyTimeout: No listen key came.
            BadFrame: The answer cannot be read.
        """

    def wanted(self) -> Sequence[str] | None:
        """Return the symbols to subscribe; None where the address says everything."""

    def subscriptions(self, answer_within: float) -> Subscriptions | None:
        """Return the state of the subscriptions of a new connection; None where the address says everything."""

    def ping(self, number: int) -> str | None:
        """Return the text of a ping; None where the protocol's own ping frame is used."""

    def decode_many(self, frames: Sequence[Frame], received: int) -> Decoded:
        """Read a batch of frames."""


@attrs.frozen
class PublicLine:
    """One channel of a venue, for the symbols that are wanted."""

    source: PublicSource
    address: str
    """``wss://stream.binance.com:9443``"""
    rest: str
    wanted_slot: Mailbox[Wanted]
    symbols: tuple[str, ...]
    """What is wanted until someone changes it."""
    rest_hold: Mailbox[Hold]
    transport: Any = None
    keyed: None = None

    @property
    def limits(self) -> Limits:
        """What the venue allows."""
        return self.source.limits

    @property
    def ping_every(self) -> float:
        """Seconds between pings."""
        return self.source.ping_every

    async def door(self, session: Session) -> Door:
        """Return the address, which some venues give by REST for each connection."""
        request = self.source.door_request()
        if request is None:
            await trio.lowlevel.checkpoint()
            return self.source.door(self.address, None)
        hold = kept(self.rest_hold, Hold)
        async with open_http(
            self.rest, self.source.failure, hold=hold, transport=self.transport, limit=self.source.limits.rest
        ) as http:
            reply = await http.request(request)
        return self.source.door(self.address, reply.body)

    def talk(self, *_: object) -> None:
        """Return None: on public connections there are only subscriptions."""

    def wanted(self) -> Sequence[str]:
        """Return the symbols that the feed shall have now."""
        return tuple(kept(self.wanted_slot, lambda: Wanted(dict.fromkeys(self.symbols))).symbols)

    def subscriptions(self, answer_within: float) -> Subscriptions:
        """Return the state of a new connection: nothing is subscribed."""
        return Subscriptions(self.source, answer_within=answer_within)

    def ping(self, number: int) -> str | None:
        """Return the venue's form of a ping."""
        return self.source.ping(number)

    def decode_many(self, frames: Sequence[Frame], received: int) -> Decoded:
        """Read a batch of frames."""
        return self.source.decode_many(frames, received)


@attrs.frozen
class PrivateLine:
    """The orders of one account. Every connection gets a key that was confirmed for it, where the venue has keys."""

    source: AccountSource
    address: str
    rest: str
    requests: Mailbox[KeyRequest]
    keys: Mailbox[Key]
    ping_every: float
    clock: Mailbox[VenueClock]
    rest_hold: Mailbox[Hold]
    transport: Any = None
    patience: float = 20.0
    """Seconds to wait for a key."""

    @property
    def limits(self) -> Limits:
        """What the venue allows."""
        return self.source.limits

    @property
    def keyed(self) -> bool:
        """Whether a key is made for each connection."""
        return self.source.keeping is not None

    def talk(
        self, door: Door, answer_within: float, messages: MessageBudget, unread_until: Callable[[], float]
    ) -> Talk:
        """Return what is said on a new connection."""
        login = Login(self.source, door.key, answer_within)
        return Talk(login, self.source.probe_every, kept(self.clock, VenueClock), messages, unread_until)

    async def door(self, session: Session) -> Door:
        """Ask for what the connection needs, and return the address.

        Raises:
            KeyTimeout: No key came.
            ClockOff: The venue did not like our time; its clock is measured before the next attempt.
            HttpFailure: The address could not be had.
            Unauthorized: The venue refuses the credentials.
            SecretMissing: A credential is missing.
            BadFrame: The answer cannot be read.
        """
        key = "" if self.source.keeping is None else await self._key(session)
        question, clock = self.source.door_question(), kept(self.clock, VenueClock)
        answer: bytes | None = None
        if question is not None or not clock.known:
            answer = await self._answer(question, clock)
        return attrs.evolve(self.source.door(self.address, answer, key), key=key)

    async def _key(self, session: Session) -> str:
        await self.requests.send(KeyRequest(session))
        with trio.move_on_after(self.patience):
            async for key in self.keys:
                # An answer to an earlier connection may hold a key that has died since.
                if key.session is session:
                    return key.value
        raise KeyTimeout(f"no listen key within {self.patience:g} s")

    async def _answer(self, question: Question | None, clock: VenueClock) -> bytes | None:
        async with open_http(
            self.rest,
            self.source.failure,
            hold=kept(self.rest_hold, Hold),
            transport=self.transport,
            limit=self.source.limits.rest,
        ) as http:
            if question is None:
                await measure(clock, http, self.source)
                return None
            return (await asked(clock, http, self.source, question)).body

    def wanted(self) -> None:
        """Return None: there are no symbols to choose."""

    def subscriptions(self, answer_within: float) -> None:
        """Return None: there are no symbols to choose."""

    def ping(self, number: int) -> str | None:
        """Return the venue's form of a ping."""
        return self.source.ping(number)

    def decode_many(self, frames: Sequence[Frame], received: int) -> Decoded:
        """Read a batch of frames."""
        return self.source.decode_many(frames, received)
