"""Signed REST requests of all Binance products.

Source: binance-spot-api-docs rest-api.md, "SIGNED endpoint security", 2026-07-21: query and body are signed together, as they
are sent, percent-encoded first (mandatory since 2026-01-15); a signature in base64 is percent-encoded again.
"""

from __future__ import annotations

from urllib.parse import quote, urlencode

from .._account_source import Credentials, Question
from .._signing import sign
from .._source import HttpRequest
from . import _binance


def request(question: Question, credentials: Credentials, now: int, window: int) -> HttpRequest:
    """Return the request for a question.

    Args:
        question: What is asked. What is not signed and changes something is about a listen key, and carries the API
            key; what is not signed and asks is public, and carries nothing.
        credentials: HMAC, RSA or Ed25519.
        now: The venue's time, milliseconds.
        window: How old the request may be when the venue gets it, milliseconds; at most 60000.

    Raises:
        SecretMissing: A credential cannot be read.
    """
    parameters = [*question.parameters]
    query = urlencode(parameters)
    if question.signed:
        query = urlencode([*parameters, ("recvWindow", window), ("timestamp", now)])
        made = sign(credentials.secret.reveal(), query)
        query = f"{query}&signature={quote(made, safe='')}"
    public = not question.signed and question.method == "GET"
    headers = () if public else _binance.with_key(credentials.key)
    return HttpRequest(question.method, question.path, query, headers, question.weight, question.content)
