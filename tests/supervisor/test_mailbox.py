"""Mailboxes: order, bounds, overflow, counters, waiting and closing."""

import contextlib
from collections.abc import Callable
from typing import Any

import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st

from supervisor import (
    Backoff,
    DeadLetter,
    DeadLettered,
    Mailbox,
    MailboxClosed,
    MailboxError,
    MailboxFull,
    MailboxStatistics,
    Me,
    Supervisor,
    actor,
)
from supervisor._open_mailbox import OpenMailbox
from supervisor.testing import Boom, run_virtually


def opened(capacity: int = 3, overflow: Any = "block", key: Callable[[Any], Any] | None = None) -> Mailbox[Any]:
    return OpenMailbox(Mailbox("box", capacity=capacity, overflow=overflow, key=key))


def conserved(box: Mailbox[Any]) -> bool:
    counted = box.statistics()
    return counted.sent == counted.received + counted.used + counted.dropped


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"capacity": 0}, "capacity must be a whole number >= 1"),
        ({"capacity": True}, "capacity must be a whole number >= 1"),
        ({"capacity": 1, "overflow": "drop"}, "overflow must be one of"),
        ({"capacity": 1, "overflow": "conflate"}, "go together"),
        ({"capacity": 1, "key": str}, "go together"),
    ],
)
def test_wrong_declarations_are_refused(options: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        Mailbox("box", **options)


async def test_a_declaration_is_not_a_mailbox_and_says_where_to_get_one() -> None:
    box: Mailbox[int] = Mailbox("box", capacity=1)

    with pytest.raises(MailboxError, match=r"running\.mailbox"):
        box.send_nowait(1)
    with pytest.raises(MailboxError, match=r"running\.mailbox"):
        await box.receive()


async def test_items_come_out_in_order_and_one_at_a_time_or_many() -> None:
    box = opened(10)
    await box.send_many([1, 2, 3, 4])

    assert await box.receive() == 1
    assert await box.receive_many(2) == [2, 3]
    assert await box.receive_many() == [4]


async def test_a_sender_waits_for_room_and_its_items_go_in_as_room_appears(autojump_clock: trio.abc.Clock) -> None:
    box = opened(2)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(box.send_many, [1, 2, 3, 4, 5])
        await trio.testing.wait_all_tasks_blocked()

        assert box.statistics().waiting_senders == 1
        assert [await box.receive() for _ in range(5)] == [1, 2, 3, 4, 5]


async def test_waiting_senders_are_served_in_the_order_in_which_they_came(autojump_clock: trio.abc.Clock) -> None:
    box = opened(1)
    box.send_nowait(0)
    async with trio.open_nursery() as nursery:
        for number in (1, 2, 3):
            nursery.start_soon(box.send, number)
            await trio.testing.wait_all_tasks_blocked()
        with pytest.raises(trio.WouldBlock):
            box.send_nowait(9)

        assert [await box.receive() for _ in range(4)] == [0, 1, 2, 3]


async def test_a_cancelled_sender_leaves_a_prefix_in_and_nothing_else(autojump_clock: trio.abc.Clock) -> None:
    box = opened(2)
    with trio.move_on_after(1):
        await box.send_many([1, 2, 3])

    assert box.receive_many_nowait() == [1, 2]
    assert box.statistics().waiting_senders == 0
    assert conserved(box)


async def test_a_cancelled_receiver_loses_nothing(autojump_clock: trio.abc.Clock) -> None:
    box = opened(2)
    with trio.move_on_after(1):
        await box.receive()
    box.send_nowait(7)

    assert await box.receive() == 7


async def test_wait_writable_and_send_many_nowait_say_exactly_what_is_in(autojump_clock: trio.abc.Clock) -> None:
    box = opened(2)

    assert box.send_many_nowait([1, 2, 3]) == 2
    async with trio.open_nursery() as nursery:
        writable = trio.Event()

        async def wait() -> None:
            await box.wait_writable()
            writable.set()

        nursery.start_soon(wait)
        await trio.testing.wait_all_tasks_blocked()
        assert not writable.is_set()
        assert box.receive_nowait() == 1
        await writable.wait()
    assert box.send_many_nowait([3]) == 1


@pytest.mark.parametrize(
    ("overflow", "key", "left"),
    [
        ("drop_oldest", None, [3, 4, 5]),
        ("drop_newest", None, [1, 2, 3]),
        ("conflate", lambda number: number % 2, [5, 4]),
    ],
)
def test_overflow_drops_what_is_declared_and_counts_it(overflow: str, key: Any, left: list[int]) -> None:
    box = opened(3, overflow, key)

    assert box.send_many_nowait([1, 2, 3, 4, 5]) == 5

    assert box.statistics().dropped == 5 - len(left)
    assert box.receive_many_nowait() == left
    assert conserved(box)


def test_a_conflating_mailbox_drops_the_oldest_key_when_there_are_too_many() -> None:
    box = opened(2, "conflate", lambda item: item[0])
    box.send_many_nowait(["a1", "b1", "c1", "b2"])

    assert box.receive_many_nowait() == ["b2", "c1"]
    assert conserved(box)


async def test_a_failing_mailbox_refuses_and_takes_nothing_of_the_batch() -> None:
    box = opened(2, "fail")

    with pytest.raises(MailboxFull, match="box"):
        await box.send_many([1, 2, 3])

    assert box.statistics().used == 0


async def test_closing_lets_receivers_finish_and_refuses_senders(autojump_clock: trio.abc.Clock) -> None:
    box = opened(2)
    box.send_many_nowait([1, 2])
    refused = []

    async def late() -> None:
        try:
            await box.send(3)
        except MailboxClosed:
            refused.append(3)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(late)
        await trio.testing.wait_all_tasks_blocked()
        box.close()

    assert refused == [3]
    assert [number async for number in box] == [1, 2]
    with pytest.raises(trio.EndOfChannel):
        await box.receive()
    with pytest.raises(MailboxClosed):
        box.send_nowait(4)


operations = st.lists(
    st.one_of(
        st.tuples(st.just("send"), st.integers(1, 6)),
        st.tuples(st.just("receive"), st.one_of(st.none(), st.integers(1, 4))),
        # How many items the taker takes before it refuses one.
        st.tuples(st.just("willing"), st.integers(0, 4)),
    ),
    max_size=40,
)


@given(operations, st.integers(1, 5), st.sampled_from(["block", "drop_oldest", "drop_newest"]))
def test_nothing_is_lost_doubled_or_reordered_whatever_is_done(
    script: list[tuple[str, Any]], capacity: int, overflow: str
) -> None:
    async def main() -> None:
        box = opened(capacity, overflow)
        got: list[int] = []
        offered = willing = 0

        def taker(item: int) -> bool:
            nonlocal willing
            willing -= 1
            if willing >= 0:
                got.append(item)
            return willing >= 0

        with box.handed_to(taker):
            async with trio.open_nursery() as nursery:
                for what, count in script:
                    if what == "willing":
                        willing = count
                    elif what == "send":
                        nursery.start_soon(box.send_many, list(range(offered, offered + count)))
                        offered += count
                        await trio.testing.wait_all_tasks_blocked()
                    else:
                        got += box.receive_many_nowait(count)
                    assert conserved(box)
                    assert box.statistics().used <= capacity
                while batch := box.receive_many_nowait():
                    got += batch
                    await trio.testing.wait_all_tasks_blocked()

        assert got == sorted(set(got))
        assert len(got) + box.statistics().dropped == offered
        if overflow == "block":
            assert got == list(range(offered))

    run_virtually(main)


async def test_what_a_taker_takes_is_with_him_before_the_sending_returns() -> None:
    box = opened(2)
    taken: list[int] = []

    with box.handed_to(lambda item: item < 3 and not taken.append(item)):  # type: ignore[func-returns-value]
        box.send_nowait(1)
        assert (taken, box.statistics().used) == ([1], 0)
        assert box.send_many_nowait([2, 3, 1]) == 3
        # Behind one that he refused nothing is handed over: he would have it too early.
        assert taken == [1, 2]
        assert await box.receive_many() == [3, 1]
    box.send_nowait(2)

    assert taken == [1, 2]
    assert conserved(box)


async def test_a_failing_mailbox_hands_over_all_or_nothing_of_what_may_not_fit() -> None:
    box = opened(2, "fail")
    taken: list[int] = []

    with box.handed_to(lambda item: item == 1 and not taken.append(item)):  # type: ignore[func-returns-value]
        with pytest.raises(MailboxFull):
            box.send_many_nowait([1, 2, 3])
        assert taken == []
        assert box.send_many_nowait([1, 2]) == 2

    assert (taken, box.receive_many_nowait()) == ([1], [2])
    assert conserved(box)


async def test_a_taker_who_closes_or_leaves_gets_nothing_more_and_the_sender_knows_what_is_his() -> None:
    box = opened(3)

    def close(_: int) -> bool:
        box.close()
        return True

    with box.handed_to(close):
        assert box.send_many_nowait([1, 2]) == 1
        with pytest.raises(MailboxClosed):
            box.send_many_nowait([2])
    assert conserved(box)

    box = opened(3)
    with contextlib.ExitStack() as stack:
        stack.enter_context(box.handed_to(lambda _: not stack.close()))  # type: ignore[func-returns-value]
        assert box.send_many_nowait([1, 2]) == 2
    assert box.receive_many_nowait() == [2]
    assert conserved(box)

    box = opened(3)
    with box.handed_to(close), pytest.raises(MailboxClosed):
        await box.send_many([1, 2])


async def test_there_is_one_taker_and_a_declaration_has_none() -> None:
    box = opened(2)
    with (
        box.handed_to(lambda _: True),
        pytest.raises(MailboxError, match="handed to somebody already"),
        box.handed_to(lambda _: True),
    ):
        pass
    with box.handed_to(lambda _: True):
        box.close()
        with pytest.raises(MailboxClosed):
            box.send_nowait(1)
    with pytest.raises(MailboxError, match=r"running\.mailbox"):
        Mailbox("box", capacity=1).handed_to(lambda _: True)


async def test_an_item_whose_block_is_cancelled_goes_back_to_the_front_and_does_not_count(
    autojump_clock: trio.abc.Clock,
) -> None:
    box = opened(3)
    box.send_many_nowait([1, 2])
    for _ in range(10):
        with trio.move_on_after(1):
            async with box.take():
                await trio.sleep_forever()

    assert box.receive_many_nowait() == [1, 2]
    assert conserved(box)


def test_an_item_that_its_actor_crashes_over_is_given_out_again_and_then_goes_to_the_dead_letters() -> None:
    box: Mailbox[int] = Mailbox("orders", capacity=10, redeliver=2)
    tried: list[int] = []
    finished: list[int] = []

    @actor(backoff=Backoff(0.1, 0.1, 0.1))
    async def work(me: Me, orders: Mailbox[int]) -> None:
        while True:
            async with orders.take() as number:
                tried.append(number)
                if number == 2:
                    raise Boom("poison")
                finished.append(number)

    async def main() -> tuple[list[DeadLetter[Any]], list[Any], MailboxStatistics]:
        async with Supervisor("bot", [work.child("work", box)]).open() as running:
            events = running.events()
            running.mailbox(box).send_many_nowait([1, 2, 3])
            await trio.sleep(5)
            buried = [event for event in events.receive_nowait() if isinstance(event, DeadLettered)]
            return running.dead_letters(), buried, running.mailbox(box).statistics()

    letters, buried, statistics = run_virtually(main)

    assert tried == [1, 2, 2, 2, 3]
    assert finished == [1, 3]
    assert [(letter.item, letter.deliveries, letter.mailbox) for letter in letters] == [(2, 3, "orders")]
    assert [(event.path, event.deliveries) for event in buried] == [("bot/work", 3)]
    assert (statistics.dead, statistics.used) == (1, 0)


async def test_a_conflating_mailbox_gives_back_in_front_too() -> None:
    box = opened(3, "conflate", lambda item: item[0])
    box.send_many_nowait(["a1", "b1"])
    with pytest.raises(Boom):
        async with box.take():
            raise Boom

    assert box.receive_many_nowait() == ["a1", "b1"]
