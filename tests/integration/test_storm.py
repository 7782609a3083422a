"""Ten thousand failures in a minute: one message, exact counts everywhere, no more memory, and feeds that notice nothing."""

from __future__ import annotations

import gc
from pathlib import Path
from typing import Any

import attrs
import pytest
import trio

from actors import FeedState, Gap, alerts, binance, ledger
from actors.ops import AlertMessage
from actors.ops._access import Access
from actors.ops._events_stream import EventsStream
from actors.ops._http_endpoint import Request
from actors.ops._ledger_reader import by_cause, read_failures, read_runs
from actors.ops._routes import Routes
from actors.ops._watched import Watched
from actors.simulator import Exchange, open_network
from supervisor import Backoff, Limit, Mailbox, Me, Running, Supervisor, actor
from supervisor.testing import run_virtually

from ..actors.in_memory import through

ACTORS, EACH, PAUSE = 20, 500, 0.12
"""They fail once in so many seconds: all of it takes a minute."""
KINDS = [type(f"Trouble{chr(65 + number)}", (ConnectionError,), {}) for number in range(ACTORS)]
"""Of each its own: where many fail alike, the tree spreads their restarts, and there is no storm."""


@attrs.frozen
class Basket:
    """A channel into a list."""

    name: str = "basket"
    got: list[AlertMessage] = attrs.field(factory=list)

    async def send(self, message: AlertMessage) -> None:
        await trio.sleep(0.2)
        self.got.append(message)


@actor(backoff=Backoff(0, 0, 0), first_start="retry", max_failures=None)
async def failing(me: Me, kind: type[Exception]) -> None:
    await trio.sleep(PAUSE)
    if me.generation > EACH:
        await trio.sleep_forever()
    raise kind(f"attempt {me.generation}: {'x' * 200}")


@pytest.mark.slow
def test_ten_thousand_failures_in_a_minute_are_one_message_and_exact_counts_and_disturb_no_feed(tmp_path: Path) -> None:
    run_virtually(live_through_a_storm, tmp_path)


async def live_through_a_storm(tmp_path: Path) -> None:
    basket, file = Basket(), tmp_path / "failures.sqlite"
    exchange = Exchange(seed=3, trades_per_second=20)
    trades, items = Mailbox[Any]("trades", capacity=10_000), list[Any]()

    @actor()
    async def reader(me: Me) -> None:
        async for item in running.mailbox(trades):
            items.append(item)

    async with open_network(exchange) as network, trio.open_nursery() as nursery:
        exchange.print_trade("binance", "BTCUSDT")
        tree = Supervisor(
            "bot",
            [
                ledger(file),
                alerts(basket),
                through(binance, network).trades("BTCUSDT", out=trades, silence=3.0),
                reader.child("reader"),
                Supervisor("storm", [failing.child(kind.__name__, kind) for kind in KINDS], limit=Limit(10**6)),
            ],
        )
        running = Running(tree, seed=3)
        routes = Routes(Watched(running, (), lambda: dict.fromkeys(("connections", "requests", "evicted", "refused"), 0)),
                        Access(), EventsStream(running, 1, lambda: 0))  # fmt: skip
        async with running.opened():
            nursery.start_soon(exchange.run)
            sizes, began = [], trio.current_time()
            for until in (0.3, 1.0):
                with trio.fail_after(300):
                    while running.ledger.failures < until * ACTORS * EACH:  # noqa: ASYNC110 - seen from outside only
                        await trio.sleep(0.5)
                gc.collect()
                sizes.append(len(gc.get_objects()))
            assert trio.current_time() - began < 75.0
            text = (await routes(Request("GET", "/metrics", {}, {}))).body.decode()
            document = (await routes(Request("GET", "/failures.json", {}, {}))).body
            in_storm = list(basket.got)
            await trio.sleep(150)
            seen = [str(event) for event in running.ledger.recent if "storm" not in event.path]
            nursery.cancel_scope.cancel("it is over")
            with trio.CancelScope(shield=True):
                await trio.sleep(2)

    assert [message.title for message in in_storm] == ["bot: more than 20 restarts within 60 s"]
    assert [message.title for message in basket.got[1:]] == ["bot: resolved: more than 20 restarts within 60 s"]
    assert running.ledger.by_error == {kind.__name__: EACH for kind in KINDS}, seen
    assert all(f'unblinking_failures_total{{error="{kind.__name__}"}} {EACH}.0' in text for kind in KINDS)
    assert len(document) < 500_000
    found = [failure for failure in read_failures(file) if failure.counts]
    assert len(found) == ACTORS * EACH
    assert [cause.count for cause in by_cause(found)] == [EACH] * ACTORS
    assert read_runs(file)
    # What grows from a third of it on is the market's own record, and the items that this test keeps.
    assert sizes[-1] - sizes[0] < 30_000, sizes
    published = [trade.id for trade in exchange.record.trades["binance", "BTCUSDT"]]
    ids = [item.id for item in items if not isinstance(item, Gap | FeedState)]
    assert ids == published[published.index(ids[0]) : published.index(ids[-1]) + 1]
    assert len(ids) > 1000
    assert [item.live for item in items if isinstance(item, FeedState)] == [False, True]
    assert not [item for item in items if isinstance(item, Gap)]
