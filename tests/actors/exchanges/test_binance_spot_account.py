"""Binance spot and margin accounts: what is said on the WebSocket API, and what is understood of it."""

import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors._account_source import Credentials, Question
from actors._errors import BadFrame, SecretMissing
from actors._records import Fill, OrderUpdate
from actors._secret import Secret
from actors._signing import sign
from actors._source import Acknowledged, Closing, Decoded, Denied, Ignored, Refused, Terminated
from actors.exchanges._binance_spot_account import MarginAccount, SpotAccount

from .binance_spot_accounts import CROSS, ED, HMAC, ISOLATED, NOW, RSA, SPOT
from .test_signatures import BINANCE, BINANCE_KEY, ED25519

# user-data-stream.md, 2026-07-21
NEW = (
    b'{"subscriptionId":0,"event":{"e":"executionReport","E":1499405658658,"s":"ETHBTC","c":"mUvoqJxFIILMdfAW5iGSOW",'
    b'"S":"BUY","o":"LIMIT","f":"GTC","q":"1.00000000","p":"0.10264410","P":"0.00000000","F":"0.00000000","g":-1,"C":"",'
    b'"x":"NEW","X":"NEW","r":"NONE","i":4293153,"l":"0.00000000","z":"0.00000000","L":"0.00000000","n":"0","N":null,'
    b'"T":1499405658657,"t":-1,"v":3,"I":8641984,"w":true,"m":false,"M":false,"O":1499405658657,"Z":"0.00000000",'
    b'"Y":"0.00000000","Q":"0.00000000","W":1499405658657,"V":"NONE"}}'
)


def report(**changes: Any) -> bytes:
    message = json.loads(NEW)
    message["event"] |= changes
    return json.dumps(message).encode()


FILL = report(x="TRADE", X="PARTIALLY_FILLED", l="0.25", z="0.25", L="0.1", n="0.001", N="BNB", t=77, m=True, T=5)
CANCEL = report(x="CANCELED", X="CANCELED", c="of the request", C="mUvoqJxFIILMdfAW5iGSOW")
OTHERS = {
    "outboundAccountPosition": b'{"subscriptionId":0,"event":{"e":"outboundAccountPosition","E":1564034571105,"u":1564034571073,"B":[{"a":"ETH","f":"10000.000000","l":"0.000000"}]}}',
    "balanceUpdate": b'{"subscriptionId":0,"event":{"e":"balanceUpdate","E":1573200697110,"a":"BTC","d":"100.00000000","T":1573200697068}}',
    "listStatus": b'{"subscriptionId":0,"event":{"e":"listStatus","E":1564035303637,"s":"ETHBTC","g":2,"c":"OCO","l":"EXEC_STARTED","L":"EXECUTING","r":"NONE","C":"F4QN4G8DlFATFlIUQ0cjdD","T":1564035303625,"O":[{"s":"ETHBTC","i":17,"c":"AJYsMjErWJesZvqlJCTUgL"}]}}',
    "externalLockUpdate": b'{"subscriptionId":0,"event":{"e":"externalLockUpdate","E":1581557507324,"a":"NEO","d":"10.00000000","T":1581557507268}}',
}


def read(*frames: bytes) -> Decoded:
    return SPOT.decode_many(frames, 9)


def one(frame: bytes) -> OrderUpdate:
    (update,) = read(frame).items
    assert isinstance(update, OrderUpdate)
    return update


# Events ------------------------------------------------------------------------------------------------------------


def test_the_documented_report_of_a_new_order_is_read() -> None:
    assert one(NEW) == OrderUpdate(
        venue="binance",
        account="main",
        symbol="ETHBTC",
        order_id=4293153,
        client_id="mUvoqJxFIILMdfAW5iGSOW",
        side="buy",
        type="LIMIT",
        status="new",
        price=Decimal("0.10264410"),
        quantity=Decimal(1),
        filled=Decimal(0),
        fill=None,
        time=1499405658657,
        source="stream",
        received=9,
    )
    assert one(NEW).raw == NEW


def test_an_execution_brings_its_fill() -> None:
    update = one(FILL)

    assert (update.status, update.filled) == ("partially_filled", Decimal("0.25"))
    assert update.fill == Fill(
        symbol="ETHBTC",
        order_id=4293153,
        id=77,
        price=Decimal("0.1"),
        quantity=Decimal("0.25"),
        side="buy",
        maker=True,
        commission=Decimal("0.001"),
        commission_asset="BNB",
        time=5,
    )


def test_a_cancelled_order_keeps_its_own_client_id() -> None:
    assert one(CANCEL).client_id == "mUvoqJxFIILMdfAW5iGSOW"
    assert one(CANCEL).status == "canceled"
    assert one(CANCEL).fill is None


