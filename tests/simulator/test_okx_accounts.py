"""OKX's accounts: logins, the orders channel, signed REST, cancel-all-after (docs-v5, about 2026-02)."""

import base64
import hashlib
import hmac
import json
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any

import attrs
import pytest
import trio

from actors.simulator import Exchange, Fault, Rules

Silent = Callable[[Any, float], Awaitable[bool]]
SECRET = "demo-secret"
PRIVATE = "/ws/v5/private"
ORDERS = {"channel": "orders", "instType": "ANY"}


def with_account(**options: Any) -> Exchange:
    return Exchange(
        seed=5,
        symbols={"okx": ["BTC-USDT"]},
        keys={"demo-key": SECRET},
        trades_per_second=0,
        orders_per_second=0,
        **options,
    )


def signature(text: str, secret: str = SECRET) -> str:
    return base64.b64encode(hmac.new(secret.encode(), text.encode(), hashlib.sha256).digest()).decode()


async def log_in(client: Any, *, late: int = 0, **changes: str) -> tuple[Any, Any]:
    ws = await client.ws("okx", PRIVATE)
    moment = str(client.exchange.clock.ms() // 1000 - late)
    arg = {"apiKey": "demo-key", "passphrase": "demo-passphrase", "timestamp": moment}
    arg |= {"sign": signature(f"{moment}GET/users/self/verify")} | changes
    await ws.send(json.dumps({"op": "login", "args": [arg]}))
    return ws, await ws.json()


async def subscribe(ws: Any, arg: dict[str, str] = ORDERS) -> list[Any]:
    await ws.send(json.dumps({"id": "1", "op": "subscribe", "args": [arg]}))
    return [await ws.json(), await ws.json()]


async def ask(client: Any, target: str, *, late: float = 0, **changes: str) -> Any:
    now = client.exchange.clock.ms() / 1000 - late
    moment = datetime.fromtimestamp(now, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    headers = {
        "OK-ACCESS-KEY": "demo-key",
        "OK-ACCESS-PASSPHRASE": "demo-passphrase",
        "OK-ACCESS-TIMESTAMP": moment,
        "OK-ACCESS-SIGN": signature(f"{moment}GET{target}"),
        **changes,
    }
    answer = await client.get("okx", target, headers)
    return answer.status, answer.json


def place(exchange: Exchange) -> int:
    return exchange.place_order("demo-key", "BTC-USDT", "buy", "1", "10", venue="okx").order_id


async def test_an_order_is_told_with_its_fill(autojump_clock: object, clients: Any) -> None:
    exchange = with_account()
    async with clients(exchange) as client:
        ws, answer = await log_in(client)
        assert (answer["event"], answer["code"]) == ("login", "0")
        acknowledged, counted = await subscribe(ws)
        assert (acknowledged["event"], counted["event"], counted["connCount"]) == (
            "subscribe",
            "channel-conn-count",
            "1",
        )
        order = place(exchange)
        exchange.fill_order("demo-key", order, "0.4", venue="okx")
        exchange.expire_order("demo-key", order, venue="okx")
        messages = [await ws.json() for _ in range(3)]
        rows = [message["data"][0] for message in messages]
        assert messages[0]["arg"] == ORDERS | {"uid": "614488474791936"}
        assert [(row["state"], row["accFillSz"], row["fillSz"]) for row in rows] == [
            ("live", "0", "0"),
            ("partially_filled", "0.4", "0.4"),
            ("canceled", "0.4", "0"),
        ]
        [fill] = exchange.spelled("okx", "demo-key").fills
        assert [row["tradeId"] for row in rows] == ["", str(fill.id), ""]


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"apiKey": "x"}, "60005"),
        ({"passphrase": "x"}, "60024"),
        ({"sign": "x"}, "60007"),
        ({"timestamp": "now"}, "60004"),
        ({"late": 31}, "60006"),
    ],
)
async def test_a_wrong_login_is_refused_and_the_connection_closed(
    autojump_clock: object, clients: Any, changes: dict[str, Any], code: str
) -> None:
    async with clients(with_account()) as client:
        ws, answer = await log_in(client, **changes)
        assert (answer["event"], answer["code"]) == ("error", code)
        with pytest.raises(EOFError, match="4001"):
            await ws.json()


