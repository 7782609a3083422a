"""SIGTERM and SIGINT stop a whole program in order; a second one hurries. Real processes."""

import os
import signal
import subprocess
import sys
import textwrap

import pytest

PROGRAM = textwrap.dedent(
    """
    import sys
    import trio
    from supervisor import Me, Supervisor, child, run

    async def work(me: Me) -> None:
        try:
            if me.name == "c":
                print("up", flush=True)
            await trio.sleep_forever()
        finally:
            with me.cleanup():
                await trio.sleep(float(sys.argv[1]))
            print(me.path, flush=True)

    run(Supervisor("bot", [child(name, work, grace=600.0) for name in "abc"]))
    print("done", flush=True)
    """
)

pytestmark = pytest.mark.skipif(os.name == "nt", reason="needs POSIX signals")


def start(seconds: float) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, str(seconds)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "up\n"
    return process


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_stops_the_children_in_reverse_order_and_the_program_ends_well(number: signal.Signals) -> None:
    process = start(0.01)

    process.send_signal(number)
    out, err = process.communicate(timeout=60)

    assert out.splitlines() == ["bot/c", "bot/b", "bot/a", "done"]
    assert (process.returncode, err) == (0, "")


def test_a_second_signal_cuts_all_cleanup() -> None:
    process = start(500)

    process.send_signal(signal.SIGTERM)
    process.send_signal(signal.SIGINT)
    out, _ = process.communicate(timeout=60)

    assert sorted(out.splitlines()) == ["bot/a", "bot/b", "bot/c", "done"]
    assert process.returncode == 0
