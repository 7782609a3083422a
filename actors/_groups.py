"""The groups of actors that bring a venue's data, built from what a bot says about them.

Each group is a supervisor of the strategy ``rest_for_one``: the owner of the data first, because it outlives its
connections; then what a connection needs; then the connection; then its pinger. With several connections each has a
supervisor of its own, so that losing one touches nothing else. An outage of a venue, however long, must never stop the
bot: no limit of a group can be reached by failures that keep to the backoff.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache, partial
from pathlib import Path
from typing import Any, Final, Literal, TypeVar

import attrs

from supervisor import Budget, Child, Limit, Mailbox, Supervisor, child

from ._account_source import AccountSource
from ._accounts._listen_key import ListenKeeper
from ._accounts._liveness import Liveness
from ._accounts._private_stream import PrivateStream
from ._connections._connection import Connection
from ._connections._lines import Line, PrivateLine, PublicLine
from ._connections._pinger import Pinger
from ._connections._venue_clock import VenueClock
from ._errors import SecretMissing, Unauthorized
from ._feeds._books import Books
from ._feeds._feed import Feed
from ._feeds._quotes import Quotes
from ._messages import Hold, Inflow, Key, KeyRequest, Order, PrivateInflow, Wanted
from ._net._wire import Dial, Tls
from ._records import AccountItem, SymbolChange
from ._source import Channel, Limits, PublicSource

T = TypeVar("T")

NEVER_REACHED: Final = Limit(restarts=5000, within=60.0)
"""A backoff with a floor of 0.05 s allows 1200 restarts a minute and actor."""
INFLOW: Final = 4096
"""Messages between a connection and the owner of the data; when they are used up, the connection waits."""
_PARKING: Final = {Unauthorized: "park", SecretMissing: "park"}
"""Of connections that log in: trying again with what the venue refuses may get the key locked."""
OWNERS: Final[Mapping[Channel, tuple[str, Callable[..., Any]]]] = {
    "trades": ("feed", Feed),
    "quotes": ("quotes", Quotes),
    "book": ("books", Books),
}
"""Of each channel the owner's name in the tree, and what it is."""


@attrs.frozen
class Place:
    """Where a venue is, how to get there, and until when it wants to be left alone."""

    ws: str
    rest: str
    tls: Tls
    dial: Dial | None
    transport: Callable[[], Any] | None
    # One each for all groups of this venue at these addresses: a ban is for all that come from one machine.
    ws_hold: Mailbox[Hold]
    rest_hold: Mailbox[Hold]


@attrs.frozen
class Wish:
    """What a bot wants of a public channel; see `Venue.trades` for what each of it means."""

    group: str
    symbols: tuple[str, ...]
    """As the bot wrote them."""
    out: Mailbox[Any]
    connections: int = 1
    changes: Mailbox[SymbolChange] | None = None
    silence: float = 30.0
    ping_every: float | None = None
    required: bool = True
    patience: float | None = None
    """Of trades only."""
    largest_backfill: int | None = None
    """Of trades only."""

    def wrong(self) -> list[str]:
        """Say what is wrong with it, the symbols apart."""
        found = wrong_seconds(silence=self.silence)
        found += wrong_seconds(
            **{
                name: value
                for name, value in (("ping_every", self.ping_every), ("patience", self.patience))
                if value is not None
            }
        )
        if self.largest_backfill is not None:
            found += wrong_count("largest_backfill", self.largest_backfill, least=1)
        found += wrong_count("connections", self.connections, least=1)
        found += wrong_type("out", self.out, Mailbox, "a Mailbox")
        found += wrong_type("required", self.required, bool, "True or False")
        if self.changes is not None:
            found += wrong_type("changes", self.changes, Mailbox, "a Mailbox")
        return found


