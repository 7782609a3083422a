"""A tree's events as log lines: one line an event, with path and incarnation."""

import datetime
from typing import Any, Literal

import structlog

from actors.simulator import AppliedFault
from supervisor import Blocked, DeadLettered, Ended, Event, Unstoppable

from ._output import Lines

LogFormat = Literal["text", "json"]


class _LineLogger:
    """What structlog calls at the end of its chain."""

    def __init__(self, lines: Lines) -> None:
        self._lines = lines

    def msg(self, message: str) -> None:
        self._lines.put(message)

    debug = info = warning = error = critical = exception = msg


def configure(lines: Lines, log_format: LogFormat, *, colors: bool) -> None:
    """Send everything that is logged with structlog, by us and by the user's actors, to these lines.

    Args:
        lines: Where to; a slow reader costs lines, never the tree's time.
        log_format: Aligned text for people, or one JSON object a line.
        colors: Whether text may be coloured: on a terminal.
    """
    if log_format == "json":
        render: list[Any] = [structlog.processors.JSONRenderer(default=str)]
    else:
        render = [_for_people, structlog.dev.ConsoleRenderer(colors=colors, pad_event_to=10, sort_keys=False)]
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.format_exc_info,
            _stamp,
            *render,
        ],
        logger_factory=lambda *_: _LineLogger(lines),
        cache_logger_on_first_use=False,
    )


def silence() -> None:
    """Let nothing that is logged appear: the terminal shows a picture."""
    structlog.configure(processors=[_drop], cache_logger_on_first_use=False)


def log(event: Event) -> None:
    """Write one event to the log."""
    told = {key: value for key, value in event.to_dict().items() if value not in (None, "")}
    kind = told.pop("event")
    fields = {
        "path": told.pop("path"),
        "incarnation": told.pop("generation"),
        "timestamp": _iso(told.pop("wall")),
        **told,
    }
    structlog.get_logger().log(_level(event), kind, **fields)


def log_fault(fault: AppliedFault) -> None:
    """Write one fault of the embedded exchange to the log."""
    structlog.get_logger().warning("fault", what=fault.fault, connections_hit=len(fault.hit))


def _drop(*_: Any) -> structlog.typing.EventDict:
    raise structlog.DropEvent


def _level(event: Event) -> int:
    """Errors are what somebody must look at; warnings are failures that the tree deals with."""
    if isinstance(event, Unstoppable | DeadLettered):
        return 40
    if isinstance(event, Blocked):
        return 30
    if isinstance(event, Ended):
        if event.decision.action in ("park", "escalate"):
            return 40
        if event.end.failed or event.end.masked:
            return 30
    return 20


def _stamp(_: Any, __: str, fields: structlog.typing.EventDict) -> structlog.typing.EventDict:
    """Give lines from the user's own actors the time that events bring along."""
    fields.setdefault("timestamp", _iso(datetime.datetime.now(datetime.UTC).timestamp()))
    return fields


def _for_people(_: Any, __: str, fields: structlog.typing.EventDict) -> structlog.typing.EventDict:
    """Leave out what only programs use: the place in the stream, seconds on a clock that nobody sees, repetitions."""
    fields.pop("seq", None)
    fields.pop("at", None)
    if fields.get("reason") == fields.get("error"):
        fields.pop("reason", None)
    return fields


def _iso(wall: float) -> str:
    """Return seconds since the epoch as UTC, to the millisecond."""
    return datetime.datetime.fromtimestamp(wall, datetime.UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
