"""Batches: decoded at once they say the same as frame by frame, and no bytes whatever raise."""

import json
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors._errors import BadFrame
from actors._source import Decoded, PublicSource
from actors.exchanges import _decode
from actors.exchanges.binance_spot import SpotBooks, SpotQuotes, SpotTrades
from actors.exchanges.binance_usdm import UsdmBooks, UsdmQuotes, UsdmTrades
from actors.exchanges.bybit import BybitBooks, BybitQuotes, BybitTrades

SOURCES: list[PublicSource] = [
    SpotTrades(),
    SpotTrades("aggTrade"),
    SpotQuotes(),
    SpotBooks(),
    UsdmTrades(),
    UsdmQuotes(),
    UsdmBooks(),
    BybitTrades("spot"),
    BybitTrades("linear"),
    BybitQuotes("spot"),
    BybitQuotes("linear"),
    BybitBooks("spot"),
    BybitBooks("linear"),
]

GOOD = [
    b'{"stream":"x@trade","data":{"e":"trade","E":1,"s":"X","t":1,"p":"0.1","q":"1","T":1,"m":true}}',
    b'{"stream":"x@aggTrade","data":{"e":"aggTrade","E":1,"s":"X","a":1,"p":"0.1","q":"1","f":1,"l":1,"T":1,"m":true}}',
    b'{"stream":"x@bookTicker","data":{"e":"bookTicker","u":1,"s":"X","b":"1","B":"1","a":"2","A":"1","T":1,"E":1}}',
    b'{"stream":"x@depth@100ms","data":{"e":"depthUpdate","E":1,"T":1,"s":"X","U":1,"u":2,"pu":0,"b":[["1","2"]],"a":[]}}',
    b'{"topic":"publicTrade.X","type":"snapshot","ts":1,"data":[{"T":1,"s":"X","S":"Buy","v":"1","p":"1","i":"12"}]}',
    b'{"topic":"orderbook.1.X","type":"snapshot","ts":1,"data":{"s":"X","b":[["1","1"]],"a":[["2","1"]],"u":1,"seq":1}}',
    b'{"topic":"orderbook.50.X","type":"delta","ts":1,"data":{"s":"X","b":[["1","0"]],"a":[],"u":2,"seq":1},"cts":1}',
    b'{"result":null,"id":1}',
    b'{"success":true,"ret_msg":"subscribe","req_id":"1","op":"subscribe"}',
    b'{"success":false,"ret_msg":"error:handler not found,topic:publicTrade.X","req_id":"1","op":"subscribe"}',
    b'{"success":true,"ret_msg":"pong","op":"ping"}',
    b'{"e":"serverShutdown","E":1}',
]
NASTY = [
    b"",
    b",",
    b"1,2",
    b'{"a":1},{"b":2}',
    b"[",
    b"]",
    b"[]",
    b"null",
    b"\xff\xfe",
    b"\x00",
    b"[" * 50_000,
    b'{"stream":' * 2000,
    b'{"id":' + b"9" * 5000 + b"}",
    b'{"stream":"x@trade","data":[' * 500,
    b'{"stream":5,"data":{"e":5}}',
    b'{"topic":5}',
    b'{"topic":"publicTrade.X","data":[[]]}',
    b'{"topic":"publicTrade.X","type":"snapshot","ts":1,"data":[]}',
    b'{"success":false,"ret_msg":[],"req_id":{},"op":[]}',
    b'{"error":{"code":1e400}}',
    b'{"result":[[[]],{}]}',
    b'"\\ud800"',
    b'{"stream":"\\ud800@trade","data":{"e":"\\ud800"}}',
]


@st.composite
def mutated(draw: st.DrawFn) -> bytes:
    """A good frame with some of its values replaced, or some of its bytes."""
    frame = draw(st.sampled_from(GOOD))
    if draw(st.booleans()):
        cut, length = draw(st.integers(0, len(frame))), draw(st.integers(0, 4))
        return frame[:cut] + draw(st.binary(max_size=4)) + frame[cut + length :]
    message = json.loads(frame)
    place: Any = message
    while isinstance(place, dict | list) and place:
        key = draw(st.sampled_from(sorted(place) if isinstance(place, dict) else range(len(place))))
        if not isinstance(place[key], dict | list) or draw(st.booleans()):
            place[key] = draw(
                st.sampled_from(["NaN", "Infinity", "1e999999999999", "-0", "", None, True, [], {}, [[]], 1e300, 2**70])
                | st.text(max_size=3)
                | st.integers()
            )
            break
        place = place[key]
    return json.dumps(message).encode()


