"""embed.py: a tree inside a Trio program of your own. Start it with `python embed.py`."""

import trio

from supervisor import Mailbox, Me, Supervisor, actor

ticks = Mailbox[int]("ticks", capacity=10)


@actor()
async def clock(me: Me, out: Mailbox[int]) -> None:
    """Count, ten times a second."""
    count = 0
    while True:
        await trio.sleep(0.1)
        count += 1
        await out.send(count)


tree = Supervisor("embedded", [clock.child("clock", ticks)])


async def main() -> None:
    async with tree.open() as running:
        # The declared mailbox is a name; the live one belongs to the opened tree.
        live = running.mailbox(ticks)
        for _ in range(3):
            print("tick", await live.receive())
        print(running.status().state)
    # Here every actor has ended: leaving the block stops the tree in order.


if __name__ == "__main__":
    trio.run(main)
