"""Trades whose ids prove nothing, as two kinds of venues name them, and a track that puts them in order."""

import uuid
from typing import Any

import pytest

from actors._feeds._continuity import Cursor
from actors._feeds._unnumbered import Unnumbered

from ..track_model import Print


def text(place: int) -> Print:
    """Like Bybit linear: UUIDs; several trades in a millisecond."""
    name = str(uuid.UUID(int=(place * 0x9E3779B97F4A7C15F39CC0605CEDC835) % 2**128))
    return Print(name, name, 1000 + place // 2)


def sparse(place: int) -> Print:
    """Like KuCoin: numbers that rise, with holes."""
    number = place * 7 + place % 3
    return Print(number, number, 1000 + place // 2)


MAKERS = pytest.mark.parametrize("make", [text, sparse], ids=["text", "sparse"])


def unnumbered(page: int = 1000) -> Unnumbered:
    return Unnumbered(Cursor("model", "X", lambda: 0), page=page)


def ready(track: Unnumbered) -> list[Any]:
    return [item.id if isinstance(item, Print) else "gap" for item in track.cursor.ready]


def trades(*places: int) -> list[Print]:
    return [sparse(place) for place in places]


def names(*places: int) -> list[Any]:
    return [sparse(place).id for place in places]
