"""Every worked signature of the venues' documentation, and what else a signature must do."""

import base64
import contextlib
import hashlib
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from hypothesis import given, settings
from hypothesis import strategies as st

from actors import SecretMissing
from actors._signing import hmac_base64, hmac_hex, key_kind, sign, verify

BINANCE = "NhqPtmdSJYdKjVHjA7PZj4Mge3R5YNiP1e3UZjInClVN65XAbvqqM6A7H5fATj0j"
BINANCE_KEY = "vmPUZE6mv9SD5VNHk4HlWFsOr6aKE2zvsw0MuIgwCIPy6utIco14y7Ju91duEh8A"
ED25519 = (
    "-----BEGIN PRIVATE KEY-----\n"
    "MC4CAQAwBQYDK2VwBCIEIIJEYWtGBrhACmb9Dvy+qa8WEf0lQOl1s4CLIAB9m89u\n"
    "-----END PRIVATE KEY-----"
)
"""The only private key that a venue has published with a signature made by it (Binance, fix-api.md)."""

LATER = "timeInForce=GTC&timestamp=1645423376532&type=LIMIT"
OF_REST = "type=LIMIT&timeInForce=GTC&quantity=1&price=0.1&recvWindow=5000&timestamp=1499827319559"

# Where it stands, what is signed, the secret, and the signature.
SIGNED = {
    "Binance web-socket-api.md": (
        f"apiKey={BINANCE_KEY}&price=52000.00&quantity=0.01000000&recvWindow=100&side=SELL&symbol=BTCUSDT&{LATER}",
        BINANCE,
        "aa1b5712c094bc4e57c05a1a5c1fd8d88dcd628338ea863fec7b88e59fe2db24",
    ),
    "Binance web-socket-api.md, not ASCII": (
        f"apiKey={BINANCE_KEY}&price=0.10000000&quantity=1.00000000&recvWindow=5000&side=BUY&symbol=１２３４５６&{LATER}",  # noqa: RUF001 - those digits
        BINANCE,
        "b33892ae8e687c939f4468c6268ddd4c40ac1af18ad19a064864c47bae0752cd",
    ),
    "Binance rest-api.md": (
        f"symbol=LTCBTC&side=BUY&{OF_REST}",
        BINANCE,
        "c8db56825ae71d6d79447849e617115f4a920fa2acdcab2b053c4b2838bd6b71",
    ),
    "Binance rest-api.md, not ASCII": (
        f"symbol=%EF%BC%91%EF%BC%92%EF%BC%93%EF%BC%94%EF%BC%95%EF%BC%96&side=BUY&{OF_REST}",
        BINANCE,
        "e1353ec6b14d888f1164ae9af8228a3dbd508bc82eb867db8ab6046442f33ef3",
    ),
    "Binance fix-api.md, Ed25519": (
        "A\x01EXAMPLE\x01SPOT\x011\x0120240627-11:17:25.223",
        ED25519,
        "4MHXelVVcpkdwuLbl6n73HQUXUf1dse2PCgT1DYqW9w8AVZ1RACFGM+5UdlGPrQHrgtS3CvsRURC1oj73j8gCA==",
    ),
    "Binance session.logon, Ed25519, made with openssl": (
        f"apiKey={BINANCE_KEY}&timestamp=1649729878532",
        ED25519,
        "PdyZthZkWH6iRM43rd8+UBP8CPxkW5TJq6Wxsjy8vl5St2O54RDvgGcqRWskW7xWLdftHLxCKA0PDzjLt26eDg==",
    ),
    "Bybit, login": (
        "GET/realtime1700000000000",
        "test_secret",
        "bacffe7500499eb829bb58c45d36d1b3e5ac67c14eaeba91df5e99ccee013925",
    ),
    "Bybit, GET": (
        "1700000000000test_api_key5000category=linear&symbol=BTCUSDT",
        "test_secret",
        "fd4f31228a46109dc6673062328693696df9a96c7ff04e6491a45e7f63a0fdd7",
    ),
    "Bybit, POST": (
        '1700000000000test_api_key5000{"category": "linear", "symbol": "BTCUSDT", "orderLinkId": "test-order-1"}',
        "test_secret",
        "2df4a0603d69c08d5dea29ba85b46eb7db64ce9e9ebd34a7802a3d69700cb2a1",
    ),
}

