"""Binance's JSON: events and rows. Pure; the field order is the documentation's."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from .._account_view import FillRow, Order
from .._book import BookChange, BookState
from .._record import OrderEvent, PublishedQuote, PublishedTrade
from .._rest import encode_json
from .._rules import COINM, SPOT


def pair_of(symbol: str) -> str:
    """Of a contract: ``BTCUSD`` of ``BTCUSD_PERP``."""
    return symbol.partition("_")[0]


def margin_asset(venue: str, symbol: str) -> str:
    """In what a contract is margined, and commission is paid: on COIN-M the coin itself."""
    return pair_of(symbol).removesuffix("USD") if venue == COINM else "USDT"


def _product(venue: str) -> int:
    """What `st` says since 2026-06-30."""
    return 2 if venue == COINM else 1


def trade_event(symbol: str, trade: PublishedTrade, now_ms: int) -> bytes:
    """`<symbol>@trade` of spot (binance-spot-api-docs web-socket-streams.md, 2026-07-21)."""
    return encode_json(
        {
            "e": "trade",
            "E": now_ms,
            "s": symbol,
            "t": trade.id,
            "p": trade.price,
            "q": trade.quantity,
            "T": trade.time,
            "m": trade.side == "sell",
            "M": True,
        }
    )


def agg_trade_event(venue: str, symbol: str, trade: PublishedTrade, now_ms: int) -> bytes:
    """`<symbol>@aggTrade`; USD-M has `nq` (since 2025-12-31) and `st` (since 2026-06-30), spot has `M`."""
    event: dict[str, Any] = {
        "e": "aggTrade",
        "E": now_ms,
        "s": symbol,
        "a": trade.id,
        "p": trade.price,
        "q": trade.quantity,
    }
    if venue != SPOT:
        event["nq"] = trade.quantity
    event |= {"f": trade.first_id, "l": trade.last_id, "T": trade.time, "m": trade.side == "sell"}
    event |= {"M": True} if venue == SPOT else {"st": _product(venue)}
    return encode_json(event)


def depth_event(venue: str, symbol: str, change: BookChange, now_ms: int) -> bytes:
    """`<symbol>@depth@100ms`; USD-M has `T` and `pu`, and since 2026-06-30 `ps` and `st`."""
    spot = venue == SPOT
    event: dict[str, Any] = {"e": "depthUpdate", "E": now_ms}
    if not spot:
        event["T"] = change.time
    event |= {"s": symbol, "U": change.first, "u": change.last}
    if not spot:
        event["pu"] = change.previous
    event |= {"b": change.bids, "a": change.asks}
    return encode_json(event if spot else event | {"ps": pair_of(symbol), "st": _product(venue)})


def book_ticker_event(venue: str, symbol: str, quote: PublishedQuote, now_ms: int) -> bytes:
    """`<symbol>@bookTicker`; on spot it has neither a type nor a time."""
    event: dict[str, Any] = {"u": quote.last}
    if venue != SPOT:
        event = {"e": "bookTicker", "u": quote.last, "E": now_ms, "T": quote.time}
    event |= {"s": symbol, "b": quote.bid, "B": quote.bid_quantity, "a": quote.ask, "A": quote.ask_quantity}
    return encode_json(event if venue == SPOT else event | {"ps": pair_of(symbol), "st": _product(venue)})


def depth_body(venue: str, state: BookState, limit: int, now_ms: int) -> dict[str, Any]:
    """The answer of `depth`."""
    body: dict[str, Any] = {"lastUpdateId": state.last}
    if venue != SPOT:
        body |= {"E": now_ms, "T": now_ms}
    return body | {"bids": state.bids[:limit], "asks": state.asks[:limit]}


def book_ticker_row(venue: str, symbol: str, state: BookState, now_ms: int) -> dict[str, Any]:
    """The answer of `ticker/bookTicker`."""
    (bid, bids), (ask, asks) = (side[0] if side else ("0", "0") for side in (state.bids, state.asks))
    row: dict[str, Any] = {"symbol": symbol, "bidPrice": bid, "bidQty": bids, "askPrice": ask, "askQty": asks}
    return row if venue == SPOT else row | {"time": now_ms, "lastUpdateId": state.last}


def order_event(venue: str, event: OrderEvent) -> bytes:
    """`ORDER_TRADE_UPDATE` (USD-M user data streams, 2026-05-28)."""
    return encode_json(
        {
            "e": "ORDER_TRADE_UPDATE",
            "E": event.time,
            "T": event.time,
            "o": {
                "s": event.symbol,
                "c": event.client_id,
                "S": event.side.upper(),
                "o": "LIMIT",
                "f": "GTC",
                "q": event.quantity,
                "p": event.price,
                "ap": event.average_price,
                "sp": "0",
                "x": event.execution,
                "X": event.status,
                "i": event.order_id,
                "l": event.last_quantity,
                "z": event.filled,
                "L": event.last_price,
                "N": margin_asset(venue, event.symbol),
                "n": "0",
                "T": event.time,
                "t": event.trade_id,
                "b": "0",
                "a": "0",
                "m": event.maker,
                "R": False,
                "wt": "CONTRACT_PRICE",
                "ot": "LIMIT",
                "ps": "BOTH",
                "cp": False,
                "pP": False,
                "si": 0,
                "ss": 0,
                "rp": "0",
                "V": "EXPIRE_MAKER",
                "pm": "NONE",
                "gtd": 0,
                "er": "0",
            },
        }
    )


def listen_key_expired(key: str, time: int) -> bytes:
    """The notice that a key ended; `E` is a string on the official page."""
    return encode_json({"e": "listenKeyExpired", "E": str(time), "listenKey": key})


def wrapped(stream: str, payload: bytes) -> bytes:
    """The combined form of a payload."""
    return b'{"stream":%b,"data":%b}' % (encode_json(stream), payload)


def agg_trade_row(venue: str, trade: PublishedTrade) -> dict[str, Any]:
    """One row of `aggTrades`."""
    row: dict[str, Any] = {"a": trade.id, "p": trade.price, "q": trade.quantity}
    if venue != SPOT:
        row["nq"] = trade.quantity
    row |= {"f": trade.first_id, "l": trade.last_id, "T": trade.time, "m": trade.side == "sell"}
    return row | {"M": True} if venue == SPOT else row


def trade_row(trade: PublishedTrade) -> dict[str, Any]:
    """One row of spot `trades` and `historicalTrades`."""
    return {
        "id": trade.id,
        "price": trade.price,
        "qty": trade.quantity,
        "quoteQty": str(Decimal(trade.price) * Decimal(trade.quantity)),
        "time": trade.time,
        "isBuyerMaker": trade.side == "sell",
        "isBestMatch": True,
    }


def order_row(order: Order) -> dict[str, Any]:
    """One order as `allOrders`, `openOrders` and `order` show it."""
    return {
        "avgPrice": order.average_price,
        "clientOrderId": order.client_id,
        "cumQuote": str(order.turnover),
        "executedQty": str(order.filled),
        "orderId": order.order_id,
        "origQty": str(order.quantity),
        "origType": "LIMIT",
        "price": order.price,
        "reduceOnly": False,
        "side": order.side.upper(),
        "positionSide": "BOTH",
        "status": order.status,
        "stopPrice": "0",
        "closePosition": False,
        "symbol": order.symbol,
        "time": order.created,
        "timeInForce": "GTC",
        "type": "LIMIT",
        "updateTime": order.updated,
        "workingType": "CONTRACT_PRICE",
        "priceProtect": False,
    }


def fill_row(venue: str, fill: FillRow) -> dict[str, Any]:
    """One row of `userTrades`."""
    return {
        "buyer": fill.side == "buy",
        "commission": "0",
        "commissionAsset": margin_asset(venue, fill.symbol),
        "id": fill.trade_id,
        "maker": fill.maker,
        "orderId": fill.order_id,
        "price": fill.price,
        "qty": fill.quantity,
        "quoteQty": str(Decimal(fill.price) * Decimal(fill.quantity)),
        "realizedPnl": "0",
        "side": fill.side.upper(),
        "positionSide": "BOTH",
        "symbol": fill.symbol,
        "pair": pair_of(fill.symbol),
        "time": fill.time,
    }


def exchange_info(venue: str, symbols: Mapping[str, tuple[int, int]], weight: int, time: int) -> dict[str, Any]:
    """`exchangeInfo`: rate limits and symbols.

    Args:
        venue: decides the second rate limit and the contract fields.
        symbols: by name, decimals of price and of quantity.
        weight: the request weight per minute.
        time: the server's, in milliseconds.
    """
    limits = [_rate_limit("REQUEST_WEIGHT", "MINUTE", 1, weight)]
    if venue == SPOT:
        limits.append(_rate_limit("RAW_REQUESTS", "MINUTE", 5, 300_000))
    else:
        limits += [_rate_limit("ORDERS", "MINUTE", 1, 1200), _rate_limit("ORDERS", "SECOND", 10, 300)]
    rows = []
    for name, (price_decimals, quantity_decimals) in symbols.items():
        quote = next((q for q in ("USDT", "USDC", "BUSD", "BTC", "ETH", "EUR") if name.endswith(q)), name[-3:])
        row: dict[str, Any] = {
            "symbol": name,
            "status": "TRADING",
            "baseAsset": name.removesuffix(quote),
            "quoteAsset": quote,
            "filters": [
                {"filterType": "PRICE_FILTER", "tickSize": str(Decimal(1).scaleb(-price_decimals))},
                {"filterType": "LOT_SIZE", "stepSize": str(Decimal(1).scaleb(-quantity_decimals))},
            ],
        }
        if venue != SPOT:
            row |= {"pair": pair_of(name), "contractType": "PERPETUAL", "marginAsset": margin_asset(venue, name)}
        if venue == COINM:
            row |= {
                "baseAsset": row["marginAsset"],
                "quoteAsset": "USD",
                "contractStatus": "TRADING",
                "contractSize": 100,
            }
        rows.append(row)
    return {
        "timezone": "UTC",
        "serverTime": time,
        "rateLimits": limits,
        "exchangeFilters": [],
        "symbols": rows,
    }


def _rate_limit(kind: str, interval: str, number: int, limit: int) -> dict[str, Any]:
    return {"rateLimitType": kind, "interval": interval, "intervalNum": number, "limit": limit}
