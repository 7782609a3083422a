"""Changing trees that somebody else has built. Pure."""

from collections.abc import Sequence
from typing import Any

import attrs

from supervisor import Child, Supervisor

_NO_OPTIONS = ("name", "children", "policy", "wrong")


def with_children(tree: Supervisor, children: Sequence[Child | Supervisor]) -> Supervisor:
    """Return the same supervisor, with all its options, over other children.

    Raises:
        BadTree: The children do not fit.
    """
    options: dict[str, Any] = {
        field.name: getattr(holder, field.name)
        for holder in (tree, tree.policy)
        for field in attrs.fields(type(holder))
        if field.name not in _NO_OPTIONS and getattr(holder, field.name) != field.default
    }
    return Supervisor(tree.name, children, **options)
