"""The rows of the table of accounts: what can go wrong with a private stream, each as a script for any venue."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from actors.simulator import Fault

from .runs import ACCOUNTS, Row, Trouble, run

SPOT, USDM, COINM, KUCOIN, OKX = "binance", "binance-usdm", "binance-coinm", "kucoin", "okx"
MINUTE = 60.0
KEYED = (SPOT, USDM, COINM, KUCOIN)
"""Venues whose private streams stand on something that ends by itself."""
WITH_LOGIN = (SPOT, "bybit", "bybit-linear", OKX, "gate")

Script = Callable[[str], Sequence[tuple[float, Fault]]]


def of(*faults: tuple[float, str, dict[str, Any]]) -> Script:
    """Return the script of some faults on private streams, or where they say."""
    return lambda venue: [
        (at, Fault(kind, venue=venue, **{"surface": "private", **settings})) for at, kind, settings in faults
    ]


def one(kind: str, **settings: Any) -> Script:
    """Return the script of a single fault."""
    return of((0.0, kind, settings))


def dropped(kind: str, **settings: Any) -> Script:
    """Return the script in which the stream breaks, and cannot be had again for some seconds."""
    return of((0.0, "refuse", {"surface": "ws", "duration": 5.0}), (0.1, kind, settings))


def broken_while(kind: str, seconds: float, **settings: Any) -> Script:
    """Return the script in which REST is in trouble, and the stream breaks in the middle of it."""
    rest = {"surface": "rest", "duration": seconds, **settings}
    return of((0.0, kind, rest), (1.0, "reset", {}), (seconds / 2, "reset", {}))


def flapping(venue: str) -> Sequence[tuple[float, Fault]]:
    """Twenty resets, from one a second to one in a while."""
    return [(float(number * number) / 4, Fault("reset", venue=venue, surface="private")) for number in range(20)]


TROUBLES = (
    Trouble("nothing", lambda _venue: (), harm="none"),
    Trouble("drop: reset", dropped("reset"), 5.0, orders_per_second=1.0),
    Trouble("drop: orderly close", dropped("close", code=1001), 5.0, orders_per_second=1.0),
    Trouble("drop: close 1008", dropped("close", code=1008), 5.0, orders_per_second=1.0),
    Trouble("drop: truncated frame", dropped("truncated"), 5.0, orders_per_second=1.0),
    Trouble("drop: garbage", dropped("garbage"), 5.0, orders_per_second=1.0),
    Trouble("mute, this connection", one("mute", duration=5 * MINUTE, newcomers=False), 5 * MINUTE),
    Trouble("mute, every connection", one("mute", duration=2 * MINUTE), 2 * MINUTE),
    Trouble("half-open, this connection", one("half_open", duration=5 * MINUTE, newcomers=False), 5 * MINUTE),
    Trouble("half-open, every connection", one("half_open", duration=2 * MINUTE), 2 * MINUTE),
    Trouble("stale: old events again", one("stale", duration=MINUTE), MINUTE),
    Trouble("key expiry with notice", one("expire_key", notice=True), 0.0, KEYED, harm="some"),
    Trouble("key expiry without notice", one("expire_key", notice=False), 0.0, KEYED),
    Trouble(
        "key expiry during an outage",
        of(
            (0.0, "refuse", {"surface": "ws", "duration": MINUTE}),
            (0.1, "reset", {}),
            (MINUTE / 2, "expire_key", {"notice": False}),
        ),
        MINUTE,
        KEYED,
    ),
    Trouble(
        "key expiry twice, at once",
        of((0.0, "expire_key", {"notice": True}), (0.05, "expire_key", {"notice": True})),
        0.0,
        KEYED,
        harm="some",
    ),
    Trouble(
        "revoked key",
        of((0.0, "revoke_key", {}), (8 * MINUTE, "restore_key", {})),
        8 * MINUTE,
        unpark_at=8 * MINUTE + 10,
    ),
    Trouble(
        "revoked key, and the stream breaks",
        of((0.0, "revoke_key", {"notice": False}), (1.0, "reset", {}), (MINUTE, "restore_key", {})),
        MINUTE,
        unpark_at=MINUTE + 10,
    ),
    Trouble(
        "refused login",
        of((0.0, "refuse_login", {"duration": MINUTE}), (0.1, "expire_key", {"notice": False}), (0.2, "reset", {})),
        MINUTE,
        KEYED,
        unpark_at=MINUTE + 10,
    ),
    Trouble(
        "refused login, no key to expire",
        of((0.0, "refuse_login", {"duration": MINUTE}), (0.2, "reset", {})),
        MINUTE,
        ("bybit", "bybit-linear", OKX, "gate"),
        unpark_at=MINUTE + 10,
    ),
    Trouble(
        "lost login acknowledgement",
        of((0.0, "lost_login_ack", {"duration": MINUTE}), (0.1, "reset", {})),
        MINUTE,
        WITH_LOGIN,
        harm="some",
    ),
    Trouble("reconnect during fills", flapping, 95.0, orders_per_second=1.0),
    Trouble(
        "connections refused",
        of((0.0, "refuse", {"surface": "ws", "duration": MINUTE}), (0.1, "reset", {})),
        MINUTE,
    ),
    Trouble(
        "accept, then close, ten minutes",
        of((0.0, "accept_then_close", {"duration": 10 * MINUTE}), (0.1, "reset", {})),
        10 * MINUTE,
    ),
    Trouble(
        "REST lags while the stream breaks",
        broken_while("rest_lag", 20.0, delay=3.0),
        20.0,
        rest_is_true=False,
        orders_per_second=1.0,
    ),
    Trouble(
        "REST lags with fills",
        broken_while("rest_lag", 20.0, delay=3.0, variant=1),
        20.0,
        rest_is_true=False,
        orders_per_second=1.0,
    ),
    Trouble(
        "REST lags with orders",
        broken_while("rest_lag", 20.0, delay=3.0, variant=2),
        20.0,
        rest_is_true=False,
        orders_per_second=1.0,
    ),
    Trouble("429 during reconcile", broken_while("http_429", 30.0), 30.0),
    # Bybit does not say for how long; it is ten minutes by its documents, and nothing is asked before.
    Trouble("ban during reconcile", broken_while("http_418", 30.0), 10 * MINUTE),
    Trouble("5xx during reconcile", broken_while("http_5xx", 30.0), 30.0),
    Trouble("unknown outcome during reconcile", broken_while("unknown_outcome", 30.0), 30.0),
    Trouble("REST is slow during reconcile", broken_while("slow", 30.0, delay=1.0), 30.0, orders_per_second=1.0),
    Trouble("REST is mute during reconcile", broken_while("mute", 30.0), 30.0),
    Trouble("duplicate events", one("duplicate", duration=MINUTE, share=0.5), MINUTE, harm="none"),
    Trouble("reordered events", one("reorder", duration=MINUTE, share=0.5), MINUTE, orders_per_second=1.0, harm="some"),
    Trouble("late events", one("slow", duration=MINUTE, delay=1.5), MINUTE, harm="none"),
    Trouble("replayed events", one("replay_events", count=30), harm="none"),
    Trouble(
        "replayed events after a reconnect",
        of((0.0, "reset", {}), (6.0, "replay_events", {"count": 30}), (7.0, "reset", {})),
        7.0,
        orders_per_second=1.0,
        harm="some",
    ),
    Trouble("dropped events on a living stream", one("drop_events", count=14), orders_per_second=1.0),
    Trouble("a dropped event, then silence", one("drop_events", count=1000)),
    Trouble("lost subscription", one("lost_subscription")),
    Trouble(
        "clock of the venue 5 s off",
        one("clock_skew", surface="rest", duration=MINUTE, shift=5.0),
        MINUTE,
        harm="none",
    ),
    Trouble(
        "clock of the venue a minute off while the stream breaks",
        of((0.0, "clock_skew", {"surface": "rest", "duration": MINUTE, "shift": -60.0}), (1.0, "reset", {})),
        MINUTE,
        harm="some",
    ),
    Trouble("notice before the close", one("notice", duration=10.0), 10.0, (SPOT, OKX), harm="some"),
    Trouble("maintenance", one("maintenance", surface="ws", duration=2 * MINUTE), 2 * MINUTE, harm="some"),
    Trouble("process killed and restarted", lambda _venue: (), 2 * MINUTE, down=((0.0, 2 * MINUTE),)),
    Trouble(
        "process killed in a reconcile",
        of((0.0, "reset", {}), (0.0, "slow", {"surface": "rest", "duration": 20.0, "delay": 1.0})),
        MINUTE,
        down=((3.0, 10.0), (13.0, 40.0)),
        orders_per_second=1.0,
    ),
    Trouble(
        "everything at once",
        of(
            (0.0, "http_5xx", {"surface": "rest", "duration": 20.0}),
            (1.0, "drop_events", {"count": 5}),
            (3.0, "reset", {}),
            (4.0, "mute", {"duration": 30.0}),
            (10.0, "duplicate", {"duration": 40.0, "share": 0.5}),
            (30.0, "http_429", {"surface": "rest", "duration": 10.0}),
            (40.0, "garbage", {}),
            (45.0, "reorder", {"duration": 10.0, "share": 0.3}),
        ),
        55.0,
        orders_per_second=1.0,
    ),
)
"""Every row. Those without a list of venues are for all of them."""


def cases() -> list[tuple[str, Trouble]]:
    """Return every account with every trouble that it can have."""
    return [
        (name, trouble)
        for trouble in TROUBLES
        for name, one in ACCOUNTS.items()
        if not trouble.venues or one.venue.name in trouble.venues
    ]


def run_case(chosen: tuple[int, int]) -> Row:
    """Run one case, in whichever process: its place in the table, and the seed."""
    place, seed = chosen
    name, trouble = cases()[place]
    return run(name, trouble, seed=seed)
