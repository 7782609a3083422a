"""The sweep for secrets finds what it must: otherwise its silence says nothing."""

import base64
import binascii
import json
from urllib.parse import quote

import pytest

from ..actors.exchanges.test_signatures import PRIVATE
from .sweep import forms, found, in_headers, in_text

SECRET = "Sxyzzy+plugh/31415=="
WRITTEN = {
    "as it is": SECRET,
    "cut short": SECRET[:15],
    "percent-encoded": quote(SECRET, safe=""),
    "in JSON": json.dumps({"a": [SECRET]}),
    "as bytes": repr(SECRET.encode()),
    "hexadecimal": SECRET.encode().hex(),
    "hexadecimal, upper case": binascii.hexlify(SECRET.encode()).decode().upper(),
    **{f"base64 after {n} bytes": base64.b64encode(b"u" * n + SECRET.encode() + b"tail").decode() for n in range(7)},
    "base64 for addresses": base64.urlsafe_b64encode(b"key:" + SECRET.encode()).decode(),
}


@pytest.mark.parametrize("how", WRITTEN)
def test_a_secret_is_found_however_it_is_written(how: str) -> None:
    looks = dict.fromkeys(forms(SECRET), "the secret")

    (told,) = found(looks, {"log": "well", "status": f"before {WRITTEN[how]} after"})[:1]
    assert told.startswith("status: the secret as ")
    assert found(looks, {"log": "well", "status": "before and after"}) == []


def test_of_a_private_key_the_key_is_searched_for_and_not_its_head() -> None:
    looks = dict.fromkeys(forms(PRIVATE["ed25519"]), "the key")
    body = PRIVATE["ed25519"].replace("\\n", "\n").split("\n")[1]

    assert found(looks, {"log": f"key {body}"})
    assert found(looks, {"log": "-----BEGIN PRIVATE KEY-----"}) == []


def test_secrets_are_known_by_their_names_on_the_wire() -> None:
    login = {
        "op": "login",
        "args": [{"apiKey": "k" * 16, "passphrase": "p" * 16, "sign": "s" * 16, "timestamp": "1" * 16}],
    }

    assert {name for name, _ in in_text(json.dumps(login))} == {"apiKey", "passphrase", "sign"}
    assert [value for _, value in in_text('{"op":"auth","args":["keykeykeykey",12,"signsignsign"]}')] == [
        "keykeykeykey",
        "signsignsign",
    ]
    assert in_text("symbol=BTCUSDT&signature=abcdefabcdef") == [("signature", "abcdefabcdef")]
    assert in_text(b'{"listenKey":"listenlistenlisten"}') == [("listenKey", "listenlistenlisten")]
    headers = [("x-bapi-api-key", "k" * 16), ("ok-access-passphrase", "p" * 16), ("x-mbx-apikey", "m" * 16)]
    assert in_headers([*headers, ("accept", "application/json"), ("kc-api-timestamp", "1790000000000")]) == headers
