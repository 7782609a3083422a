"""The embedded exchange: one object that holds the markets, the accounts, the connections and the true record.

Theory of operation. Everything that changes state is synchronous: a trade is printed, remembered, recorded and queued
to every subscriber before anything else runs. `run` is one task with one heap of what is due next, in which markets,
order flows and the fault script take turns; equal times go in the order of their creation. What is due is done as of
the second at which it was due, not at which the task woke up. So a seed fixes every trade, every order event and
every fault, whatever the clients do and however the tasks are scheduled.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Mapping, Sequence
from random import Random

import trio

from ._accounts import Account, OrderFlow
from ._book import BookChange
from ._clock import ExchangeClock
from ._credentials import Credentials
from ._dialect import Dialect, Floor
from ._fault_kinds import apply_fault
from ._faults import Fault, FaultScript
from ._http_server import serve_http
from ._hub import Hub
from ._market import Printed, Tape
from ._record import RECORD_LIMIT, AppliedFault, OrderEvent, Side, TrueRecord
from ._replay import Recording, replay_into
from ._rest import Reply, Request
from ._rest_faults import answer_or_fail
from ._rules import RULES, SPOT, USDM, Rules
from ._trading import Trading, TrueAccount
from ._ws_server import serve_ws
from .venues import SCHEMES, dialects


class Exchange:
    """A small world of Binance spot ("binance") and USD-M ("binance-usdm").

    It publishes while `run` or `replay` runs, and whenever a method is called that prints or changes something.
    Connections come by `serve` (real sockets), by `open_network` (in memory), or by `handle_ws` and `handle_http`.

    Args:
        seed: fixes trades, orders and keys.
        symbols: by venue, in its own spelling: BTCUSDT on Binance and Bybit, BTC-USDT on OKX and KuCoin, BTC_USDT on
            Gate. Without it: BTCUSDT on Binance's two venues.
        trades_per_second: of each symbol: trade ids per second. Zero: only what is printed by hand or replayed.
        keys: API key to secret. Each has an account of its own at every venue that has accounts; the secrets are
            never shown.
        orders_per_second: new orders that each account places by itself, on average.
        book_changes_per_second: of each symbol, besides those that trades make. None: half of `trades_per_second`.
        epoch: seconds since 1970 at which the exchange begins. Without it: a fixed date in memory, the wall clock's
            over real sockets.
        rules: by venue, instead of `Rules.documented(venue)`.
        record_limit: entries kept per log of the record, which is also the history that REST gives.
        passphrase: of all keys, on the venues that want one.

    Raises:
        ValueError: an unknown venue, or a rate below zero.
    """

    def __init__(
        self,
        seed: int = 0,
        symbols: Mapping[str, Sequence[str]] | None = None,
        trades_per_second: float = 20.0,
        keys: Mapping[str, str] | None = None,
        *,
        orders_per_second: float = 0.5,
        book_changes_per_second: float | None = None,
        epoch: float | None = None,
        rules: Mapping[str, Rules] | None = None,
        record_limit: int = RECORD_LIMIT,
        passphrase: str = "demo-passphrase",  # noqa: S107 - of a simulated account
    ) -> None:
        wanted = {SPOT: ["BTCUSDT"], USDM: ["BTCUSDT"]} if symbols is None else symbols
        unknown = sorted({*wanted, *(rules or ())} - {*RULES})
        if unknown:
            raise ValueError(f"unknown venue {unknown[0]!r}; there are {', '.join(RULES)}")
        changes = trades_per_second / 2 if book_changes_per_second is None else book_changes_per_second
        if min(trades_per_second, orders_per_second, changes) < 0:
            raise ValueError("a rate cannot be below zero")
        self.seed = seed
        self.trades_per_second = trades_per_second
        self.orders_per_second = orders_per_second
        self.book_changes_per_second = changes
        self.clock = ExchangeClock(epoch)
        self.record = TrueRecord(record_limit)
        self.rules = {venue: (rules or {}).get(venue, RULES[venue]) for venue in RULES if venue in wanted}
        self.hub = Hub(self.clock, self.record, self.rules, seed)
        self.tapes: dict[str, dict[str, Tape]] = {venue: {} for venue in self.rules}
        self._api_keys = tuple(keys or ())
        self.floors = {
            venue: Floor(
                venue,
                rules,
                self.tapes[venue],
                self.hub.clocks[venue],
                Random(f"{seed}/{venue}/connections"),
                credentials=Credentials(dict(keys or {}), passphrase),
            )
            for venue, rules in self.rules.items()
        }
        self.dialects: dict[str, Dialect] = dialects(self.floors)
        self.trading = Trading(self.hub, self.floors, self.dialects, seed, self.publish)
        for venue, names in wanted.items():
            for name in names:
                self.add_symbol(venue, name)

    def __repr__(self) -> str:
        shown = {venue: list(tapes) for venue, tapes in self.tapes.items()}
        return f"Exchange(seed={self.seed}, symbols={shown}, accounts={len(self.accounts)})"

    @property
    def api_keys(self) -> Sequence[str]:
        """Those that were given."""
        return list(self._api_keys)

    @property
    def accounts(self) -> Mapping[tuple[str, str], Account]:
        """By venue and API key; of the venues that have accounts."""
        return self.trading.accounts

    def spelled(self, venue: str, api_key: str) -> TrueAccount:
        """What is true of an account: its orders and fills, as the venue spells them and a bot must see them.

        Raises:
            KeyError: there is no such account.
        """
        return self.trading.spelled(venue, api_key)

    def add_symbol(self, venue: str, symbol: str, *, live: bool = True) -> Tape:
        """List a symbol; it is in `exchangeInfo` at once, and trades by itself in the next `run` if it is live.

        Raises:
            ValueError: it is listed already, or the venue is not here.
        """
        if venue not in self.tapes:
            raise ValueError(f"there is no venue {venue!r} in this exchange")
        if symbol in self.tapes[venue]:
            raise ValueError(f"{symbol} is listed on {venue} already")
        record, key = self.record, (venue, symbol)
        logs = record.trades[key], record.agg_trades[key], record.quotes[key]
        tape = Tape(venue, symbol, SCHEMES[venue], f"{self.seed}/{venue}/{symbol}", *logs, live=live)
        record.books[key] = tape.history
        self.tapes[venue][symbol] = tape
        return tape

    # Things that happen now.

    def print_trade(
        self,
        venue: str,
        symbol: str,
        *,
        side: Side | None = None,
        quantity: str | None = None,
        price: str | None = None,
        raw_count: int | None = None,
    ) -> Printed:
        """Print and publish one taker order now; what is not given is drawn from the seed.

        Raises:
            KeyError: the symbol is not listed.
        """
        tape = self.tapes[venue][symbol]
        at = self.clock.now()
        printed = tape.print(at, self.clock.ms(at), side=side, quantity=quantity, price=price, raw_count=raw_count)
        self.publish(venue, symbol, printed)
        return printed

    def publish(self, venue: str, symbol: str, printed: Printed) -> None:
        """Tell the subscribers of a printed taker order, and of what it did to the book."""
        dialect, tape = self.dialects[venue], self.tapes[venue][symbol]
        if printed.before is not None:
            self.hub.publish(venue, dialect.changed(tape, printed.before))
        self.hub.publish(venue, dialect.traded(tape, printed))
        self.hub.publish(venue, dialect.changed(tape, printed.after))

    def change_book(self, venue: str, symbol: str) -> BookChange:
        """Change some levels of a book, and tell the subscribers, now.

        Raises:
            KeyError: the symbol is not listed.
        """
        return self._drift(self.tapes[venue][symbol], self.clock.now())

    def _drift(self, tape: Tape, at: float) -> BookChange:
        change = tape.drift(at, self.clock.ms(at))
        self.hub.publish(tape.venue, self.dialects[tape.venue].changed(tape, change))
        return change

    def place_order(
        self, api_key: str, symbol: str, side: Side, quantity: str, price: str, *, venue: str = USDM
    ) -> OrderEvent:
        """Place a resting limit order now.

        Raises:
            KeyError: there is no such account.
        """
        return self.trading.place(venue, api_key, symbol, side, quantity, price, self.clock.now())

    def fill_order(self, api_key: str, order_id: int, quantity: str | None = None, *, venue: str = USDM) -> OrderEvent:
        """Fill a part, or all that is left, now; the fill is a public trade as well.

        Raises:
            ValueError: the order is not open, or less than that is left.
        """
        return self.trading.fill(venue, api_key, order_id, quantity, self.clock.now())

    def cancel_order(self, api_key: str, order_id: int, *, venue: str = USDM) -> OrderEvent:
        """Cancel what is left of an order now; raises as `fill_order` does."""
        return self.trading.end(venue, api_key, order_id, "CANCELED", self.clock.now())

    def expire_order(self, api_key: str, order_id: int, *, venue: str = USDM) -> OrderEvent:
        """Let what is left of an order expire now; raises as `fill_order` does."""
        return self.trading.end(venue, api_key, order_id, "EXPIRED", self.clock.now())

    def inject(self, fault: Fault) -> AppliedFault:
        """Apply one fault now.

        Raises:
            ValueError: its venue is not in this exchange.
        """
        self._check(fault)
        applied = AppliedFault(self.clock.now(), str(fault), tuple(apply_fault(self, fault)))
        self.record.faults.append(applied)
        return applied

    def _check(self, fault: Fault) -> None:
        if fault.venue is not None and fault.venue not in self.rules:
            raise ValueError(f"there is no venue {fault.venue!r} in this exchange")

    # Things that happen by themselves.

    async def run(
        self, script: FaultScript | None = None, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED
    ) -> None:
        """Trade, let the accounts trade, and follow the script, until cancelled; cancellation is safe at any point.

        Args:
            script: its seconds count from now.
            task_status: started once everything is scheduled.

        Raises:
            ValueError: a fault's venue is not in this exchange; before anything happens.
        """
        for _, fault in script or ():
            self._check(fault)
        began = self.clock.now()
        agenda: list[tuple[float, int, Callable[[float], float | None]]] = []
        for at, fault in script or ():
            agenda.append((began + at, len(agenda), self._inject_once(fault)))
        for tapes in self.tapes.values():
            for tape in tapes.values():
                if tape.live and self.trades_per_second > 0:
                    first = began + tape.next_delay(self.trades_per_second)
                    agenda.append((first, len(agenda), self._trade_on(tape)))
                if tape.live and self.book_changes_per_second > 0:
                    first = began + tape.next_drift(self.book_changes_per_second)
                    agenda.append((first, len(agenda), self._drift_on(tape)))
        for venue, flow in self.trading.flows(self.orders_per_second) if self.orders_per_second > 0 else ():
            agenda.append((began + flow.next_delay(), len(agenda), self._step_on(venue, flow)))
        heapq.heapify(agenda)
        task_status.started()
        while True:
            due, index, action = agenda[0] if agenda else (float("inf"), 0, _nothing)
            countdown, venue = min((floor.countdowns.due(), venue) for venue, floor in self.floors.items())
            if not await self._reached(min(due, countdown)):
                continue
            if countdown < due:
                self.trading.carry_out(venue, countdown)
                continue
            next_due = action(due)
            if next_due is None:
                heapq.heappop(agenda)
            else:
                heapq.heapreplace(agenda, (next_due, index, action))

    async def _reached(self, at: float) -> bool:
        """Wait until that second; False when a countdown was set before, which may be due earlier."""
        woken = trio.Event()
        for floor in self.floors.values():
            floor.countdowns.woken = woken.set
        with trio.move_on_after(max(0.0, at - self.clock.now())) as patience:
            await woken.wait()
        return patience.cancelled_caught

    def _inject_once(self, fault: Fault) -> Callable[[float], float | None]:
        def act(_due: float) -> None:
            self.inject(fault)

        return act

    def _trade_on(self, tape: Tape) -> Callable[[float], float | None]:
        def act(due: float) -> float:
            if not self.hub.halted(tape.venue):
                self.publish(tape.venue, tape.symbol, tape.print(due, self.clock.ms(due)))
            return due + tape.next_delay(self.trades_per_second)

        return act

    def _drift_on(self, tape: Tape) -> Callable[[float], float | None]:
        def act(due: float) -> float:
            if not self.hub.halted(tape.venue):
                self._drift(tape, due)
            return due + tape.next_drift(self.book_changes_per_second)

        return act

    def _step_on(self, venue: str, flow: OrderFlow) -> Callable[[float], float | None]:
        def act(due: float) -> float:
            if not self.hub.halted(venue):
                self.trading.step(venue, flow, due)
            return due + flow.next_delay()

        return act

    async def replay(self, recording: Recording, venue: str, speed: float = 1.0) -> int:
        """Publish a recording with its recorded spacing, and return how many messages that were.

        Its symbols are listed first (those that trade live are refused). Recorded trades enter history and record;
        everything else goes to the subscribers of its stream as it was recorded. Cancellation stops in between.

        Raises:
            ValueError: a symbol of the recording is live here, or the speed is not above zero.
        """
        return await replay_into(self, recording, venue, speed)

    # Connections.

    def answer(self, venue: str, request: Request) -> Reply:
        """Answer one REST request, as far as no fault does it instead."""
        return answer_or_fail(self.hub, venue, self.dialects[venue], request)

    async def handle_ws(self, venue: str, stream: trio.abc.Stream) -> None:
        """Serve one WebSocket connection over any stream, and close it; cancellation closes at once."""
        if self.hub.refuses(venue, "ws"):
            self.hub.note_attempt(venue, "ws", "refused")
            await trio.aclose_forcefully(stream)
            return
        await serve_ws(self.hub, venue, self.dialects[venue], stream)

    async def handle_http(self, venue: str, stream: trio.abc.Stream) -> None:
        """Serve one HTTP connection over any stream, and close it; cancellation closes at once."""
        if self.hub.refuses(venue, "rest"):
            self.hub.note_attempt(venue, "rest", "refused")
            await trio.aclose_forcefully(stream)
            return
        await serve_http(self.hub, venue, lambda request: self.answer(venue, request), stream)


def _nothing(_due: float) -> None:
    """Stands for an agenda without anything on it."""
