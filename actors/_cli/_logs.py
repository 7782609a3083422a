"""A tree's events as log lines: one line an event, with path and incarnation."""

import datetime
import logging
from collections.abc import Mapping
from typing import Any, Final, Literal

import structlog

from actors.simulator import AppliedFault
from supervisor import Blocked, DeadLettered, Ended, Event, Note, Unstoppable

from ._output import Lines

LogFormat = Literal["text", "json"]
LogLevel = Literal["debug", "info", "warning", "error", "critical"]
LEVELS: Final[Mapping[LogLevel, int]] = {
    "debug": logging.DEBUG,
    "info": logging.INFO,
    "warning": logging.WARNING,
    "error": logging.ERROR,
    "critical": logging.CRITICAL,
}
NOTES: Final[Mapping[str, LogLevel]] = {
    # Signs of life: for whoever looks for something.
    "pong": "debug",
    "key_extended": "debug",
    # The bot deals with it, or it costs data that is named.
    "account_store_moved_aside": "warning",
    "bad_symbol": "warning",
    "book_broken": "warning",
    "cancel_all_not_armed": "warning",
    "cancel_all_not_renewed": "warning",
    "cleanup_cut_off": "warning",
    "endpoint_failed": "warning",
    "gap": "warning",
    "heartbeat_failed": "warning",
    "held_back": "warning",
    "key_lost": "warning",
    "key_not_extended": "warning",
    "ledger_moved_aside": "warning",
    "loss_seen": "warning",
    "mute": "warning",
    "not_reconciled": "warning",
    "not_replaced": "warning",
    "open_to_the_network": "warning",
    "prices_disagree": "warning",
    "probe_failed": "warning",
    "rate_limited": "warning",
    "receiver_failed": "warning",
    "refused": "warning",
    "rejected": "warning",
    "systemd_not_told": "warning",
    "token_missing": "warning",
    "unknown_symbol": "warning",
    "unpaired": "warning",
    # Somebody must do something, or would not learn that somebody must.
    "account_store_trouble": "error",
    "alert_channel_trouble": "error",
    "alert_lost": "error",
    "alert_undelivered": "error",
    "blind": "error",
    "cancel_all_ran_out": "error",
    "clock_off": "error",
    "last_words_failed": "error",
    "ledger_trouble": "error",
}
"""What a note means to whoever reads the log; of those that are not here: info."""
_TAKEN: Final = frozenset({"exc_info", "exception", "incarnation", "level", "method_name", "self", "timestamp"})
"""Names that mean something else to structlog or in a line. A note's field of that name gets an underscore at its end."""


class _LineLogger:
    """What structlog calls at the end of its chain."""

    def __init__(self, lines: Lines) -> None:
        self._lines = lines

    def msg(self, message: str) -> None:
        self._lines.put(message)

    debug = info = warning = error = critical = exception = msg


def configure(lines: Lines, log_format: LogFormat, *, colors: bool, level: LogLevel = "info") -> None:
    """Send everything that is logged with structlog, by us and by the user's actors, to these lines.

    Args:
        lines: Where to; a slow reader costs lines, never the tree's time.
        log_format: Aligned text for people, or one JSON object a line.
        colors: Whether text may be coloured: on a terminal.
        level: The least that is written.
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
        wrapper_class=structlog.make_filtering_bound_logger(LEVELS[level]),
        logger_factory=lambda *_: _LineLogger(lines),
        cache_logger_on_first_use=False,
    )


def silence() -> None:
    """Let nothing that is logged appear: the terminal shows a picture."""
    structlog.configure(processors=[_drop], cache_logger_on_first_use=False)


def log(event: Event) -> None:
    """Write one event to the log."""
    told = {
        f"{key}_" if key in _TAKEN else key: value for key, value in event.to_dict().items() if value not in (None, "")
    }
    kind = told.pop("event")
    fields = {
        "path": told.pop("path"),
        "incarnation": told.pop("generation"),
        "timestamp": _iso(told.pop("wall")),
        **told,
    }
    structlog.get_logger().log(LEVELS[level_of(event)], kind, **fields)


def log_fault(fault: AppliedFault) -> None:
    """Write one fault of the embedded exchange to the log."""
    structlog.get_logger().warning("fault", what=fault.fault, connections_hit=len(fault.hit))


def _drop(*_: Any) -> structlog.typing.EventDict:
    raise structlog.DropEvent


def level_of(event: Event) -> LogLevel:
    """Say how loud an event is at three in the morning.

    ``critical``: the bot, or a group of it, is given up, or something cannot be stopped. ``error``: a person must do
    something. ``warning``: the tree deals with it. ``info``: what is planned, and what is well. ``debug``: signs of life.
    """
    if isinstance(event, Unstoppable):
        return "critical"
    if isinstance(event, DeadLettered):
        return "error"
    if isinstance(event, Blocked):
        return "warning"
    if isinstance(event, Note):
        return NOTES.get(event.what, "info")
    if isinstance(event, Ended):
        if event.decision.action == "escalate":
            return "critical"
        if event.decision.action == "park":
            return "error"
        if event.end.failed or event.end.masked:
            return "warning"
    return "info"


def _stamp(_: Any, __: str, fields: structlog.typing.EventDict) -> structlog.typing.EventDict:
    """Give lines from the user's own actors the time that events bring along."""
    fields.setdefault("timestamp", _iso(datetime.datetime.now(datetime.UTC).timestamp()))
    return fields


def _for_people(_: Any, __: str, fields: structlog.typing.EventDict) -> structlog.typing.EventDict:
    """Leave out what only programs use: the place in the stream, seconds on a clock that nobody sees, repetitions."""
    fields.pop("seq", None)
    fields.pop("at", None)
    if (stack := fields.pop("stack", None)) is not None:
        # structlog would put a text of that name below the line, and fails over anything else.
        fields["hangs_in"] = " > ".join(stack) if isinstance(stack, list) else str(stack)
    if fields.get("reason") == fields.get("error"):
        fields.pop("reason", None)
    return fields


def _iso(wall: float) -> str:
    """Return seconds since the epoch as UTC, to the millisecond."""
    return datetime.datetime.fromtimestamp(wall, datetime.UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