def feed_group(
    place: Place, channel: Channel, make: Callable[[], PublicSource], wish: Wish, options: dict[str, Any]
) -> Supervisor:
    """Return the group of one channel for some symbols.

    Raises:
        BadTree: Something is wrong with the wish or the options.
    """
    owner, kind = OWNERS[channel]
    wrong = wish.wrong()
    source = made_of(wrong, make)
    symbols = _subscribable(wrong, source, wish.symbols) if source is not None else ()
    if wrong or source is None:
        return unusable_group(wish.group, owner, wrong, options)
    inflow: Mailbox[Inflow[Any]] = Mailbox(f"{wish.group} inflow", capacity=INFLOW)
    wanted: Mailbox[Wanted] = Mailbox(f"{wish.group} wanted", capacity=1)
    names = [wish.group] if wish.connections == 1 else [f"{wish.group} {n + 1}" for n in range(wish.connections)]
    controls = tuple(_control(name) for name in names)
    of_trades = {} if wish.patience is None else {"patience": wish.patience, "largest": wish.largest_backfill}
    make_owner = partial(
        kind,
        source=source,
        symbols=symbols,
        rest=place.rest,
        inflow=inflow,
        out=wish.out,
        controls=controls,
        hold=place.rest_hold,
        cursors=Mailbox(f"{wish.group} cursors", capacity=1),
        wanted=wanted,
        changes=wish.changes,
        silence=wish.silence,
        transport=place.transport,
        required=wish.required,
        **of_trades,
    )
    made = made_of(wrong, make_owner)
    if made is None:
        return unusable_group(wish.group, owner, wrong, options)
    line = PublicLine(
        source=source,
        address=place.ws,
        rest=place.rest,
        wanted_slot=wanted,
        symbols=symbols,
        rest_hold=place.rest_hold,
        transport=place.transport,
    )
    every = source.ping_every if wish.ping_every is None else wish.ping_every
    lines = [_line(place, line, inflow, control, source.limits, every) for control in controls]
    return Supervisor(
        wish.group,
        [child(owner, made), *(lines[0] if len(lines) == 1 else [_side_by_side(lines)])],
        strategy="rest_for_one",
        limit=NEVER_REACHED,
        **options,
    )


@lru_cache(maxsize=64)
def attempts_at(ws: str, most: int, within: float) -> Budget:
    """Return what all connections to an address draw from: a venue counts what comes from one, whoever it is for."""
    return Budget(f"connections to {ws}", most, within)


def _side_by_side(lines: Sequence[Sequence[Child]]) -> Supervisor:
    return Supervisor(
        "lines",
        [
            Supervisor(str(number), line, strategy="rest_for_one", limit=NEVER_REACHED)
            for number, line in enumerate(lines, 1)
        ],
        limit=NEVER_REACHED,
    )


def _line(
    place: Place,
    line: Line,
    inflow: Mailbox[Any],
    control: Mailbox[Order],
    limits: Limits,
    ping_every: float,
    **policy: Any,
) -> list[Child]:
    attempts = attempts_at(place.ws, limits.attempts, limits.attempts_within)
    connection = Connection(
        line=line,
        inflow=inflow,
        control=control,
        hold=place.ws_hold,
        unsaid=Mailbox(f"{control.name}: not yet handed over", capacity=1),
        attempts=attempts,
        lifetime=limits.lifetime,
        tls=place.tls,
        dial=place.dial,
    )
    return [child("connection", connection, budget=attempts, **policy), child("pinger", Pinger(control, ping_every))]


def account_group(
    place: Place,
    source: AccountSource,
    *,
    symbols: Sequence[str],
    out: Mailbox[AccountItem],
    since: int | None,
    reconcile_every: float,
    quiet_after: float,
    live: Liveness | None,
    store: Path | Literal[False] | None,
    ping_every: float,
    required: bool,
    options: dict[str, Any],
) -> Supervisor:
    """Return the group of one account's orders.

    Raises:
        BadTree: Something is wrong with the options.
    """
    name = source.account
    inflow: Mailbox[PrivateInflow[Any]] = Mailbox(f"{name} inflow", capacity=INFLOW)
    requests: Mailbox[KeyRequest] = Mailbox(f"{name} key requests", capacity=1, overflow="drop_oldest")
    keys: Mailbox[Key] = Mailbox(f"{name} keys", capacity=1, overflow="drop_oldest")
    clock: Mailbox[VenueClock] = Mailbox(f"{name} clock of the venue", capacity=1)
    control = _control(name)
    orders = PrivateStream(
        source=source,
        rest=place.rest,
        symbols=tuple(symbols),
        inflow=inflow,
        out=out,
        control=control,
        hold=place.rest_hold,
        book=Mailbox(f"{name} book", capacity=1),
        backlog=Mailbox(f"{name} backlog", capacity=1),
        clock=clock,
        since=since,
        reconcile_every=reconcile_every,
        quiet_after=quiet_after,
        live=live,
        store=store,
        transport=place.transport,
        required=required,
    )
    key = ListenKeeper(
        source=source,
        rest=place.rest,
        requests=requests,
        keys=keys,
        control=control,
        inflow=inflow,
        hold=place.rest_hold,
        clock=clock,
        transport=place.transport,
    )
    line = PrivateLine(
        source=source,
        address=place.ws,
        rest=place.rest,
        requests=requests,
        keys=keys,
        ping_every=ping_every,
        clock=clock,
        rest_hold=place.rest_hold,
        transport=place.transport,
    )
    return Supervisor(
        name,
        [
            child("orders", orders),
            *([] if source.keeping is None else [child("key", key)]),
            *_line(place, line, inflow, control, source.limits, ping_every, on=_PARKING),
        ],
        strategy="rest_for_one",
        limit=NEVER_REACHED,
        **options,
    )


