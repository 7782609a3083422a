"""How a function of a source is run with any bytes: what it may raise, and what must be of use of what comes out."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any, Final

import attrs
import msgspec
import trio
import trio.testing

from actors import BadFrame, HttpFailure, WireError
from actors._account_source import AccountSource, Inquiry, OrderReport
from actors._errors import Inconsistent, NoSuchOrder
from actors._net._rest_limit import LONGEST_BAN, banned_for, in_seconds, number
from actors._net._wire import open_wire
from actors._records import Fill, OrderUpdate
from actors._source import Control, Decoded, Door, HttpReply, HttpRequest, PublicSource
from supervisor.testing import run_virtually

NOW: Final = 1_790_000_000_000
"""The venue's time, in milliseconds."""
BETWEEN: Final = b"\n"
"""Between the frames of a batch, and the answers to an inquiry: no JSON has one in a string."""
_FRAMES: Final = 8
_QUESTIONS: Final = 60
"""Questions of one inquiry that are answered: more is for its driver, which ends it too."""
_MOST: Final = 2**63
"""What a database holds."""
_WRITTEN: Final = 200
"""Characters of a number as people read it, beyond those of the input."""


# What came out --------------------------------------------------------------------------------------------------


def use(value: Any, given: int) -> None:
    """Do what a bot does with whatever came out, and with all that is in it.

    Args:
        value: A record, or a list of them, or a part of one.
        given: Bytes of the input.
    """
    match value:
        case Decimal():
            assert value.is_finite()
            # Before it is written out, which takes as long as it is.
            assert abs(value.adjusted()) <= _WRITTEN
            assert len(format(value, "f")) <= 2 * _WRITTEN + given
            assert (value * value + value).is_finite()
        case bool() | None | str() | bytes():
            pass
        case int():
            str(value)
        case float():
            assert math.isfinite(value)
        case list() | tuple() | frozenset():
            assert len(value) <= given + 1
            for part in value:
                use(part, given)
        case dict():
            use(list(value.values()), given)
        case _:
            for name in _names(value):
                part = getattr(value, name)
                if name in ("time", "received", "created", "updated", "expires") and part is not None:
                    assert -_MOST <= part < _MOST, "a time that no database holds"
                use(part, given)
            repr(value)


def _names(value: Any) -> Sequence[str]:
    if isinstance(value, msgspec.Struct):
        # Those of feeds tell some of it by properties.
        known = [name for name in ("price", "quantity", "time", "side", "first_id") if hasattr(value, name)]
        return [*dict.fromkeys([*value.__struct_fields__, *known])]
    assert attrs.has(type(value)), f"what is {type(value)}?"
    return [field.name for field in attrs.fields(type(value))]


def _is_json(data: bytes) -> bool:
    try:
        json.loads(data)
    except (ValueError, RecursionError):
        return False
    return True


# Streams --------------------------------------------------------------------------------------------------------


def of_stream(source: PublicSource | AccountSource, *, private: bool) -> Callable[[bytes], int]:
    def run(data: bytes) -> int:
        batch = data.split(BETWEEN)[:_FRAMES]
        decoded = source.decode_many(batch, NOW)
        assert decoded.error is None or type(decoded.error) is BadFrame
        assert all(isinstance(control, Control) for control in decoded.controls)
        use(decoded.items, len(data))
        for control in decoded.controls:
            # Of few bytes, 1e308, an integer of 309 digits is made.
            assert len(repr(control)) <= _WRITTEN + 309 + 6 * len(data)
        if decoded.error is not None:
            assert len(decoded.error.sample) <= _WRITTEN
            assert not (private and decoded.error.sample), "account data in an error"
        if private:
            for item in decoded.items:
                assert isinstance(item, OrderUpdate | Fill)
                assert item.symbol
                assert item.raw in batch
        if all(map(_is_json, batch)):
            _same(decoded, source, batch)
        return len(decoded.items) + len(decoded.controls)

    return run


def _same(decoded: Decoded, source: PublicSource | AccountSource, batch: Sequence[bytes]) -> None:
    """A batch says what its frames say."""
    items: list[Any] = []
    controls: list[Control] = []
    for one in batch:
        alone = source.decode_many([one], NOW)
        items += alone.items
        controls += alone.controls
        if alone.error is not None:
            assert decoded.error is not None
            break
    assert (decoded.items, decoded.controls) == (items, controls)


