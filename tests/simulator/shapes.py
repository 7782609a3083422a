"""Comparing a message with a documented one: the same fields, of the same kinds, in the same order where it matters."""

from __future__ import annotations

from typing import Any


def shape(value: Any) -> Any:
    """Return what a message is made of, without its values: lists by their first element."""
    if isinstance(value, dict):
        return {name: shape(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [shape(value[0])] if value else []
    return type(value).__name__
