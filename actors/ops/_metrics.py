"""The tree for Prometheus: a registry of its own, filled at each scrape from what the tree knows anyway."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

import trio
from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from supervisor import Status

from ._plain import printable
from ._vitals import Verdict, Vital
from ._watched import Watched

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_SLICE = 100
"""Samples written between two chances for other tasks: one takes some 12 microseconds."""


class Metrics:
    """What is told to Prometheus."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        ProcessCollector(registry=self._registry)

    async def scrape(self, watched: Watched, status: Status, vitals: Sequence[Vital], verdict: Verdict) -> bytes:
        """Return all metrics as text.

        A checkpoint now and then: a tree of a thousand children has thousands of samples, and feeds do not wait for them.
        """
        parts = [generate_latest(self._registry)]
        for family in families(watched, status, vitals, verdict):
            for first, part in _slices(family):
                text = generate_latest(_One(part))
                # A metric is introduced once, in two lines.
                parts.append(text if first else text.split(b"\n", 2)[2])
                await trio.lowlevel.checkpoint()
        return b"".join(parts)


def families(watched: Watched, status: Status, vitals: Sequence[Vital], verdict: Verdict) -> Iterator[Metric]:
    """Yield every metric about a tree and its endpoint, one after the other."""
    yield from tree_families(watched, status, vitals, verdict)
    mine = watched.counters()
    yield _gauge("endpoint_connections", "Open connections to the endpoint.", (), [((), mine["connections"])])
    yield _counter("endpoint_requests", "Requests to the endpoint.", (), [((), mine["requests"])])
    yield _counter("endpoint_evicted", "Connections that gave way to newer ones.", (), [((), mine["evicted"])])
    yield _counter("endpoint_refused", "Connections for which there was no room.", (), [((), mine["refused"])])


def tree_families(watched: Watched, status: Status, vitals: Sequence[Vital], verdict: Verdict) -> Iterator[Metric]:
    """Yield every metric about a tree, one after the other."""
    yield _gauge("healthy", "1 while everything that the bot needs is live and fresh.", (), [((), verdict.healthy)])
    yield from _of_ledger(watched)
    yield from _of_children(watched, status)
    yield from _of_streams(vitals)
    yield from _of_mailboxes(watched)
    yield from _of_budgets(watched)


Rows = Iterable[tuple[Sequence[str], float]]


def _gauge(name: str, what: str, labels: Sequence[str], rows: Rows) -> Metric:
    family = GaugeMetricFamily(f"unblinking_{name}", what, labels=labels)
    for values, value in rows:
        family.add_metric([printable(one) for one in values], value)
    return family


def _counter(name: str, what: str, labels: Sequence[str], rows: Rows) -> Metric:
    family = CounterMetricFamily(f"unblinking_{name}", what, labels=labels)
    for values, value in rows:
        family.add_metric([printable(one) for one in values], value)
    return family


def _of_ledger(watched: Watched) -> Iterator[Metric]:
    ledger = watched.tree.ledger
    yield _counter("ends", "Ends of incarnations, by how.", ["how"], _counts(ledger.by_kind))
    yield _counter("decisions", "Decisions about ends.", ["decision"], _counts(ledger.by_action))
    yield _counter("failures", "Failures, by class of the exception.", ["error"], _counts(ledger.by_error))


def _counts(counts: Mapping[str, int]) -> Rows:
    return [((name,), count) for name, count in counts.items()]


def _of_children(watched: Watched, status: Status) -> Iterator[Metric]:
    children = list(status.walk())
    now, ledger = trio.current_time(), watched.tree.ledger
    path = ["path"]
    yield _gauge("child_state", "1 for the state that a child is in.", ["path", "state"],
                 [((child.path, child.state), 1) for child in children])  # fmt: skip
    yield _counter("child_restarts", "Decisions to start a child again.", path,
                   [((child.path,), child.restarts) for child in children])  # fmt: skip
    yield _counter("child_failures", "Failures of a child.", path,
                   [((child.path,), ledger.of(child.path).failures) for child in children])  # fmt: skip
    yield _gauge("child_failures_in_row", "Failures without a healthy time between; absent: none.", path,
                 [((child.path,), child.failures) for child in children if child.failures])  # fmt: skip
    yield _gauge("child_beat_age_seconds", "Time since the last beat, where silence is declared.", path,
                 [((child.path,), child.beat_age) for child in children if child.beat_age is not None])  # fmt: skip
    yield _gauge("child_next_try_seconds", "Time until a waiting child is started.", path,
                 [((child.path,), child.next_at - now) for child in children if child.next_at is not None])  # fmt: skip


