"""The tree for OpenTelemetry: a span for each incarnation, and the metrics of `/metrics`.

Only the API is used, as a library should; what becomes of spans and metrics is the business of whoever configures the
SDK. All calls here only put something into memory. What sends is the SDK's own: a thread of its batch processor and of its
periodic reader. Those threads never look into the tree: metrics are read in the event loop, and they get the last
reading.

A bot lives for weeks and a trace does not: each incarnation is a trace of its own, linked to the one before it.
"""

from __future__ import annotations

import importlib
import importlib.util
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final, TypeAlias

import attrs
import trio

from supervisor import (
    Backoff,
    Blocked,
    Child,
    Ended,
    Event,
    Mailbox,
    Me,
    Note,
    OpenTree,
    Started,
    Subscription,
    Unstoppable,
    actor,
    child,
)

from .._messages import kept
from ._metrics import tree_families
from ._watched import Watched

_EVENTS: Final = 10_000
"""Events that wait for the actor at most: it takes them many times a second."""
_GATHER: Final = 0.1
"""Seconds in which events gather."""
_OPEN: Final = 10_000
"""Spans that are open at most: beyond that, an incarnation's span is made when it ends."""
_NAME: Final = "unblinking"

Rows: TypeAlias = Sequence[tuple[Mapping[str, str], float]]


@attrs.define(eq=False)
class _Memory:
    """What stays when an incarnation ends: what happens until the next one is not lost, and no instrument is made twice."""

    events: Subscription
    tracer: Any
    meter: Any
    library: Any
    observation: Callable[..., Any]
    open: dict[tuple[str, int], Any] = attrs.field(factory=dict[tuple[str, int], Any])
    last: dict[str, Any] = attrs.field(factory=dict[str, Any])
    """By path, the context of the last incarnation's span."""
    readings: dict[str, Rows] = attrs.field(factory=dict[str, Rows])
    """By metric, the last reading. Replaced, never changed: other threads read it."""
    instruments: dict[str, Any] = attrs.field(factory=dict[str, Any])
    spans: int = 0

    def take(self, events: Iterable[Event]) -> None:
        """Turn events into spans and what stands in them."""
        for event in events:
            key = (event.path, event.generation)
            if isinstance(event, Started):
                if len(self.open) < _OPEN:
                    self.open[key] = self._span(event.path, event.generation, event.wall)
            elif isinstance(event, Ended):
                lived = event.end.ended_at - event.end.started_at
                # Of what was started before this actor there is no open span.
                span = self.open.pop(key, None) or self._span(event.path, event.generation, event.wall - lived)
                self._end(span, event)
            elif (span := self.open.get(key)) is not None:
                name, fields = (event.what, event.fields) if isinstance(event, Note) else (event.kind, _details(event))
                span.add_event(name, _attributes(fields), _nanoseconds(event.wall))
                if isinstance(event, Unstoppable | Blocked):
                    span.set_attribute(f"unblinking.{event.kind}", value=True)

    def _span(self, path: str, generation: int, wall: float) -> Any:
        before = self.last.get(path)
        links = [] if before is None else [self.library.Link(before)]
        known = {"unblinking.path": path, "unblinking.incarnation": generation}
        # An empty context: whatever span the program may be in when it opens the tree is over long before.
        context = importlib.import_module("opentelemetry.context").Context()
        span = self.tracer.start_span(
            path, context=context, attributes=known, links=links, start_time=_nanoseconds(wall)
        )
        self.last[path] = span.get_span_context()
        self.spans += 1
        return span

    def _end(self, span: Any, event: Ended) -> None:
        end, at = event.end, _nanoseconds(event.wall)
        span.set_attributes(
            _attributes({f"unblinking.{key}": value for key, value in _details(event).items() if key != "masked"})
        )
        if end.exception is not None and isinstance(end.exception, Exception):
            span.record_exception(end.exception, timestamp=at)
        for hidden in end.masked:
            span.record_exception(hidden, {"unblinking.masked": True}, at)
        if end.failed:
            span.set_status(self.library.StatusCode.ERROR, end.summary())
        span.end(at)

    def close(self, wall: float) -> None:
        """Take what is left, and end the spans of what has no end: the tree is over."""
        self.take(self.events.receive_nowait())
        for span in self.open.values():
            span.end(_nanoseconds(wall))
        self.open.clear()

    def read(self, name: str, kind: str, what: str, rows: Rows) -> None:
        """Keep the last reading of a metric."""
        self.readings[name] = rows
        if name not in self.instruments:
            make = self.meter.create_observable_counter if kind == "counter" else self.meter.create_observable_gauge

            def observe(options: object) -> list[Any]:
                return [self.observation(value, labels) for labels, value in self.readings[name]]

            self.instruments[name] = make(name, callbacks=[observe], description=what)


