"""What the documentation shows for running a bot for real fits the bot: manifests, dashboard, tables."""

import configparser
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import pytest

import actors
from actors import health
from actors._cli import main
from actors.ops._alert_rules import _CRITICAL
from actors.ops._alerts import AlertKind
from actors.ops._metrics import families
from actors.ops._watched import Watched
from supervisor import Policy, Supervisor

from .clients import ask, port_of

yaml = pytest.importorskip("yaml")
PACKAGE = Path(str(actors.__file__)).parent
EXAMPLES = PACKAGE / "_examples" if (PACKAGE / "_examples").is_dir() else PACKAGE.parent / "docs" / "examples"
DOCS = Path(__file__).resolve().parents[2] / "docs"
MANIFESTS = sorted((EXAMPLES / "kubernetes").glob("*.yaml"))
ONE_CHILD = Policy().grace + Policy().bound


def table(page: str, heading: str) -> list[list[str]]:
    """Return the rows of the first table below a heading."""
    below = (DOCS / "reference" / page).read_text().partition(f"\n{heading}\n")[2]
    rows = re.search(r"\n\|[- |]+\|\n((?:\|.*\|\n)+)", below)
    assert rows is not None, heading
    return [[cell.strip() for cell in row.strip("|").split(" | ")] for row in rows[1].splitlines()]


def pods() -> Iterator[dict[str, Any]]:
    for file in MANIFESTS:
        for manifest in yaml.safe_load_all(file.read_text()):
            if manifest["kind"] == "Deployment":
                yield manifest["spec"]["template"]["spec"]


def probes(container: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {name: value for name, value in container.items() if name.endswith("Probe")}


def test_manifests_are_objects_of_kubernetes() -> None:
    assert [file.name for file in MANIFESTS] == ["bot.yaml", "watchdog.yaml"]
    for file in MANIFESTS:
        for manifest in yaml.safe_load_all(file.read_text()):
            assert {"apiVersion", "kind", "metadata", "spec"} <= set(manifest)


async def test_the_three_probes_ask_for_paths_that_the_endpoint_answers_without_the_token() -> None:
    (container,) = next(pods())["containers"]
    ports = {port["name"]: port["containerPort"] for port in container["ports"]}
    found = probes(container)
    async with Supervisor("bot", [health(0, token=actors.Secret.literal("t0ken"))]).open(seed=1) as running:
        await running.wait_state("bot/health", "ready")
        answers = {name: await ask(port_of(running), probe["httpGet"]["path"]) for name, probe in found.items()}

    assert set(found) == {"startupProbe", "livenessProbe", "readinessProbe"}
    assert {answer.status for answer in answers.values()} == {200}
    assert {ports[probe["httpGet"]["port"]] for probe in found.values()} == {8080}
    # A venue that is down must never cost a restart.
    assert "/healthz" not in {probe["httpGet"]["path"] for probe in found.values()}


def test_there_is_never_a_second_bot_and_it_has_time_to_stop() -> None:
    deployment = next(yaml.safe_load_all(MANIFESTS[0].read_text()))
    unit = configparser.RawConfigParser(strict=False)
    unit.optionxform = str  # type: ignore[assignment,method-assign]
    unit.read(EXAMPLES / "systemd" / "bot.service")

    assert deployment["spec"]["replicas"] == 1 and deployment["spec"]["strategy"] == {"type": "Recreate"}
    for pod in pods():
        # Of several children that take all their time.
        assert pod["terminationGracePeriodSeconds"] >= 4 * ONE_CHILD
    assert float(unit["Service"]["TimeoutStopSec"]) >= 4 * ONE_CHILD


def test_the_commands_in_manifests_and_dockerfile_are_commands() -> None:
    commands = [
        [*container.get("command", []), *container.get("args", [])] for pod in pods() for container in pod["containers"]
    ]
    dockerfile = (EXAMPLES / "docker" / "Dockerfile").read_text()
    commands += [
        json.loads(line.partition(" ")[2]) for line in dockerfile.splitlines() if line.startswith("ENTRYPOINT")
    ]

    ours = [command for command in commands if command]
    assert len(ours) == 2
    for program, name, *arguments in ours:
        known = {option for parameter in main.commands[name].params for option in parameter.opts}
        assert program == "unblinking"
        assert {argument for argument in arguments if argument.startswith("--")} <= known
    assert "/livez" in dockerfile and "/healthz" not in dockerfile


async def exported() -> dict[str, tuple[str, list[str]]]:
    """Return every metric of the endpoint with its type and labels."""
    async with Supervisor("bot", [health(0)]).open(seed=1) as running:
        watched = Watched(running, (), lambda: dict.fromkeys(("connections", "requests", "evicted", "refused"), 0))
        look = watched.look()
        return {
            family.name + ("_total" if family.type == "counter" else ""): (family.type, list(family._labelnames))  # type: ignore[attr-defined]
            for family in families(watched, look.status, look.vitals, look.verdict)
        }


async def test_the_table_of_metrics_is_what_is_exported() -> None:
    told = {row[0].strip("`"): (row[1], re.findall(r"`(\w+)`", row[2])) for row in table("health.md", "### Metrics")}

    assert told == await exported()


async def test_every_metric_in_the_dashboard_exists_with_its_labels() -> None:
    board = json.loads((EXAMPLES / "grafana" / "unblinking.json").read_text())
    known = await exported()
    labels = {label for _, names in known.values() for label in names} | {"instance"}
    expressions = [target["expr"] for panel in board["panels"] for target in panel["targets"]]
    named = {name for text in expressions for name in re.findall(r"\b(?:unblinking|process)_\w+", text)}
    grouped = {
        label for text in expressions for group in re.findall(r"by \(([^)]*)\)", text) for label in group.split(", ")
    }
    legends = {
        label for panel in board["panels"] for target in panel["targets"] for label in re.findall(r"{{(\w+)}}", target["legendFormat"])
    }  # fmt: skip

    assert {name for name in named if name.startswith("unblinking")} <= set(known)
    assert {name for name in named if name.startswith("process")} <= {
        "process_resident_memory_bytes", "process_cpu_seconds_total",
    }  # fmt: skip
    assert len(named) > 15
    assert grouped | legends <= labels
    assert len({panel["id"] for panel in board["panels"]}) == len(board["panels"])


def test_every_kind_of_alert_is_explained_with_its_severity() -> None:
    rows = {row[0].strip("`"): row for row in table("alerts.md", "## The alerts")}

    assert set(rows) == set(get_args(AlertKind))
    assert {kind for kind, row in rows.items() if row[1] == "critical"} == _CRITICAL | {"down"}
    assert all(len(row) == 5 and all(row) for row in rows.values())
