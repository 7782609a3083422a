"""A venue that exists only in tests: its frames are JSON that says what it means, its habits are options."""

import json
from collections.abc import Sequence
from typing import Any

import attrs

from actors import BadFrame, HttpFailure
from actors._source import (
    Acknowledged,
    Ask,
    Channel,
    Closing,
    Control,
    Decoded,
    Door,
    Frame,
    HttpReply,
    HttpRequest,
    Ignored,
    Limits,
    Listed,
    Pong,
    Refused,
    RestLimit,
    Welcome,
)

LIMITS = Limits(
    attempts=100,
    attempts_within=300,
    messages=None,
    messages_within=1.0,
    symbols=1024,
    lifetime=None,
    rest=RestLimit(1000, 60),
)


@attrs.frozen
class Item:
    symbol: str
    id: int


@attrs.frozen
class FakeSource:
    """A public source. What it sends: ``{"op": "subscribe", "id": "1", "symbols": [...]}``."""

    batch: int = 100
    """Most symbols in one request."""
    lists: bool = False
    text_pings: bool = False
    limits: Limits = LIMITS
    bullet: bool = False
    """Whether the address must be asked for."""
    ping_every_by_door: float | None = None
    venue: str = "fake"
    channel: Channel = "trades"
    ping_every: float = 15.0

    def symbol(self, name: str) -> str:
        if not name.isalnum():
            raise ValueError(f"not a symbol: {name!r}")
        return name.upper()

    def door_request(self) -> HttpRequest | None:
        return HttpRequest("POST", "/bullet") if self.bullet else None

    def door(self, address: str, answer: bytes | None) -> Door:
        if answer is None:
            return Door(f"{address}/stream", self.ping_every_by_door)
        told = json.loads(answer)
        return Door(f"{address}/stream?token={told['token']}", told["ping_every"], told["pong_within"])

    def subscribe(self, symbols: Sequence[str], first_id: int) -> list[Ask]:
        return self._asks("subscribe", symbols, first_id)

    def unsubscribe(self, symbols: Sequence[str], first_id: int) -> list[Ask]:
        return self._asks("unsubscribe", symbols, first_id)

    def _asks(self, op: str, symbols: Sequence[str], first_id: int) -> list[Ask]:
        parts = [tuple(symbols[start : start + self.batch]) for start in range(0, len(symbols), self.batch)]
        return [
            Ask(str(number), json.dumps({"op": op, "id": str(number), "symbols": part}), part)
            for number, part in enumerate(parts, first_id)
        ]

    def list_request(self) -> str | None:
        return '{"op": "list"}' if self.lists else None

    def listed(self, listed: Listed) -> frozenset[str]:
        return frozenset(listed.streams)

    def ping(self, number: int) -> str | None:
        return json.dumps({"op": "ping", "number": number}) if self.text_pings else None

    def decode_many(self, frames: Sequence[Frame], received: int) -> Decoded:
        decoded = Decoded([], [])
        for frame in frames:
            try:
                message = json.loads(frame)
            except ValueError:
                decoded.error = BadFrame("not JSON", frame)
                break
            if "trade" in message:
                decoded.items.append(Item(*message["trade"]))
            else:
                decoded.controls.append(_control(message))
        return decoded

    def unknown_symbol(self, failure: HttpFailure) -> bool:
        return failure.status == 400

    def failure(self, request: HttpRequest, reply: HttpReply) -> HttpFailure | None:
        return None if reply.status == 200 else HttpFailure(str(request), "no", status=reply.status)


def _control(message: dict[str, Any]) -> Control:
    kinds: dict[str, Any] = {
        "welcome": Welcome,
        "pong": Pong,
        "ack": lambda: Acknowledged(message["id"], tuple(message.get("symbols", ()))),
        "refused": lambda: Refused(
            message.get("code", 1),
            message.get("message", "no such symbol"),
            message["id"],
            tuple(message.get("symbols", ())),
            message.get("harmless", False),
        ),
        "listed": lambda: Listed(tuple(message["symbols"])),
        "closing": lambda: Closing(message["reason"]),
    }
    return kinds.get(message["kind"], lambda: Ignored(message["kind"], known=False))()  # type: ignore[no-any-return]
