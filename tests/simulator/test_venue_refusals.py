"""A clock that is wrong, too many requests and bans, in each venue's words, as an independent client sees them."""

from email.utils import parsedate_to_datetime
from typing import Any

import pytest
import trio

from actors.simulator import Exchange, Fault

from .by_hand import every_venue, market
from .tongues import TONGUES


@every_venue
@pytest.mark.parametrize("shift", [90.0, -90.0])
async def test_a_skewed_clock_is_in_rest_and_stamps(
    autojump_clock: object, clients: Any, venue: str, shift: float
) -> None:
    paths = {
        "binance": ("/api/v3/time", lambda b: b["serverTime"]),
        "binance-usdm": ("/fapi/v1/time", lambda b: b["serverTime"]),
        "binance-coinm": ("/dapi/v1/time", lambda b: b["serverTime"]),
        "bybit": ("/v5/market/time", lambda b: b["time"]),
        "bybit-linear": ("/v5/market/time", lambda b: int(b["result"]["timeNano"]) // 1_000_000),
        "okx": ("/api/v5/public/time", lambda b: int(b["data"][0]["ts"])),
        "kucoin": ("/api/v1/timestamp", lambda b: b["data"]),
        "gate": ("/api/v4/spot/time", lambda b: b["server_time"]),
    }
    path, read = paths[venue]
    exchange = market(venue, epoch=1_000_000.0)
    async with clients(exchange) as client:
        exchange.inject(Fault("clock_skew", venue=venue, duration=100, shift=shift))
        assert read((await client.get(venue, path)).json) == 1_000_000_000 + shift * 1000
        await trio.sleep(100)
        assert read((await client.get(venue, path)).json) == 1_000_100_000


async def test_a_skewed_clock_refuses_signed_requests(autojump_clock: object, clients: Any) -> None:
    exchange = Exchange(trades_per_second=0, keys={"demo-key": "demo-secret"})
    async with clients(exchange) as client:
        exchange.inject(Fault("clock_skew", duration=10, shift=-5))
        assert (await client.signed("/fapi/v1/openOrders")).json["code"] == -1021


TOO_MANY = {
    "binance": (429, lambda a: a.json["code"] == -1003 and a.headers["retry-after"] == "30"),
    "binance-usdm": (429, lambda a: a.json["code"] == -1003 and a.headers["retry-after"] == "30"),
    "binance-coinm": (429, lambda a: a.json["code"] == -1003 and a.headers["retry-after"] == "30"),
    "bybit": (200, lambda a: a.json["retCode"] == 10006),
    "bybit-linear": (200, lambda a: a.json["retCode"] == 10006),
    "okx": (429, lambda a: a.json["code"] == "50011"),
    "kucoin": (429, lambda a: a.json["code"] == "429000" and a.headers["gw-ratelimit-reset"] == "30000"),
    "gate": (429, lambda a: a.json["label"] == "TOO_MANY_REQUESTS"),
}


@every_venue
async def test_429_in_the_venues_words_and_who_asks_on_is_noted(
    autojump_clock: object, clients: Any, venue: str
) -> None:
    exchange = market(venue)
    status, right = TOO_MANY[venue]
    async with clients(exchange) as client:
        exchange.inject(Fault("http_429", venue=venue, surface="rest", duration=30))
        for _ in range(2):
            answer = await client.get(venue, TONGUES[venue].newest)
            assert answer.status == status
            assert right(answer)
        assert not exchange.record.violations
        await trio.sleep(5)
        await client.get(venue, TONGUES[venue].newest)
        told = venue not in ("bybit", "bybit-linear", "okx")
        assert [violation.rule for violation in exchange.record.violations] == (["ignored_429"] if told else [])
        await trio.sleep(25)
        assert (await client.get(venue, TONGUES[venue].newest)).status == 200


async def test_a_venue_whose_clock_is_wrong_dates_its_answers_by_it(autojump_clock: object, clients: Any) -> None:
    exchange = market("gate")
    async with clients(exchange) as client:
        exchange.inject(Fault("clock_skew", venue="gate", duration=100, shift=-5.0))
        exchange.inject(Fault("http_429", venue="gate", surface="rest", duration=60))
        headers = (await client.get("gate", TONGUES["gate"].newest)).headers
        present = parsedate_to_datetime(headers["date"]).timestamp()
        assert 60 <= float(headers["x-gate-ratelimit-reset-timestamp"]) - present <= 62


async def test_a_refusal_that_does_not_arrive_tells_nobody_to_wait(autojump_clock: object, clients: Any) -> None:
    exchange = market("gate")
    async with clients(exchange) as client:
        exchange.inject(Fault("mute", venue="gate", surface="rest", duration=10))
        exchange.inject(Fault("http_429", venue="gate", surface="rest", duration=60))
        with trio.move_on_after(5) as unheard:
            await client.get("gate", TONGUES["gate"].newest)
        assert unheard.cancelled_caught
        await trio.sleep(15)
        for said in ([], ["ignored_429"]):
            assert (await client.get("gate", TONGUES["gate"].newest)).status == 429
            assert [violation.rule for violation in exchange.record.violations] == said
            await trio.sleep(5)


@pytest.mark.parametrize(
    ("venue", "status"), [("binance", 418), ("binance-usdm", 418), ("binance-coinm", 418), ("bybit", 403), ("okx", 429)]
)
async def test_a_ban_in_the_venues_words(autojump_clock: object, clients: Any, venue: str, status: int) -> None:
    exchange = market(venue)
    async with clients(exchange) as client:
        exchange.inject(Fault("http_418", venue=venue, surface="rest", duration=300))
        answer = await client.get(venue, TONGUES[venue].newest)
        assert answer.status == status
        if status == 418:
            assert answer.headers["retry-after"] == "300"
            assert f"banned until {exchange.clock.ms() + 300_000}" in answer.json["msg"]
