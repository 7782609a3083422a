"""What each venue promises and forbids: pure values, the numbers with their source."""

from __future__ import annotations

import attrs

SPOT = "binance"
USDM = "binance-usdm"
COINM = "binance-coinm"
BYBIT = "bybit"
BYBIT_LINEAR = "bybit-linear"
OKX = "okx"
KUCOIN = "kucoin"
GATE = "gate"

_DAY = 86_400.0


@attrs.frozen(kw_only=True)
class Rules:
    """The limits and habits of one venue. Durations in seconds; None: the venue has no such rule.

    `attrs.evolve(Rules.documented("binance"), ...)` makes a stricter venue, for `Exchange(rules=...)`.
    """

    # Signs of life
    ping_interval: float | None = None
    """Between the server's ping frames."""
    pong_timeout: float = 60.0
    """From a ping frame to the disconnection, when its payload does not come back."""
    client_ping_within: float | None = None
    """Longest time between two application-level pings of the client, however much is streaming."""
    quiet: float | None = None
    """Longest time in which neither the client sends anything nor data is pushed to it."""
    unpushed: float | None = None
    """Longest time in which nothing is pushed to the client, pongs included."""
    unsubscribed: float | None = None
    """Longest time without a subscription and without a sign of life from the client."""
    lifetime: float | None = None
    """From the handshake to the disconnection."""

    # What a connection may do
    messages: int | None = None
    """Incoming PING, PONG and text frames in any rolling `messages_within`."""
    messages_within: float = 1.0
    requests_per_hour: int | None = None
    """Subscribe, unsubscribe and login requests of one connection."""
    connections_per_channel: int | None = None
    """Connections of one account that have one private channel."""
    streams_per_connection: int | None = None
    args_per_request: int | None = None
    """Topics in one subscribe request."""
    args_length: int | None = None
    """Characters of the topics of one connection, together."""
    longest_request: int = 64 * 1024
    """Bytes of one message of the client; a longer one ends the connection with 1009."""

    # What an address may do
    attempts: int | None = None
    """Attempts to connect in any rolling `attempts_window`."""
    attempts_window: float = 300.0
    connections: int | None = None
    """WebSocket connections at one time."""
    longest_target: int = 8004
    """Characters of the request target of a handshake (unicorn-binance-websocket-api changelog)."""
    weight_per_minute: int | None = None
    """Request weight in a calendar minute."""
    rest_requests: int | None = None
    """REST requests, or the units of the venue's pool, in any rolling `rest_within`."""
    rest_within: float = 1.0
    account_requests: int | None = None
    """The same, of a pool for requests about orders and fills, where the venue has one apart."""
    tolerated_429: int = 3
    """Requests answered 429 in a row before the address is banned."""
    ban: float = 120.0
    """The first ban; each following one is twice as long, up to `longest_ban`."""
    longest_ban: float = 3 * _DAY
    """As long as the venue says (binance-spot-api-docs rest-api.md)."""

    # Habits
    listen_key_life: float = 3600.0
    token_life: float = _DAY
    filled_twice: int = 0
    """Every so many filled orders are told a second time as filled, with a cancellation that came too late. Zero: none."""
    welcome_after: float = 0.0
    """From the handshake to KuCoin's welcome; what is said before is lost. A capture of 2021 shows thirteen
    subscriptions sent within 1 ms of the handshake, all acknowledged: only a client that is very near is too early."""
    agg_trade_history: float | None = None
    """How far back REST gives aggregate trades; None: as far as the exchange remembers."""
    backlog: int = 8 * 1024 * 1024
    """Unsent bytes above which a connection that reads too slowly is cut off. The venue's own figure is unknown."""
    tells_without_events: bool = False
    """Whether a private stream of USD-M whose address names no events brings all of them. It is said to bring nothing on
    mainnet (unicorn-binance-websocket-api changelog 2.14.0), and to work by others."""
    lists_unknown: bool = True
    """Whether LIST_SUBSCRIPTIONS names streams that do not exist, as the acknowledgement suggests. Not documented."""

    @classmethod
    def documented(cls, venue: str) -> Rules:
        """What the venue's own documents say.

        Raises:
            KeyError: there is no such venue.
        """
        return RULES[venue]


_BYBIT = Rules(
    # docs v5 rate-limit.mdx, ws/connect.mdx, 2026-07-24: 500 connections in 5 minutes and domain, 1000 at a time,
    # 10 minutes without ping-pong and data, 600 requests in 5 seconds. That an idle unsubscribed connection is dropped
    # after 61 s was observed (2026-09).
    quiet=600.0,
    unsubscribed=61.0,
    args_length=21_000,
    attempts=500,
    attempts_window=300.0,
    connections=1000,
    rest_requests=600,
    rest_within=5.0,
    ban=600.0,
    # Documented (websocket/private/order.mdx); how often it happens is not.
    filled_twice=5,
)

# USD-M connect page, 2026-05-28; the connection attempts are the spot figure, none is stated for futures
_FUTURES = Rules(
    ping_interval=180.0,
    pong_timeout=600.0,
    lifetime=_DAY,
    messages=10,
    streams_per_connection=1024,
    attempts=300,
    weight_per_minute=2400,
    agg_trade_history=48 * 3600.0,
)

RULES: dict[str, Rules] = {
    # binance-spot-api-docs web-socket-streams.md and rest-api.md, 2026-07-21
    SPOT: Rules(
        ping_interval=20.0,
        pong_timeout=60.0,
        lifetime=_DAY,
        messages=5,
        streams_per_connection=1024,
        attempts=300,
        weight_per_minute=6000,
    ),
    USDM: _FUTURES,
    # As USD-M. That both share one allowance of weight since 2026-06-30 is not simulated: each has its own here.
    COINM: _FUTURES,
    BYBIT: attrs.evolve(_BYBIT, args_per_request=10),
    BYBIT_LINEAR: _BYBIT,
    # docs-v5, about 2026-02: 3 connections a second, 480 requests an hour and connection, 64 KB of args, 30 s, 30
    # connections a private channel
    OKX: Rules(
        unpushed=30.0,
        requests_per_hour=480,
        connections_per_channel=30,
        attempts=3,
        attempts_window=1.0,
    ),
    # docs-new, 2026-09: 800 connections, 100 messages in 10 s, 100 topics a message; 300 topics a connection is the
    # safe one of three figures; 250 attempts in 5 minutes is the figure of the unified sockets. That the server drops
    # a client that has not pinged for 60 s, and a connection whose token is a day old, was observed.
    KUCOIN: Rules(
        client_ping_within=60.0,
        lifetime=_DAY,
        messages=100,
        messages_within=10.0,
        streams_per_connection=300,
        args_per_request=100,
        attempts=250,
        connections=800,
        rest_requests=2000,
        rest_within=30.0,
        # "Rate limit": 4000 in 30 s is the pool "Spot" of the lowest rank.
        account_requests=4000,
    ),
    # No documented limits: 100 connections is what the staff recommends (gatews issue 25, 2022), attempts are the
    # figure of others. An idle connection without a subscription was seen to be dropped after 30.5 s (2026-09).
    GATE: Rules(
        unsubscribed=30.5,
        attempts=300,
        connections=100,
        rest_requests=200,
        rest_within=10.0,
    ),
}
