"""Notices, maintenance, lifetimes, and tokens and keys that end, as an independent client sees them."""

from typing import Any

import attrs
import pytest
import trio

from actors.simulator import Exchange, Fault, Rules

from .by_hand import every_venue, market, trade
from .tongues import ALL, TONGUES, follow, published


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
