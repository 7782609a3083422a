"""Section H: changing a running tree."""

from typing import Any

import pytest

from supervisor import BadTree, Child, Running, Supervisor, child

from .common import forever, lived, which


def old_kind(name: str) -> Child:
    return child(f"old-{name}", forever)


def new_kind(name: str) -> Child:
    return child(f"new-{name}", forever)


def test_scenario_77_a_template_can_be_changed_and_holds_for_the_next_children() -> None:
    seen: list[Any] = []
    before, after = (Supervisor("bot", [Supervisor("s", template=kind)]) for kind in (old_kind, new_kind))

    def change(running: Running) -> None:
        running.add_child("bot/s", "a")
        plan = running.plan(after)
        seen.append((plan.adjusted, str(plan)))
        running.apply(plan)
        running.add_child("bot/s", "b")

    lived(before, (1.0, change), (2.0, lambda running: seen.append(which(running, "bot/s"))))

    assert seen == [(("bot/s",), "= bot/s  another template"), {"old-a": "ready", "new-b": "ready"}]


def test_scenario_77_a_supervisor_has_one_template_or_a_list_of_children() -> None:
    with pytest.raises(BadTree, match="template= contradicts a list of children"):
        Supervisor("bot", [child("a", forever)], template=old_kind)
    with pytest.raises(BadTree, match="template must be a function"):
        Supervisor("bot", template=(old_kind, new_kind))  # type: ignore[arg-type]
