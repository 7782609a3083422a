"""What all Binance products share: error classes, everything that is not data."""

import contextlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors._errors import (
    BadFrame,
    ClockOff,
    HttpFailure,
    KeyGone,
    NoSuchOrder,
    RateLimited,
    Unauthorized,
    UnknownOutcome,
)
from actors._source import (
    Acknowledged,
    Closing,
    HttpReply,
    HttpRequest,
    Ignored,
    Listed,
    Refused,
    Terminated,
)
from actors.exchanges import _binance

REQUEST = HttpRequest("GET", "/x")
NONE: frozenset[str] = frozenset()


def reply(status: int, body: object = None, headers: dict[str, str] | None = None) -> HttpReply:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return HttpReply(status, headers or {}, raw)


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (reply(401, {"code": -2014, "msg": "API-key format invalid."}), Unauthorized),
        (reply(401, b"<html>"), Unauthorized),
        (reply(400, {"code": -2014, "msg": "API-key format invalid."}), Unauthorized),
        (reply(400, {"code": -2015, "msg": "Invalid API-key, IP, or permissions for action."}), Unauthorized),
        (reply(400, {"code": -1022, "msg": "Signature for this request is not valid."}), Unauthorized),
        (reply(429, {"code": -1003, "msg": "Too many requests."}), RateLimited),
        (reply(418, {"code": -1003, "msg": "IP banned until 1659146400000."}), RateLimited),
        (reply(418, b"<html>banned</html>"), RateLimited),
        (reply(400, {"code": -1003, "msg": "Too many requests."}), RateLimited),
        (reply(500, b""), UnknownOutcome),
        (reply(503, {"code": -1008, "msg": "Server is overloaded."}), UnknownOutcome),
        (reply(400, {"code": -1006, "msg": "An unexpected response was received."}), UnknownOutcome),
        (reply(408, {"code": -1007, "msg": "Timeout waiting for response."}), UnknownOutcome),
        (reply(400, {"code": -1021, "msg": "Timestamp for this request is outside of the recvWindow."}), ClockOff),
        (reply(400, {"code": -1125, "msg": "This listenKey does not exist."}), KeyGone),
        (reply(400, {"code": -2013, "msg": "Order does not exist."}), NoSuchOrder),
        (reply(403, b"<html>WAF</html>"), HttpFailure),
        (reply(404, [1, 2]), HttpFailure),
        (reply(302, b""), HttpFailure),
    ],
)
def test_each_answer_has_its_error_class(answer: HttpReply, kind: type[HttpFailure]) -> None:
    error = _binance.failure(REQUEST, answer)
    assert type(error) is kind
    assert error is not None
    assert error.status == answer.status


def test_success_is_no_error() -> None:
    assert _binance.failure(REQUEST, reply(200, {"code": -2014})) is None


@pytest.mark.parametrize(
    ("status", "header", "seconds"),
    [(429, "7", 7.0), (418, "180", 180.0), (429, None, 60.0), (418, None, 120.0), (429, "soon", 60.0)]
    + [(429, bad, 60.0) for bad in ("-1", "0", "nan", "inf", "")],
)
def test_retry_after_is_seconds_and_nonsense_is_replaced(status: int, header: str | None, seconds: float) -> None:
    headers = {} if header is None else {"retry-after": header}
    error = _binance.failure(REQUEST, reply(status, {"code": -1003}, headers))
    assert isinstance(error, RateLimited)
    assert error.retry_after == seconds


@pytest.mark.parametrize(
    ("frame", "meaning"),
    [
        ('{"result":["btcusdt@trade"],"id":1}', Listed(("btcusdt@trade",))),
        ('{"result":[],"id":1}', Listed(())),
        ('{"result":null,"id":1}', Acknowledged("1")),
        ('{"result":null,"id":"abc"}', Acknowledged("abc")),
        ('{"result":null,"id":null}', Acknowledged("")),
        (
            '{"code": 2, "msg": "Invalid request: too many parameters"}',
            Refused(2, "Invalid request: too many parameters"),
        ),
        (
            '{"error":{"code":2,"msg":"streams must be an array"},"id":5000001}',
            Refused(2, "streams must be an array", "5000001"),
        ),
        ('{"code": 0, "msg": "Unknown property","id": 7}', Refused(0, "Unknown property", "7")),
        (
            '{"id":null,"status":400,"error":{"code":-1000,"msg":"Invalid JSON request."}}',
            Refused(-1000, "Invalid JSON request."),
        ),
        ('{"e":"serverShutdown","E":1770123456789}', Closing("serverShutdown")),
        ('{"stream":"!serverShutdown","data":{"e":"serverShutdown","E":1770123456789}}', Closing("serverShutdown")),
        ('{"event":{"e":"serverShutdown","E":1770123456789}}', Closing("serverShutdown")),
        ('{"e":"listenKeyExpired","E":"1736996475556","listenKey":"W"}', Terminated("the listen key has expired")),
        ('{"e":"listenKeyExpired","E":1736996475556,"listenKey":"W"}', Terminated("the listen key has expired")),
        (
            '{"u":400900217,"s":"BNBUSDT","b":"25.3","B":"31.2","a":"25.4","A":"40.6"}',
            Ignored("bookTicker", known=True),
        ),
        ('{"stream":"x@depth5","data":{"lastUpdateId":160,"bids":[],"asks":[]}}', Ignored("partial depth", known=True)),
        ('{"stream":"!ticker@arr","data":[{"e":"24hrTicker"}]}', Ignored("!ticker@arr", known=False)),
        ('{"e":"newThing","E":1}', Ignored("newThing", known=False)),
        ("{}", Ignored("no kind", known=False)),
    ],
)
def test_what_is_not_data_is_read(frame: str, meaning: object) -> None:
    assert _binance.control(frame.encode(), known=NONE, data=NONE, show=True) == meaning


