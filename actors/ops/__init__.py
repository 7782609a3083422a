"""Watching a tree from outside: vital signs, health endpoint, ledger file, alerts, dead man's switch, watchdog, systemd.

Generic over any tree whose actors expose vital signs; nothing here knows an exchange.

    _health             the actor behind the endpoint
    _routes, _events_stream, _access   what is answered to which path; events as they come; who may ask
    _dashboard, dashboard.html   the page for people
    _watched            the tree as watchers see it, read a few times a second at most
    _http_endpoint      a small HTTP server: everything bounded, only reading
    _metrics            the tree for Prometheus
    _otel               the same for OpenTelemetry, and a span for each incarnation
    _ledger             the actor that writes every failure to a file
    _ledger_file, _ledger_reader   that file: SQLite; writing with retention, and reading
    _alerter            the actor that tells people
    _alert_rules, _alerts    when there is something to tell; grouped into few messages; pure
    _telegram, _webhook, _apprise, _channel    what carries the messages
    _failure            an event as a row: cause, chain of exceptions
    _dead_mans_switch   the actor that tells somebody outside that all is well; pure: _beats
    _watchdog           the tree that looks at a bot from outside; pure: _alarm
    _sd_notify          the actor that tells systemd
    _posting            sending to addresses that are secrets themselves
    _vitals             what owners of data expose, and the verdict about all of them, pure
"""

from ._alerts import Alert as Alert
from ._alerts import AlertMessage as AlertMessage
from ._channel import AlertChannel as AlertChannel
from ._dead_mans_switch import dead_mans_switch as dead_mans_switch
from ._posting import Undelivered as Undelivered
from ._sd_notify import systemd as systemd
from ._vitals import StreamVital as StreamVital
from ._vitals import facts as facts

__all__ = [
    "Alert",
    "AlertChannel",
    "AlertMessage",
    "StreamVital",
    "Undelivered",
    "dead_mans_switch",
    "facts",
    "systemd",
]
