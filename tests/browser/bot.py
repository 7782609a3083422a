"""A bot for the browser to look at: `unblinking run bot.py`, with the exchange's addresses in EXCHANGE."""

import json
import os
from typing import Any

import trio

from actors import Secret, binance, binance_usdm, health
from supervisor import Backoff, Child, Limit, Mailbox, Me, Supervisor, actor

ADDRESSES = json.loads(os.environ["EXCHANGE"])
TOKEN = Secret.env("TOKEN") if "TOKEN" in os.environ else None
trades, orders = Mailbox[Any]("trades", capacity=10_000), Mailbox[Any]("orders", capacity=1_000)


@actor()
async def reader(me: Me, box: Mailbox[Any]) -> None:
    while True:
        await box.receive_many()


@actor(first_start="retry", backoff=Backoff(0, 0, 0), on={RuntimeError: "park"})
async def evil(me: Me) -> None:
    """Say what a page must never take for markup."""
    me.note("evil", text="<img src=x onerror=alert(1)>")
    await trio.sleep(0.01)
    raise RuntimeError("<img src=x onerror='document.title=`pwned`'><script>document.title='pwned'</script>")


def patient(node: Any) -> Any:
    """Return the tree with tries far enough from each other for a person to see the countdown."""
    if isinstance(node, Child):
        return node.with_(backoff=Backoff(floor=3.0, base=3.0, cap=3.0))
    return Supervisor(node.name, [patient(child) for child in node.children], strategy=node.strategy, limit=Limit(1000))


def at(venue: Any) -> Any:
    ws, rest = ADDRESSES[venue.name]
    return venue.at(ws=ws, rest=rest)


tree = Supervisor(
    "bot",
    [
        health(0, token=TOKEN),
        reader.child("read-trades", trades),
        reader.child("read-orders", orders),
        patient(at(binance).trades("BTCUSDT", out=trades, silence=2.0)),
        at(binance_usdm).trades("BTCUSDT", out=trades),
        at(binance_usdm).account(
            "main", key=Secret.literal("demo-key"), secret=Secret.literal("demo-secret"), out=orders
        ),
        *([evil.child("evil")] if "EVIL" in os.environ else []),
    ],
)
