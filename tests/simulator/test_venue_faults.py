"""Each fault on each venue, as an independent client sees it."""

from collections import Counter
from collections.abc import Awaitable, Callable
from email.utils import parsedate_to_datetime
from typing import Any

import attrs
import pytest
import trio
from websockets.frames import Opcode

from actors.simulator import Exchange, Fault, Rules

from .tongues import ALL, TONGUES, dial, follow, published

Silent = Callable[[Any, float], Awaitable[bool]]
every_venue = pytest.mark.parametrize("venue", ALL)


def market(venue: str, **options: Any) -> Exchange:
    # One trade by hand at a time; nothing but them.
    return Exchange(symbols={venue: ALL[venue]}, trades_per_second=0, **options)


def trade(exchange: Exchange, venue: str, count: int = 1) -> None:
    for _ in range(count):
        exchange.print_trade(venue, ALL[venue][0], raw_count=1)


@every_venue
async def test_stale_repeats_the_last_message_from_before(autojump_clock: object, clients: Any, venue: str) -> None:
    exchange = market(venue)
    async with clients(exchange) as client:
        follower = await follow(client, venue)
        trade(exchange, venue, 2)
        before = [(await follower.ids())[0] for _ in range(2)]
        exchange.inject(Fault("stale", venue=venue, duration=10))
        trade(exchange, venue, 3)
        assert [(await follower.ids())[0] for _ in range(3)] == [before[-1]] * 3
        await trio.sleep(10)
        trade(exchange, venue)
        assert await follower.ids() == published(exchange, venue)[-1:]
    assert len(published(exchange, venue)) == 6


@every_venue
async def test_who_never_had_anything_gets_nothing_stale(
    autojump_clock: object, clients: Any, silent_for: Silent, venue: str
) -> None:
    exchange = market(venue)
    async with clients(exchange) as client:
        follower = await follow(client, venue)
        exchange.inject(Fault("stale", venue=venue, duration=10))
        trade(exchange, venue, 3)
        assert await silent_for(follower.ws, 5)


@every_venue
async def test_half_open_neither_answers_nor_ends(
    autojump_clock: object, clients: Any, silent_for: Silent, venue: str
) -> None:
    exchange = market(venue)
    async with clients(exchange) as client:
        follower = await follow(client, venue)
        exchange.inject(Fault("half_open", venue=venue, duration=3600))
        for _ in range(30):
            await follower.ws.ping()
            trade(exchange, venue)
            with trio.move_on_after(100) as scope:
                await follower.ws.frame()
            assert scope.cancelled_caught
        with trio.move_on_after(20) as scope:
            await dial(client, venue)
        assert scope.cancelled_caught
        await follower.ws.close()
        with trio.move_on_after(20) as scope:
            await follower.ws.frame()
        assert scope.cancelled_caught
        with pytest.raises(trio.BrokenResourceError):
            await follower.ws.frame()
        assert trio.current_time() == pytest.approx(3600, abs=1)
        await follow(client, venue)


@every_venue
async def test_half_open_rest_answers_nobody(autojump_clock: object, clients: Any, venue: str) -> None:
    exchange = market(venue)
    async with clients(exchange) as client:
        http = await client.http(venue)
        exchange.inject(Fault("half_open", venue=venue, surface="rest", duration=60))
        for each in (http, await client.http(venue)):
            with trio.move_on_after(20) as scope:
                await each.request("GET", TONGUES[venue].newest)
            assert scope.cancelled_caught
        await trio.sleep(60)
        assert (await client.get(venue, TONGUES[venue].newest)).status == 200


@every_venue
async def test_half_open_can_spare_newcomers(autojump_clock: object, clients: Any, venue: str) -> None:
    exchange = market(venue)
    async with clients(exchange) as client:
        await follow(client, venue)
        exchange.inject(Fault("half_open", venue=venue, duration=3600, newcomers=False))
        second = await follow(client, venue)
        trade(exchange, venue)
        assert await second.ids() == published(exchange, venue)


@every_venue
async def test_accept_then_close_ends_newcomers_at_once(autojump_clock: object, clients: Any, venue: str) -> None:
    exchange = market(venue)
    async with clients(exchange) as client:
        living = await follow(client, venue)
        exchange.inject(Fault("accept_then_close", venue=venue, duration=60, code=1012))
        for _ in range(3):
            with pytest.raises(EOFError, match="1012"):
                await (await dial(client, venue)).message()
            await trio.sleep(1)
        trade(exchange, venue)
        assert await living.ids() == published(exchange, venue)
        await trio.sleep(60)
        await follow(client, venue)


