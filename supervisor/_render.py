"""A tree's definition as text: one line a child, with what differs from the defaults. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from ._policy import Policy

if TYPE_CHECKING:
    from ._spec import Node

_DEFAULTS = Policy()


def render(node: Node) -> str:
    """Return the definition as an indented tree."""
    return "\n".join(_lines(node, "", ""))


def _lines(node: Node, first: str, rest: str) -> list[str]:
    children = getattr(node, "children", ())
    lines = [f"{first}{node.name}  {_describe(node)}"]
    for place, below in enumerate(children):
        last = place == len(children) - 1
        lines += _lines(below, rest + ("└─ " if last else "├─ "), rest + ("   " if last else "│  "))
    return lines


def _describe(node: Node) -> str:
    return ", ".join(node.describe() + describe_policy(node.policy))


def describe_policy(policy: Policy) -> list[str]:
    """Return the options in words: the restart kind always, others where they differ from the defaults."""
    parts: list[str] = [policy.restart]
    for field in attrs.fields(Policy):
        value = getattr(policy, field.name)
        if field.name == "restart" or value == getattr(_DEFAULTS, field.name):
            continue
        if field.name == "on":
            parts.append("on " + ", ".join(f"{key.__name__}: {action}" for key, action in value))
        elif field.name == "backoff":
            parts.append(str(value))
        elif isinstance(value, float | int) and field.name != "max_failures":
            parts.append(f"{field.name} {value:g} s")
        else:
            parts.append(f"{field.name} {value}")
    return parts
