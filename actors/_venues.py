"""The venues that a bot can name: which sources they have, and where they are."""

from __future__ import annotations

from functools import partial

from ._venue import Venue
from .exchanges import _binance_spot_account as spot_account
from .exchanges import _cancel_after as cancel
from .exchanges import binance_coinm as coinm
from .exchanges import binance_spot as spot
from .exchanges import binance_usdm as usdm
from .exchanges import bybit as _bybit
from .exchanges import gate as _gate
from .exchanges import kucoin as _kucoin
from .exchanges import okx as _okx
from .exchanges._bybit_account import BybitAccount
from .exchanges._okx_account import OkxAccount

binance = Venue(
    spot.VENUE,
    spot.WS,
    spot.REST,
    trade_source=spot.SpotTrades,
    quote_source=spot.SpotQuotes,
    book_source=spot.SpotBooks,
    account_source=spot_account.spot_account,
    testnet=(spot.TESTNET_WS, spot.TESTNET_REST, spot_account.TESTNET_PRIVATE),
    private=spot_account.PRIVATE,
)
"""Binance spot: trades, quotes, order books, and accounts: spot, cross margin, isolated margin."""

binance_coinm = Venue(
    coinm.VENUE,
    coinm.WS,
    coinm.REST,
    trade_source=coinm.CoinmTrades,
    quote_source=coinm.CoinmQuotes,
    book_source=coinm.CoinmBooks,
    account_source=coinm.CoinmAccount,
    testnet=(coinm.TESTNET_WS, coinm.TESTNET_REST),
)
"""Binance COIN-M futures: aggregate trades, quotes, order books, and accounts."""

binance_usdm = Venue(
    usdm.VENUE,
    usdm.WS,
    usdm.REST,
    trade_source=usdm.UsdmTrades,
    quote_source=usdm.UsdmQuotes,
    book_source=usdm.UsdmBooks,
    account_source=usdm.UsdmAccount,
    cancel_rule=cancel.USDM,
    testnet=(usdm.TESTNET_WS, usdm.TESTNET_REST),
)
"""Binance USD-M futures: aggregate trades, quotes, order books, and accounts."""

bybit = Venue(
    _bybit.VENUE,
    _bybit.WS,
    _bybit.REST,
    trade_source=partial(_bybit.BybitTrades, category="spot"),
    quote_source=partial(_bybit.BybitQuotes, category="spot"),
    book_source=partial(_bybit.BybitBooks, category="spot"),
    account_source=partial(BybitAccount, category="spot"),
    cancel_rule=cancel.BYBIT,
    testnet=(_bybit.TESTNET_WS, _bybit.TESTNET_REST),
)
"""Bybit v5 spot: trades, quotes, order books, and accounts. REST gives no more than the latest 60 trades."""

bybit_linear = Venue(
    _bybit.VENUE_LINEAR,
    _bybit.WS,
    _bybit.REST,
    trade_source=partial(_bybit.BybitTrades, category="linear"),
    quote_source=partial(_bybit.BybitQuotes, category="linear"),
    book_source=partial(_bybit.BybitBooks, category="linear"),
    account_source=partial(BybitAccount, category="linear"),
    cancel_rule=cancel.BYBIT_LINEAR,
    testnet=(_bybit.TESTNET_WS, _bybit.TESTNET_REST),
)
"""Bybit v5 linear perpetuals and futures: trades, quotes, order books, and accounts. Ids prove nothing here."""

okx = Venue(
    _okx.VENUE,
    _okx.WS,
    _okx.REST,
    trade_source=_okx.OkxTrades,
    quote_source=_okx.OkxQuotes,
    book_source=_okx.OkxBooks,
    account_source=OkxAccount,
    cancel_rule=cancel.OKX,
)
"""OKX: trades, quotes and order books of every instrument, and accounts."""

kucoin = Venue(
    _kucoin.VENUE,
    _kucoin.WS,
    _kucoin.REST,
    trade_source=_kucoin.KucoinTrades,
    quote_source=_kucoin.KucoinQuotes,
    book_source=_kucoin.KucoinBooks,
    account_source=_kucoin.KucoinAccount,
    cancel_rule=cancel.KUCOIN,
)
"""KuCoin spot: trades, quotes, order books of 50 levels, and accounts."""

gate = Venue(
    _gate.VENUE,
    _gate.WS,
    _gate.REST,
    trade_source=_gate.GateTrades,
    quote_source=_gate.GateQuotes,
    book_source=_gate.GateBooks,
    account_source=_gate.GateAccount,
)
"""Gate.io spot: trades, quotes, order books, and accounts."""