@every_venue
@pytest.mark.parametrize("chunk", [0, 16])
async def test_slow_delays_or_trickles_and_loses_nothing(
    autojump_clock: object, clients: Any, venue: str, chunk: int
) -> None:
    exchange = market(venue)
    async with clients(exchange) as client:
        follower = await follow(client, venue)
        exchange.inject(Fault("slow", venue=venue, duration=20, delay=0.5, chunk=chunk))
        began = trio.current_time()
        trade(exchange, venue, 3)
        got = [await follower.ids() for _ in range(3)]
        assert [number for numbers in got for number in numbers] == published(exchange, venue)
        took = trio.current_time() - began
        assert took == pytest.approx(0.5) if not chunk else 3 <= took <= 20.5
        await follower.ping()
        await trio.sleep(20)
        began = trio.current_time()
        trade(exchange, venue)
        await follower.ids()
        assert trio.current_time() == pytest.approx(began)


@every_venue
async def test_slow_delays_rest_too(autojump_clock: object, clients: Any, venue: str) -> None:
    exchange = market(venue)
    async with clients(exchange) as client:
        exchange.inject(Fault("slow", venue=venue, surface="rest", duration=20, delay=2))
        assert (await client.get(venue, TONGUES[venue].newest)).status == 200
        assert trio.current_time() == pytest.approx(2)


@every_venue
async def test_oversized_is_one_whole_message_beyond_any_bound(
    autojump_clock: object, clients: Any, venue: str
) -> None:
    exchange = market(venue)
    async with clients(exchange) as client:
        follower = await follow(client, venue)
        # websockets' own bound is a megabyte.
        exchange.inject(Fault("oversized", venue=venue, size=900_000))
        assert len(await follower.ws.text()) == 900_000
        exchange.inject(Fault("oversized", venue=venue))
        with pytest.raises(EOFError):
            while True:
                await follower.ws.frame()
        assert follower.ws._protocol.close_sent.code == 1009


@every_venue
async def test_truncated_ends_in_the_middle_of_a_frame(autojump_clock: object, clients: Any, venue: str) -> None:
    exchange = market(venue)
    async with clients(exchange) as client:
        follower = await follow(client, venue)
        exchange.inject(Fault("truncated", venue=venue))
        data = await follower.ws.stream.receive_some()
        assert data[0] == 0x81
        assert len(data) < 2 + data[1] & 0x7F
        assert await follower.ws.stream.receive_some() == b""
    assert [c.end for c in exchange.record.connections if c.surface == "ws"] == [
        "cut off in the middle of a frame by a fault"
    ]


@every_venue
@pytest.mark.parametrize("share", [1.0, 0.3])
async def test_duplicate_sends_a_share_twice(
    autojump_clock: object, clients: Any, silent_for: Silent, venue: str, share: float
) -> None:
    exchange = market(venue)
    async with clients(exchange) as client:
        follower = await follow(client, venue)
        exchange.inject(Fault("duplicate", venue=venue, duration=10, share=share))
        trade(exchange, venue, 40)
        got: list[Any] = []
        with trio.move_on_after(1):
            while True:
                got += await follower.ids()
        ids = published(exchange, venue)
        assert list(dict.fromkeys(got)) == ids
        twice = sum(count == 2 for count in Counter(got).values())
        assert twice == 40 if share == 1 else 3 < twice < 25


@every_venue
async def test_reorder_swaps_neighbours_and_loses_nothing(autojump_clock: object, clients: Any, venue: str) -> None:
    exchange = market(venue)
    async with clients(exchange) as client:
        follower = await follow(client, venue)
        exchange.inject(Fault("reorder", venue=venue, duration=10))
        trade(exchange, venue, 5)
        ids = published(exchange, venue)
        got = [(await follower.ids())[0] for _ in range(4)]
        assert got == [ids[1], ids[0], ids[3], ids[2]]
        # The last one waits for a successor, or for the end of the fault.
        assert await follower.ids() == ids[4:]
        assert trio.current_time() == pytest.approx(10, abs=0.1)
        trade(exchange, venue, 2)
        assert [(await follower.ids())[0] for _ in range(2)] == published(exchange, venue)[5:]