@pytest.mark.parametrize(
    ("status", "meaning"),
    [
        ("NEW", "new"),
        ("PENDING_NEW", "new"),
        ("PARTIALLY_FILLED", "partially_filled"),
        ("FILLED", "filled"),
        ("CANCELED", "canceled"),
        ("REJECTED", "rejected"),
        ("EXPIRED", "expired"),
        ("EXPIRED_IN_MATCH", "expired"),
    ],
)
def test_each_status_has_its_common_word(status: str, meaning: str) -> None:
    assert one(report(X=status)).status == meaning


@pytest.mark.parametrize("kind", OTHERS)
def test_other_documented_events_are_known_and_not_used(kind: str) -> None:
    assert read(OTHERS[kind]).controls == [Ignored(kind, known=True)]


@pytest.mark.parametrize(
    ("frame", "meaning"),
    [
        ('{"subscriptionId":0,"event":{"e":"eventStreamTerminated","E":1728973001334}}', Terminated("eventStreamTerminated")),
        ('{"event":{"e":"serverShutdown","E":1770123456789}}', Closing("serverShutdown")),
        ('{"event":{"e":"newThing","E":1}}', Ignored("newThing", known=False)),
        ('{"id":"3","status":200,"result":{"subscriptionId":0}}', Acknowledged("3")),
        ('{"id":3,"status":200,"result":{"subscriptionId":0,"expirationTime":1749094553955907}}', Acknowledged("3")),
        ('{"id":"status-4","status":200,"result":{"apiKey":"vmPU","userDataStream":true}}', Acknowledged("status-4")),
        (
            '{"id":"status-4","status":200,"result":{"apiKey":null,"userDataStream":false}}',
            Denied(-2015, "the session is no longer authorised"),
        ),
        ('{"id":"subscriptions-5","status":200,"result":[{"subscriptionId":0}]}', Acknowledged("subscriptions-5")),
        (
            '{"id":"subscriptions-5","status":200,"result":[]}',
            Terminated("the venue lists no subscription of this connection any more"),
        ),
        ('{"id":"key-6","status":200,"result":[]}', Acknowledged("key-6")),
        (
            '{"id":null,"status":401,"error":{"code":-2015,"msg":"Invalid API-key, IP, or permissions for action."}}',
            Denied(-2015, "Invalid API-key, IP, or permissions for action."),
        ),
        (
            '{"id":"1","status":400,"error":{"code":-1022,"msg":"Signature for this request is not valid."}}',
            Denied(-1022, "Signature for this request is not valid."),
        ),
        (
            '{"id":"1","status":400,"error":{"code":-1021,"msg":"Timestamp for this request is outside of the recvWindow."}}',
            Refused(-1021, "Timestamp for this request is outside of the recvWindow.", "1", clock_off=True),
        ),
        ('{"id":"1","status":400,"error":{"code":-1209,"msg":"Invalid listenToken."}}', Terminated("the listen token is not valid")),
        (
            '{"id":"1","status":418,"error":{"code":-1003,"msg":"IP banned.","data":{"serverTime":1659142907531,"retryAfter":1659146400000}}}',
            Refused(-1003, "IP banned.", "1", retry_after=3492.469),
        ),
        ('{"id":"1","status":503,"error":{"code":-1008,"msg":"busy"}}', Refused(-1008, "busy", "1")),
        ('{"id":null,"status":400,"error":{"code":-1000,"msg":"Invalid JSON request."}}', Refused(-1000, "Invalid JSON request.")),
        ('{"id":"1","status":400,"error":{}}', Refused(0, "", "1")),
        ("{}", Ignored("no kind", known=False)),
    ],
)  # fmt: skip
def test_what_is_not_an_order_is_read(frame: str, meaning: object) -> None:
    assert read(frame.encode()).controls == [meaning]


