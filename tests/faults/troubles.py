"""The rows of the fault table: what can go wrong with a public feed, each as a script for any venue."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from actors.simulator import Fault

from ..actors.products import PRODUCTS
from .runs import Row, Trouble, run

SPOT, OKX, KUCOIN, GATE = "binance", "okx", "kucoin", "gate"
MINUTE = 60.0


def one(kind: str, **settings: Any) -> Callable[[str], Sequence[tuple[float, Fault]]]:
    """Return the script of a single fault."""
    return lambda venue: [(0.0, Fault(kind, venue=venue, **settings))]


def flapping(venue: str) -> Sequence[tuple[float, Fault]]:
    """Twenty resets, from one a second to one in a while."""
    return [(float(number * number) / 4, Fault("reset", venue=venue)) for number in range(20)]


def everything(venue: str) -> Sequence[tuple[float, Fault]]:
    """The stream breaks while REST is down, and comes back mute."""
    return [
        (0.0, Fault("http_5xx", venue=venue, surface="rest", duration=20.0)),
        (1.0, Fault("reset", venue=venue)),
        (2.0, Fault("mute", venue=venue, duration=30.0)),
        (40.0, Fault("garbage", venue=venue)),
    ]


TROUBLES = (
    Trouble("nothing", lambda _venue: ()),
    Trouble("reset", one("reset")),
    Trouble("orderly close", one("close", code=1001)),
    Trouble("close 1008 (too many requests)", one("close", code=1008)),
    Trouble("mute, this connection", one("mute", duration=MINUTE, newcomers=False), MINUTE),
    Trouble("mute, every connection", one("mute", duration=MINUTE), MINUTE),
    Trouble("stale: old data again", one("stale", duration=MINUTE), MINUTE),
    Trouble("half-open, this connection", one("half_open", duration=MINUTE, newcomers=False), MINUTE),
    Trouble("half-open, every connection", one("half_open", duration=MINUTE), MINUTE),
    Trouble(
        "refused", lambda venue: [*one("refuse", duration=MINUTE)(venue), (0.1, Fault("reset", venue=venue))], MINUTE
    ),
    Trouble(
        "accept, then close, ten minutes",
        lambda venue: [*one("accept_then_close", duration=10 * MINUTE)(venue), (0.1, Fault("reset", venue=venue))],
        10 * MINUTE,
    ),
    Trouble("slow network", one("slow", duration=MINUTE, delay=0.3), MINUTE),
    Trouble("trickle, 100 bytes a write", one("slow", duration=MINUTE, delay=0.01, chunk=100), MINUTE),
    Trouble("garbage", one("garbage")),
    Trouble("oversized message", one("oversized")),
    Trouble("truncated frame", one("truncated")),
    Trouble("duplicated frames", one("duplicate", duration=MINUTE, share=0.5), MINUTE),
    Trouble("frames out of order", one("reorder", duration=MINUTE, share=0.3), MINUTE),
    Trouble("lost subscription", one("lost_subscription")),
    Trouble(
        "lost acknowledgement",
        lambda venue: [*one("lost_ack", duration=MINUTE)(venue), (0.1, Fault("reset", venue=venue))],
        MINUTE,
    ),
    Trouble("clock of the venue 30 s off", one("clock_skew", duration=MINUTE, shift=30.0), MINUTE),
    Trouble(
        "REST fails while the stream breaks",
        lambda venue: [
            *one("http_5xx", surface="rest", duration=20.0)(venue),
            (1.0, Fault("reset", venue=venue)),
        ],
        20.0,
    ),
    Trouble(
        "REST says 429 while the stream breaks",
        lambda venue: [
            *one("http_429", surface="rest", duration=20.0)(venue),
            (1.0, Fault("reset", venue=venue)),
        ],
        20.0,
    ),
    Trouble(
        "REST bans while the stream breaks",
        lambda venue: [
            *one("http_418", surface="rest", duration=30.0)(venue),
            (1.0, Fault("reset", venue=venue)),
        ],
        30.0,
    ),
    Trouble("notice before the close", one("notice", duration=10.0), 10.0, (SPOT, OKX, GATE)),
    Trouble("maintenance", one("maintenance", duration=2 * MINUTE), 2 * MINUTE),
    Trouble(
        "expired token",
        lambda venue: [(0.0, Fault("expire_token", venue=venue)), (0.1, Fault("reset", venue=venue))],
        0.0,
        (KUCOIN,),
    ),
    Trouble("flapping", flapping, 95.0),
    Trouble("everything at once", everything, 40.0),
)
"""Every row. Those without a list of venues are for all of them."""


def cases() -> list[tuple[str, Trouble]]:
    """Return every venue with every trouble that it can have."""
    return [(venue, trouble) for trouble in TROUBLES for venue in PRODUCTS if venue in trouble.venues]


def run_case(chosen: tuple[int, int]) -> Row:
    """Run one case, in whichever process: its place in the table, and the seed."""
    place, seed = chosen
    venue, trouble = cases()[place]
    return run(venue, trouble, seed=seed)
