"""Recordings of real traffic, and playing them to subscribers as if they happened now."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs
import msgspec

from ._market import Tape
from ._record import PublishedTrade
from ._rules import SPOT, USDM

if TYPE_CHECKING:
    from ._exchange import Exchange

_OPENED = re.compile(r"(wss?://\S+) <-> ([0-9.]+)\s*\Z")
_SENT = re.compile(r"(wss?://\S+) <- ([0-9.]+): (.*)\Z", re.DOTALL)
_RECEIVED = re.compile(r"([0-9.]+): (.*)\Z", re.DOTALL)


class _Wrapper(msgspec.Struct):
    stream: str
    data: msgspec.Raw


class _Event(msgspec.Struct):
    """What is read of a recorded event; the rest is passed on unread."""

    e: str = ""
    s: str = ""
    a: Any = None
    t: Any = None
    p: Any = None
    q: Any = None
    f: int = 0
    l: int = 0  # noqa: E741  # the venue's name for the last id
    T: int = 0
    m: bool = False


@attrs.frozen
class RecordedMessage:
    """One received message.

    Args:
        at: seconds since 1970 at which it was captured; counted from zero in a recording without times.
        stream: its stream; empty when neither the message nor its wrapper tells.
        payload: the JSON of the event itself, without the combined wrapper, byte for byte.
    """

    at: float
    stream: str
    payload: bytes


@attrs.frozen
class Recording:
    """A capture of one or several connections.

    Args:
        messages: in the order of their capture.
        urls: the addresses of the connections.
        sent: what the client sent: second and text.
    """

    messages: tuple[RecordedMessage, ...]
    urls: tuple[str, ...] = ()
    sent: tuple[tuple[float, str], ...] = ()

    def __repr__(self) -> str:
        return f"<Recording of {len(self.messages)} messages, symbols {', '.join(self.symbols)}>"

    @property
    def symbols(self) -> tuple[str, ...]:
        """The symbols of its streams, upper case, in the order of their first message."""
        names = (message.stream.partition("@")[0] for message in self.messages if "@" in message.stream)
        return tuple(dict.fromkeys(name.upper() for name in names if name and not name.startswith("!")))

    @classmethod
    def load(cls, path: str | Path, *, spacing: float = 0.1) -> Recording:
        """Read a capture (`wss://URL <-> epoch`, `wss://URL <- epoch: json`, `epoch: json`) or JSON lines.

        Args:
            path: a text file.
            spacing: seconds between two messages of a file without times.

        Raises:
            ValueError: a line is neither; the message names it.
        """
        with Path(path).open(encoding="utf-8") as lines:
            return cls.parse(lines.read(), spacing=spacing)

    @classmethod
    def parse(cls, text: str, *, spacing: float = 0.1) -> Recording:
        """Read a capture from its text; see `load`."""
        messages: list[RecordedMessage] = []
        urls: list[str] = []
        sent: list[tuple[float, str]] = []
        for number, line in enumerate(text.splitlines(), 1):
            if not line.strip():
                continue
            if match := _OPENED.match(line):
                urls.append(match[1])
            elif match := _SENT.match(line):
                sent.append((float(match[2]), match[3]))
            elif match := _RECEIVED.match(line):
                messages.append(_message(float(match[1]), match[2], number))
            else:
                messages.append(_message(len(messages) * spacing, line, number))
        return cls(tuple(messages), tuple(urls), tuple(sent))


def _message(at: float, text: str, number: int) -> RecordedMessage:
    body = text.strip().encode()
    try:
        wrapper = msgspec.json.decode(body, type=_Wrapper)
        return RecordedMessage(at, wrapper.stream, bytes(wrapper.data))
    except msgspec.ValidationError:
        pass  # Not a combined message: the event itself must tell its stream.
    except msgspec.DecodeError as exc:
        raise ValueError(f"line {number} is not a recorded message: {exc}") from exc
    event = _event(body)
    named = event is not None and event.e in ("trade", "aggTrade", "kline", "markPrice", "forceOrder") and event.s
    return RecordedMessage(at, f"{event.s.lower()}@{event.e}" if event is not None and named else "", body)


def _event(payload: bytes) -> _Event | None:
    try:
        return msgspec.json.decode(payload, type=_Event)
    except msgspec.ValidationError:
        return None


async def replay_into(exchange: Exchange, recording: Recording, venue: str, speed: float) -> int:
    """Publish a recording; see `Exchange.replay`."""
    if venue not in (SPOT, USDM):
        raise ValueError(f"only Binance's recordings can be replayed, not those of {venue}")
    if not speed > 0:
        raise ValueError("the speed must be above zero")
    tapes: dict[str, Tape] = {}
    for symbol in recording.symbols:
        tape = exchange.tapes[venue].get(symbol)
        if tape is not None and tape.live:
            raise ValueError(f"{symbol} trades live on {venue}: its ids would mix with the recorded ones")
        tapes[symbol] = tape or exchange.add_symbol(venue, symbol, live=False)
    began = exchange.clock.now()
    first = recording.messages[0].at if recording.messages else 0.0
    for message in recording.messages:
        due = began + (message.at - first) / speed
        await exchange.clock.sleep_until(due)
        if not message.stream:
            continue
        _remember(venue, tapes.get(message.stream.partition("@")[0].upper()), message, due)
        exchange.hub.publish(venue, [(message.stream, _constant(message.payload))])
    return len(recording.messages)


def _constant(payload: bytes) -> Callable[[], bytes]:
    return lambda: payload


def _remember(venue: str, tape: Tape | None, message: RecordedMessage, at: float) -> None:
    kind = message.stream.partition("@")[2]
    event = _event(message.payload) if kind in ("trade", "aggTrade") else None
    if tape is None or event is None:
        return
    number = event.a if kind == "aggTrade" else event.t
    first, last = (event.f, event.l) if kind == "aggTrade" else (number, number)
    side = "sell" if event.m else "buy"
    trade = PublishedTrade(number, event.p, event.q, side, event.T, first, last, at)  # type: ignore[arg-type]
    if kind == "trade":
        tape.remember((trade,), None)
    else:
        tape.remember(() if venue == SPOT else (trade,), trade)