@pytest.mark.parametrize(
    "bad",
    [
        b"",
        b"[1]",
        b"null",
        b"\xff\xfe",
        b"[" * 100_000,
        NEW[:-5],
        report(q="NaN"),
        report(S="UP"),
        report(X="ODD"),
        report(i="x"),
        report(T=None),
    ],
)
def test_what_cannot_be_read_is_a_bad_frame_that_shows_nothing(bad: bytes) -> None:
    decoded = read(NEW, bad, NEW)

    assert len(decoded.items) == 1
    assert isinstance(decoded.error, BadFrame)
    assert decoded.error.sample == ""
    assert "ETHBTC" not in str(decoded.error)


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.text(max_size=5)
    | st.sampled_from(["NaN", "1e999999999", "status-1"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["e", "event", "id", "status", "result", "error", "code", "data", "retryAfter", "serverTime"]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=8,
)


@st.composite
def mangled(draw: st.DrawFn) -> bytes:
    message = json.loads(draw(st.sampled_from([NEW, FILL, CANCEL])))
    message["event"][draw(st.sampled_from(sorted(message["event"])))] = draw(json_values)
    return json.dumps(message).encode()


@given(
    st.lists(st.binary(max_size=60) | json_values.map(lambda value: json.dumps(value).encode()) | mangled(), max_size=5)
)
def test_no_bytes_make_reading_raise(frames: list[bytes]) -> None:
    decoded = read(*frames)

    assert len(decoded.items) + len(decoded.controls) + (decoded.error is not None) <= len(frames)
    for update in decoded.items:
        assert update.quantity.is_finite()
        repr(update)


# What is said on the connection --------------------------------------------------------------------------------------


def said(source: SpotAccount | MarginAccount, key: str = "") -> list[dict[str, Any]]:
    phases: list[Any] = []
    while (asks := source.phase(len(phases), NOW, key, 10 + len(phases))) is not None:
        (ask,) = asks
        message = json.loads(ask.text)
        assert message["id"] == ask.id == str(10 + len(phases))
        phases.append(message)
    return phases


@pytest.mark.parametrize("credentials", [HMAC, RSA], ids=["hmac", "rsa"])
def test_a_shared_secret_or_rsa_key_subscribes_with_one_signed_request(credentials: Credentials) -> None:
    (message,) = said(SpotAccount("main", credentials))

    assert message["method"] == "userDataStream.subscribe.signature"
    parameters = message["params"]
    # By name, and with the API key among what is signed: not as in REST.
    payload = f"apiKey={BINANCE_KEY}&recvWindow=5000&timestamp={NOW}"
    assert parameters.pop("signature") == sign(credentials.secret.reveal(), payload)
    assert parameters == {"apiKey": BINANCE_KEY, "recvWindow": 5000, "timestamp": NOW}


def test_an_ed25519_key_logs_on_before_it_subscribes() -> None:
    logon, subscribe = said(SpotAccount("main", ED))

    assert (logon["method"], subscribe["method"]) == ("session.logon", "userDataStream.subscribe")
    assert logon["params"]["signature"] == sign(ED25519, f"apiKey={BINANCE_KEY}&recvWindow=5000&timestamp={NOW}")
    assert "params" not in subscribe


def test_margin_subscribes_with_its_token_alone() -> None:
    assert said(CROSS, "6xXx+pY/") == [
        {"id": "10", "method": "userDataStream.subscribe.listenToken", "params": {"listenToken": "6xXx+pY/"}}
    ]


def test_each_kind_of_key_is_probed_for_what_it_can_lose() -> None:
    def methods(source: SpotAccount | MarginAccount) -> list[str]:
        asks = [source.probe(NOW, number) for number in (1, 2, 3, 4)]
        assert len({ask.id for ask in asks if ask is not None}) == 4
        return [json.loads(ask.text)["method"] for ask in asks if ask is not None]

    assert methods(SpotAccount("main", ED)) == ["session.subscriptions", "session.status"] * 2
    # Without a logon there is no session to ask about: a signed request must tell whether the key still counts.
    assert methods(SPOT) == ["session.subscriptions", "openOrderLists.status"] * 2
    assert methods(CROSS) == ["session.subscriptions"] * 4


def test_where_it_connects() -> None:
    door = SPOT.door("wss://ws-api.binance.com:443", None, "")

    assert door.url == "wss://ws-api.binance.com:443/ws-api/v3"
    assert SPOT.door_question() is None


@pytest.mark.parametrize("source", [SPOT, SpotAccount("main", ED), CROSS, ISOLATED], ids=repr)
def test_nothing_shows_key_secret_or_signature(source: SpotAccount | MarginAccount) -> None:
    request = source.request(Question("GET", "/api/v3/order", (("symbol", "BTCUSDT"),)), NOW)
    shown = [repr(source), repr(request), str(request), repr(source.door("wss://x", None, "token"))]

    for text in shown:
        assert BINANCE_KEY not in text
        assert BINANCE not in text
        assert "signature" not in text


def test_a_missing_or_broken_key_is_told_when_it_is_needed() -> None:
    absent = Credentials(Secret.env("NO_SUCH_VARIABLE_HERE"), Secret.literal("s"))
    broken = Credentials(
        Secret.literal("k"), Secret.literal("-----BEGIN PRIVATE KEY-----\nx\n-----END PRIVATE KEY-----")
    )
    for credentials in (absent, broken):
        with pytest.raises(SecretMissing):
            SpotAccount("main", credentials).phase(0, NOW, "", 1)
