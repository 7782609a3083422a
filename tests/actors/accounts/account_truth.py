"""An exchange's side of an account, event by event, and whether what was delivered equals it."""

from collections.abc import Sequence
from decimal import Decimal

import attrs
from hypothesis import strategies as st

from actors._account_source import OrderReport
from actors._accounts._book import Book
from actors._accounts._reconcile import beginning, differences, judge
from actors._records import CLOSED, Fill, OrderStatus, OrderUpdate

NEVER = 10**15
SYMBOLS = ("BTCUSDT", "ETHUSDT")


@attrs.define
class Truth:
    """An exchange's side of an account: every event it has, and what REST would say after each."""

    events: list[OrderUpdate] = attrs.Factory(list)
    orders: dict[tuple[str, int], OrderReport] = attrs.Factory(dict)
    fills: list[Fill] = attrs.Factory(list)
    time: int = 1000

    def happen(self, symbol: str, order_id: int, status: OrderStatus, quantity: Decimal = Decimal(0)) -> None:
        key = (symbol, order_id)
        self.time += 1
        fill = None
        if status == "new":
            self.orders[key] = OrderReport(
                symbol, order_id, "c", "buy", "LIMIT", "new", Decimal(10), Decimal(4), Decimal(0), self.time, self.time
            )
        if quantity:
            fill = Fill(
                symbol,
                order_id,
                len(self.fills) + 1,
                Decimal(10),
                quantity,
                "buy",
                True,
                Decimal(0),
                "USDT",
                self.time,
            )
            self.fills.append(fill)
        old = self.orders[key]
        report = attrs.evolve(old, status=status, filled=old.filled + quantity, updated=self.time)
        self.orders[key] = report
        self.events.append(
            OrderUpdate(
                "v",
                "a",
                symbol,
                order_id,
                "c",
                "buy",
                "LIMIT",
                status,
                report.price,
                report.quantity,
                report.filled,
                fill,
                self.time,
                "stream",
                0,
            )
        )


moves = st.lists(
    st.tuples(st.sampled_from(SYMBOLS), st.integers(1, 4), st.sampled_from(["new", "fill", "cancel"])), max_size=25
)


def history(plan: Sequence[tuple[str, int, str]]) -> Truth:
    truth = Truth()
    for symbol, order_id, what in plan:
        order = truth.orders.get((symbol, order_id))
        if order is None:
            truth.happen(symbol, order_id, "new")
        elif order.status in CLOSED or what == "new":
            continue
        elif what == "cancel":
            truth.happen(symbol, order_id, "canceled")
        else:
            truth.happen(symbol, order_id, "filled" if order.filled == 3 else "partially_filled", Decimal(1))
    return truth


def reconcile(book: Book, truth: Truth) -> list[OrderUpdate]:
    return differences(book, truth.orders.values(), truth.fills, venue="v", account="a", received=0, live_from=NEVER)


def play(book: Book, events: Sequence[OrderUpdate]) -> list[OrderUpdate]:
    """Deliver live events up to the first that shows a loss."""
    out = []
    for event in events:
        verdict = judge(book, event)
        if verdict == "incomplete":
            break
        if verdict == "news":
            out += absorb(book, [each for each in (beginning(book, event), event) if each is not None])
    return out


def absorb(book: Book, updates: Sequence[OrderUpdate]) -> list[OrderUpdate]:
    for update in updates:
        book.absorb(update)
    return list(updates)


def check_complete(out: Sequence[OrderUpdate], truth: Truth) -> None:
    delivered = [u.fill.id for u in out if u.fill is not None]
    assert sorted(delivered) == [f.id for f in truth.fills], "each fill once, none missing"
    last: dict[tuple[str, int], OrderUpdate] = {}
    for update in out:
        key = (update.symbol, update.order_id)
        before = last.get(key)
        if before is None:
            assert update.status == "new"
        else:
            assert before.status not in CLOSED, "nothing follows an order's end"
            assert update.filled >= before.filled
            if update.fill is not None:
                assert update.filled == before.filled + update.fill.quantity
        last[key] = update
    assert {k: (u.status, u.filled) for k, u in last.items()} == {
        k: (r.status, r.filled) for k, r in truth.orders.items()
    }
