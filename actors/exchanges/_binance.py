"""What Binance's spot and futures protocols share: error codes, acknowledgements, envelopes.

Sources: binance-spot-api-docs rest-api.md, errors.md and web-socket-streams.md, 2026-07-21; the USD-M pages of
developers.binance.com, 2026-05-28. Both products answer with the same shapes and codes.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import urlencode

import msgspec

from .._errors import (
    BadFrame,
    ClockOff,
    HttpFailure,
    KeyGone,
    NoSuchOrder,
    RateLimited,
    Unauthorized,
    UnknownOutcome,
)
from .._secret import Secret
from .._source import (
    Acknowledged,
    Ask,
    Closing,
    Control,
    Frame,
    HttpReply,
    HttpRequest,
    Ignored,
    Listed,
    Refused,
    Terminated,
)
from ._decode import UNREADABLE, text

UNAUTHORIZED: Final = frozenset({-1022, -2014, -2015})
"""Bad signature, bad format of the API key, rejected key or IP or permission (errors.md)."""
UNKNOWN_OUTCOME: Final = frozenset({-1006, -1007})
"""Unexpected response, timeout: "execution status unknown" (errors.md)."""
TOO_MANY_REQUESTS: Final = -1003
INVALID_TIMESTAMP: Final = -1021
INVALID_LISTEN_KEY: Final = -1125
NO_SUCH_ORDER: Final = -2013
_MEANING: Final[dict[int, type[HttpFailure]]] = {
    INVALID_TIMESTAMP: ClockOff,
    INVALID_LISTEN_KEY: KeyGone,
    NO_SUCH_ORDER: NoSuchOrder,
}
NO_SUCH_SYMBOL: Final = frozenset({-1100, -1121})
"""Illegal characters in a parameter, of which only the symbol can have any; invalid symbol."""

_DEFAULT_WAIT: Final = {429: 60.0, 418: 120.0}
"""Seconds, where the answer has no Retry-After: a weight interval, and the shortest ban (rest-api.md)."""
_LIST_ID: Final = 2**31 - 1
"""Apart from the ids of requests that subscribe."""
STREAMS_PER_ASK: Final = 100
"""Binance states no limit for one request. This many names stay below 4 KB."""
STREAMS: Final = 1024
"""Most streams on one connection, of spot and of USD-M."""
LIFETIME: Final = 24 * 3600.0
"""Seconds that a connection is valid, of spot and of USD-M."""
ATTEMPTS: Final = 250
"""Connections in `ATTEMPTS_WITHIN`: spot allows an address 300 (web-socket-streams.md), and other programs may share it.
For USD-M nothing is stated."""
ATTEMPTS_WITHIN: Final = 300.0
"""Seconds."""
PING_EVERY: Final = 15.0
"""Seconds between pings. Spot pings every 20 s by itself, USD-M only every 3 minutes."""


class _ErrorBody(msgspec.Struct, frozen=True):
    code: int | None = None
    msg: str = ""


_error_body = msgspec.json.Decoder(_ErrorBody)
_anything = msgspec.json.Decoder()
_encode = msgspec.json.Encoder().encode


def symbol(name: str) -> str:
    """Return a symbol as REST and the records have it: upper case."""
    # It becomes part of addresses; delivery contracts (BTCUSDT_260327) have an underscore.
    if not name.replace("_", "").isalnum():
        raise ValueError(f"not a symbol: {name!r}")
    return name.upper()


def query(parameters: Mapping[str, str | int]) -> str:
    """Percent-encode parameters in their order."""
    return urlencode({name: str(value) for name, value in parameters.items()})


def with_key(key: Secret) -> tuple[tuple[str, str], ...]:
    """Return the header that carries the API key.

    Raises:
        SecretMissing: The key cannot be read.
    """
    return (("X-MBX-APIKEY", key.reveal()),)


def failure(request: HttpRequest, reply: HttpReply) -> HttpFailure | None:
    """Return the error that a reply means, or None for success."""
    if 200 <= reply.status < 300:
        return None
    try:
        body = _error_body.decode(reply.body)
    except UNREADABLE:
        # Proxies and the WAF answer in HTML.
        body = _ErrorBody()
    where, status, code = str(request), reply.status, body.code
    reason = body.msg[:200] or "no explanation"
    if status in (418, 429) or code == TOO_MANY_REQUESTS:
        wait = retry_after(reply.headers.get("retry-after"), _DEFAULT_WAIT.get(status, 60.0))
        return RateLimited(where, reason, retry_after=wait, status=status, code=code)
    if status == 401 or code in UNAUTHORIZED:
        return Unauthorized(where, reason, status=status, code=code)
    if status >= 500 or code in UNKNOWN_OUTCOME:
        return UnknownOutcome(where, reason, status=status, code=code)
    meaning = _MEANING.get(code, HttpFailure) if code is not None else HttpFailure
    return meaning(where, reason, status=status, code=code)


def retry_after(text: str | None, default: float) -> float:
    """Read a Retry-After header, which Binance's REST gives in seconds."""
    try:
        seconds = float(text or "")
    except ValueError:
        return default
    # NaN compares false with everything, and so falls out here too.
    return seconds if 0 < seconds < float("inf") else default


