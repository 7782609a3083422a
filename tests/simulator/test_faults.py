"""Each fault as a client sees it, in memory on the virtual clock; scripts as values."""

from collections.abc import Awaitable, Callable
from typing import Any

import attrs
import h11
import pytest
import trio
from hypothesis import given, settings
from hypothesis import strategies as st
from websockets.frames import Opcode

from actors.simulator import Exchange, Fault, FaultScript
from actors.simulator._faults import EVERYDAY, KINDS

Silent = Callable[[Any, float], Awaitable[bool]]


def quiet() -> Exchange:
    return Exchange(trades_per_second=0, keys={"demo-key": "demo-secret"})


async def private(client: Any) -> Any:
    key = (await client.listen_key()).json["listenKey"]
    return await client.ws("binance-usdm", f"/private/ws?listenKey={key}&events=ORDER_TRADE_UPDATE")


async def test_reset_breaks_the_connection_without_a_close_frame(autojump_clock: object, clients: Any) -> None:
    exchange = quiet()
    async with clients(exchange) as client:
        ws = await client.ws("binance", "/ws/btcusdt@trade")
        await trio.sleep(3)
        exchange.inject(Fault("reset", venue="binance"))
        with pytest.raises(trio.BrokenResourceError):
            await ws.frame()
        with pytest.raises(trio.BrokenResourceError):
            await ws.send("{}")
    (entry,) = exchange.record.connections
    assert (entry.closed, entry.end) == (3, "reset by a fault")
    (applied,) = exchange.record.faults
    assert (applied.at, applied.fault, applied.hit) == (3, "Fault('reset', venue='binance')", (1,))


async def test_a_fault_hits_its_venue_and_surface_only(autojump_clock: object, clients: Any) -> None:
    exchange = quiet()
    async with clients(exchange) as client:
        spot = await client.ws("binance", "/ws")
        market = await client.ws("binance-usdm", "/market/ws")
        account = await private(client)
        http = await client.http("binance-usdm")
        await http.request("GET", "/fapi/v1/ping")
        exchange.inject(Fault("reset", venue="binance-usdm"))
        with pytest.raises(trio.BrokenResourceError):
            await market.frame()
        exchange.inject(Fault("reset", venue="binance-usdm", surface="rest"))
        with pytest.raises(trio.BrokenResourceError):
            await http.request("GET", "/fapi/v1/ping")
        for ws in (spot, account):
            await ws.ask("LIST_SUBSCRIPTIONS")
        exchange.inject(Fault("reset", surface="private"))
        with pytest.raises(trio.BrokenResourceError):
            await account.frame()
        await spot.ask("LIST_SUBSCRIPTIONS")
        exchange.inject(Fault("reset"))
        with pytest.raises(trio.BrokenResourceError):
            await spot.frame()


@pytest.mark.parametrize("code", [1000, 1001, 1008, 1012])
async def test_close_is_orderly_and_carries_its_code(autojump_clock: object, clients: Any, code: int) -> None:
    exchange = quiet()
    async with clients(exchange) as client:
        ws = await client.ws("binance", "/ws")
        exchange.inject(Fault("close", code=code))
        frame = await ws.frame()
        assert (frame.opcode, int.from_bytes(frame.data[:2], "big")) == (Opcode.CLOSE, code)
        with pytest.raises(EOFError):
            await ws.frame()
    assert exchange.record.connections[0].closed == pytest.approx(0)


async def test_a_client_that_does_not_answer_the_close_is_left_after_five_seconds(
    autojump_clock: object, clients: Any
) -> None:
    exchange = quiet()
    async with clients(exchange) as client:
        ws = await client.ws("binance", "/ws")
        exchange.inject(Fault("close"))
        await ws.stream.receive_some()
        assert await ws.stream.receive_some() == b""
        assert trio.current_time() == pytest.approx(5)


async def test_close_ends_rest_connections_too(autojump_clock: object, clients: Any) -> None:
    exchange = quiet()
    async with clients(exchange) as client:
        http = await client.http("binance")
        await http.request("GET", "/api/v3/ping")
        exchange.inject(Fault("close", surface="rest"))
        assert await http.stream.receive_some() == b""


