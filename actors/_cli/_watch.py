"""`unblinking watch`: what a supervised feed delivers, as lines."""

import sys
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, Final, TypeAlias

import click
import msgspec
import trio

from actors import (
    BestItem,
    Blind,
    FeedItem,
    FeedState,
    Gap,
    Switched,
    Venue,
    best_feed,
    binance,
    binance_coinm,
    binance_usdm,
    bybit,
    bybit_linear,
    gate,
    kucoin,
    okx,
)
from supervisor import Backoff, BadTree, Ended, Event, Mailbox, Me, Supervisor, actor

from .._trees import with_children
from ._follow import follow
from ._output import Lines

VENUES: Mapping[str, Venue] = {
    venue.name: venue for venue in (binance, binance_coinm, binance_usdm, bybit, bybit_linear, gate, kucoin, okx)
}
BEST: Final = "best"
"""Name of the feed that follows one of several."""
IMPATIENT = Backoff(cap=5.0)
"""Twelve attempts a minute at most; Binance allows 60 from one address."""

Item: TypeAlias = FeedItem | BestItem
Show = Callable[[Item], str]

items = Mailbox[Any]("items", capacity=10_000)


@click.command()
@click.argument("feeds", metavar="VENUE:SYMBOL...", nargs=-1, required=True)
@click.option(
    "--best", is_flag=True, help="print one of the feeds at a time: the first of them that is fresh and sound"
)
@click.option("--endpoint", "endpoints", metavar="VENUE.ws|rest=URL", multiple=True, help="use this address instead")
@click.option("--json", "as_json", is_flag=True, help="one JSON object a line on standard output, and nothing else")
@click.option("--seconds", type=click.FloatRange(min=0, min_open=True), help="stop after so long")
def watch(feeds: Sequence[str], best: bool, endpoints: Sequence[str], as_json: bool, seconds: float | None) -> None:
    """Print what a supervised feed delivers: every trade once and in order, or the gap in its place.

    Venues: binance, binance-coinm, binance-usdm, bybit, bybit-linear, gate, kucoin, okx. Symbols as the venue writes them:
    binance:BTCUSDT, okx:BTC-USDT.
    """
    venues = _with_endpoints(endpoints)
    named = [_venue_and_symbol(venues, feed) for feed in dict.fromkeys(feeds)]
    if best and len(named) < 2:
        raise click.BadParameter("--best chooses between two feeds or more")
    output = Lines(sys.stdout.fileno())
    show: Show = _json_line if as_json else _text_line
    try:
        if best:
            groups = [best_feed(BEST, [venue.trades(symbol) for venue, symbol in named], out=items)]
        else:
            groups = [venue.trades(symbol, out=items) for venue, symbol in named]
        # The printer starts first and stops last: what the feeds have delivered is printed.
        tree = Supervisor(
            "watch", [print_items.child("print", items, show, output), *(_impatient(group) for group in groups)]
        )
    except BadTree as problem:
        raise click.BadParameter(str(problem)) from None
    sys.exit(trio.run(partial(_run, tree, output, seconds, as_json=as_json)))


def _with_endpoints(endpoints: Sequence[str]) -> dict[str, Venue]:
    venues = dict(VENUES)
    for endpoint in endpoints:
        name, equals, url = endpoint.partition("=")
        venue, _, kind = name.rpartition(".")
        if not (equals and url and venue in venues and kind in ("ws", "rest")):
            known = ", ".join(f"{known}.ws" for known in venues)
            raise click.BadParameter(f"{endpoint!r} is not VENUE.ws=URL or VENUE.rest=URL; there are {known}, ...")
        schemes = ("ws://", "wss://") if kind == "ws" else ("http://", "https://")
        if not url.startswith(schemes):
            raise click.BadParameter(f"{endpoint!r}: the address must begin with {' or '.join(schemes)}")
        venues[venue] = venues[venue].at(**{kind: url.rstrip("/")})
    return venues


def _venue_and_symbol(venues: Mapping[str, Venue], feed: str) -> tuple[Venue, str]:
    name, colon, symbol = feed.partition(":")
    if not (colon and symbol and name in venues):
        raise click.BadParameter(f"{feed!r} is not VENUE:SYMBOL; the venues are {', '.join(venues)}")
    return venues[name], symbol


