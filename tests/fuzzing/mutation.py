"""Making inputs out of others, with an eye on what they are made of: JSON, in lines. Bytes alone are changed, too."""

from __future__ import annotations

import json
from collections.abc import Callable
from random import Random
from typing import Any, Final

ODD: Final[tuple[Any, ...]] = (
    None,
    True,
    False,
    0,
    -1,
    1.5,
    1e308,
    2**53 + 1,
    2**63,
    -(2**63) - 1,
    10**30,
    10**400,
    float("nan"),
    float("-inf"),
    "",
    " 1",
    "-0",
    "0.000",
    "1_0",
    "\u0661",
    "\ud800",
    "\x00",
    "NaN",
    "-Infinity",
    "sNaN",
    "1e999999999",
    "-1e-999999999",
    "9" * 30,
    "9" * 5000,
    "-1",
    "true",
    "[",
    "wss://[",
    "x" * 300,
    [],
    {},
    [[]],
    [{}],
    [["1", "1"]] * 30,
)
"""What venues have never sent, or once."""
_BYTES: Final = (
    b"",
    b"\x00",
    b"\xff",
    b"\n",
    b"[",
    b"]",
    b"{",
    b"}",
    b'"',
    b",",
    b":",
    b"\\u",
    b"1e9",
    b"-",
    b"0" * 40,
)
LONGEST: Final = 30_000
"""Bytes of an input."""


def mutated(data: bytes, random: Random, change_bytes: Callable[[bytes], bytes] | None = None) -> bytes:
    """Return an input that is like another one.

    Args:
        data: The other one.
        random: Decides.
        change_bytes: Changes bytes where they are not changed as JSON; None: as is done here.
    """
    lines = data.split(b"\n")
    chosen = random.randrange(len(lines))
    kind = random.random()
    if kind < 0.1:
        lines.insert(random.randrange(len(lines) + 1), lines[chosen])
    elif kind < 0.15 and len(lines) > 1:
        del lines[chosen]
    elif kind < 0.75:
        for _ in range(random.choice((1, 1, 1, 2, 4))):
            lines[chosen] = _as_json(lines[chosen], random)
    else:
        return (change_bytes or (lambda old: _as_bytes(old, random)))(data)[:LONGEST]
    return b"\n".join(lines)[:LONGEST]


def _as_json(line: bytes, random: Random) -> bytes:
    try:
        message = json.loads(line)
    except (ValueError, RecursionError):
        return _as_bytes(line, random)
    places = list(_places(message))
    if not places:
        return json.dumps(random.choice(ODD)).encode()
    holder, key = random.choice(places)
    kind = random.random()
    if kind < 0.6:
        holder[key] = random.choice(ODD)
    elif kind < 0.7:
        del holder[key]
    elif kind < 0.8:
        other, name = random.choice(places)
        holder[key] = other[name]
    elif kind < 0.9 and isinstance(holder, list):
        holder.append(holder[key])
    else:
        holder[key] = _otherwise(holder[key])
    try:
        return json.dumps(message).encode()
    except (ValueError, RecursionError):
        # It has come to hold itself.
        return line


def _places(value: Any, depth: int = 0) -> Any:
    if depth > 50:
        return
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, part in list(inside):
        yield value, key
        yield from _places(part, depth + 1)


def _otherwise(value: Any) -> Any:
    """Return the same in another spelling."""
    match value:
        case bool() | None:
            return str(value)
        case int() | float():
            return str(value)
        case str() if value.removeprefix("-").isdecimal() and value.isascii() and len(value) < 100:
            return int(value)
        case str():
            return value.swapcase()
        case list():
            return value[::-1]
        case _:
            return [value]


def _as_bytes(data: bytes, random: Random) -> bytes:
    start = random.randrange(len(data) + 1)
    stop = random.choice((start, min(start + 1, len(data)), random.randrange(start, len(data) + 1)))
    middle = random.choice((*_BYTES, bytes([random.randrange(256)]), data[start:stop] * 2))
    return data[:start] + middle + data[stop:]
