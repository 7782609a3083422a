"""How venues cancel the orders of who has fallen silent: values, without I/O.

Two kinds. A countdown is set by a request and cancels when it has run out, unless the next request sets it anew. A guarded
connection cancels when it, and every other one of its kind, has been gone for a time.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import attrs

from ._account_source import Question
from ._source import Ask


@attrs.frozen
class CountdownRule:
    """A countdown that is set by REST.

    Attributes:
        least: Seconds of the shortest countdown.
        most: Seconds of the longest.
        named: Whether symbols must be named; otherwise none means all of them.
        whole: Whether it always is for all symbols, so that none may be named.
        questions: What sets it for so many seconds, with 0 what ends it, for some symbols.
    """

    least: int
    most: int
    questions: Callable[[int, tuple[str, ...]], list[Question]]
    named: bool = False
    whole: bool = False


@attrs.frozen
class ConnectionRule:
    """A private connection whose end cancels the orders of one product.

    Attributes:
        least: Seconds of the shortest time from the end to the cancellation.
        most: Seconds of the longest.
        window: What sets that time.
        subscribe: What makes a connection that has logged in a guarded one.
        unsubscribe: What makes it an ordinary one again, so that it can end without consequences.
        query: Of the connection's address.
        ping_every: Seconds between pings.
    """

    least: int
    most: int
    window: Callable[[int], Question]
    subscribe: Ask
    unsubscribe: Ask
    query: str
    ping_every: float


CancelRule: TypeAlias = CountdownRule | ConnectionRule