@actor(
    first_start="retry",
    max_failures=None,
    backoff=Backoff(floor=0.5, base=0.5, cap=30.0),
    # The next child starts when this one listens: its first event is not missed.
    ready_within=10.0,
)
@attrs.frozen
class OpenTelemetry:
    """Tells OpenTelemetry; see `opentelemetry`."""

    tracer_provider: Any = attrs.field(repr=False)
    meter_provider: Any = attrs.field(repr=False)
    every: float
    memory: Mailbox[_Memory]

    async def run(self, me: Me) -> None:
        """Tell until cancelled. What happens after that, up to the last event of the tree, is told, too."""
        memory = kept(self.memory, lambda: self._begin(me.tree))
        me.ready()
        watched = Watched(me.tree, (), dict)
        me.expose(lambda: {"spans": memory.spans, "open": len(memory.open), "events_dropped": memory.events.dropped})
        me.at_tree_end(lambda: memory.close(watched.look().wall))
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._measure, watched, memory)
            while True:
                memory.take(await memory.events.receive_many())
                await trio.sleep(_GATHER)

    async def _measure(self, watched: Watched, memory: _Memory) -> None:
        while True:
            look = watched.look()
            for family in tree_families(watched, look.status, look.vitals, look.verdict):
                rows = [(sample.labels, float(sample.value)) for sample in family.samples]
                memory.read(family.name, family.type, family.documentation, rows)
                # A tree of a thousand children has thousands of samples, and feeds do not wait for them.
                await trio.lowlevel.checkpoint()
            await trio.sleep(self.every)

    def _begin(self, tree: OpenTree) -> _Memory:
        trace: Any = importlib.import_module("opentelemetry.trace")
        metrics: Any = importlib.import_module("opentelemetry.metrics")
        tracers, meters = self.tracer_provider or trace.get_tracer_provider(), self.meter_provider
        meters = meters or metrics.get_meter_provider()
        memory = _Memory(
            tree.events(_EVENTS), tracers.get_tracer(_NAME), meters.get_meter(_NAME), trace, metrics.Observation
        )
        memory.take(tree.ledger.recent)  # Of children that failed before this one was started.
        return memory


def opentelemetry(
    *,
    tracer_provider: Any = None,
    meter_provider: Any = None,
    every: float = 5.0,
    name: str = "opentelemetry",
) -> Child:
    """Return a child that gives OpenTelemetry a span for each incarnation and the metrics of the tree.

    Needs ``pip install unblinking[otel]``, an exporter, and a program that sets them up: the example in the how-to page.
    Make it one of the first children. It uses the API only: without a provider that is set up, nothing happens. Give the
    SDK a batch processor and a periodic reader: those send in threads of their own. A ``SimpleSpanProcessor`` sends in the
    event loop, and stops the bot for as long as that takes.

    Args:
        tracer_provider: None: the global one, as of the first start.
        meter_provider: None: the global one.
        every: Seconds between two readings of the metrics; a reader that asks more often gets the last one.
        name: Of the child.

    Raises:
        ValueError: ``every`` is not a number of seconds above zero.
        ImportError: OpenTelemetry is not installed.
    """
    if not 0 < every < math.inf:
        raise ValueError(f"every must be a number of seconds above zero, not {every!r}")
    if importlib.util.find_spec("opentelemetry") is None:
        raise ImportError("OpenTelemetry is not installed: pip install unblinking[otel]")
    memory: Mailbox[_Memory] = Mailbox(f"{name} memory", capacity=1)
    return child(name, OpenTelemetry(tracer_provider, meter_provider, float(every), memory))


def _details(event: Event) -> dict[str, Any]:
    head = ("event", "seq", "wall", "at", "path", "generation")
    return {key: value for key, value in event.to_dict().items() if key not in head}


def _attributes(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return what attributes can be: plain values; of everything else its text."""
    return {
        key: value if isinstance(value, str | bool | int | float) else str(value)
        for key, value in values.items()
        if value is not None
    }


def _nanoseconds(wall: float) -> int:
    return int(wall * 1e9)
