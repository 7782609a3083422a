"""unblinking's exchange side: supervised connections to exchanges, as groups of actors for `supervisor` trees.

Layout, from the top of the import order down:

    ops/                watching a tree from outside: vital signs, health endpoint, ledger file, alerts, dead man's switch
    _cli/, _doctor/     the command `unblinking`
    _venues, _venue, _groups    what a bot names, `binance.trades(...)`, and the groups of actors behind it
    _best_feed, _cancel_group   one feed over several venues; the exchange's own dead man's switch
    _feeds/             the owners of public data: every trade once and in order, order books, silence, failover
    _accounts/          the owner of an account's orders and fills, and what belongs to an account
    _connections/       one connection to a venue, new before old
    exchanges/          pure: one file a venue
    _net/               the only files that import network libraries
    _messages, _session what actors tell each other
    _source, _account_source, _cancel_rules     what an exchange's file offers
    _records, _secret, _signing, _errors, _trees, _wall_clock, _guard
    simulator/          the embedded exchange, to test against
"""

from __future__ import annotations

from . import _guard as _guard  # isort: split

from ._accounts._liveness import Liveness as Liveness
from ._best_feed import best_feed as best_feed
from ._best_feed import explain_feed as explain_feed
from ._errors import ActorError as ActorError
from ._errors import BadFrame as BadFrame
from ._errors import ClockOff as ClockOff
from ._errors import ConnectFailed as ConnectFailed
from ._errors import HttpFailure as HttpFailure
from ._errors import Inconsistent as Inconsistent
from ._errors import KeyGone as KeyGone
from ._errors import KeyTimeout as KeyTimeout
from ._errors import MuteFeed as MuteFeed
from ._errors import NoSuchOrder as NoSuchOrder
from ._errors import PongTimeout as PongTimeout
from ._errors import RateLimited as RateLimited
from ._errors import SecretMissing as SecretMissing
from ._errors import SendTimeout as SendTimeout
from ._errors import Unauthorized as Unauthorized
from ._errors import UnknownOutcome as UnknownOutcome
from ._errors import Unsubscribed as Unsubscribed
from ._errors import WireClosed as WireClosed
from ._errors import WireError as WireError
from ._feeds._book import Book as Book
from ._feeds._book import BookError as BookError
from ._feeds._book import CrossedBook as CrossedBook
from ._feeds._book import MissedUpdate as MissedUpdate
from ._feeds._book import NoSnapshot as NoSnapshot
from ._feeds._book import StaleBook as StaleBook
from ._feeds._failover import Explanation as Explanation
from ._feeds._failover import SourceReport as SourceReport
from ._feeds._quotes import quote_key as quote_key
from ._records import AccountItem as AccountItem
from ._records import AccountPhase as AccountPhase
from ._records import AccountState as AccountState
from ._records import BestItem as BestItem
from ._records import Blind as Blind
from ._records import BookItem as BookItem
from ._records import BookUpdate as BookUpdate
from ._records import FeedItem as FeedItem
from ._records import FeedState as FeedState
from ._records import Fill as Fill
from ._records import Gap as Gap
from ._records import OrderId as OrderId
from ._records import OrderStatus as OrderStatus
from ._records import OrderUpdate as OrderUpdate
from ._records import Quote as Quote
from ._records import QuoteItem as QuoteItem
from ._records import Side as Side
from ._records import Switched as Switched
from ._records import SymbolChange as SymbolChange
from ._records import Trade as Trade
from ._records import UpdateSource as UpdateSource
from ._secret import Secret as Secret
from ._venue import FeedOptions as FeedOptions
from ._venue import FeedSpec as FeedSpec
from ._venue import TradeOptions as TradeOptions
from ._venue import Venue as Venue
from ._venues import binance as binance
from ._venues import binance_coinm as binance_coinm
from ._venues import binance_usdm as binance_usdm
from ._venues import bybit as bybit
from ._venues import bybit_linear as bybit_linear
from ._venues import gate as gate
from ._venues import kucoin as kucoin
from ._venues import okx as okx
from .ops._alert_rules import AlertRules as AlertRules
from .ops._alerter import alerts as alerts
from .ops._apprise import apprise as apprise
from .ops._dead_mans_switch import dead_mans_switch as dead_mans_switch
from .ops._health import health as health
from .ops._ledger import ledger as ledger
from .ops._otel import opentelemetry as opentelemetry
from .ops._sd_notify import systemd as systemd
from .ops._telegram import telegram as telegram
from .ops._webhook import webhook as webhook

__all__ = [
    "AccountItem",
    "AccountPhase",
    "AccountState",
    "ActorError",
    "AlertRules",
    "BadFrame",
    "BestItem",
    "Blind",
    "Book",
    "BookError",
    "BookItem",
    "BookUpdate",
    "ClockOff",
    "ConnectFailed",
    "CrossedBook",
    "Explanation",
    "FeedItem",
    "FeedOptions",
    "FeedSpec",
    "FeedState",
    "Fill",
    "Gap",
    "HttpFailure",
    "Inconsistent",
    "KeyGone",
    "KeyTimeout",
    "Liveness",
    "MissedUpdate",
    "MuteFeed",
    "NoSnapshot",
    "NoSuchOrder",
    "OrderId",
    "OrderStatus",
    "OrderUpdate",
    "PongTimeout",
    "Quote",
    "QuoteItem",
    "RateLimited",
    "Secret",
    "SecretMissing",
    "SendTimeout",
    "Side",
    "SourceReport",
    "StaleBook",
    "Switched",
    "SymbolChange",
    "Trade",
    "TradeOptions",
    "Unauthorized",
    "UnknownOutcome",
    "Unsubscribed",
    "UpdateSource",
    "Venue",
    "WireClosed",
    "WireError",
    "alerts",
    "apprise",
    "best_feed",
    "binance",
    "binance_coinm",
    "binance_usdm",
    "bybit",
    "bybit_linear",
    "dead_mans_switch",
    "explain_feed",
    "gate",
    "health",
    "kucoin",
    "ledger",
    "okx",
    "opentelemetry",
    "quote_key",
    "systemd",
    "telegram",
    "webhook",
]