@every_venue
async def test_a_lost_subscription_is_silent_until_it_is_made_again(
    autojump_clock: object, clients: Any, silent_for: Silent, venue: str
) -> None:
    exchange = market(venue)
    async with clients(exchange) as client:
        follower = await follow(client, venue)
        assert exchange.inject(Fault("lost_subscription", venue=venue)).hit
        trade(exchange, venue)
        assert await silent_for(follower.ws, 10)
        assert not exchange.inject(Fault("lost_subscription", venue=venue)).hit
        await follower.subscribe()
        await follower.acknowledged()
        trade(exchange, venue)
        assert await follower.ids() == published(exchange, venue)[-1:]


async def test_a_share_of_the_topics_is_lost(autojump_clock: object, clients: Any) -> None:
    names = [f"S{n}USDT" for n in range(20)]
    exchange = Exchange(symbols={"binance": names}, trades_per_second=0)
    async with clients(exchange) as client:
        ws = await client.ws("binance", "/stream?streams=" + "/".join(f"{name.lower()}@trade" for name in names))
        exchange.inject(Fault("lost_subscription", share=0.25))
        for name in names:
            exchange.print_trade("binance", name, raw_count=1)
        heard = set()
        with trio.move_on_after(5):
            while True:
                heard.add((await ws.json())["data"]["s"])
        assert len(heard) == 15
        listed = (await ws.ask("LIST_SUBSCRIPTIONS"))["result"]
        assert len(listed) == 20


@every_venue
async def test_a_lost_ack_takes_effect_all_the_same(
    autojump_clock: object, clients: Any, silent_for: Silent, venue: str
) -> None:
    exchange = market(venue)
    async with clients(exchange) as client:
        follower = await dial(client, venue)
        exchange.inject(Fault("lost_ack", venue=venue, duration=10))
        await follower.subscribe()
        assert await silent_for(follower.ws, 5)
        trade(exchange, venue)
        assert await follower.ids() == published(exchange, venue)
    assert not exchange.record.violations


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


@pytest.mark.parametrize(
    ("venue", "variant", "words"),
    [
        ("binance", 0, '"e":"serverShutdown"'),
        ("okx", 0, '"code":"64008"'),
        ("gate", 0, '{"type":"upgrade"'),
        ("gate", 1, '"event":"upgrade"'),
        ("gate", 2, '"result":{"type":"upgrade"'),
    ],
)
async def test_a_notice_comes_before_the_close(
    autojump_clock: object, clients: Any, venue: str, variant: int, words: str
) -> None:
    exchange = market(venue)
    async with clients(exchange) as client:
        follower = await follow(client, venue)
        began = trio.current_time()
        exchange.inject(Fault("notice", venue=venue, duration=20, variant=variant, code=1012))
        assert words in await follower.ws.text()
        await follow(client, venue)
        with pytest.raises(EOFError, match="1012"):
            await follower.message()
        assert trio.current_time() == pytest.approx(began + 20)
        await trio.testing.wait_all_tasks_blocked()
        assert sum(c.surface == "ws" and c.closed is None for c in exchange.record.connections) == 1


async def test_the_combined_form_names_the_notice(autojump_clock: object, clients: Any) -> None:
    exchange = market("binance")
    async with clients(exchange) as client:
        ws = await client.ws("binance", "/stream?streams=btcusdt@trade")
        exchange.inject(Fault("notice", duration=1))
        message = await ws.json()
        assert message["stream"] == "!serverShutdown"
        assert message["data"]["e"] == "serverShutdown"


@every_venue
async def test_maintenance_stops_everything_and_then_ids_go_on(
    autojump_clock: object, clients: Any, refused: type[Exception], venue: str
) -> None:
    exchange = Exchange(symbols={venue: ALL[venue]}, trades_per_second=20)
    async with clients(exchange) as client, trio.open_nursery() as nursery:
        nursery.start_soon(exchange.run)
        follower = await follow(client, venue)
        await trio.sleep(5)
        exchange.inject(Fault("maintenance", venue=venue, duration=60, code=1012))
        before = len(published(exchange, venue))
        with pytest.raises(EOFError, match="1012"):
            while True:
                await follower.message()
        assert (await client.get(venue, TONGUES[venue].newest)).status == 503
        with pytest.raises(refused, match="503"):
            await client.ws(venue, TONGUES[venue].target)
        await trio.sleep(59)
        assert len(published(exchange, venue)) == before
        await trio.sleep(2)
        again = await follow(client, venue)
        first = (await again.ids())[0]
        ids = published(exchange, venue)
        assert ids.index(first) >= before
        if venue in ("binance", "binance-usdm", "bybit", "okx"):
            assert ids[before] == ids[before - 1] + 1
        nursery.cancel_scope.cancel()


