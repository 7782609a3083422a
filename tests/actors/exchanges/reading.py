"""What the tests of all venues ask of their sources: that recordings are read to the last frame, and prices to the last digit."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from actors._source import Ignored, PublicSource, Refused

from ..recordings import received_frames, recording

DECIMALS = st.from_regex(r"\A(0|[1-9][0-9]{0,8})(\.[0-9]{1,12})?\Z")
"""Numbers as venues write them."""

INVENTED = b'"generated"'
"""What is marked so never was on the wire."""


def recorded_frames(name: str, *, having: bytes = b"", lacking: tuple[bytes, ...] = ()) -> list[bytes]:
    """Return the frames of a recording, or skip the test.

    Args:
        name: Of its file. Lines of JSON, or what `received_frames` reads.
        having: Of lines of JSON: only those with this in them.
        lacking: Of lines of JSON: only those without any of these.
    """
    path = recording(name)
    if not name.endswith(".jsonl"):
        return [frame.encode() for frame in received_frames(path)]
    lines = path.read_bytes().splitlines()
    return [line for line in lines if having in line and not any(part in line for part in (INVENTED, *lacking))]


def read_to_the_end(source: PublicSource, frames: list[bytes]) -> tuple[list[Any], int]:
    """Return the items of recorded frames, and the number of controls: no frame may be bad, unknown or a refusal."""
    decoded = source.decode_many(frames, 1)
    assert decoded.error is None
    assert not [c for c in decoded.controls if isinstance(c, Refused) or (isinstance(c, Ignored) and not c.known)]
    return decoded.items, len(decoded.controls)


def check_prices(source: PublicSource, frame: bytes, text: str) -> None:
    """A trade whose price and quantity are this text gives it back."""
    [trade] = source.decode_many([frame], 1).items
    assert (format(trade.price, "f"), format(trade.quantity, "f")) == (text, text)
