"""One feed over two venues: from noticing that the first one is blind to the first word of it in the consumer's hands.

Noticing is the first record in the tree's event stream of what happened: the end of the connection, the finding that it
is mute, or the selector's own finding that it is silent for longer than its rhythm allows.
"""

from __future__ import annotations

import statistics

import attrs
import trio
from figures import Figure

from actors import BestItem, Switched, Venue, best_feed, binance, okx
from actors.simulator import Address, Exchange, Fault, serve
from supervisor import Ended, Mailbox, Note, Running, Supervisor

FEEDS = 5
RATE = 50.0
"""Trades a second and venue."""
CALM = 8.0
"""Seconds before the fault."""
WINDOW = 6.0
"""Seconds from the fault on in which all must have switched."""
TARGET = 0.05
"""Seconds from noticing to switching."""
FAULTS = {
    "reset, and refused": (
        Fault("refuse", venue="binance", duration=WINDOW),
        Fault("reset", venue="binance"),
    ),
    "mute": (Fault("mute", venue="binance", duration=WINDOW),),
}


@attrs.define
class Story:
    """What happened to one feed after the fault, in Trio's time."""

    noticed: float | None = None
    switched: float | None = None


async def switch() -> list[Figure]:
    """Seconds from noticing to switching, and from the fault to switching."""
    figures: list[Figure] = []
    for name, faults in FAULTS.items():
        exchange = Exchange(seed=1, symbols={"binance": ["BTCUSDT"], "okx": ["BTC-USDT"]}, trades_per_second=RATE)
        async with serve(exchange) as addresses, trio.open_nursery() as nursery:
            nursery.start_soon(exchange.run)
            began, stories = await _live(exchange, {place: addresses[place] for place in addresses}, faults)
            nursery.cancel_scope.cancel()
        done = [story for story in stories if story.noticed is not None and story.switched is not None]
        if len(done) <= FEEDS / 2:
            figures.append(
                Figure(f"{name}: switch to the other venue, after noticing", float("inf"), "s", target=TARGET)
            )
            continue
        after = statistics.median((story.switched or 0.0) - (story.noticed or 0.0) for story in done)
        whole = statistics.median((story.switched or 0.0) - began for story in done)
        figures.append(Figure(f"{name}: switch to the other venue, after noticing", after, "s", target=TARGET))
        figures.append(Figure(f"{name}: switch to the other venue, after the fault", whole, "s"))
    return figures


async def _live(
    exchange: Exchange, addresses: dict[str, Address], faults: tuple[Fault, ...]
) -> tuple[float, list[Story]]:
    def simulated(venue: Venue) -> Venue:
        return venue.at(ws=addresses[venue.name].ws, rest=addresses[venue.name].rest)

    boxes = [Mailbox[BestItem](f"prices {number}", capacity=10_000) for number in range(FEEDS)]
    stories = [Story() for _ in boxes]
    groups = [
        best_feed(f"btc{number}", [simulated(binance).trades("BTCUSDT"), simulated(okx).trades("BTC-USDT")], out=box)
        for number, box in enumerate(boxes)
    ]
    async with Supervisor("bench", groups).open(seed=1) as running, trio.open_nursery() as nursery:
        began = trio.current_time() + CALM
        nursery.start_soon(_notices, running, stories, began)
        for story, box in zip(stories, boxes, strict=True):
            nursery.start_soon(_switches, running.mailbox(box), story, began)
        await trio.sleep_until(began)
        began = trio.current_time()
        for fault in faults:
            exchange.inject(fault)
        await trio.sleep(WINDOW)
        nursery.cancel_scope.cancel()
    return began, stories


async def _notices(running: Running, stories: list[Story], began: float) -> None:
    async for event in running.events(capacity=10_000):
        telling = isinstance(event, Ended) or (isinstance(event, Note) and event.what in ("mute", "switched"))
        if telling and event.at >= began and "okx" not in event.path:
            story = stories[int(event.path.split("/")[1].removeprefix("btc"))]
            if story.noticed is None:
                story.noticed = event.at


async def _switches(box: Mailbox[BestItem], story: Story, began: float) -> None:
    async for item in box:
        now = trio.current_time()
        if not isinstance(item, Switched) or now < began or story.switched is not None:
            continue
        if (item.previous or "").startswith("binance"):
            story.switched = now
        else:
            # On a busy machine it may have left the first venue before the fault: then there is nothing to learn here.
            story.noticed, story.switched = None, now
            return