def asks(method: str, names: Mapping[str, str], first_id: int) -> list[Ask]:
    """Return the requests that change what is subscribed (web-socket-streams.md).

    Args:
        method: ``SUBSCRIBE`` or ``UNSUBSCRIBE``.
        names: Stream by symbol.
        first_id: Of the first request; the others follow.
    """
    made: list[Ask] = []
    symbols = list(names)
    for start in range(0, len(symbols), STREAMS_PER_ASK):
        part = symbols[start : start + STREAMS_PER_ASK]
        number = first_id + len(made)
        frame = _encode({"method": method, "params": [names[name] for name in part], "id": number})
        made.append(Ask(str(number), frame.decode(), tuple(part)))
    return made


def list_request() -> str:
    """Return the frame that asks which streams this connection has (web-socket-streams.md)."""
    return f'{{"method":"LIST_SUBSCRIPTIONS","id":{_LIST_ID}}}'


def is_combined(frame: Frame) -> bool:
    """Say whether a frame has the combined form, ``{"stream":..,"data":..}``."""
    return frame.startswith(b'{"stream"')


def control(frame: Frame, *, known: frozenset[str], data: frozenset[str], show: bool, stream: str = "") -> Control:
    """Read a frame that is not data: an acknowledgement, a notice, or something of which nothing is used.

    Args:
        frame: The whole frame.
        known: Kinds that may come and are not used.
        data: Kinds that the caller decodes itself; one of these here means that it could not.
        show: Whether an error may carry a sample of the frame.
        stream: How the names of the streams end that the caller decodes itself; empty: it does not go by names.

    Raises:
        BadFrame: Not JSON, not an object, or a broken message of a kind in ``data`` or of such a stream.
    """
    sample = frame if show else b""
    try:
        message = _anything.decode(frame)
    except UNREADABLE:
        raise BadFrame("not JSON", sample) from None
    if not isinstance(message, dict):
        raise BadFrame("not a JSON object", sample)
    name = message.get("stream")
    if stream and isinstance(name, str) and name.endswith(stream):
        raise BadFrame(f"a {stream} message that is not one", sample)
    inner = message.get("data", message)
    # {"event":{...}} is the form of the WebSocket API, seen for the shutdown notice (web-socket-api.md).
    inner = inner.get("event", inner) if isinstance(inner, dict) else inner
    if not isinstance(inner, dict):
        # Arrays come on the `!...@arr` streams.
        return Ignored(text(message.get("stream"), 40) or "?", known=False)
    kind = inner.get("e")
    if isinstance(kind, str):
        return _event(kind, known, data, sample)
    return _answer(message, inner)


def _event(kind: str, known: frozenset[str], data: frozenset[str], sample: bytes) -> Control:
    if kind in data:
        raise BadFrame(f"a {kind} message that is not one", sample)
    if kind == "serverShutdown":
        return Closing("serverShutdown")
    if kind == "listenKeyExpired":
        return Terminated("the listen key has expired")
    return Ignored(kind[:40], known=kind in known)


def _answer(message: dict[str, Any], inner: dict[str, Any]) -> Control:
    asked = text(message.get("id"), 40)
    # The documented error is flat, the captured one is wrapped: both are read.
    error = message.get("error", message)
    if isinstance(error, dict) and isinstance(code := error.get("code"), int):
        return Refused(code, text(error.get("msg")), asked)
    if "result" in message:
        streams = message["result"]
        if isinstance(streams, list):
            return Listed(tuple(text(name) for name in streams))
        return Acknowledged(asked)
    if "u" in inner and "b" in inner and "a" in inner:
        return Ignored("bookTicker", known=True)
    if "lastUpdateId" in inner:
        return Ignored("partial depth", known=True)
    return Ignored("no kind", known=False)
