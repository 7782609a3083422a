"""What differs between the connections of public feeds and of accounts: where they go, and what is said on them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, Protocol

import attrs
import trio

from supervisor import Mailbox

from ._errors import BadFrame, KeyTimeout
from ._http import open_http
from ._messages import Hold, Key, KeyRequest, Wanted, kept
from ._session import Session
from ._source import (
    AccountSource,
    Acknowledged,
    Closing,
    Decoded,
    Door,
    Frame,
    Ignored,
    Limits,
    Listed,
    ListenKeyExpired,
    Pong,
    PublicSource,
    Refused,
    Welcome,
)
from ._subscriptions import Subscriptions

_CONTROL: Final = (Acknowledged, Closing, Ignored, Listed, ListenKeyExpired, Pong, Refused, Welcome)


class Line(Protocol):
    """What differs between public and private connections."""

    @property
    def limits(self) -> Limits | None:
        """What the venue allows; None: nothing that concerns us."""

    @property
    def ping_every(self) -> float:
        """Seconds between pings."""

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
    """The orders of one account. Every connection gets a listen key that was confirmed for it."""

    source: AccountSource
    address: str
    requests: Mailbox[KeyRequest]
    keys: Mailbox[Key]
    ping_every: float
    patience: float = 20.0
    """Seconds to wait for a key."""
    limits: None = None

    async def door(self, session: Session) -> Door:
        """Ask for a listen key, and return the address with it.

        Raises:
            KeyTimeout: None came.
        """
        await self.requests.send(KeyRequest(session))
        with trio.move_on_after(self.patience):
            async for key in self.keys:
                # An answer to an earlier connection may hold a key that has died since.
                if key.session is session:
                    return Door(self.address + self.source.stream_path(key.value))
        raise KeyTimeout(f"no listen key within {self.patience:g} s")

    def wanted(self) -> None:
        """Return None: the address says everything."""

    def subscriptions(self, answer_within: float) -> None:
        """Return None: the key was confirmed by REST a moment ago, and there is nothing to ask for."""

    def ping(self, number: int) -> None:
        """Return None: the protocol's own ping is used."""

    def decode_many(self, frames: Sequence[Frame], received: int) -> Decoded:
        """Read frame by frame: there are few."""
        decoded = Decoded([], [])
        for frame in frames:
            try:
                message = self.source.decode(frame, received)
            except BadFrame as error:
                decoded.error = error
                break
            if isinstance(message, _CONTROL):
                decoded.controls.append(message)
            else:
                decoded.items.append(message)
        return decoded
