"""Subscriptions: acknowledgements, error bodies, roots."""

import json
from random import Random
from typing import Any

import attrs
import pytest

from actors.simulator import Rules
from actors.simulator._clock import ExchangeClock, VenueClock
from actors.simulator._dialect import BadTarget, Floor
from actors.simulator.venues._binance_session import BinanceSession, root_of, user_topic


def session(target: str, venue: str = "binance", *, lists_unknown: bool = True) -> BinanceSession:
    rules = attrs.evolve(Rules.documented(venue), lists_unknown=lists_unknown)
    floor = Floor(venue, rules, {}, VenueClock(ExchangeClock(0.0)), Random(0))
    return BinanceSession(floor, target, lambda name: name == "btcusdt@aggTrade")


def said(to: BinanceSession, text: bytes) -> bytes:
    answer = to.receive(text, 0.0)
    (frame,) = answer.acks + answer.frames
    return frame


def answer(to: BinanceSession, **request: object) -> Any:
    return json.loads(said(to, json.dumps(request).encode()))


def test_the_documented_conversation() -> None:
    live = session("/ws")
    streams = ["btcusdt@aggTrade", "btcusdt@depth"]
    assert answer(live, method="SUBSCRIBE", params=streams, id=1) == {"result": None, "id": 1}
    assert answer(live, method="UNSUBSCRIBE", params=["btcusdt@depth"], id=312) == {"result": None, "id": 312}
    assert answer(live, method="LIST_SUBSCRIPTIONS", id=3) == {"result": ["btcusdt@aggTrade"], "id": 3}
    assert answer(live, method="SET_PROPERTY", params=["combined", True], id=5) == {"result": None, "id": 5}
    assert answer(live, method="GET_PROPERTY", params=["combined"], id=2) == {"result": True, "id": 2}
    assert live.combined


@pytest.mark.parametrize("number", [0, -1, 2**63 - 1, "abcXYZ-019", None])
def test_ids_come_back_as_they_were(number: object) -> None:
    assert answer(session("/ws"), method="LIST_SUBSCRIPTIONS", id=number)["id"] == number


@pytest.mark.parametrize(
    ("request_", "code", "message"),
    [
        ({"method": "SET_PROPERTY", "params": ["other", True], "id": 1}, 0, "Unknown property"),
        ({"method": "SET_PROPERTY", "params": ["combined", 1], "id": 1}, 1, "Invalid value type: expected Boolean"),
        ({"method": "SET_PROPERTY", "params": [1, True]}, 2, "Invalid request: property name must be a string"),
        ({"method": "SET_PROPERTY", "params": ["combined", True, 1]}, 2, "Invalid request: too many parameters"),
        ({"method": "GET_PROPERTY", "params": ["combined", True]}, 2, "Invalid request: too many parameters"),
        ({"method": "SUBSCRIBE", "id": 1.5}, 2, "Invalid request: request ID must be an unsigned integer"),
        ({"method": "SUBSCRIBE", "id": True}, 2, "Invalid request: request ID must be an unsigned integer"),
        ({"method": "SUBSCRIBE", "id": "a" * 37}, 2, "Invalid request: request ID must be an unsigned integer"),
        ({"method": "SUBSCRIBE", "params": "btcusdt@trade"}, 2, "Invalid request: streams must be an array"),
        ({"method": "SUBSCRIBE", "params": [1]}, 2, "Invalid request: streams must be an array"),
        ({"params": []}, 2, "Invalid request: missing field `method` at line 1 column 14"),
        (
            {"method": "GO"},
            2,
            (
                "Invalid request: unknown variant `GO`, expected one of `SUBSCRIBE`, `UNSUBSCRIBE`, "
                "`LIST_SUBSCRIPTIONS`, `SET_PROPERTY`, `GET_PROPERTY` at line 1 column 28"
            ),
        ),
    ],
)
def test_errors_have_the_documented_words(request_: dict[str, object], code: int, message: str) -> None:
    assert answer(session("/ws"), **request_)["error"] == {"code": code, "msg": message}


