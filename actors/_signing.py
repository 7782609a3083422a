"""Signatures of private requests: HMAC, RSA and Ed25519. The only file that imports the cryptography library.

Which of the three is meant is told by the secret itself: a private key is text in PEM, everything else is a secret that is
shared with the venue. All three are deterministic: the same text gives the same signature.
"""

from __future__ import annotations

import base64
import binascii
import functools
import hashlib
import hmac
from typing import Final, Literal, TypeAlias

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey

from ._errors import SecretMissing

Digest: TypeAlias = Literal["sha256", "sha512"]
KeyKind: TypeAlias = Literal["hmac", "rsa", "ed25519"]

_PEM: Final = "-----BEGIN "
_KEYS_KEPT: Final = 8
"""Private keys that stay read: checking the numbers of an RSA key takes as long as hundreds of signatures."""


def hmac_hex(secret: str, payload: str, digest: Digest = "sha256") -> str:
    """Return the HMAC of a text as lower-case hexadecimal digits."""
    return _hmac(secret, payload, digest).hex()


def hmac_base64(secret: str, payload: str, digest: Digest = "sha256") -> str:
    """Return the HMAC of a text in base64."""
    return base64.b64encode(_hmac(secret, payload, digest)).decode()


def key_kind(secret: str) -> KeyKind:
    """Return what kind of key a secret is.

    Args:
        secret: As `Secret.reveal` gives it.

    Raises:
        SecretMissing: It is a key in PEM, and no RSA or Ed25519 key that can be read. The message shows nothing of it.
    """
    if not _is_pem(secret):
        return "hmac"
    return "rsa" if isinstance(_private_key(secret), RSAPrivateKey) else "ed25519"


def sign(secret: str, payload: str) -> str:
    """Sign a text with whatever key the secret is.

    Returns:
        With a shared secret HMAC-SHA256 as hexadecimal digits; with an RSA key PKCS#1 v1.5 over SHA-256, with an Ed25519
        key its signature, both in base64 (Binance, web-socket-api.md and rest-api.md, 2026-07-21; Bybit, guide.mdx,
        2026-07-24, for HMAC and RSA).

    Raises:
        SecretMissing: As of `key_kind`.
    """
    if not _is_pem(secret):
        return hmac_hex(secret, payload)
    key, data = _private_key(secret), payload.encode()
    made = key.sign(data, PKCS1v15(), hashes.SHA256()) if isinstance(key, RSAPrivateKey) else key.sign(data)
    return base64.b64encode(made).decode()


def verify(key: str, payload: str, signature: str) -> bool:
    """Say whether a signature is that of a text: the venue's side of `sign`.

    Args:
        key: The shared secret, or the public key in PEM; the private one serves too, where a test has nothing else.
        payload: What must have been signed.
        signature: As `sign` gives it; any text whatever.

    Raises:
        SecretMissing: The key is PEM, and no RSA or Ed25519 key that can be read.
    """
    if not _is_pem(key):
        # Of text compare_digest takes only ASCII.
        return hmac.compare_digest(hmac_hex(key, payload).encode(), signature.encode("utf-8", "replace"))
    public = _public_key(key)
    try:
        made = base64.b64decode(signature, validate=True)
        if isinstance(public, RSAPublicKey):
            public.verify(made, payload.encode(), PKCS1v15(), hashes.SHA256())
        else:
            public.verify(made, payload.encode())
    except (InvalidSignature, binascii.Error, ValueError):
        return False
    return True


def _hmac(secret: str, payload: str, digest: Digest) -> bytes:
    return hmac.new(
        secret.encode(), payload.encode(), hashlib.sha256 if digest == "sha256" else hashlib.sha512
    ).digest()


def _is_pem(text: str) -> bool:
    return text.lstrip().startswith(_PEM)


@functools.lru_cache(maxsize=_KEYS_KEPT)
def _private_key(text: str) -> RSAPrivateKey | Ed25519PrivateKey:
    try:
        key = serialization.load_pem_private_key(_pem(text), password=None)
    except TypeError:
        raise SecretMissing("the secret is a private key that is locked with a password: unlock it first") from None
    except (ValueError, UnsupportedAlgorithm):
        # Not chained: what the library says about it may quote it.
        raise SecretMissing("the secret looks like a private key (PEM), and cannot be read as one") from None
    if not isinstance(key, (RSAPrivateKey, Ed25519PrivateKey)):
        raise SecretMissing("the secret is a private key, and neither RSA nor Ed25519")
    return key


def _public_key(text: str) -> RSAPublicKey | Ed25519PublicKey:
    if "PRIVATE KEY" in text.partition("\n")[0]:
        return _private_key(text).public_key()
    try:
        key = serialization.load_pem_public_key(_pem(text))
    except (ValueError, UnsupportedAlgorithm):
        raise SecretMissing("the public key (PEM) cannot be read") from None
    if not isinstance(key, (RSAPublicKey, Ed25519PublicKey)):
        raise SecretMissing("the public key is neither RSA nor Ed25519")
    return key


def _pem(text: str) -> bytes:
    # Environment files keep a key on one line, with the two characters \n where lines end.
    return text.strip().replace("\\n", "\n").encode()
