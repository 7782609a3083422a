"""Which owners of data a tree requires: as it is declared, before anything has started."""

import trio

from actors import best_feed, binance, bybit
from actors.ops._vitals import read, verdict
from supervisor import Mailbox, Supervisor


async def test_of_a_best_feed_the_choice_is_required_and_its_sources_are_not(
    autojump_clock: trio.testing.MockClock,
) -> None:
    out = Mailbox[object]("out", capacity=10)
    sources = [
        venue.at(ws="ws://127.0.0.1:1", rest="http://127.0.0.1:1").trades("BTCUSDT") for venue in (binance, bybit)
    ]
    async with Supervisor("bot", [best_feed("btc", sources, out=out)]).open() as running:
        await trio.sleep(1)
        vitals = read(running.status(), running.tree)
        found = verdict(running.status(), running.tree)

    required = {vital.path: vital.required for vital in vitals}
    assert required.pop("bot/btc/selector") is True
    assert len(required) == 2
    assert not any(required.values())
    assert len(found.reasons) == 1
    assert found.reasons[0].startswith("bot/btc/selector (best) btc is not live: ")
