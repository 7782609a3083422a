"""OKX, KuCoin and Gate: whatever the bytes, reading them raises nothing, and a batch says what its frames say.

That holds of feeds and of accounts, whose errors besides show nothing of what could not be read.
"""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actors._account_source import AccountSource
from actors._errors import BadFrame
from actors._records import OrderUpdate
from actors._source import Decoded, PublicSource
from actors.exchanges.gate import GateBooks, GateQuotes, GateTrades
from actors.exchanges.kucoin import KucoinBooks, KucoinQuotes, KucoinTrades
from actors.exchanges.okx import OkxBooks, OkxQuotes, OkxTrades

from . import gate_account, kucoin_account
from . import test_gate as gate
from . import test_kucoin as kucoin
from . import test_okx as okx

SAMPLES: list[tuple[PublicSource, bytes]] = [
    (OkxTrades(), okx.TRADE),
    (OkxTrades("trades-all"), okx.TRADE_ALL),
    (OkxQuotes(), okx.QUOTE),
    (OkxBooks(), okx.UPDATE),
    (KucoinTrades(), kucoin.TRADE),
    (KucoinQuotes(), kucoin.QUOTE),
    (KucoinBooks(), kucoin.BOOK),
    (GateTrades(), gate.TRADE),
    (GateQuotes(), gate.QUOTE),
    (GateBooks(), gate.DIFFERENCE),
]
ACCOUNTS: list[tuple[AccountSource, bytes]] = [
    (kucoin_account.ACCOUNT, kucoin_account.OPEN),
    (kucoin_account.ACCOUNT, kucoin_account.MATCH),
    (gate_account.ACCOUNT, gate_account.ORDER),
    (gate_account.ACCOUNT, gate_account.TRADE),
]
CONTROLS = [
    b"pong",
    okx.SUBSCRIBED,
    okx.ERROR,
    okx.NOTICE,
    b'{"id":"hQvf8jkno","type":"welcome"}',
    b'{"id":"p28","type":"error","code":404,"data":"topic does not exist"}',
    gate.SUBSCRIBED,
    gate.REFUSED,
    *gate.UPGRADES,
    gate_account.SUBSCRIBED,
]

scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8)
scalars |= st.sampled_from(["NaN", "1e9999999999999", "-0", "9" * 5000, " 1", ""])
values = st.recursive(scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner))


def paths(value: Any, at: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Return where there is something in a JSON value."""
    inside: Any = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [at, *(path for key, part in inside for path in paths(part, (*at, key)))]


@st.composite
def mangled(draw: st.DrawFn) -> bytes:
    """A message of a venue in which one part was replaced or removed, or bytes were."""
    frame = draw(st.sampled_from([sample for _, sample in [*SAMPLES, *ACCOUNTS]] + CONTROLS))
    if frame == b"pong" or draw(st.booleans()):
        at = draw(st.integers(0, len(frame)))
        return frame[:at] + draw(st.binary(max_size=4)) + frame[draw(st.integers(at, len(frame))) :]
    message = json.loads(frame)
    *way, last = draw(st.sampled_from(paths(message)[1:]))
    place = message
    for key in way:
        place = place[key]
    if draw(st.booleans()):
        place[last] = draw(values)
    else:
        del place[last]
    return json.dumps(message).encode()


frames = st.lists(st.binary(max_size=40) | mangled() | st.sampled_from([f for _, f in SAMPLES] + CONTROLS), max_size=6)


def one_by_one(source: PublicSource | AccountSource, batch: list[bytes]) -> Decoded:
    whole = Decoded([], [])
    for frame in batch:
        decoded = source.decode_many([frame], 5)
        whole.items += decoded.items
        whole.controls += decoded.controls
        whole.error = decoded.error
        if whole.error:
            break
    return whole


@pytest.mark.parametrize("source", [source for source, _ in SAMPLES], ids=repr)
@given(batch=frames)
@settings(max_examples=80)
def test_no_bytes_make_reading_raise_and_a_batch_says_what_its_frames_say(
    source: PublicSource, batch: list[bytes]
) -> None:
    decoded = source.decode_many(batch, 5)
    expected = one_by_one(source, batch)
    assert (decoded.items, decoded.controls) == (expected.items, expected.controls)
    assert (decoded.error is None) == (expected.error is None)
    assert decoded.error is None or isinstance(decoded.error, BadFrame)
    for trade in decoded.items:
        # Whatever was let through can be used.
        assert isinstance(trade.time, int)
        assert trade.symbol
        repr(trade)


@pytest.mark.parametrize(("source", "sample"), ACCOUNTS, ids=["kucoin", "kucoin match", "gate", "gate trade"])
@given(data=st.data())
@settings(max_examples=80)
def test_of_an_account_no_bytes_make_reading_raise_nor_show_themselves(
    source: AccountSource, sample: bytes, data: st.DataObject
) -> None:
    batch = data.draw(st.lists(st.just(sample) | frames.map(b"".join) | mangled(), max_size=6))
    decoded = source.decode_many(batch, 5)
    expected = one_by_one(source, batch)
    assert (decoded.items, decoded.controls) == (expected.items, expected.controls)
    assert decoded.error is None or (isinstance(decoded.error, BadFrame) and not decoded.error.sample)
    for item in decoded.items:
        assert isinstance(item.time, int)
        assert item.symbol
        assert item.raw in batch
        assert item.filled.is_finite() if isinstance(item, OrderUpdate) else item.quantity.is_finite()
        repr(item)


@pytest.mark.parametrize(("source", "sample"), SAMPLES, ids=lambda value: repr(value)[:20])
def test_a_hundred_frames_are_a_hundred_items(source: PublicSource, sample: bytes) -> None:
    decoded = source.decode_many([sample] * 100, 5)
    assert (len(decoded.items), decoded.controls, decoded.error) == (100, [], None)
    assert decoded.items == one_by_one(source, [sample] * 100).items


@pytest.mark.parametrize("source", [source for source, _ in SAMPLES], ids=repr)
@pytest.mark.parametrize("bad", [b"", b"[", b"null", b"[1]", b'"x"', b"\xff\xfe", b"[" * 100_000, b'{"a":' * 10_000])
def test_what_is_no_message_is_the_error(source: PublicSource, bad: bytes) -> None:
    decoded = source.decode_many([bad], 5)
    assert isinstance(decoded.error, BadFrame)
    assert len(decoded.error.sample) <= 200
    assert decoded.items == decoded.controls == []


def test_no_frames_are_nothing() -> None:
    for source, _ in SAMPLES:
        assert source.decode_many([], 5) == Decoded([], [])