# The same, in base64.
IN_BASE64 = {
    "OKX, REST": (
        "2020-12-08T09:08:57.715ZGET/api/v5/account/balance",
        "chNOOS4KvNXR_Xq4k4c9qsfoKWvnDecLATCRlcBwyKDYnWgO",
        "PJ61e1nb2F2Qd7D8SPiaIcx2gjdELc+o0ygzre9z33k=",
    ),
    "OKX, login": (
        "1538054050GET/users/self/verify",
        "chNOOS4KvNXR_Xq4k4c9qsfoKWvnDecLATCRlcBwyKDYnWgO",
        "ENpPNQ8mQv8YzDMPhBsB4SrjaKK+FaEh2nozTRW6KU0=",
    ),
    "OKX, login, the guide's secret": (
        "1538054050GET/users/self/verify",
        "22582BD0CFF14C41EDBF1AB98506286D",
        "+LdIr8lkkvhr5hoA3g9TMC0+uQJ849ftAcocA/ouu4M=",
    ),
}


@pytest.mark.parametrize("where", IN_BASE64)
def test_the_worked_signatures_in_base64_come_out(where: str) -> None:
    payload, secret, signature = IN_BASE64[where]

    assert hmac_base64(secret, payload) == signature


@pytest.mark.parametrize("where", SIGNED)
def test_the_worked_signatures_come_out(where: str) -> None:
    payload, secret, signature = SIGNED[where]

    assert sign(secret, payload) == signature
    assert verify(secret, payload, signature)
    assert not verify(secret, payload + " ", signature)


EMPTY_SHA512 = "cf83e1357eefb8bdf1542850d66d8007d620e4050b5715dc83f4a921d36ce9ce47d0d13c5d85f2b0ff8318d2877eec2f63b931bd47417a81a538327af927da3e"
OF_A_POST = b'{"contract":"BTC_USD","type":"limit","size":100,"price":6800,"time_in_force":"gtc"}'

# What is signed, the secret, and the signature, of the venues that know nothing but HMAC.
KUCOIN_SIGNED = {
    "a request": (
        "1000000POST/api/v1/bullet-private",
        "testSecretKey",
        "fxtXmya3tsMgLdPkYv4okhvUP0ji6oENC1432UB/G9k=",
    ),
    "the passphrase": ("testPassphrase", "testSecretKey", "xehUYLvk352f1MFa4K1rY0qecEpYipPd35wjr8c8PpE="),
}
GATE_SIGNED = {
    "a subscription": (
        "channel=spot.orders&event=subscribe&time=1611541000",
        "secret",
        "833a44bb4cd083e47bc1fec22b5c12e8b98c30fc7a9f4a1e52800dcfdff9a57240d7c10f1e9553dee020011fa5d02cdc7d1155a380cc4dcbd45f8fb525e41f4b",
    ),
    "a question of the guide": (
        f"GET\n/api/v4/futures/orders\ncontract=BTC_USD&status=finished&limit=50\n{EMPTY_SHA512}\n1541993715",
        "secret",
        "55f84ea195d6fe57ce62464daaa7c3c02fa9d1dde954e4c898289c9a2407a3d6fb3faf24deff16790d726b66ac9f74526668b13bd01029199cc4fcc522418b8a",
    ),
    "an order of the guide": (
        f"POST\n/api/v4/futures/orders\n\n{hashlib.sha512(OF_A_POST).hexdigest()}\n1541993715",
        "secret",
        "eae42da914a590ddf727473aff25fc87d50b64783941061f47a3fdb92742541fc4c2c14017581b4199a1418d54471c269c03a38d788d802e2c306c37636389f0",
    ),
}


@pytest.mark.parametrize("what", KUCOIN_SIGNED)
def test_kucoin_signs_in_base64_with_sha_256(what: str) -> None:
    payload, secret, signature = KUCOIN_SIGNED[what]

    assert hmac_base64(secret, payload) == signature


@pytest.mark.parametrize("what", GATE_SIGNED)
def test_gate_signs_in_hexadecimal_digits_with_sha_512(what: str) -> None:
    payload, secret, signature = GATE_SIGNED[what]

    assert hmac_hex(secret, payload, "sha512") == signature


def pem_of(key: Any, form: str = "PKCS8", password: bytes | None = None) -> str:
    locked = serialization.BestAvailableEncryption(password) if password else serialization.NoEncryption()
    form_of_key = getattr(serialization.PrivateFormat, form)
    return str(key.private_bytes(serialization.Encoding.PEM, form_of_key, locked).decode())


