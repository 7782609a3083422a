"""OpenTelemetry: a span for each incarnation, the metrics of the tree, and an event loop that never waits for an exporter."""

import subprocess
import sys
import threading
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import trio

from actors import opentelemetry
from actors.ops import StreamVital, facts
from actors.ops._metrics import tree_families
from actors.ops._watched import Watched
from supervisor import Limit, Me, Running, Supervisor, actor

pytest.importorskip("opentelemetry.sdk")

from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SimpleSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import StatusCode


@actor()
async def flaky(me: Me) -> None:
    me.ready()
    me.note("thinking", depth=3, of=["a"])
    await trio.sleep(60)
    if me.generation < 3:
        raise ConnectionError("the line went dead")
    await trio.sleep_forever()


@actor()
async def feed(me: Me) -> None:
    me.expose(lambda: facts("feed", "binance", required=True, streams=[StreamVital("BTCUSDT", live=True, gaps=2)]))
    await trio.sleep_forever()


@asynccontextmanager
async def bot(**options: Any) -> AsyncGenerator[tuple[Running, InMemorySpanExporter, InMemoryMetricReader]]:
    spans, reader = InMemorySpanExporter(), InMemoryMetricReader()
    tracers = TracerProvider(shutdown_on_exit=False)
    tracers.add_span_processor(SimpleSpanProcessor(spans))
    meters = MeterProvider([reader], shutdown_on_exit=False)
    teller = opentelemetry(tracer_provider=tracers, meter_provider=meters, **options)
    tree = Supervisor("bot", [teller, flaky.child("flaky"), feed.child("feed")], limit=Limit(100))
    async with tree.open(seed=1) as running:
        yield running, spans, reader


def measured(reader: InMemoryMetricReader) -> dict[str, dict[tuple[tuple[str, Any], ...], float]]:
    data = reader.get_metrics_data()
    assert data is not None
    (resource,) = data.resource_metrics
    (scope,) = resource.scope_metrics
    return {
        metric.name: {tuple(sorted(point.attributes.items())): point.value for point in metric.data.data_points}  # type: ignore[union-attr]
        for metric in scope.metrics
    }


def of(spans: InMemorySpanExporter, path: str) -> list[ReadableSpan]:
    return [span for span in spans.get_finished_spans() if span.name == path]


async def test_each_incarnation_is_a_span_with_its_failure_and_the_decision(autojump_clock: object) -> None:
    async with bot() as (running, spans, _):
        await trio.sleep(600)
        assert len(of(spans, "bot/flaky")) == running.ledger.failures == 2
    first, second, third = of(spans, "bot/flaky")

    for generation, span in enumerate((first, second), 1):
        assert span.attributes is not None
        assert span.attributes["unblinking.path"] == "bot/flaky"
        assert span.attributes["unblinking.incarnation"] == generation
        assert span.attributes["unblinking.how"] == "crashed"
        assert span.attributes["unblinking.decision"] == "restart"
        assert float(str(span.attributes["unblinking.delay"])) > 0
        assert span.status.status_code is StatusCode.ERROR
        assert span.status.description == "crashed: ConnectionError: the line went dead"
        assert [event.name for event in span.events] == ["ready", "thinking", "exception"]
        assert dict(span.events[1].attributes or {}) == {"depth": 3, "of": "['a']"}
    assert third.attributes is not None and third.attributes["unblinking.how"] == "stopped"
    assert third.status.status_code is StatusCode.UNSET
    # One trace each, and each knows the one before.
    assert len({span.get_span_context().trace_id for span in (first, second, third)}) == 3  # type: ignore[union-attr]
    assert [link.context for link in second.links] == [first.get_span_context()]
    # Everything that ended has its span: the teller itself and the root as well.
    assert {span.name for span in spans.get_finished_spans()} == {"bot", "bot/opentelemetry", "bot/flaky", "bot/feed"}


async def test_there_are_as_many_spans_as_ends_whatever_starts_before_the_teller(autojump_clock: object) -> None:
    spans = InMemorySpanExporter()
    tracers = TracerProvider(shutdown_on_exit=False)
    tracers.add_span_processor(SimpleSpanProcessor(spans))
    tree = Supervisor("bot", [flaky.child("flaky"), opentelemetry(tracer_provider=tracers)], limit=Limit(100))
    async with tree.open(seed=1) as running:
        await trio.sleep(100)
        running.restart_child("bot/opentelemetry")
        await trio.sleep(600)
    found = spans.get_finished_spans()

    assert len(found) == running.ledger.ends
    assert sum(span.status.status_code is StatusCode.ERROR for span in found) == running.ledger.failures == 2


async def test_the_metrics_are_those_of_the_endpoint(autojump_clock: object) -> None:
    async with bot(every=1.0) as (running, _, reader):
        await trio.sleep(600)
        found = measured(reader)
        watched = Watched(running, (), dict)
        look = watched.look()
        wanted = {
            family.name: {tuple(sorted(sample.labels.items())): sample.value for sample in family.samples}
            for family in tree_families(watched, look.status, look.vitals, look.verdict)
        }

    assert found["unblinking_failures"] == {(("error", "ConnectionError"),): 2}
    assert found["unblinking_child_restarts"][(("path", "bot/flaky"),)] == 2
    assert sum(found["unblinking_stream_gaps"].values()) == 2
    told = {name: rows for name, rows in wanted.items() if rows and "mailbox" not in name}
    assert {name: found[name] for name in told} == told


async def test_an_exporter_that_hangs_does_not_hold_up_the_tree() -> None:
    entered, go_on = threading.Event(), threading.Event()

    class Hanging(SpanExporter):
        def export(self, spans: Any) -> SpanExportResult:
            entered.set()
            go_on.wait(20)
            return SpanExportResult.SUCCESS

        def shutdown(self) -> None:
            pass

    @actor()
    async def busy(me: Me) -> None:
        await trio.sleep(0.01)
        raise ValueError

    tracers = TracerProvider(shutdown_on_exit=False)
    tracers.add_span_processor(BatchSpanProcessor(Hanging(), max_export_batch_size=1, schedule_delay_millis=1))
    tree = Supervisor("bot", [opentelemetry(tracer_provider=tracers), busy.child("busy")], limit=Limit(1000))
    with trio.fail_after(15):
        async with tree.open(seed=1) as running:
            while not entered.is_set() or running.ledger.failures < 2:  # noqa: ASYNC110 - a thread tells nobody
                await trio.sleep(0.01)
            failures = running.ledger.failures
            while running.ledger.failures < failures + 2:  # noqa: ASYNC110 - it goes on while the exporter hangs
                await trio.sleep(0.01)
        assert not go_on.is_set()
        go_on.set()
        await trio.to_thread.run_sync(tracers.shutdown)


def test_nothing_of_it_is_imported_unless_it_is_used() -> None:
    program = "import sys, actors, actors._cli; sys.exit(any(name.startswith('opentelemetry') for name in sys.modules))"

    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


def test_without_the_library_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ImportError, match=r"unblinking\[otel\]"):
        opentelemetry()


@pytest.mark.parametrize("every", [0, -1, float("nan"), float("inf")])
def test_a_pause_that_is_none_is_refused(every: float) -> None:
    with pytest.raises(ValueError, match="every"):
        opentelemetry(every=every)
