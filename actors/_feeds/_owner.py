"""What the owners of public feeds share: which symbols are wanted, who brings them, and what was said about each.

An owner (`Feed`, and those of quotes and books) outlives its connections. It hears of them by messages, and tells them
by orders. Everything here is synchronous: nothing waits, nothing is sent that could block.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import attrs
import trio

from supervisor import Mailbox

from .._messages import Lost, Opened, Order, Rejected, Subscribed, Wanted, WantedChanged, kept
from .._records import FeedState, SymbolChange
from .._session import Session
from .._wall_clock import now_ms

Note = Callable[..., None]
"""`Me.note`."""


def wanted_of(slot: Mailbox[Wanted], symbols: Sequence[str]) -> Wanted:
    """Return what is wanted now; in the first incarnation, what was declared.

    The owner is the first of its group: when the connections start, the slot is filled.
    """
    return kept(slot, lambda: Wanted(dict.fromkeys(symbols)))


@attrs.frozen
class Heard:
    """What a message of a connection has changed."""

    gained: frozenset[str] = frozenset()
    """Confirmed on this session from now on, or again."""
    lost: frozenset[str] = frozenset()
    """No longer to be had from this session."""
    reason: str = ""
    """Why they are lost."""


class Lines:
    """The connections of a feed, as its owner knows them.

    Args:
        controls: One mailbox for each connection actor. Each gets every order, and ignores those about other sessions.
        wanted: Which symbols the feed shall have.
    """

    def __init__(self, controls: Sequence[Mailbox[Order]], wanted: Wanted) -> None:
        self.wanted = wanted
        self._controls = controls
        self._sessions: dict[Session, set[str]] = {}
        self._having: dict[str, dict[Session, None]] = {}

    @property
    def sessions(self) -> Sequence[Session]:
        """Those that are open."""
        return tuple(self._sessions)

    def having(self, symbol: str) -> Sequence[Session]:
        """Return the sessions on which a symbol is confirmed, the oldest first."""
        return tuple(self._having.get(symbol, ()))

    def symbols(self, session: Session) -> frozenset[str]:
        """Return the symbols that are confirmed on a session."""
        return frozenset(self._sessions.get(session, ()))

    def hear(self, message: Opened | Subscribed | Rejected | Lost) -> Heard:
        """Take note of a message.

        What a session says after it was given up, or about symbols that nobody wants any more, changes nothing.
        """
        if isinstance(message, Opened):
            self._sessions.setdefault(message.session, set())
            return Heard(gained=self._gain(message.session, message.symbols))
        if isinstance(message, Subscribed):
            return Heard(gained=self._gain(message.session, message.symbols))
        if isinstance(message, Rejected):
            return Heard(lost=self._lose(message.session, {message.symbol}), reason=message.reason)
        lost = self._lose(message.session, set(self._sessions.get(message.session, ())))
        self._sessions.pop(message.session, None)
        return Heard(lost=lost, reason=message.reason)

    def give_up(self, session: Session) -> frozenset[str]:
        """Count a session as lost before it says so itself; return the symbols that it had."""
        return self.hear(Lost(session, "")).lost

    def order(self, order: Order) -> None:
        """Tell all connections. Nobody waits: with a full mailbox a connection is about to be ended anyway."""
        for control in self._controls:
            try:
                control.send_nowait(order)
            except trio.WouldBlock:
                continue

    def change(self, change: SymbolChange, spell: Callable[[str], str], note: Note) -> tuple[list[str], list[str]]:
        """Change what is wanted, and tell the connections.

        Args:
            change: What to add and to drop. What is there already, or was never there, is left as it is.
            spell: `PublicSource.symbol`.
            note: Gets what cannot be a symbol.

        Returns:
            The symbols added and those dropped.
        """
        added: list[str] = []
        dropped: list[str] = []
        for names, wanting in ((change.drop, False), (change.add, True)):
            for name in names:
                try:
                    symbol = spell(name)
                except ValueError as problem:
                    note("bad_symbol", symbol=str(name)[:40], reason=str(problem)[:200])
                    continue
                if (symbol in self.wanted.symbols) is wanting:
                    continue
                if wanting:
                    self.wanted.symbols[symbol] = None
                    added.append(symbol)
                else:
                    self.drop(symbol)
                    dropped.append(symbol)
        if added or dropped:
            self.order(WantedChanged())
        return added, dropped

    def drop(self, symbol: str) -> None:
        """No longer want a symbol. The caller tells the connections."""
        self.wanted.symbols.pop(symbol, None)
        for session in self._having.pop(symbol, ()):
            self._sessions[session].discard(symbol)

    def _gain(self, session: Session, symbols: frozenset[str]) -> frozenset[str]:
        if session not in self._sessions:
            return frozenset()
        gained = symbols & self.wanted.symbols.keys()
        self._sessions[session] |= gained
        for symbol in gained:
            self._having.setdefault(symbol, {})[session] = None
        return frozenset(gained)

    def _lose(self, session: Session, symbols: set[str]) -> frozenset[str]:
        had = self._sessions.get(session, set())
        lost = frozenset(symbols & had)
        had -= lost
        for symbol in lost:
            having = self._having.get(symbol, {})
            having.pop(session, None)
            if not having:
                self._having.pop(symbol, None)
        return lost


@attrs.define
class States:
    """What was last said about each symbol: only changes are told."""

    venue: str
    said: dict[str, bool] = attrs.field(factory=dict)
    why: dict[str, str] = attrs.field(factory=dict)
    """The reason of the last change."""

    def change(self, symbol: str, reason: str, *, live: bool) -> FeedState | None:
        """Return the state to put among the data, or None when nothing has changed."""
        if self.said.get(symbol) is live:
            return None
        self.said[symbol], self.why[symbol] = live, reason
        return FeedState(self.venue, symbol, live, reason, now_ms())

    def forget(self, symbol: str) -> None:
        """Begin anew with a symbol."""
        self.said.pop(symbol, None)
        self.why.pop(symbol, None)


def by_symbol(items: Sequence[Any]) -> dict[str, list[Any]]:
    """Part a batch by symbol, each in the order of the batch."""
    symbols = {item.symbol for item in items}
    if len(symbols) == 1:
        return {symbols.pop(): list(items)}
    parted: dict[str, list[Any]] = {}
    for item in items:
        symbol = item.symbol
        part = parted.get(symbol)
        if part is None:
            parted[symbol] = [item]
        else:
            part.append(item)
    return parted