@pytest.mark.parametrize("text", [b"", b"{", b"nonsense", b"\xff"])
def test_what_is_not_json_is_told_so(text: bytes) -> None:
    expected = {"error": {"code": 3, "msg": "Invalid JSON: expected value at line 1 column 1"}}
    assert json.loads(said(session("/ws"), text)) == expected


def test_unknown_streams_are_acknowledged_and_listed_unless_the_rules_say_otherwise() -> None:
    for lists_unknown in (True, False):
        live = session("/ws", lists_unknown=lists_unknown)
        assert answer(live, method="SUBSCRIBE", params=["nonsense@trade"], id=1) == {"result": None, "id": 1}
        listed = answer(live, method="LIST_SUBSCRIPTIONS", id=2)["result"]
        assert listed == (["nonsense@trade"] if lists_unknown else [])


@pytest.mark.parametrize(
    ("target", "combined", "streams"),
    [
        ("/ws", False, []),
        ("/ws/a@trade", False, ["a@trade"]),
        ("/ws/a@trade/b@trade", False, ["a@trade", "b@trade"]),
        ("/stream", True, []),
        ("/stream?streams=a@trade/b@depth@100ms", True, ["a@trade", "b@depth@100ms"]),
        ("/stream?streams=a%40trade", True, ["a@trade"]),
    ],
)
def test_targets_name_streams_and_form(target: str, combined: bool, streams: list[str]) -> None:
    live = session(target)
    assert (live.combined, list(live.topics)) == (combined, streams)


@pytest.mark.parametrize("target", ["/", "/wss", "/stream/a@trade", "/market/ws", "/private/ws"])
def test_spot_has_nothing_elsewhere(target: str) -> None:
    with pytest.raises(BadTarget) as caught:
        session(target)
    assert caught.value.status == 404


@pytest.mark.parametrize(
    ("stream", "root"),
    [
        ("btcusdt@aggTrade", "market"),
        ("btcusdt@markPrice@1s", "market"),
        ("btcusdt@kline_1m", "market"),
        ("!ticker@arr", "market"),
        ("btcusdt@bookTicker", "public"),
        ("!bookTicker", "public"),
        ("btcusdt@depth", "public"),
        ("btcusdt@depth5@100ms", "public"),
        ("btcusdt@rpiDepth@500ms", "public"),
    ],
)
def test_usdm_streams_flow_on_their_root_only(stream: str, root: str) -> None:
    assert root_of(stream) == root
    for dialled in ("/public/ws", "/market/ws", "/private/ws", "/ws"):
        live = session(dialled, "binance-usdm")
        assert answer(live, method="SUBSCRIBE", params=[stream], id=1)["result"] is None
        # Without a root a connection is an old one, and old ones still get what is on /public.
        assert live.wants(stream) == ((dialled.split("/")[1] if dialled != "/ws" else "public") == root)


def test_private_streams_pair_each_key_with_its_events() -> None:
    live = session("/private/stream?listenKey=K1&events=A/B&listenKey=K2&events=C&listenKey=K3", "binance-usdm")
    assert live.user_streams == {"K1": frozenset("AB"), "K2": frozenset("C"), "K3": frozenset()}
    assert live.surface == "private"
    assert live.wants(user_topic("K1", "B"))
    assert not live.wants(user_topic("K2", "B"))
    assert not live.wants(user_topic("K3", "A"))


def test_a_listen_key_never_stands_in_the_recorded_path() -> None:
    for target in ("/private/ws?listenKey=K1&events=A", "/private/ws/K1"):
        assert session(target, "binance-usdm").path == "/private/ws"


def test_events_parted_by_a_comma_break_the_handshake() -> None:
    with pytest.raises(BadTarget):
        session("/private/ws?listenKey=K1&events=A,B", "binance-usdm")