@pytest.mark.parametrize(
    "frame", [b"", b"x", b"{", b'{"e":"trade"', b"[1]", b"1", b"null", b"\xff\xfe", b"\x00", b'"text"', b"[" * 100_000]
)
def test_what_is_not_a_json_object_is_a_bad_frame(frame: bytes) -> None:
    with pytest.raises(BadFrame):
        _binance.control(frame, known=NONE, data=NONE, show=True)


def test_the_sample_of_a_bad_frame_is_bounded_and_absent_for_private_streams() -> None:
    garbage = b"garbage" * 1000
    with pytest.raises(BadFrame) as public:
        _binance.control(garbage, known=NONE, data=NONE, show=True)
    assert public.value.sample == garbage[:200].decode()
    assert len(str(public.value)) < 300
    with pytest.raises(BadFrame) as private:
        _binance.control(garbage, known=NONE, data=NONE, show=False)
    assert "garbage" not in str(private.value)


@given(st.binary(max_size=200) | st.text(max_size=200).map(lambda text: text.encode("utf-8", "replace")))
def test_no_frame_raises_anything_but_bad_frame(frame: bytes) -> None:
    with contextlib.suppress(BadFrame):
        _binance.control(frame, known=NONE, data=NONE, show=True)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["e", "data", "event", "stream", "result", "error", "code", "u", "b"])
            | st.text(max_size=3),
            inner,
            max_size=4,
        )
    ),
    max_leaves=8,
)


@given(json_values)
def test_no_json_raises_anything_but_bad_frame(value: object) -> None:
    try:
        _binance.control(json.dumps(value).encode(), known=NONE, data=NONE, show=True)
    except BadFrame:
        assert not isinstance(value, dict)


@pytest.mark.parametrize("name", ["", "BTC/USDT", "btcusdt@trade", "a&b", "a b"])
def test_what_cannot_be_a_symbol_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="not a symbol"):
        _binance.symbol(name)


@pytest.mark.parametrize("frame", ['{"result":null,"id":%s}', '{"result":[%s],"id":1}', '{"code":%s,"id":%s}'])
def test_numbers_of_any_length_are_read_or_refused(frame: str) -> None:
    for digits in (100, 4000, 5000):
        with contextlib.suppress(BadFrame):
            _binance.control(frame.replace("%s", "9" * digits).encode(), known=NONE, data=NONE, show=True)


def test_a_broken_message_of_an_own_stream_is_a_bad_frame_even_without_a_kind() -> None:
    frame = b'{"stream":"btcusdt@bookTicker","data":{"s":"BTCUSDT"}}'
    with pytest.raises(BadFrame, match="a @bookTicker message that is not one"):
        _binance.control(frame, known=NONE, data=NONE, show=True, stream="@bookTicker")


@given(st.integers(1, 10**6), st.integers(0, 350))
def test_every_symbol_is_asked_for_once_under_ids_that_follow_each_other(first_id: int, count: int) -> None:
    names = {f"S{number}": f"s{number}@trade" for number in range(count)}
    asks = _binance.asks("SUBSCRIBE", names, first_id)
    assert [ask.id for ask in asks] == [str(first_id + n) for n in range(len(asks))]
    assert [name for ask in asks for name in ask.symbols] == list(names)
    for ask in asks:
        message = json.loads(ask.text)
        assert message["method"] == "SUBSCRIBE"
        assert message["id"] == int(ask.id)
        assert message["params"] == [names[name] for name in ask.symbols]
        assert 1 <= len(ask.symbols) <= _binance.STREAMS_PER_ASK


def test_the_request_for_the_list_cannot_be_taken_for_one_that_subscribes() -> None:
    message = json.loads(_binance.list_request())
    assert message["method"] == "LIST_SUBSCRIPTIONS"
    assert message["id"] > 10**9