def public_pem_of(key: Any) -> str:
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    return str(key.public_key().public_bytes(serialization.Encoding.PEM, form).decode())


RSA = rsa.generate_private_key(65537, 2048)
OTHER_RSA = rsa.generate_private_key(65537, 2048)
ED = ed25519.Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
OTHER_ED = ed25519.Ed25519PrivateKey.from_private_bytes(bytes(32))
PRIVATE = {
    "hmac": "a shared secret",
    "rsa": pem_of(RSA),
    "rsa of openssl genrsa -traditional": pem_of(RSA, "TraditionalOpenSSL"),
    "ed25519": pem_of(ED),
}


@pytest.mark.parametrize("name", PRIVATE)
def test_the_kind_of_a_key_is_told_by_its_text(name: str) -> None:
    assert key_kind(PRIVATE[name]) == name.split(maxsplit=1)[0]
    assert key_kind(f"\n {PRIVATE[name]} \n") == name.split(maxsplit=1)[0]


def test_a_key_on_one_line_of_an_environment_file_is_read() -> None:
    payload, secret, signature = SIGNED["Binance fix-api.md, Ed25519"]

    assert sign(secret.replace("\n", "\\n"), payload) == signature


def test_rsa_is_pkcs_1_over_sha_256_in_base64() -> None:
    made = base64.b64decode(sign(PRIVATE["rsa"], "symbol=BTCUSDT"), validate=True)

    # Raises where it is anything else.
    RSA.public_key().verify(made, b"symbol=BTCUSDT", padding.PKCS1v15(), hashes.SHA256())


@settings(max_examples=25)
@given(st.text(max_size=50), st.text(max_size=50))
def test_a_signature_fits_its_own_text_and_no_other(payload: str, other: str) -> None:
    pairs = {
        PRIVATE["hmac"]: PRIVATE["hmac"],
        PRIVATE["rsa"]: public_pem_of(RSA),
        PRIVATE["ed25519"]: public_pem_of(ED),
    }
    with contextlib.suppress(UnicodeEncodeError):
        for secret, public in pairs.items():
            made = sign(secret, payload)
            assert verify(public, payload, made)
            assert verify(secret, payload, made)
            assert verify(public, other, made) == (other == payload)


@pytest.mark.parametrize(
    ("public", "private"),
    [
        ("another secret", PRIVATE["hmac"]),
        (public_pem_of(OTHER_RSA), PRIVATE["rsa"]),
        (public_pem_of(OTHER_ED), PRIVATE["ed25519"]),
        (public_pem_of(ED), PRIVATE["rsa"]),
        (public_pem_of(RSA), PRIVATE["hmac"]),
    ],
)
def test_another_keys_signature_is_refused(public: str, private: str) -> None:
    assert not verify(public, "text", sign(private, "text"))


@given(st.text(max_size=100))
def test_no_text_is_taken_for_a_signature_and_none_breaks_the_check(signature: str) -> None:
    for key in (PRIVATE["hmac"], public_pem_of(ED)):
        assert not verify(key, "text", signature)


@pytest.mark.parametrize(
    ("pem", "message"),
    [
        (pem_of(RSA, password=b"let me in"), "locked with a password"),
        (pem_of(ec.generate_private_key(ec.SECP256R1())), "neither RSA nor Ed25519"),
        (pem_of(ED).replace("MC4C", "MC4D"), "cannot be read"),
        (pem_of(RSA)[:300], "cannot be read"),
        ("-----BEGIN PRIVATE KEY-----\nhunter2\n-----END PRIVATE KEY-----", "cannot be read"),
        (public_pem_of(RSA), "cannot be read"),
    ],
)
def test_a_key_that_cannot_sign_is_a_clear_error_that_shows_nothing_of_it(pem: str, message: str) -> None:
    with pytest.raises(SecretMissing, match=message) as caught:
        sign(pem, "text")

    lines = [line for line in pem.splitlines() if line and not line.startswith("-----")]
    for shown in (str(caught.value), repr(caught.value)):
        assert not [line for line in lines if line in shown]
    # Nor does a traceback: the library's own words are left out.
    assert caught.value.__suppress_context__ or caught.value.__context__ is None


def test_the_same_hash_in_both_spellings() -> None:
    for digest in ("sha256", "sha512"):
        assert base64.b64decode(hmac_base64("s", "p", digest)) == bytes.fromhex(hmac_hex("s", "p", digest))