def unusable_group(name: str, owner: str, wrong: Sequence[str], options: dict[str, Any]) -> Supervisor:
    """Return a group in place of one that cannot be built; the tree that holds it does not open.

    Raises:
        BadTree: At once, unless problems are being collected.
    """
    return Supervisor(name, [_unusable(owner, wrong)], **options)


def _control(name: str) -> Mailbox[Order]:
    # Nobody waits to give an order; with more than these unread the connection is about to be ended as stale.
    return Mailbox(f"{name} control", capacity=16, overflow="drop_oldest")


def made_of(wrong: list[str], make: Callable[[], T]) -> T | None:
    """Return what can be made, or say what is wrong with it."""
    try:
        return make()
    except (TypeError, ValueError) as problem:
        # attrs reports options that do not exist as TypeError, and values as ValueError with all its arguments.
        wrong.append(str(problem.args[0]))
        return None


def spelled_by(wrong: list[str], source: PublicSource | AccountSource, names: Iterable[str]) -> tuple[str, ...]:
    """Return the symbols as the venue spells them, and say what is wrong with the list."""
    found: dict[str, None] = {}
    for name in names:
        try:
            symbol = source.symbol(name)
        except (AttributeError, TypeError):
            wrong.append(f"a symbol must be a name, not {name!r}")
            continue
        except ValueError as problem:
            wrong.append(str(problem))
            continue
        if symbol in found:
            wrong.append(f"symbols has {symbol!r} twice")
        found[symbol] = None
    return tuple(found)


def _subscribable(wrong: list[str], source: PublicSource, names: Sequence[str]) -> tuple[str, ...]:
    """Return the same, and say whether they fit on a connection."""
    found = spelled_by(wrong, source, names)
    if not names:
        wrong.append("symbols must have at least one name")
    most = source.limits.symbols
    if len(found) > most:
        wrong.append(f"symbols has {len(found)} names, and {source.venue} takes {most} on a connection: make two feeds")
    return found


async def _never(_me: object) -> None:
    """Stands in for an actor that could not be built; the tree that holds it does not open."""


def _unusable(name: str, wrong: Sequence[str]) -> Child:
    made = child(name, _never)
    return attrs.evolve(made, wrong=(*made.wrong, *wrong))


def wrong_type(name: str, value: object, wanted: type | tuple[type, ...], what: str) -> list[str]:
    """Say that a value is not of the type that is wanted."""
    # The value itself is not shown: where a Secret is wanted it may be the very key.
    return [] if isinstance(value, wanted) else [f"{name} must be {what}, not {type(value).__name__}"]


def wrong_count(name: str, value: object, *, least: int) -> list[str]:
    """Say that a value is no whole number, or too small a one."""
    if isinstance(value, int) and not isinstance(value, bool) and value >= least:
        return []
    return [f"{name} must be a whole number >= {least}, not {value!r}"]


def wrong_seconds(**values: object) -> list[str]:
    """Say which values are no number of seconds."""
    return [
        f"{name} must be a number of seconds > 0, not {value!r}"
        for name, value in values.items()
        if not isinstance(value, int | float) or isinstance(value, bool) or not 0 < value < float("inf")
    ]
