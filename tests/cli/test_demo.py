"""`unblinking demo`: the promise, kept in public."""

import re

import pytest

RECORDING = "binance_usdm/cryptofeed/BINANCE_FUTURES.ws.1.0"


def row(output: str, name: str) -> list[int]:
    """Return the numbers of one row of the report: published, delivered, missed, duplicated, out of order."""
    line = next(line for line in output.splitlines() if line.strip().startswith(name))
    return [int(number) for number in re.findall(r"\b\d+\b", line.replace(name, ""))]


def test_the_demo_loses_nothing_and_its_report_adds_up(unblinking) -> None:
    found = unblinking.run("demo", "--seconds", "12", "--seed", "7", bound=90)

    assert found.code == 0, found.output + found.errors
    for name in ("trades binance BTCUSDT", "trades binance-usdm BTCUSDT", "order events"):
        published, delivered, *wrong = row(found.output, name)
        assert published == delivered > 10
        assert wrong == [0, 0, 0]
    raised, recorded, lost = row(found.output, "failures")
    assert recorded >= raised > 3
    assert lost == 0
    assert "repeat this run with: unblinking demo --seed 7 --seconds 12" in found.output.lower()
    assert "demo-secret" not in found.output + found.errors


def test_the_demo_delivers_a_recording_of_real_traffic_exactly(unblinking, recordings) -> None:
    found = unblinking.run("demo", "--replay", str(recordings / RECORDING), "--seconds", "12", "--seed", "3", bound=90)

    assert found.code == 0, found.output + found.errors
    counts = {
        symbol: row(found.output, f"trades binance-usdm {symbol}")
        for symbol in ("SUSHIUSDT", "AKROUSDT", "KEEPUSDT", "CTKUSDT")
    }
    assert counts == {
        "SUSHIUSDT": [40, 40, 0, 0, 0],
        "AKROUSDT": [8, 8, 0, 0, 0],
        "KEEPUSDT": [5, 5, 0, 0, 0],
        "CTKUSDT": [38, 38, 0, 0, 0],
    }


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        (None, "no such file"),
        ("this is no recording\n", "line 1 is not a recorded message"),
        ('{"e":"bookTicker","s":"BTCUSDT"}\n', "holds no trades of Binance USD-M"),
    ],
)
def test_a_recording_that_cannot_be_played_is_said_in_one_line(unblinking, text, complaint) -> None:
    if text is not None:
        (unblinking.folder / "recording").write_text(text)

    found = unblinking.run("demo", "--replay", "recording")

    assert (found.code, found.output) == (2, "")
    assert complaint.lower() in found.errors.lower()
    assert len(found.errors.splitlines()) == 1


def test_an_interrupted_demo_stops_in_order_and_says_that_its_report_is_not_complete(unblinking) -> None:
    process = unblinking.start("demo", "--seconds", "60")
    for line in process.stdout:
        if "strategy" in line and "ready" in line:
            break
    process.terminate()
    found = unblinking.finish(process)

    assert found.code == 1
    assert "interrupted by SIGTERM" in found.output
    assert "Traceback" not in found.errors