frames = st.lists(st.sampled_from(GOOD) | st.sampled_from(NASTY) | mutated() | st.binary(max_size=40), max_size=6)


def one_by_one(source: PublicSource, batch: Sequence[bytes], received: int) -> Decoded:
    together = Decoded([], [])
    for frame in batch:
        decoded = source.decode_many([frame], received)
        together.items += decoded.items
        together.controls += decoded.controls
        if decoded.error is not None:
            together.error = decoded.error
            break
    return together


def plain(decoded: Decoded) -> tuple[object, ...]:
    return decoded.items, decoded.controls, decoded.error and (decoded.error.reason, decoded.error.sample)


@pytest.mark.parametrize("source", SOURCES, ids=repr)
@given(frames)
def test_no_bytes_raise_and_a_batch_says_what_its_frames_say(source: PublicSource, batch: list[bytes]) -> None:
    decoded = source.decode_many(batch, 5)
    assert isinstance(decoded, Decoded)
    assert plain(decoded) == plain(one_by_one(source, batch, 5))
    for item in decoded.items:
        repr(item)


@pytest.mark.parametrize("source", SOURCES, ids=repr)
@pytest.mark.parametrize("frame", NASTY)
def test_nothing_nasty_brings_data_or_raises(source: PublicSource, frame: bytes) -> None:
    decoded = source.decode_many([GOOD[7], frame], 0)
    assert decoded.items == []
    for control in decoded.controls:
        repr(control)
    if decoded.error is not None:
        assert isinstance(decoded.error, BadFrame)
        assert len(decoded.error.sample) <= 200


@pytest.mark.parametrize("source", SOURCES, ids=repr)
def test_an_empty_batch_says_nothing(source: PublicSource) -> None:
    assert plain(source.decode_many([], 0)) == ([], [], None)


@pytest.mark.parametrize("text", ["NaN", "sNaN", "-Infinity", "1e60", "1e-60", "0e-999999999", "1e999999999", "9" * 61])
def test_a_number_that_nobody_can_write_down_is_none(text: str) -> None:
    assert not _decode.plain(Decimal(1), Decimal(text))
    assert not _decode.plain(Decimal(text), Decimal(1))
    with pytest.raises(ValueError, match="out of all bounds"):
        _decode.finite(Decimal(1), Decimal(text))
    with pytest.raises(ValueError, match="out of all bounds"):
        _decode.levels([_decode.Row(Decimal(1), Decimal(text))])
    frame = json.loads(GOOD[0])
    frame["data"]["p"] = text
    assert isinstance(SpotTrades().decode_many([json.dumps(frame).encode()], 0).error, BadFrame)


@given(st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**30), max_value=10**30, places=18))
def test_whatever_is_traded_is_a_number(value: Decimal) -> None:
    assert _decode.plain(value, value)
    _decode.finite(value)
    assert len(format(value, "f")) < 100


def test_a_time_that_no_database_holds_is_none() -> None:
    frame = json.loads(GOOD[0])
    for time, well in ((2**63 - 1, True), (2**63, False), (-(10**400), False)):
        frame["data"]["T"] = time
        assert (SpotTrades().decode_many([json.dumps(frame).encode()], 0).error is None) == well


def test_two_values_in_one_frame_are_not_taken_for_two_frames() -> None:
    both = GOOD[0] + b"," + GOOD[0]
    decoded = SpotTrades().decode_many([both], 0)
    assert decoded.items == []
    assert decoded.error is not None


def test_data_before_a_bad_frame_is_kept_and_nothing_behind_it_is_read() -> None:
    decoded = SpotTrades().decode_many([GOOD[0], GOOD[7], b"{", GOOD[0]], 3)
    assert [trade.id for trade in decoded.items] == [1]
    assert len(decoded.controls) == 1
    assert decoded.error is not None
