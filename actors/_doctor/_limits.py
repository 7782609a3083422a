"""The connections and symbols that the tree declares, beside what the venues allow one address and one connection."""

from __future__ import annotations

from collections import defaultdict
from typing import Any, Final

import trio

from .._source import Limits
from ._finding import Finding
from ._needs import Needs, Stream

FULL: Final = 0.8
"""Of an allowance: more leaves too little for what must be repeated after a failure."""
LATE: Final = 60.0
"""Seconds for all connections to be opened; more is worth to know."""


async def limits(needs: Needs) -> list[Finding]:
    """Count what is declared, by address."""
    await trio.lowlevel.checkpoint()
    by_address: dict[tuple[str, str], list[Stream]] = defaultdict(list)
    for stream in needs.streams:
        by_address[stream.venue, stream.address].append(stream)
    found = []
    for (venue, _), streams in by_address.items():
        allowed = next((known for stream in streams if (known := _allowed(stream.source)) is not None), None)
        if allowed is not None:
            found += [_attempts(venue, streams, allowed), *(_symbols(stream) for stream in streams if stream.public)]
    return found


def _allowed(source: Any) -> Limits | None:
    limits_of = getattr(source, "limits", None)
    return limits_of if isinstance(limits_of, Limits) else None


def _attempts(venue: str, streams: list[Stream], allowed: Limits) -> Finding:
    declared = sum(len(stream.connections) for stream in streams)
    text = f"{declared} connections declared, {allowed.attempts} may be opened in {allowed.attempts_within:g} s"
    # While one flows, its successor is opened.
    if declared > allowed.attempts:
        seconds = (declared - 1) // allowed.attempts * allowed.attempts_within
        text += f": after a start, or the loss of all, it takes {seconds:.0f} s until all are open"
        if seconds > LATE:
            advice = "put more symbols on a connection, or use another address for a part of them"
            return Finding("warning", "limits", venue, text, advice)
    return Finding("ok", "limits", venue, text)


def _symbols(stream: Stream) -> Finding:
    source, about = stream.source, f"{stream.venue} {stream.source.channel}"
    allowed: Limits = source.limits
    most = max(symbols for _, symbols in stream.connections)
    text = f"at most {most} symbols on a connection, {allowed.symbols} are allowed"
    if most > allowed.symbols:  # A tree that says so does not open; one that is changed while it runs may.
        return Finding("failed", "limits", about, text, "make two feeds of it")
    if allowed.messages is not None and allowed.lifetime != 0:
        asks = max(
            len(source.subscribe([str(number) for number in range(symbols)], 1)) for _, symbols in stream.connections
        )
        pings = allowed.messages_within / source.ping_every
        part = (asks + pings) / allowed.messages
        text += f"; {part:.0%} of its {allowed.messages} messages in {allowed.messages_within:g} s"
        if part > FULL:
            return Finding("warning", "limits", about, text, "make two feeds of it, or ping less often")
    return Finding("ok", "limits", about, text)
