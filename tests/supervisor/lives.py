"""Actors for the tests of lives: one that lives for ever, and one that is ready after a while."""

import trio

from supervisor import Backoff, Me

soon = Backoff(0.1, 0.1, 0.1)


async def forever(me: Me) -> None:
    await trio.sleep_forever()


def ready_after(seconds: float) -> object:
    async def run(me: Me) -> None:
        await trio.sleep(seconds)
        me.ready()
        await trio.sleep_forever()

    return run