@every_venue
async def test_a_lifetime_ends_a_connection(autojump_clock: object, clients: Any, venue: str) -> None:
    rules = attrs.evolve(
        Rules.documented(venue), lifetime=300.0, unpushed=None, client_ping_within=None, ping_interval=None
    )
    exchange = market(venue, rules={venue: rules})
    async with clients(exchange) as client:
        follower = await follow(client, venue)
        with pytest.raises(EOFError, match="1001"):
            await follower.message()
        assert trio.current_time() == pytest.approx(300, abs=0.1)


def test_the_day_of_binance_and_of_kucoins_tokens_is_enforced() -> None:
    assert {venue for venue in ALL if Rules.documented(venue).lifetime == 86_400} == {
        "binance",
        "binance-usdm",
        "binance-coinm",
        "kucoin",
    }


async def test_an_expired_token_opens_nothing_and_spares_the_living(autojump_clock: object, clients: Any) -> None:
    exchange = market("kucoin")
    async with clients(exchange) as client:
        bullet = await (await client.http("kucoin")).request("POST", "/api/v1/bullet-public")
        token = bullet.json["data"]["token"]
        living = await follow(client, "kucoin")
        exchange.inject(Fault("expire_token"))
        late = await client.ws("kucoin", f"/?token={token}&connectId=x")
        assert await late.json() == {"id": "x", "type": "error", "code": 401, "data": "token is expired"}
        with pytest.raises(EOFError):
            await late.json()
        trade(exchange, "kucoin")
        assert await living.ids() == published(exchange, "kucoin")
        await follow(client, "kucoin")


async def test_a_revoked_key_is_refused_until_it_is_restored(autojump_clock: object, clients: Any) -> None:
    exchange = Exchange(trades_per_second=0, keys={"demo-key": "demo-secret"})
    async with clients(exchange) as client:
        key = (await client.listen_key()).json["listenKey"]
        ws = await client.ws("binance-usdm", f"/private/ws?listenKey={key}&events=listenKeyExpired")
        exchange.inject(Fault("revoke_key", surface="private"))
        assert (await ws.json())["e"] == "listenKeyExpired"
        assert (await client.listen_key()).json["code"] == -2015
        assert (await client.signed("/fapi/v1/openOrders")).status == 401
        assert (await client.get("binance-usdm", "/fapi/v1/ping")).status == 200
        exchange.inject(Fault("restore_key", surface="private"))
        assert (await client.listen_key()).json["listenKey"] != key


@every_venue
async def test_faults_of_the_first_day_hit_every_venue(autojump_clock: object, clients: Any, venue: str) -> None:
    exchange = market(venue)
    async with clients(exchange) as client:
        follower = await follow(client, venue)
        exchange.inject(Fault("garbage", venue=venue))
        with pytest.raises(ValueError, match=r"Unterminated|Expecting"):
            await follower.message()
        exchange.inject(Fault("mute", venue=venue, duration=10))
        trade(exchange, venue)
        await follower.ping()
        await trio.sleep(10)
        trade(exchange, venue)
        assert await follower.ids() == published(exchange, venue)[1:]
        exchange.inject(Fault("close", venue=venue, code=1012))
        assert (await follower.ws.frame()).opcode is Opcode.CLOSE
        second = await follow(client, venue)
        exchange.inject(Fault("reset", venue=venue))
        with pytest.raises(trio.BrokenResourceError):
            await second.ws.frame()
        exchange.inject(Fault("refuse", venue=venue, duration=5))
        with pytest.raises(ConnectionRefusedError):
            await client.ws(venue, TONGUES[venue].target)
        exchange.inject(Fault("http_5xx", venue=venue, surface="rest", duration=5))
        assert (await client.get(venue, TONGUES[venue].newest)).status == 503
    assert not exchange.record.violations