def _of_streams(vitals: Sequence[Vital]) -> Iterator[Metric]:
    labels = ["path", "vital", "venue", "stream"]
    # One name twice would make the whole scrape invalid.
    streams = {
        (vital.path, vital.vital, vital.venue, stream.name): stream for vital in vitals for stream in vital.streams
    }
    yield _gauge("vital_alive", "1 while an owner of data lives.", ["path", "required"],
                 [((vital.path, str(vital.required).lower()), vital.alive) for vital in vitals])  # fmt: skip
    yield _gauge("stream_live", "1 while a stream is complete and current.", labels,
                 [(key, stream.live) for key, stream in streams.items()])  # fmt: skip
    yield _gauge("stream_age_seconds", "Time since a stream's last item.", labels,
                 [(key, stream.age) for key, stream in streams.items() if stream.age is not None])  # fmt: skip
    yield _gauge("stream_limit_seconds", "Age from which on a stream is stale.", labels,
                 [(key, stream.limit) for key, stream in streams.items() if stream.limit is not None])  # fmt: skip
    yield _gauge("stream_rate", "Items per second.", labels,
                 [(key, stream.rate) for key, stream in streams.items() if stream.rate is not None])  # fmt: skip
    yield _gauge("stream_lag_seconds", "Time from the exchange's stamp to our receiving it.", labels,
                 [(key, stream.lag / 1000) for key, stream in streams.items() if stream.lag is not None])  # fmt: skip
    yield _counter("stream_gaps", "Holes that could not be filled.", labels,
                   [(key, stream.gaps) for key, stream in streams.items()])  # fmt: skip


def _of_mailboxes(watched: Watched) -> Iterator[Metric]:
    # Groups of one kind name their mailboxes alike: those of one name are told together.
    used: dict[str, list[int]] = {}
    for mailbox in watched.tree.mailboxes():
        sums = used.setdefault(mailbox.name, [0, 0, 0, 0, 0, 0])
        found = (mailbox.used, mailbox.capacity, mailbox.sent, mailbox.dropped, mailbox.dead, mailbox.waiting_senders)
        for place, count in enumerate(found):
            sums[place] += count
    label = ["mailbox"]
    yield _gauge("mailbox_depth", "Items in the mailboxes of a name.", label, [((n,), s[0]) for n, s in used.items()])
    yield _gauge("mailbox_capacity", "Items that they can hold.", label, [((n,), s[1]) for n, s in used.items()])
    yield _counter("mailbox_sent", "Items handed over.", label, [((n,), s[2]) for n, s in used.items()])
    yield _counter("mailbox_dropped", "Items lost to overflow.", label, [((n,), s[3]) for n, s in used.items()])
    yield _counter(
        "mailbox_dead", "Items that went to the dead letters.", label, [((n,), s[4]) for n, s in used.items()]
    )
    yield _gauge("mailbox_waiting_senders", "Senders that wait.", label, [((n,), s[5]) for n, s in used.items()])


def _of_budgets(watched: Watched) -> Iterator[Metric]:
    budgets = {budget.name: budget for budget in watched.tree.budgets()}
    label = ["budget"]
    yield _gauge("budget_left", "What could be spent right now.", label, [((n,), b.left) for n, b in budgets.items()])
    yield _counter("budget_spent", "What was used.", label, [((n,), b.spent) for n, b in budgets.items()])
    yield _counter("budget_delayed", "Uses that had to wait.", label, [((n,), b.delayed) for n, b in budgets.items()])
    yield _gauge("budget_waiting", "Uses that wait.", label, [((n,), b.waiting) for n, b in budgets.items()])


def _slices(family: Metric) -> Iterator[tuple[bool, Metric]]:
    for start in range(0, max(1, len(family.samples)), _SLICE):
        part = Metric(family.name, family.documentation, family.type)
        part.samples = family.samples[start : start + _SLICE]
        yield start == 0, part


class _One(Collector):
    """A registry of one metric."""

    def __init__(self, family: Metric) -> None:
        self._family = family

    def collect(self) -> Iterable[Metric]:
        return (self._family,)