def _impatient(group: Supervisor) -> Supervisor:
    # Somebody is watching: an outage should not be followed by up to a minute of waiting, as it may be in a bot.
    below = [
        _impatient(node)
        if isinstance(node, Supervisor)
        else node.with_(backoff=IMPATIENT)
        if node.name == "connection"
        else node
        for node in group.children
    ]
    return with_children(group, below)


@actor(on={OSError: "escalate"})
async def print_items(me: Me, items: Mailbox[Any], show: Show, output: Lines) -> None:
    """Print each item, at the reader's pace. When it is stopped, it prints what is left."""
    batch: deque[Item] = deque()

    async def print_batch() -> None:
        while batch:
            # A line is short enough to be out as a whole or not at all, so a cancelled one stays in the batch.
            await output.write(show(batch[0]))
            batch.popleft()

    try:
        while True:
            batch.extend(await items.receive_many())
            await print_batch()
    finally:
        with me.cleanup():
            while batch or items.statistics().used:
                batch.extend(items.receive_many_nowait())
                await print_batch()  # noqa: ASYNC102 - cleanup is a shield with a deadline


async def _run(tree: Supervisor, output: Lines, seconds: float | None, *, as_json: bool) -> int:
    """Run the tree until a signal or for so long; return the exit code."""
    diagnostics = Lines(sys.stderr.fileno())

    async def tell_failure(event: Event) -> None:
        if isinstance(event, Ended) and event.end.failed:
            diagnostics.put(str(event))
            if as_json:
                await output.write(_failure_line(event))

    failed: BaseExceptionGroup[Exception] | None = None
    try:
        failed = await follow(tree, diagnostics, tell_failure, diagnostics.put, seconds=seconds)
    except* BrokenPipeError as broken:
        failed = broken
    # Whoever read our output and goes away has had enough: that is no failure.
    return 0 if failed is None or failed.subgroup(BrokenPipeError) else 1


def _failure_line(event: Ended) -> str:
    told = event.to_dict()
    line = {"type": "failure", "path": event.path, "incarnation": event.generation}
    line |= {key: told[key] for key in ("how", "error", "decision", "reason", "delay")}
    return _encode(line, round(event.wall * 1000))


def _encode(line: dict[str, Any], received: int) -> str:
    return msgspec.json.encode({**line, "received": received}).decode()


def _json_line(item: Item) -> str:
    if isinstance(item, Switched | Blind):
        change: dict[str, Any] = {"type": "blind", "feed": item.feed}
        if isinstance(item, Switched):
            change |= {"type": "switched", "source": item.source, "previous": item.previous}
        return _encode({**change, "reason": item.reason}, item.received)
    head = {"venue": item.venue, "symbol": item.symbol}
    match item:
        case FeedState():
            line: dict[str, Any] = {"type": "state", **head, "live": item.live, "reason": item.reason}
        case Gap():
            line = {"type": "gap", **head, "first_id": item.first_id, "last_id": item.last_id, "count": item.count}
            line["reason"] = item.reason
        case _:
            line = {"type": "trade", **head, "id": item.id}
            line |= {"price": format(item.price, "f"), "quantity": format(item.quantity, "f")}
            line |= {"side": item.side, "time": item.time}
    return _encode(line, item.received)


def _text_line(item: Item) -> str:
    clock = time.strftime("%H:%M:%S", time.localtime(item.received / 1000))
    if isinstance(item, Switched):
        return f"{clock} {item.feed} follows {item.source}: {item.reason}"
    if isinstance(item, Blind):
        return f"{clock} {item.feed} is blind: {item.reason}"
    head = f"{clock} {item.venue} {item.symbol}"
    match item:
        case FeedState():
            return f"{head} {'live' if item.live else 'not live'}: {item.reason}"
        case Gap():
            return f"{head} gap: {item.count} trades, {item.first_id} to {item.last_id}, are lost: {item.reason}"
        case _:
            return f"{head} {item.id} {item.side:<4} {item.quantity:f} at {item.price:f}"