@pytest.mark.parametrize("newcomers", [True, False])
async def test_mute_swallows_every_frame_while_the_market_goes_on(
    autojump_clock: object, clients: Any, silent_for: Silent, newcomers: bool
) -> None:
    exchange = Exchange(trades_per_second=10)
    async with clients(exchange) as client, trio.open_nursery() as nursery:
        ws = await client.ws("binance", "/ws/btcusdt@aggTrade")
        nursery.start_soon(exchange.run)
        await ws.json()
        began = trio.current_time()
        exchange.inject(Fault("mute", venue="binance", duration=90, newcomers=newcomers))
        await ws.ping()
        second = await client.ws("binance", "/ws/btcusdt@aggTrade")
        assert await silent_for(second, 5) == newcomers
        with trio.move_on_after(80):
            frame = await ws.frame()
            raise AssertionError(f"{frame} came out of a mute")
        published = [trade for trade in exchange.record.agg_trades["binance", "BTCUSDT"] if trade.at > began]
        assert len(published) > 300
        first = (await ws.json())["a"]
        assert trio.current_time() > began + 90
        assert first > published[-1].id
        assert exchange.record.connections[0].messages_muted > 300
        nursery.cancel_scope.cancel()


async def test_a_muted_connection_answers_nothing_and_does_not_say_goodbye(
    autojump_clock: object, clients: Any, silent_for: Silent
) -> None:
    exchange = quiet()
    async with clients(exchange) as client:
        ws = await client.ws("binance", "/ws")
        exchange.inject(Fault("mute", duration=30))
        await ws.send('{"method":"SUBSCRIBE","params":["btcusdt@trade"],"id":1}')
        assert await silent_for(ws, 29)
        await trio.sleep(2)
        exchange.print_trade("binance", "BTCUSDT", raw_count=1)
        assert (await ws.json())["e"] == "trade"
        exchange.inject(Fault("mute", duration=30))
        await ws.close()
        with trio.move_on_after(15) as scope:
            await ws.frame()
        assert scope.cancelled_caught


async def test_a_muted_rest_request_is_never_answered(autojump_clock: object, clients: Any) -> None:
    exchange = quiet()
    async with clients(exchange) as client:
        http = await client.http("binance")
        exchange.inject(Fault("mute", surface="rest", duration=10))
        with pytest.raises(h11.RemoteProtocolError, match="ConnectionClosed"):
            await http.request("GET", "/api/v3/ping")
        assert trio.current_time() == pytest.approx(10)
        assert (await client.get("binance", "/api/v3/ping")).status == 200


@pytest.mark.parametrize(("listener", "venue"), [("ws", "binance"), ("rest", "binance-usdm")])
async def test_refuse_closes_the_listener_and_spares_the_living(
    autojump_clock: object, clients: Any, listener: Any, venue: str
) -> None:
    exchange = quiet()
    async with clients(exchange) as client:
        ws, http = await client.ws(venue, "/ws"), await client.http(venue)
        root = "/api/v3" if venue == "binance" else "/fapi/v1"
        await http.request("GET", f"{root}/ping")
        exchange.inject(Fault("refuse", venue=venue, surface=listener, duration=10))
        for _ in range(9):
            with pytest.raises(ConnectionRefusedError):
                await client.network.dial(venue, listener)
            await trio.sleep(1)
        await client.network.dial("binance" if venue != "binance" else "binance-usdm", listener)
        assert (await http.request("GET", f"{root}/ping")).status == 200
        await ws.ask("LIST_SUBSCRIPTIONS")
        await trio.sleep(1)
        await (await client.network.dial(venue, listener)).aclose()
    assert sum(attempt.outcome == "refused" for attempt in exchange.record.attempts) == 9


async def test_garbage_is_a_text_frame_that_is_not_json(autojump_clock: object, clients: Any) -> None:
    exchange = quiet()
    async with clients(exchange) as client:
        ws, account = await client.ws("binance", "/ws"), await private(client)
        exchange.inject(Fault("garbage"))
        with pytest.raises(ValueError, match=r"Unterminated|Expecting"):
            await ws.json()
        await ws.ask("LIST_SUBSCRIPTIONS")
        exchange.inject(Fault("garbage", surface="private", text="<html>"))
        assert await account.text() == "<html>"


async def test_http_5xx_fails_everything_for_a_while(autojump_clock: object, clients: Any) -> None:
    exchange = quiet()
    async with clients(exchange) as client:
        http = await client.http("binance-usdm")
        exchange.inject(Fault("http_5xx", venue="binance-usdm", surface="rest", duration=10, status=502))
        assert (await http.request("GET", "/fapi/v1/ping")).status == 502
        assert (await client.listen_key()).status == 502
        assert (await client.get("binance", "/api/v3/ping")).status == 200
        await trio.sleep(10)
        assert (await http.request("GET", "/fapi/v1/ping")).status == 200


