"""Changing the definition of a running tree: what would change, and making it so. Pure."""

from __future__ import annotations

from collections.abc import Callable

import attrs

from . import _operations
from ._errors import BadTree, Problem
from ._machine import Machine
from ._render import describe_policy
from ._spec import SUPERVISOR_OPTIONS, Child, Node, Supervisor
from ._state import ACTIVE, Slot


@attrs.frozen
class Plan:
    """What applying a new definition does to a running tree. Made by `diff`; print it before applying."""

    new: Supervisor = attrs.field(repr=False)
    added: tuple[str, ...]
    removed: tuple[str, ...]
    restarted: tuple[str, ...]
    """Children that run something else from then on, or other arguments."""
    adjusted: tuple[str, ...]
    """Children whose policy changes while they live."""
    details: tuple[str, ...] = attrs.field(repr=False, default=())

    @property
    def empty(self) -> bool:
        """Whether nothing changes."""
        return not (self.added or self.removed or self.restarted or self.adjusted)

    def __str__(self) -> str:
        return "\n".join(self.details) or "nothing changes"


def diff(old: Supervisor, new: Supervisor) -> Plan:
    """Compare two definitions of one tree.

    Raises:
        BadTree: The roots have different names.
    """
    if old.name != new.name:
        raise BadTree([Problem(new.name, f"the running tree is {old.name!r}; a root cannot be renamed")])
    found: dict[str, list[str]] = {"added": [], "removed": [], "restarted": [], "adjusted": []}
    details: list[str] = []
    _compare(old, new, new.name, found, details)
    lists = {name: tuple(paths) for name, paths in found.items()}
    return Plan(new=new, details=tuple(details), **lists)


def _compare(old: Node, new: Node, path: str, found: dict[str, list[str]], details: list[str]) -> None:
    if not _same_kind(old, new) or (isinstance(old, Child) and isinstance(new, Child) and old.actor != new.actor):
        found["restarted"].append(path)
        details.append(f"~ {path}  restarts: {', '.join(new.describe())} instead of {', '.join(old.describe())}")
        return
    own = [name for name in SUPERVISOR_OPTIONS if getattr(old, name, None) != getattr(new, name, None)]
    if own or old.policy != new.policy:
        before, after = (", ".join(node.describe() + describe_policy(node.policy)) for node in (old, new))
        unseen = f"another {' and '.join(own)}" if before == after else f"{before}  ->  {after}"
        found["adjusted"].append(path)
        details.append(f"= {path}  {unseen}")
    if isinstance(old, Supervisor) and isinstance(new, Supervisor):
        earlier, later = ({child.name: child for child in node.children} for node in (old, new))
        for name in earlier.keys() - later.keys():
            found["removed"].append(f"{path}/{name}")
            details.append(f"- {path}/{name}")
        for name, child in later.items():
            if name in earlier:
                _compare(earlier[name], child, f"{path}/{name}", found, details)
            else:
                found["added"].append(f"{path}/{name}")
                details.append(f"+ {path}/{name}  {', '.join(child.describe())}")


def _same_kind(old: Node, new: Node) -> bool:
    return type(old) is type(new)


def apply(machine: Machine, new: Supervisor, below: Callable[[Slot], Machine | None], now: float) -> None:
    """Make a running supervisor follow a new definition.

    Children that were added by an operator stay; those that an operator stopped stay stopped.

    Args:
        machine: The running supervisor.
        new: Its new definition, already checked.
        below: Finds the machine of a child that is a supervisor and lives.
        now: Seconds on Trio's clock.
    """
    machine.spec = new
    wanted = {child.name: child for child in new.children}
    for slot in [slot for slot in machine.slots.values() if not slot.added and slot.spec.name not in wanted]:
        _operations.remove(machine, slot, now)
    started: list[Slot] = []
    for child in new.children:
        if child.name in machine.slots:
            _follow(machine, machine.slots[child.name], child, below, now)
        else:
            started.append(machine.new_slot(child, now, None, added=False))
    _reorder(machine, list(wanted))
    _operations.let_run(machine, started, now)


def _follow(machine: Machine, slot: Slot, new: Node, below: Callable[[Slot], Machine | None], now: float) -> None:
    old, inner = slot.spec, below(slot)
    changed = not _same_kind(old, new) or getattr(old, "actor", None) != getattr(new, "actor", None)
    if slot.wish == "removed":
        slot.wish = "again"  # The definition has it again before it has ended.
    elif changed and slot.state in ACTIVE:
        _operations.restart(machine, slot, now)  # While the old one ends, its own times count.
    slot.spec, slot.added = new, False
    if isinstance(old, Supervisor) and isinstance(new, Supervisor):
        if inner is not None and not inner.begun:
            inner.spec = new
        elif inner is not None and inner.phase == "running":
            apply(inner, new, below, now)
    elif changed and not slot.held and slot.state not in (*ACTIVE, "stopping"):
        _operations.restart(machine, slot, now)


def _reorder(machine: Machine, names: list[str]) -> None:
    """Put the children into the order of the definition; those added while running come last."""
    ordered = [machine.slots[name] for name in names if name in machine.slots]
    ordered += [slot for slot in machine.slots.values() if slot not in ordered]
    machine.slots = {slot.spec.name: slot for slot in ordered}
    machine.renumber()
