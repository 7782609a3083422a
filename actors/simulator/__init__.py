"""The embedded exchange: seven venues over their real protocols, with faults on a script.

It keeps a true record of what it published, so that a bot's view can be compared with it, and it shares no code with
the client: an error there is not mirrored here. Layout: `_exchange` (the object), `_serve` (sockets, memory),
`_ws_server` and `_http_server` (thin shells), `venues/` (one file each: how it speaks, behind `_dialect`), `_market`,
`_book`, `_accounts` and `_trading`, `_heartbeat`, `_limits` (pure), `_faults` and its kinds, `_replay`.
"""

from ._book import BookChange as BookChange
from ._book import BookHistory as BookHistory
from ._book import BookState as BookState
from ._exchange import Exchange as Exchange
from ._faults import Fault as Fault
from ._faults import FaultScript as FaultScript
from ._record import AppliedFault as AppliedFault
from ._record import Attempt as Attempt
from ._record import ConnectionRecord as ConnectionRecord
from ._record import OrderEvent as OrderEvent
from ._record import PublishedQuote as PublishedQuote
from ._record import PublishedTrade as PublishedTrade
from ._record import TrueRecord as TrueRecord
from ._record import Violation as Violation
from ._replay import RecordedMessage as RecordedMessage
from ._replay import Recording as Recording
from ._rules import Rules as Rules
from ._serve import Address as Address
from ._serve import Network as Network
from ._serve import open_network as open_network
from ._serve import serve as serve
from ._streams import MemoryStream as MemoryStream
from ._streams import memory_stream_pair as memory_stream_pair
from ._trading import TrueAccount as TrueAccount
from ._trading import TrueFill as TrueFill
from ._trading import TrueOrder as TrueOrder

__all__ = [
    "Address",
    "AppliedFault",
    "Attempt",
    "BookChange",
    "BookHistory",
    "BookState",
    "ConnectionRecord",
    "Exchange",
    "Fault",
    "FaultScript",
    "MemoryStream",
    "Network",
    "OrderEvent",
    "PublishedQuote",
    "PublishedTrade",
    "RecordedMessage",
    "Recording",
    "Rules",
    "TrueAccount",
    "TrueFill",
    "TrueOrder",
    "TrueRecord",
    "Violation",
    "memory_stream_pair",
    "open_network",
    "serve",
]
