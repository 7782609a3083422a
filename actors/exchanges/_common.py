"""What the files of several venues share: requests, numbers in quotes, frames that are not data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any, ClassVar, Final
from urllib.parse import urlencode

import msgspec

from .._errors import BadFrame
from .._records import Trade
from .._source import Ask, Frame, HttpRequest, Level, Limits, Listed
from ._decode import NO_NUMBER, UNREADABLE, plain

_anything: Final = msgspec.json.Decoder()
_NOTHING: Final = (Decimal(0), Decimal(0))


def get(path: str, parameters: Mapping[str, str | int], weight: int) -> HttpRequest:
    """Return a public GET."""
    return HttpRequest("GET", path, urlencode(parameters), weight=weight)


def ask(number: int, message: Mapping[str, Any], symbols: Sequence[str]) -> Ask:
    """Return a request on the connection."""
    return Ask(str(number), msgspec.json.encode(message).decode(), tuple(symbols))


def checked(name: str, parts: Sequence[str], example: str) -> str:
    """Return a symbol in upper case.

    Args:
        name: As it was given.
        parts: What it consists of, separators aside.
        example: One that is right.

    Raises:
        ValueError: It has too few parts, or characters that would mean something in a topic or an address.
    """
    # There are assets with names in Chinese: what is no letter and no digit of any alphabet is refused.
    if len(parts) < 2 or not all(part.isalnum() for part in parts):
        raise ValueError(f"not a symbol like {example}: {name!r}")
    return name.upper()


def number_of(value: Any) -> int | None:
    """Return an error code, which venues send in quotes; None where it is no number."""
    try:
        return int(value)
    except (TypeError, ValueError):
        return None


def seconds_of(text: str | None, unit: float, default: float) -> float:
    """Read how long to wait from a header.

    Args:
        text: The header; None: it was not sent.
        unit: Seconds in one of the header's.
        default: Where there is no sensible number, which is one above zero and within an hour.
    """
    try:
        seconds = float(text or "") * unit
    except ValueError:
        return default
    return seconds if 0 < seconds <= 3600 else default


def json_object(frame: Frame) -> dict[str, Any]:
    """Read any JSON object.

    Raises:
        BadFrame: It is none.
    """
    try:
        message = _anything.decode(frame)
    except UNREADABLE:
        raise BadFrame("not JSON", frame) from None
    if not isinstance(message, dict):
        raise BadFrame("not a JSON object", frame)
    return message


def best(side: Sequence[Level]) -> Level:
    """Return the first level. An empty side has price and quantity zero, as some venues send it themselves."""
    return side[0] if side else _NOTHING


def ascending(trades: list[Any], symbol: str, received: int) -> list[Trade]:
    """Complete REST rows with the symbol that was asked for and the local time, and sort them by id.

    Raises:
        BadFrame: A price or quantity is not finite.
    """
    for trade in trades:
        if not plain(trade.price, trade.quantity):
            raise BadFrame(NO_NUMBER)
        msgspec.structs.force_setattr(trade, "symbol", symbol)
        msgspec.structs.force_setattr(trade, "received", received)
    return sorted(trades, key=lambda trade: trade.id)


class Unlisted:
    """The part of a source whose venue does not tell what is subscribed: an acknowledgement is all that can be had.

    Its address is fixed, unless the source has a `door_request` of its own.
    """

    limits: ClassVar[Limits]
    ping_every: ClassVar[float]

    def door_request(self) -> HttpRequest | None:
        """Return None: nothing has to be asked for the address."""
        return None

    def list_request(self) -> str | None:
        """There is no such request."""
        return None

    def listed(self, listed: Listed) -> frozenset[str]:
        """There is no such answer."""
        return frozenset()
