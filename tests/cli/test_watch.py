"""`unblinking watch` against an exchange that shares no code with ours."""

import json
import signal
import time
from pathlib import Path

import pytest

OTHER_EXCHANGE = Path(__file__).with_name("other_exchange.py")


class Other:
    """The other exchange, in its process."""

    def __init__(self, unblinking) -> None:
        self._process = unblinking.start_python(str(OTHER_EXCHANGE))
        self.port = int(self._process.stdout.readline())

    def tell(self, command: str) -> None:
        """Give it one command."""
        self._process.stdin.write(command + "\n")
        self._process.stdin.flush()

    def stop(self) -> list[int]:
        """Let it publish nothing more; return the ids that it has published."""
        self.tell("stop")
        return json.loads(self._process.stdout.readline())


@pytest.fixture
def other(unblinking) -> Other:
    return Other(unblinking)


def watching(unblinking, other: Other, *options: str):
    """Start `unblinking watch` on the other exchange."""
    endpoints = [f"binance.ws=ws://127.0.0.1:{other.port}", f"binance.rest=http://127.0.0.1:{other.port}"]
    return unblinking.start(
        "watch", "binance:BTCUSDT", *(word for endpoint in endpoints for word in ("--endpoint", endpoint)), *options
    )


def read_trades(process, count: int) -> list[dict]:
    """Read lines until so many trades have come."""
    read, trades = [], 0
    while trades < count:
        line = json.loads(process.stdout.readline())
        trades += line["type"] == "trade"
        read.append(line)
    return read


def test_every_id_once_and_in_order_across_reset_outage_and_garbage(unblinking, other) -> None:
    process = watching(unblinking, other, "--json")
    lines = read_trades(process, 5)
    for trouble in ("reset", "garbage", "outage 3"):
        other.tell(trouble)
        lines += read_trades(process, 15 if trouble.startswith("outage") else 5)
    published = other.stop()
    while not any(line["type"] == "trade" and line["id"] == published[-1] for line in lines):
        lines += read_trades(process, 1)
    process.send_signal(signal.SIGTERM)
    found = unblinking.finish(process)

    assert found.code == 0
    lines += [json.loads(line) for line in found.output.splitlines()]
    ids = [line["id"] for line in lines if line["type"] == "trade"]
    assert ids == published[published.index(ids[0]) :]
    assert {line["type"] for line in lines} <= {"trade", "state", "failure"}
    failures = [line for line in lines if line["type"] == "failure"]
    assert len(failures) >= 3
    assert all(line["decision"] == "restart" for line in failures)
    # What the diagnostics tell is what the JSON tells.
    assert len([line for line in found.errors.splitlines() if line.startswith("ended ")]) == len(failures)


def test_a_trade_has_the_promised_fields_and_exact_numbers(unblinking, other) -> None:
    process = watching(unblinking, other, "--json")
    trade = next(line for line in read_trades(process, 1) if line["type"] == "trade")
    process.send_signal(signal.SIGTERM)

    assert unblinking.finish(process).code == 0
    assert list(trade) == ["type", "venue", "symbol", "id", "price", "quantity", "side", "time", "received"]
    assert (trade["venue"], trade["symbol"]) == ("binance", "BTCUSDT")
    assert trade["price"].startswith("6000") and trade["price"].endswith(".01000000")
    assert trade["quantity"] == "0.00100000"
    assert trade["side"] == ("sell" if trade["id"] % 2 else "buy")
    assert abs(trade["received"] - time.time() * 1000) < 60_000


def test_it_ends_by_itself_after_the_given_seconds(unblinking, other) -> None:
    before = time.monotonic()
    found = unblinking.finish(watching(unblinking, other, "--seconds", "1.5"))

    assert found.code == 0
    assert 1.5 <= time.monotonic() - before < 10
    assert any("BTCUSDT" in line and " at 6000" in line for line in found.output.splitlines())


def test_a_reader_that_goes_away_ends_it_in_order(unblinking, other) -> None:
    process = watching(unblinking, other, "--json")
    read_trades(process, 1)
    process.stdout.close()
    process.stdout = None
    found = unblinking.finish(process)

    assert found.code == 0
    assert "Traceback" not in found.errors


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["nasdaq:AAPL"], "'nasdaq:AAPL' is not VENUE:SYMBOL; the venues are binance, binance-coinm, binance-usdm"),
        (["binance"], "'binance' is not VENUE:SYMBOL"),
        (["binance:BTCUSDT", "--endpoint", "binance=ws://x"], "'binance=ws://x' is not VENUE.ws=URL"),
        (["binance:BTCUSDT", "--endpoint", "binance.ws=http://x"], "must begin with ws:// or wss://"),
        ([], "Missing argument"),
    ],
)
def test_wrong_arguments_are_named_and_end_with_2(unblinking, arguments, complaint) -> None:
    found = unblinking.run("watch", *arguments)

    assert (found.code, found.output) == (2, "")
    assert complaint in found.errors
