"""prices.py: an actor that fails now and then, an actor that does not notice, and the mailbox between them."""

import trio

from supervisor import Backoff, Mailbox, Me, Supervisor, actor

prices = Mailbox[float]("prices", capacity=100)


@actor(backoff=Backoff(floor=0.1, base=0.2, cap=2))
async def source(me: Me, out: Mailbox[float]) -> None:
    """Send a price four times a second, until the line goes dead."""
    price = 100.0
    while True:
        await trio.sleep(0.25)
        if me.random.random() < 0.2:
            raise ConnectionError("the line went dead")
        price += me.random.uniform(-1, 1)
        await out.send(price)


@actor()
async def average(me: Me, prices: Mailbox[float]) -> None:
    """Print the average of the last ten prices."""
    last: list[float] = []
    async for price in prices:
        last = [*last[-9:], price]
        print(f"{me.path} {price:8.2f}, average {sum(last) / len(last):8.2f}", flush=True)


tree = Supervisor("prices", [average.child("average", prices), source.child("source", prices)])
