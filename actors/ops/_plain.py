"""Anything that actors tell about themselves, as JSON. Pure."""

from __future__ import annotations

import json
from typing import Any

import msgspec


def encode(value: Any) -> bytes:
    """Return JSON of plain values; what is none appears as its text, and never stops the rest from being told."""
    try:
        return msgspec.json.encode(value, enc_hook=str)
    except (TypeError, ValueError):
        # Keys that are no text, or text that is no UTF-8.
        return json.dumps(value, default=str, skipkeys=True).encode("ascii")


def printable(text: object) -> str:
    """Return text that UTF-8 can hold; what it cannot is told by its number."""
    return str(text).encode("utf-8", "backslashreplace").decode()