async def test_a_script_is_followed_to_the_second_and_recorded(autojump_clock: object, clients: Any) -> None:
    exchange = quiet()
    script = FaultScript([(20, Fault("close")), (10.5, Fault("reset")), (10.5, Fault("garbage", surface="private"))])
    async with clients(exchange), trio.open_nursery() as nursery:
        await trio.sleep(100)
        await nursery.start(exchange.run, script)
        await trio.sleep(30)
        nursery.cancel_scope.cancel()
    assert [(applied.at, applied.fault) for applied in exchange.record.faults] == [
        (110.5, "Fault('reset')"),
        (110.5, "Fault('garbage', surface='private')"),
        (120, "Fault('close')"),
    ]


faults = st.sampled_from(sorted(KINDS)).flatmap(
    lambda kind: st.builds(
        Fault,
        st.just(kind),
        venue=st.sampled_from([None, *(KINDS[kind].venues or ("binance", "binance-usdm"))]),
        surface=st.sampled_from(KINDS[kind].surfaces),
        duration=st.floats(0.001, 1e6) if KINDS[kind].timed else st.just(0.0),
        code=st.integers(1000, 4999),
        newcomers=st.booleans(),
        notice=st.booleans(),
        status=st.integers(500, 599),
        text=st.text(max_size=20),
    )
)


@settings(deadline=None)  # shared machines stall
@given(st.lists(st.tuples(st.floats(0, 1e6), faults), max_size=5))
def test_a_printed_script_makes_itself_again(entries: list[tuple[float, Fault]]) -> None:
    script = FaultScript(entries)
    assert eval(str(script), {"FaultScript": FaultScript, "Fault": Fault}) == script
    assert [at for at, _ in script] == sorted(at for at, _ in entries)


@settings(deadline=None)  # shared machines stall
@given(st.integers(0, 2**64), st.floats(1, 3600))
def test_random_scripts_repeat_and_stay_inside_their_time(seed: int, seconds: float) -> None:
    script = FaultScript.random(seed, seconds, longest=5)
    assert script == FaultScript.random(seed, seconds, longest=5)
    for at, fault in script:
        assert 0 <= at <= seconds
        assert fault.duration <= 5


def test_random_scripts_use_every_kind_and_can_be_narrowed() -> None:
    assert {fault.kind for _, fault in FaultScript.random(1, 86_400)} == set(EVERYDAY)
    narrowed = FaultScript.random(1, 3600, venues=["binance"], kinds=["reset", "mute"], surfaces=["ws"])
    assert {(fault.kind, fault.venue, fault.surface) for _, fault in narrowed} == {
        ("reset", "binance", "ws"),
        ("mute", "binance", "ws"),
    }
    with pytest.raises(ValueError, match="no kind"):
        FaultScript.random(1, 10, kinds=["expire_key"], surfaces=["rest"])


@pytest.mark.parametrize(
    "wrong",
    [
        {"kind": "nonsense"},
        {"kind": "refuse", "surface": "private", "duration": 1},
        {"kind": "http_5xx", "duration": 1},
        {"kind": "mute"},
        {"kind": "reset", "duration": 1},
        {"kind": "http_5xx", "surface": "rest", "duration": 1, "status": 404},
    ],
)
def test_faults_without_meaning_cannot_be_made(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"fault|is for|duration|5xx"):
        Fault(**wrong)


def test_faults_are_values() -> None:
    fault = Fault("mute", venue="binance", duration=3)
    assert fault == Fault("mute", venue="binance", duration=3)
    assert len({fault, attrs.evolve(fault), attrs.evolve(fault, duration=4)}) == 2
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        fault.duration = 4  # type: ignore[misc]
    with pytest.raises(ValueError, match="before the run"):
        FaultScript([(-1, fault)])


async def test_a_venue_that_is_not_here_cannot_be_hit() -> None:
    exchange, fault = Exchange(symbols={"binance": []}), Fault("reset", venue="binance-usdm")
    with pytest.raises(ValueError, match="no venue"):
        exchange.inject(fault)
    with pytest.raises(ValueError, match="no venue"):
        await exchange.run(FaultScript([(3600, fault)]))


async def test_two_faults_at_one_instant_do_not_hit_the_same_connection_twice(
    autojump_clock: object, clients: Any
) -> None:
    exchange = quiet()
    async with clients(exchange) as client:
        await client.ws("binance", "/ws")
        assert exchange.inject(Fault("reset")).hit == (1,)
        assert exchange.inject(Fault("close")).hit == ()