# Answers --------------------------------------------------------------------------------------------------------


def of_answer(read: Callable[[bytes], Any]) -> Callable[[bytes], int]:
    def run(data: bytes) -> int:
        try:
            found = read(data)
        except BadFrame as error:
            assert len(error.sample) <= _WRITTEN
            return 0
        if isinstance(found, Door):
            _use_door(found)
        else:
            use(found, len(data))
        return len(found) if isinstance(found, list) else 1

    return run


def _use_door(door: Door) -> None:
    for seconds in (door.ping_every, door.pong_within):
        assert seconds is None or 0.1 <= seconds < 86_400, "a rhythm that nobody can keep"

    async def dial(_host: str, _port: int) -> trio.abc.Stream:
        await trio.lowlevel.checkpoint()
        ours, theirs = trio.testing.memory_stream_pair()
        # It takes the request, and says nothing.
        theirs.send_stream.close()
        return ours

    async def connect() -> None:
        try:
            async with open_wire(door.url, dial=dial):
                raise AssertionError("there is nobody who would answer")
        except WireError:
            pass

    run_virtually(connect)


_STATUSES: Final = (200, 400, 401, 403, 404, 410, 418, 429, 500, 503)


HEADS: Final = (
    b"a\n30\n",
    b"b\n1790000060000\n",
    b"g\nTue, 22 Sep 2026 14:13:20 GMT\n",
    b"\n\n",
    b"h\nMon, 01 Jan 0001 00:00:00 -0000\n",
)
"""Seeds: a status, and a header."""


def of_failure(source: PublicSource | AccountSource) -> Callable[[bytes], int]:
    limit = source.limits.rest
    names = {
        "retry-after",
        "date",
        "gw-ratelimit-reset",
        "x-bapi-limit-reset-timestamp",
        "x-gate-ratelimit-reset-timestamp",
        limit.used_header,
        limit.left_header,
        limit.limit_header,
    } - {""}

    def run(data: bytes) -> int:
        status, _, rest = data.partition(BETWEEN)
        header, _, body = rest.partition(BETWEEN)
        headers = dict.fromkeys(sorted(names), header.decode("latin-1"))
        for name in names:
            used = number(headers, name)
            assert used is None or used >= 0
        found = source.failure(
            HttpRequest("GET", "/path"), HttpReply(_STATUSES[sum(status) % len(_STATUSES)], headers, body)
        )
        if found is None:
            return 0
        assert isinstance(found, HttpFailure)
        assert len(str(found)) <= 10 * _WRITTEN
        wait = getattr(found, "retry_after", None)
        if wait is not None:
            # As `actors._net._http` does it.
            assert 0 <= wait < math.inf
            waits = (in_seconds(wait, headers, NOW), banned_for(str(found), headers, NOW) or 0.0)
            assert all(0 <= seconds <= LONGEST_BAN for seconds in waits), "a time to wait that is none"
        if isinstance(found, HttpFailure) and hasattr(source, "unknown_symbol"):
            source.unknown_symbol(found)
        return 1

    return run


# Inquiries ------------------------------------------------------------------------------------------------------


_NO_SUCH_ORDER: Final = b"!"
"""In place of an answer: the venue does not know the order."""


def of_inquiry(source: AccountSource, make: Callable[[], Inquiry[Any]]) -> Callable[[bytes], int]:
    def run(data: bytes) -> int:
        bodies = data.split(BETWEEN)
        asks = make()
        try:
            question = next(asks)
            for place in range(_QUESTIONS):
                source.request(question, NOW)
                body = bodies[min(place, len(bodies) - 1)]
                unknown = NoSuchOrder("GET /path", "none")
                question = asks.throw(unknown) if body == _NO_SUCH_ORDER else asks.send(body)
        except StopIteration as end:
            found = end.value
            assert found is None or isinstance(found, OrderReport | list)
            # Of a single answer that is given again and again.
            use(found, len(data) * _QUESTIONS)
            return len(found) if isinstance(found, list) else int(found is not None)
        except (BadFrame, Inconsistent) as error:
            assert not getattr(error, "sample", b""), "account data in an error"
        except NoSuchOrder:
            assert _NO_SUCH_ORDER in bodies
        finally:
            asks.close()
        return 0

    return run
