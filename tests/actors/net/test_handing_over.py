"""Messages that are handed over in the task that reads: all of them, in order, and none before its turn."""

import hypothesis.strategies as st
import pytest
import trio
import trio.testing
from hypothesis import given, settings

from actors._errors import WireClosed
from supervisor.testing import run_virtually

from ..ws_peer import CLOSE, TEXT, Peer, frame
from .wired import in_batches, wired

Clock = trio.testing.MockClock


@given(st.lists(st.integers(1, 5), min_size=1, max_size=10), st.lists(st.booleans(), max_size=20))
@settings(max_examples=60, deadline=None)
def test_what_is_handed_over_and_what_is_received_is_all_in_order_and_then_the_end(
    sizes: list[int], willing: list[bool]
) -> None:
    answers = iter(willing)
    script = in_batches(sizes, frame(TEXT, b"last") + frame(CLOSE, (1000).to_bytes(2, "big")))

    async def main() -> None:
        got: list[bytes] = []

        def taker(frames: list[bytes]) -> bool:
            if next(answers, True):
                got.extend(frames)
                return True
            return False

        async with trio.open_nursery() as nursery, wired(nursery, script) as wire:
            wire.hand_to(taker)
            with pytest.raises(WireClosed):
                while True:
                    got += await wire.receive_many()
            assert wire.statistics().messages == len(got)
            assert wire.statistics().waiting == 0
        assert got == [*(b"%d" % number for number in range(sum(sizes))), b"last"]

    run_virtually(main)


async def test_what_nobody_takes_by_hand_pauses_reading_as_ever(nursery: trio.Nursery, autojump_clock: Clock) -> None:
    async def script(peer: Peer) -> None:
        await peer.handshake()
        for _ in range(10):
            await trio.sleep(0.01)
            await peer.stream.send_all(frame(TEXT, b"x"))
        await peer.receive_until(CLOSE)
        await peer.stream.send_all(frame(CLOSE))

    async with wired(nursery, script, max_waiting=4) as wire:
        refused: list[int] = []
        wire.hand_to(lambda frames: bool(refused.append(len(frames))))  # type: ignore[func-returns-value]
        await trio.sleep(1)

        assert wire.statistics().paused
        assert max(refused) == 4
        got = await wire.receive_many()
        wire.hand_to(lambda frames: not got.extend(frames))  # type: ignore[func-returns-value]
        await trio.sleep(1)
        assert len(got) == 10
        assert not wire.statistics().paused