async def test_who_has_not_logged_in_is_told_to(autojump_clock: object, clients: Any) -> None:
    async with clients(with_account()) as client:
        ws = await client.ws("okx", PRIVATE)
        await ws.send(json.dumps({"op": "subscribe", "args": [ORDERS]}))
        assert (await ws.json())["code"] == "60011"


async def test_one_connection_too_many_is_acknowledged_and_then_told(
    autojump_clock: object, clients: Any, silent_for: Silent
) -> None:
    rules = attrs.evolve(Rules.documented("okx"), connections_per_channel=1)
    exchange = with_account(rules={"okx": rules})
    async with clients(exchange) as client:
        first, _ = await log_in(client)
        second, _ = await log_in(client)
        await subscribe(first)
        acknowledged, refused = await subscribe(second)
        assert (acknowledged["event"], refused["event"]) == ("subscribe", "channel-conn-count-error")
        place(exchange)
        assert (await first.json())["data"]
        assert await silent_for(second, 5)
        await first.stream.aclose()
        await trio.sleep(1)
        third, _ = await log_in(client)
        assert (await subscribe(third))[1]["event"] == "channel-conn-count"


async def test_signed_requests_are_checked(autojump_clock: object, clients: Any) -> None:
    exchange = with_account()
    target = "/api/v5/trade/orders-pending?instType=SPOT"
    async with clients(exchange) as client:
        assert (await ask(client, target))[0] == 200
        for changes, code in (
            ({"OK-ACCESS-SIGN": "x"}, "50113"),
            ({"OK-ACCESS-KEY": "x"}, "50111"),
            ({"OK-ACCESS-KEY": ""}, "50103"),
            ({"OK-ACCESS-PASSPHRASE": "x"}, "50105"),
            ({"OK-ACCESS-TIMESTAMP": "x"}, "50112"),
            ({"late": 31.0}, "50102"),
        ):
            status, body = await ask(client, target, **changes)  # type: ignore[arg-type]
            assert (status, body["code"]) == (401, code)
        exchange.inject(Fault("revoke_key", surface="private"))
        assert (await ask(client, target))[1]["code"] == "50111"


async def test_pages_go_back_by_id_and_unfilled_orders_are_forgotten_after_two_hours(
    autojump_clock: object, clients: Any
) -> None:
    exchange = with_account()
    async with clients(exchange) as client:
        orders = [place(exchange) for _ in range(4)]
        exchange.fill_order("demo-key", orders[0], venue="okx")
        exchange.fill_order("demo-key", orders[1], "0.5", venue="okx")
        exchange.cancel_order("demo-key", orders[2], venue="okx")
        _, pending = await ask(client, f"/api/v5/trade/orders-pending?limit=1&after={orders[3]}")
        assert [row["ordId"] for row in pending["data"]] == [str(orders[1])]
        history = "/api/v5/trade/orders-history?instType=SPOT"
        _, done = await ask(client, history)
        assert [row["ordId"] for row in done["data"]] == [str(orders[2]), str(orders[0])]
        _, fills = await ask(client, "/api/v5/trade/fills?limit=1")
        _, older = await ask(client, f"/api/v5/trade/fills?after={fills['data'][0]['billId']}")
        assert [row["ordId"] for row in fills["data"] + older["data"]] == [str(orders[1]), str(orders[0])]
        assert (await ask(client, "/api/v5/trade/orders-history"))[1]["code"] == "51000"
        one = f"/api/v5/trade/order?instId=BTC-USDT&ordId={orders[2]}"
        assert (await ask(client, one))[1]["data"][0]["state"] == "canceled"
        await trio.sleep(7201)
        assert (await ask(client, one))[1]["code"] == "51603"
        assert [row["ordId"] for row in (await ask(client, history))[1]["data"]] == [str(orders[0])]
        await trio.sleep(3 * 86_400)
        assert (await ask(client, "/api/v5/trade/fills"))[1]["data"] == []
        assert len((await ask(client, "/api/v5/trade/fills-history?instType=SPOT"))[1]["data"]) == 2


async def test_the_old_fills_may_be_asked_for_ten_times_in_two_seconds(autojump_clock: object, clients: Any) -> None:
    exchange = with_account()
    async with clients(exchange) as client:
        target = "/api/v5/trade/fills-history?instType=SPOT"
        found = [await ask(client, target) for _ in range(11)]
        assert [status for status, _ in found] == [200] * 10 + [429]
        assert found[-1][1]["code"] == "50011"
