"""How to follow the trades of each venue, written from the documents and without the project's own clients."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import attrs

ALL = {
    "binance": ["BTCUSDT"],
    "binance-usdm": ["BTCUSDT"],
    "binance-coinm": ["BTCUSD_PERP"],
    "bybit": ["BTCUSDT"],
    "bybit-linear": ["BTCUSDT"],
    "okx": ["BTC-USDT"],
    "kucoin": ["BTC-USDT"],
    "gate": ["BTC_USDT"],
}


@attrs.frozen
class Tongue:
    """One venue's trades channel."""

    target: str
    request: dict[str, Any]
    is_ack: Callable[[Any], bool]
    ids: Callable[[Any], list[Any]]
    """The trade ids in a message; empty for anything else."""
    newest: str
    """A REST request."""


def _binance(message: Any, field: str) -> list[Any]:
    return [message[field]] if field in message and "e" in message else []


TONGUES = {
    "binance": Tongue(
        "/ws",
        {"method": "SUBSCRIBE", "params": ["btcusdt@trade"], "id": 1},
        lambda m: m == {"result": None, "id": 1},
        lambda m: _binance(m, "t"),
        "/api/v3/trades?symbol=BTCUSDT&limit=1",
    ),
    "binance-usdm": Tongue(
        "/market/ws",
        {"method": "SUBSCRIBE", "params": ["btcusdt@aggTrade"], "id": 1},
        lambda m: m == {"result": None, "id": 1},
        lambda m: _binance(m, "a"),
        "/fapi/v1/aggTrades?symbol=BTCUSDT&limit=1",
    ),
    "binance-coinm": Tongue(
        "/ws",
        {"method": "SUBSCRIBE", "params": ["btcusd_perp@aggTrade"], "id": 1},
        lambda m: m == {"result": None, "id": 1},
        lambda m: _binance(m, "a"),
        "/dapi/v1/aggTrades?symbol=BTCUSD_PERP&limit=1",
    ),
    "bybit": Tongue(
        "/v5/public/spot",
        {"op": "subscribe", "args": ["publicTrade.BTCUSDT"], "req_id": "1"},
        lambda m: m.get("op") == "subscribe" and m["success"],
        lambda m: [int(row["i"]) for row in m["data"]] if m.get("topic", "").startswith("publicTrade") else [],
        "/v5/market/recent-trade?category=spot&symbol=BTCUSDT",
    ),
    "bybit-linear": Tongue(
        "/v5/public/linear",
        {"op": "subscribe", "args": ["publicTrade.BTCUSDT"], "req_id": "1"},
        lambda m: m.get("op") == "subscribe" and m["success"],
        lambda m: [row["i"] for row in m["data"]] if m.get("topic", "").startswith("publicTrade") else [],
        "/v5/market/recent-trade?category=linear&symbol=BTCUSDT",
    ),
    "okx": Tongue(
        "/ws/v5/business",
        {"id": "1", "op": "subscribe", "args": [{"channel": "trades-all", "instId": "BTC-USDT"}]},
        lambda m: m.get("event") == "subscribe",
        lambda m: [int(row["tradeId"]) for row in m.get("data", [])],
        "/api/v5/market/history-trades?instId=BTC-USDT",
    ),
    "kucoin": Tongue(
        "/?token={token}&connectId=me",
        {"id": 1, "type": "subscribe", "topic": "/market/match:BTC-USDT", "response": True},
        lambda m: m.get("type") == "ack",
        lambda m: [int(m["data"]["sequence"])] if m.get("subject") == "trade.l3match" else [],
        "/api/v1/market/histories?symbol=BTC-USDT",
    ),
    "gate": Tongue(
        "/ws/v4/",
        {"id": 1, "channel": "spot.trades", "event": "subscribe", "payload": ["BTC_USDT"]},
        lambda m: m.get("event") == "subscribe" and m["result"] == {"status": "success"},
        lambda m: [m["result"]["id"]] if m.get("event") == "update" else [],
        "/api/v4/spot/trades?currency_pair=BTC_USDT",
    ),
}

PINGS = {
    "bybit": '{"op":"ping"}',
    "bybit-linear": '{"op":"ping"}',
    "okx": "ping",
    "kucoin": '{"id":"1","type":"ping"}',
    "gate": '{"channel":"spot.ping"}',
}


class Follower:
    """A connection that follows trades."""

    def __init__(self, venue: str, ws: Any) -> None:
        self.venue = venue
        self.ws = ws
        self.tongue = TONGUES[venue]

    async def subscribe(self) -> None:
        await self.ws.send(json.dumps(self.tongue.request))

    async def acknowledged(self) -> None:
        while not self.tongue.is_ack(await self.message()):
            pass

    async def message(self) -> Any:
        text = await self.ws.text()
        return {"pong": True} if text == "pong" else json.loads(text)

    async def ids(self) -> list[Any]:
        """The ids of the next message that has any."""
        while not (found := self.tongue.ids(await self.message())):
            pass
        return found

    async def ping(self) -> None:
        await (self.ws.send(PINGS[self.venue]) if self.venue in PINGS else self.ws.ping())


async def dial(client: Any, venue: str) -> Follower:
    """Connect, greeted where the venue greets, and not yet subscribed."""
    token = ""
    if venue == "kucoin":
        bullet = await (await client.http(venue)).request("POST", "/api/v1/bullet-public")
        token = bullet.json["data"]["token"]
    ws = await client.ws(venue, TONGUES[venue].target.format(token=token))
    if venue == "kucoin":
        assert await ws.json() == {"id": "me", "type": "welcome"}
    return Follower(venue, ws)


async def follow(client: Any, venue: str) -> Follower:
    """Connect and subscribe."""
    follower = await dial(client, venue)
    await follower.subscribe()
    await follower.acknowledged()
    return follower


def published(exchange: Any, venue: str) -> list[Any]:
    """The ids that were published, as the venue shows them."""
    return [trade.id for trade in exchange.record.trades[venue, ALL[venue][0]]]
