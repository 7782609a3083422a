"""`unblinking watch --best`: one feed at a time, over real sockets."""

import json
import signal
import time
from pathlib import Path

import pytest

TWO_VENUES = Path(__file__).with_name("two_venues.py")
SPOT, USDM = "binance-btcusdt", "binance-usdm-btcusdt"
NOTICED = 1.0
"""Seconds of silence after which a source of fifty trades a second is left."""
SLOW = 2.0
"""Seconds by which a busy machine may delay two processes."""


def venue_of(source: str) -> str:
    return source.removesuffix("-btcusdt")


class Watching:
    """The command at work, and what it has printed."""

    def __init__(self, unblinking, *options: str) -> None:
        self._unblinking = unblinking
        self._exchange = unblinking.start_python(str(TWO_VENUES))
        addresses = json.loads(self._exchange.stdout.readline())
        endpoints = [
            f"{venue}.{kind}={url}"
            for venue, at in addresses.items()
            for kind, url in zip(("ws", "rest"), at, strict=True)
        ]
        words = [word for endpoint in endpoints for word in ("--endpoint", endpoint)]
        self._process = unblinking.start("watch", "binance:BTCUSDT", "binance-usdm:BTCUSDT", "--best", *words, *options)
        self.lines: list[str] = []
        self.times: list[float] = []

    def mute(self, venue: str, seconds: float) -> None:
        self._exchange.stdin.write(f"mute {venue} {seconds}\n")
        self._exchange.stdin.flush()

    def read(self, seconds: float) -> None:
        """Read what comes within so long; something always does."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            self._read_line()

    def read_until(self, *words: str) -> str:
        """Read until a line with one of these words has come, and return the word."""
        while True:
            self._read_line()
            for word in words:
                if word in self.lines[-1]:
                    return word

    def _read_line(self) -> None:
        self.lines.append(self._process.stdout.readline())
        self.times.append(time.monotonic())

    def finish(self):
        self._process.send_signal(signal.SIGTERM)
        return self._unblinking.finish(self._process)


@pytest.mark.slow
def test_with_the_first_venue_mute_it_goes_on_with_the_second_and_shows_nothing_stale(unblinking) -> None:
    watching = Watching(unblinking, "--json")
    # The second one is the first that can be had when the machine is so busy that connecting takes seconds.
    first = watching.read_until(f'"source":"{SPOT}"', f'"source":"{USDM}"').split('"')[3]
    watching.read(4)
    watching.mute(venue_of(first), 4)
    watching.read(4)
    found = watching.finish()

    assert found.code == 0
    lines = [json.loads(line) for line in watching.lines]
    changes = [line for line in lines if line["type"] in ("switched", "blind")]
    assert [(line["type"], line.get("source")) for line in changes[:2]] == [("blind", None), ("switched", first)]
    assert changes[-1]["source"] == (USDM if first == SPOT else SPOT)
    assert list(changes[-1]) == ["type", "feed", "source", "previous", "reason", "received"]
    assert changes[-1]["previous"] == first and changes[-1]["reason"].startswith(f"{first}: silent for ")
    assert longest_silence(watching, lines) < NOTICED + SLOW
    source = None
    for line in lines:
        if line["type"] == "switched":
            source = line["source"]
        elif line["type"] == "trade":
            assert line["venue"] == venue_of(source)
            assert line["received"] - line["time"] < 1000 * SLOW


def longest_silence(watching: Watching, lines: list[dict]) -> float:
    times = [at for at, line in zip(watching.times, lines, strict=True) if line["type"] == "trade"]
    return max(later - earlier for earlier, later in zip(times, times[1:], strict=False))


@pytest.mark.slow
def test_people_read_who_is_followed_and_why_and_when_it_is_blind(unblinking) -> None:
    watching = Watching(unblinking)
    first = watching.read_until(SPOT, USDM)
    watching.read(3)
    watching.mute("binance", 3)
    watching.mute("binance-usdm", 3)
    watching.read_until("best is blind")
    watching.read_until("best follows")
    found = watching.finish()

    assert found.code == 0
    told = [line.partition(" ")[2].rstrip() for line in watching.lines if " best " in line]
    assert told[:2] == ["best is blind: nothing is sound yet", f"best follows {first}: {first} is sound"]
    assert any(line.startswith("best is blind: ") and "and its limit is" in line for line in told[2:])


def test_the_best_of_one_is_no_choice(unblinking) -> None:
    found = unblinking.run("watch", "binance:BTCUSDT", "--best")

    assert (found.code, found.output) == (2, "")
    assert "--best chooses between two feeds or more" in found.errors
