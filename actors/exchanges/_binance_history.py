"""Asking Binance for the orders and fills of a span of time: products differ only in paths, weights and limits.

By time Binance answers for a window of one day (spot and margin: rest-api.md, 2026-07-21) or of seven (futures), oldest
first, and with one page at most. So windows are asked for one after another until one brings something; from there on
ids lead, for which there are no windows, until a page is not full.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, TypeVar

import attrs

from .._account_source import Inquiry, OrderReport, Question
from .._errors import BadFrame, NoSuchOrder
from .._records import Fill, OrderId
from . import _binance_rows

R = TypeVar("R")
Parameters = tuple[tuple[str, str | int], ...]

DAY: Final = 24 * 3600 * 1000
"""Milliseconds."""
_SPARE: Final = 60_000
"""Milliseconds by which less is asked for than the venue allows: the request takes its time."""


@attrs.frozen
class Listing:
    """An endpoint that lists the rows of a symbol, by time or from an id on.

    Attributes:
        path: Of the endpoint.
        weight: Of one request.
        page: Most rows in one answer.
        id_name: Of the parameter that holds the first id of a page.
        window: Longest span of one request by time, milliseconds.
        reach: How far back the venue has anything, or it is sensible to look, milliseconds.
        extra: Parameters of every request.
    """

    path: str
    weight: int
    page: int
    id_name: str
    window: int
    reach: int
    extra: Parameters = ()

    def orders(self, symbol: str, since: int, now: int) -> Inquiry[list[OrderReport]]:
        """Ask for the orders that were made since a time, ascending by id."""
        return self._since(symbol, since, now, _binance_rows.orders, lambda report: (report.order_id,))

    def fills(self, symbol: str, since: int, now: int) -> Inquiry[list[Fill]]:
        """Ask for the fills since a time, ascending by id."""
        return self._since(symbol, since, now, _binance_rows.fills, lambda fill: (fill.id, fill.order_id))

    def _since(
        self,
        symbol: str,
        since: int,
        now: int,
        read: Callable[[bytes], list[R]],
        key: Callable[[R], tuple[OrderId, ...]],
    ) -> Inquiry[list[R]]:
        start = max(since, now - self.reach + _SPARE)
        page: list[R] = []
        while not page and start <= now:
            end = start + self.window - 1
            page = read((yield self._page(symbol, startTime=start, endTime=end)))
            start = end + 1
        found = {key(row): row for row in page}
        more = len(page) >= self.page or (bool(page) and start <= now)
        while more:
            # From the last id itself on, not behind it: a trade between two own orders is two rows of one id, and the
            # page may end between them.
            last = key(page[-1])[0]
            page = read((yield self._page(symbol, **{self.id_name: int(last)})))
            more = len(page) >= self.page
            if more and key(page[-1])[0] == last:
                raise BadFrame("a page that leads nowhere")
            found |= {key(row): row for row in page}
        return list(found.values())

    def _page(self, symbol: str, **parameters: int) -> Question:
        named = (("symbol", symbol), *self.extra, *parameters.items(), ("limit", self.page))
        return Question("GET", self.path, named, weight=self.weight)


def open_orders(question: Question) -> Inquiry[list[OrderReport]]:
    """Ask for all open orders, which come in one answer."""
    return _binance_rows.orders((yield question))


def one_order(question: Question) -> Inquiry[OrderReport | None]:
    """Ask for one order; None: the venue does not know it."""
    try:
        body = yield question
    except NoSuchOrder:
        return None
    return _binance_rows.order(body)
