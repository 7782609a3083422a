"""Lines on a real pipe: whole, in order, and never at the price of the event loop."""

import os
from pathlib import Path

import trio
import trio.testing

from actors._cli._output import Lines


async def test_a_reader_that_does_not_read_delays_the_writer_and_nobody_else() -> None:
    reader, writer = os.pipe()
    lines = Lines(writer)
    written = 0

    async def write_for_ever() -> None:
        nonlocal written
        while True:
            await lines.write("x" * 1000)
            written += 1

    async with trio.open_nursery() as nursery:
        nursery.start_soon(write_for_ever)
        await trio.testing.wait_all_tasks_blocked()  # it would never come to that if the pipe blocked the thread
        full = written
        assert 10 <= full <= 1000

        while written < full + 10:
            os.read(reader, 65536)
            await trio.testing.wait_all_tasks_blocked()
        nursery.cancel_scope.cancel()
    os.close(reader)
    os.close(writer)


async def test_a_slow_log_reader_costs_the_oldest_lines_and_they_are_counted() -> None:
    reader, writer = os.pipe()
    lines = Lines(writer, capacity=3)
    for number in range(5):
        lines.put(f"line {number}")

    assert lines.dropped == 2
    await lines.flush()
    assert os.read(reader, 100) == b"line 2\nline 3\nline 4\n"
    os.close(reader)
    os.close(writer)


async def test_flush_writes_what_a_cancelled_writer_left() -> None:
    reader, writer = os.pipe()
    lines = Lines(writer)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(lines.write_out)
        lines.put("first")
        await trio.testing.wait_all_tasks_blocked()
        nursery.cancel_scope.cancel()
        lines.put("last")

    await lines.flush()

    assert os.read(reader, 100) == b"first\nlast\n"
    os.close(reader)
    os.close(writer)


async def test_a_regular_file_takes_lines_although_epoll_refuses_it(tmp_path: Path) -> None:
    path = tmp_path / "log"
    with path.open("wb") as file:
        lines = Lines(file.fileno())
        await lines.write("x" * 10_000)
        await lines.write("end")

    assert path.read_text().splitlines() == ["x" * 10_000, "end"]


async def test_a_log_without_a_reader_is_dropped_and_counted_and_nobody_fails() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    lines = Lines(writer)
    for _ in range(3):
        lines.put("unheard")
    await lines.flush()
    lines.put("unheard")
    await lines.flush()

    assert lines.dropped == 4
    os.close(writer)
