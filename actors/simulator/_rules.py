"""What each venue promises and forbids: pure values, the numbers with their source."""

from __future__ import annotations

import attrs

SPOT = "binance"
USDM = "binance-usdm"


@attrs.frozen(kw_only=True)
class Rules:
    """The limits and habits of one venue. Durations in seconds.

    `attrs.evolve(Rules.documented("binance"), ...)` makes a stricter venue, for `Exchange(rules=...)`.
    """

    ping_interval: float
    pong_timeout: float
    """From a ping frame to the disconnection, when its payload does not come back."""
    messages_per_second: int
    """Incoming PING, PONG and text frames in any rolling second."""
    streams_per_connection: int = 1024
    attempts: int = 300
    attempts_window: float = 300.0
    longest_target: int = 8004
    """Characters of the request target of a handshake (unicorn-binance-websocket-api changelog)."""
    weight_per_minute: int
    tolerated_429: int = 3
    """Requests answered 429 in a row before the address is banned."""
    ban: float = 120.0
    """The first ban; each following one is twice as long, up to three days (binance-spot-api-docs rest-api.md)."""
    longest_ban: float = 3 * 86_400.0
    listen_key_life: float = 3600.0
    agg_trade_history: float | None = None
    """How far back REST gives aggregate trades; None: as far as the exchange remembers."""
    backlog: int = 8 * 1024 * 1024
    """Unsent bytes above which a connection that reads too slowly is cut off. The venue's own figure is unknown."""
    lists_unknown: bool = True
    """Whether LIST_SUBSCRIPTIONS names streams that do not exist, as the acknowledgement suggests. Not documented."""

    @classmethod
    def documented(cls, venue: str) -> Rules:
        """What the venue's own documents say.

        Raises:
            KeyError: there is no such venue.
        """
        return RULES[venue]


RULES: dict[str, Rules] = {
    # binance-spot-api-docs web-socket-streams.md and rest-api.md, 2026-07-21
    SPOT: Rules(ping_interval=20.0, pong_timeout=60.0, messages_per_second=5, weight_per_minute=6000),
    # USD-M connect page, 2026-05-28; the connection attempts are the spot figure, none is stated for futures
    USDM: Rules(
        ping_interval=180.0,
        pong_timeout=600.0,
        messages_per_second=10,
        weight_per_minute=2400,
        agg_trade_history=48 * 3600.0,
    ),
}
