"""An event as a row of the ledger file: what failed, of what cause, with its chain of exceptions. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final

import attrs
import msgspec

from supervisor import Blocked, DeadLettered, Ended, Event, GaveUp, Unstoppable

_DEPTH: Final = 12
"""Exceptions of one chain or group that are kept."""
_FRAMES: Final = 8
"""Innermost places of one exception that are kept."""
_TEXT: Final = 500
"""Characters of one message that are kept."""


@attrs.frozen
class Failure:
    """One failure, as it is written and read."""

    seq: int
    """Place in its run's event stream."""
    wall: float
    """When, seconds since the epoch."""
    at: float
    """The same on the run's own clock, seconds."""
    path: str
    incarnation: int
    how: str
    """crashed, stale, start_timeout, exit; stopped or returned where something was hidden in it; unstoppable, blocked,
    dead_lettered."""
    cause: str
    """What failures of one kind have in common: the class of the exception, and its message without numbers."""
    error: str
    chain: tuple[dict[str, Any], ...]
    """The exception and those behind it, each with type, message, places, and its relation to the one before."""
    lived: float | None
    """Seconds that the incarnation lived."""
    decision: str
    reason: str
    delay: float | None
    """Backoff before the next try, seconds."""
    in_row: int
    """Failures without a healthy time between, this one included."""
    recovered_after: float | None = None
    """Seconds until the child was ready again; None: not yet, or not seen."""
    counts: bool = True
    """Whether it is one of the failures that the tree counts."""

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return {**attrs.asdict(self), "chain": list(self.chain)}


def failure_of(event: Event) -> Failure | None:
    """Return what the ledger keeps of an event; None where nothing failed."""
    if isinstance(event, Ended):
        end, decision = event.end, event.decision
        shown = end.exception or (end.masked[0] if end.masked else None)
        if not (end.failed or end.masked or end.kind == "exit"):
            return None
        return Failure(
            *_head(event),
            how=end.kind,
            cause=cause_of(shown) if shown is not None else end.kind,
            error=_line(shown) if shown is not None else "",
            chain=(*chain_of(end.exception), *(link for hidden in end.masked for link in chain_of(hidden, "masked")))[:_DEPTH],
            lived=end.ended_at - end.started_at,
            decision=decision.action,
            reason=decision.reason[:_TEXT],
            delay=decision.delay,
            in_row=decision.failures,
            counts=end.failed,
        )  # fmt: skip
    if isinstance(event, Unstoppable):
        where = ({"type": "", "message": "where it hangs", "places": list(event.stack), "relation": ""},)
        return _other(event, "unstoppable", "does not end within its grace and bound", where)
    if isinstance(event, Blocked):
        return _other(event, "blocked", f"kept the event loop for {event.seconds:.3f} s")
    if isinstance(event, DeadLettered):
        text = f"item of mailbox {event.mailbox} failed {event.deliveries} times: {_line(event.error)}"
        return _other(event, "dead_lettered", text, tuple(chain_of(event.error)), cause_of(event.error))
    return None


def _head(event: Event) -> tuple[int, float, float, str, int]:
    return event.seq, event.wall, event.at, event.path, event.generation


def _other(
    event: Event, how: str, text: str, chain: tuple[dict[str, Any], ...] = (), cause: str | None = None
) -> Failure:
    return Failure(
        *_head(event),
        how=how,
        cause=cause or f"{how}: {_without_numbers(text)}",
        error=text[:_TEXT],
        chain=chain,
        lived=None,
        decision="",
        reason="",
        delay=None,
        in_row=0,
        counts=False,
    )


def cause_of(exception: BaseException) -> str:
    """Return what failures of one kind have in common."""
    while isinstance(exception, BaseExceptionGroup) and not isinstance(exception, GaveUp):
        exception = exception.exceptions[0]
    return _without_numbers(_line(exception))[:160]


def chain_of(exception: BaseException | None, relation: str = "") -> Iterator[dict[str, Any]]:
    """Yield an exception and those that it comes from, outermost first; groups bring their members along."""
    if exception is None:
        return
    waiting, seen = [(exception, relation)], set[int]()
    while waiting and len(seen) < _DEPTH:
        current, how = waiting.pop(0)
        if id(current) in seen:
            continue
        seen.add(id(current))
        kind = type(current)
        yield {
            "type": kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}",
            "message": _text(current),
            "places": _places(current),
            "relation": how,
        }
        if isinstance(current, BaseExceptionGroup):
            waiting += [(inner, "member") for inner in current.exceptions]
        if current.__cause__ is not None:
            waiting.append((current.__cause__, "cause"))
        elif current.__context__ is not None and not current.__suppress_context__:
            waiting.append((current.__context__, "while handling"))


def encode_chain(chain: tuple[dict[str, Any], ...]) -> str:
    """Return a chain as JSON."""
    return msgspec.json.encode(chain).decode()


def decode_chain(text: str) -> tuple[dict[str, Any], ...]:
    """Return a chain from JSON."""
    return tuple(msgspec.json.decode(text))


def _places(exception: BaseException) -> list[str]:
    # Without the source lines, which the interpreter would have to read from files, and never with values.
    places: list[str] = []
    current = exception.__traceback__
    while current is not None:
        code = current.tb_frame.f_code
        places.append(f"{code.co_filename}:{current.tb_lineno} {code.co_qualname}")
        current = current.tb_next
    return places[-_FRAMES:]


def _line(exception: BaseException) -> str:
    text = _text(exception)
    name = type(exception).__name__
    return (f"{name}: {text}" if text else name)[:_TEXT]


def _text(exception: BaseException) -> str:
    try:
        text = str(exception)
    except Exception as broken:  # noqa: BLE001 - a class of the bot's whose text fails is told like that
        text = f"(its text raises {type(broken).__name__})"
    # SQLite and JSON take text only, and halves of surrogates are none.
    return text.encode("utf-8", "replace").decode()[:_TEXT]


def _without_numbers(text: str) -> str:
    return re.sub(r"0x[0-9a-fA-F]+|\d+(\.\d+)?", "N", text)
