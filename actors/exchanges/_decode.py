"""Reading a batch of frames with one call of the JSON decoder, and the levels of order books.

A busy connection delivers dozens of frames at a time. Joined into one JSON array they cost one call instead of dozens:
the structs come out of msgspec ready, and Python touches each only to check it and to stamp it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Annotated, Any, Final, Generic, TypeAlias, TypeVar

import attrs
import msgspec

from .._errors import BadFrame
from .._source import Control, Decoded, Frame, Level

M = TypeVar("M")

MAGNITUDE: Final = 60
"""Digits before or behind the point: more than anything has that is traded, or that a token's smallest unit needs."""

Moment: TypeAlias = Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)]
"""Milliseconds or so since 1970. JSON has longer numbers, and neither clocks nor databases know what to do with them."""

NO_NUMBER: Final = "a price or quantity is not finite, or out of all bounds"

UNREADABLE: Final = (msgspec.DecodeError, ValueError, RecursionError)
"""What decoding can end with, whatever the bytes are: not JSON or not this struct; not UTF-8, or not finite; arrays
nested too deeply."""


@attrs.frozen
class Reader(Generic[M]):
    """How the data of one channel is read.

    Attributes:
        many: Decodes an array of messages.
        one: Decodes a single message.
        items: Makes what is delivered out of messages, given the local time. Raises ValueError for one that cannot be.
        control: Reads a frame that is no data. Raises BadFrame.
    """

    many: msgspec.json.Decoder[list[M]]
    one: msgspec.json.Decoder[M]
    items: Callable[[list[M], int], list[Any]]
    control: Callable[[Frame], Control]

    def read(self, frames: Sequence[Frame], received: int) -> Decoded:
        """Read a batch of frames, up to the first that cannot be read. Raises nothing, whatever they hold."""
        try:
            messages = self.many.decode(b"[%b]" % b",".join(frames))
            # A frame with two values and a comma between them is no JSON by itself. Several broken ones that make up for
            # each other pass, and bring what they hold, in order.
            if len(messages) == len(frames):
                return Decoded(self.items(messages, received), [])
        except UNREADABLE:
            pass  # A control, or a bad frame: which one it is shows one by one.
        decoded = Decoded([], [])
        for frame in frames:
            try:
                decoded.items += self.items([self.one.decode(frame)], received)
            except UNREADABLE:
                try:
                    decoded.controls.append(self.control(frame))
                except BadFrame as error:
                    decoded.error = error
                    break
        return decoded


def reader(
    message: type[M],
    items: Callable[[list[M], int], list[Any]],
    control: Callable[[Frame], Control],
    *,
    strict: bool = True,
) -> Reader[M]:
    """Return how the data of a channel is read.

    Args:
        message: The struct of one frame.
        items: See `Reader`.
        control: See `Reader`.
        strict: False: numbers may stand in quotes.
    """
    return Reader(
        msgspec.json.Decoder(list[message], strict=strict),  # type: ignore[valid-type]
        msgspec.json.Decoder(message, strict=strict),
        items,
        control,
    )


def rows_of(decoder: msgspec.json.Decoder[M], body: bytes, what: str) -> M:
    """Decode a REST body.

    Raises:
        BadFrame: It is not what was asked for.
    """
    try:
        return decoder.decode(body)
    except UNREADABLE as error:
        raise BadFrame(f"{what}: {str(error)[:200]}") from None


def raw_rows(decoder: msgspec.json.Decoder[M], body: bytes, what: str) -> list[tuple[M, bytes]]:
    """Decode a REST body that is an array of rows; each comes with its own text.

    Raises:
        BadFrame: It is not what was asked for.
    """
    raws: list[msgspec.Raw] = rows_of(_raws, body, what)
    return [(rows_of(decoder, row, what), row) for row in map(bytes, raws)]


_raws: Final = msgspec.json.Decoder(list[msgspec.Raw])


def text(value: object, longest: int = 200) -> str:
    """Return a string or whole number from JSON as text, cut; empty for anything else."""
    return str(value)[:longest] if isinstance(value, str | int) else ""


def finite(*values: Decimal) -> None:
    """Refuse NaN, infinities and absurd magnitudes, which are valid decimals and no valid prices.

    ``1e999999999`` is as short as any other number, until somebody writes it out or adds something to it: then it takes
    a gigabyte, or is an exception where nobody expects one.

    Raises:
        ValueError: One is not finite, or beyond `MAGNITUDE`.
    """
    for value in values:
        if not (value.is_finite() and -MAGNITUDE < value.adjusted() < MAGNITUDE):
            raise ValueError(NO_NUMBER)


def plain(price: Decimal, quantity: Decimal) -> bool:
    """Say whether two numbers are `finite`. For what comes by the thousands."""
    size, amount = price.adjusted(), quantity.adjusted()
    # Of what is not finite it is 0, as of numbers from 1 to 9.
    return (
        -MAGNITUDE < size < MAGNITUDE
        and -MAGNITUDE < amount < MAGNITUDE
        and (size != 0 or price.is_finite())
        and (amount != 0 or quantity.is_finite())
    )


class Row(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """One level of an order book as venues send it: an array of price, quantity, and perhaps more that is not used."""

    price: Decimal
    quantity: Decimal


def levels(rows: list[Row]) -> list[Level]:
    """Return the levels of one side.

    Raises:
        ValueError: A price or quantity is not finite, or beyond `MAGNITUDE`.
    """
    made = [(row.price, row.quantity) for row in rows]
    for price, quantity in made:
        if not plain(price, quantity):
            raise ValueError(NO_NUMBER)
    return made
