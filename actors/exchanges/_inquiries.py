"""What the accounts of venues without listen keys share: reading frames one by one, rows with their bytes, windows of time."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from decimal import Decimal, InvalidOperation
from typing import Any, ClassVar, Final, TypeVar

import msgspec

from .._account_source import Keeping
from .._errors import BadFrame
from .._source import Ask, Control, Decoded, Frame
from ._decode import UNREADABLE, finite

R = TypeVar("R")

SECOND: Final = 1000
DAY: Final = 86_400 * SECOND
"""Milliseconds."""

DIGITS: Final = 40
"""Most digits of an id that is taken for a number."""


class Keyless:
    """The part of an account's source whose connections need no key that has to be kept, and are never probed."""

    keeping: ClassVar[Keeping | None] = None
    probe_every: ClassVar[float | None] = None

    def key(self, body: bytes) -> str:
        """There is no such answer."""
        raise BadFrame("this venue has no listen keys")

    def probe(self, now: int, number: int) -> Ask | None:
        """There is no such request."""
        return None


def read_each(frames: Sequence[Frame], read: Callable[[Frame], list[Any] | Control]) -> Decoded:
    """Read a batch of private frames, up to the first that cannot be read. Raises nothing, whatever they hold.

    Args:
        frames: As they came.
        read: Gives the items of a frame, or what else it is. Raises BadFrame.
    """
    decoded = Decoded([], [])
    for frame in frames:
        try:
            found = read(frame)
        except BadFrame as error:
            # Without the sample: account data stands in it.
            decoded.error = BadFrame(error.reason)
            break
        if isinstance(found, list):
            decoded.items += found
        else:
            decoded.controls.append(found)
    return decoded


def each_row(
    decoder: msgspec.json.Decoder[Any], rows: Sequence[msgspec.Raw], make: Callable[[Any, bytes], R], what: str
) -> list[R]:
    """Read the rows of an answer, each with its own bytes.

    Raises:
        BadFrame: One is not what was asked for. It shows nothing of it.
    """
    made = []
    for row in rows:
        # Copied: a row would keep the whole body alive.
        raw = bytes(row)
        try:
            made.append(make(decoder.decode(raw), raw))
        except UNREADABLE:
            raise BadFrame(f"{what}: a row that is not one") from None
    return made


def windows(since: int, now: int, longest: int) -> Iterator[tuple[int, int | None]]:
    """Cut the time from then to now into pieces, oldest first. The last one has no end: what happens meanwhile is in it.

    Args:
        since: Milliseconds.
        now: Milliseconds.
        longest: Milliseconds that a piece may last.
    """
    while since + longest < now:
        yield since, since + longest
        since += longest
    yield since, None


def number_or_text(value: int | str) -> int | str:
    """Return an id: a number wherever it is written like one, so that the stream's and REST's are the same.

    Raises:
        ValueError: It is empty.
    """
    if isinstance(value, int):
        return value
    if not value:
        raise ValueError("an empty id")
    return int(value) if value.isascii() and value.isdigit() and len(value) <= DIGITS else value


def amount(text: str | None) -> Decimal:
    """Return a number; what is left out, or empty, is zero.

    Raises:
        ValueError: It is none.
    """
    try:
        value = Decimal(text or 0)
    except InvalidOperation:
        raise ValueError("a price or quantity is no number") from None
    finite(value)
    return value
