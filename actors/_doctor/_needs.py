"""A tree as a definition: which values stand in it, and which addresses of venues it uses. Pure.

Values are found by their type or shape, wherever they stand: as an actor, as an argument of one, or inside of another
value. So a new kind of group or source needs nothing here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cached_property, partial
from typing import Any, TypeVar

import attrs

from supervisor import Budget, Child, Mailbox, Supervisor

from .._connections._connection import Connection
from .._net._dial import Dial, Tls

T = TypeVar("T")


@attrs.frozen
class Stream:
    """One address of WebSockets, with all connections that go there for one channel of one venue."""

    venue: str
    address: str
    """Scheme, host and port."""
    source: Any
    """One of the sources that go there: `PublicSource`, or that of an account."""
    public: bool
    tls: Tls = attrs.field(repr=False)
    dial: Dial | None = attrs.field(repr=False)
    rest: str
    transport: Any = attrs.field(repr=False)
    connections: tuple[tuple[str, int], ...] = ()
    """Path of each connection, and how many symbols it carries."""


@attrs.frozen
class Rest:
    """One REST address of one venue."""

    venue: str
    address: str
    source: Any
    transport: Any = attrs.field(repr=False)
    tls: Tls = attrs.field(repr=False)
    dial: Dial | None = attrs.field(repr=False)


@attrs.define(slots=False, eq=False)
class Needs:
    """What a tree needs, as far as its definition tells."""

    tree: Supervisor

    def find(self, kind: type[T]) -> list[tuple[str, T]]:
        """Return every value of a type with the path of the child that it belongs to, each once a child."""
        return [(path, value) for path, value in self._values if isinstance(value, kind)]

    def having(self, *names: str) -> list[tuple[str, Any]]:
        """Return every value that has attributes of these names."""
        return [(path, value) for path, value in self._values if all(hasattr(value, name) for name in names)]

    @cached_property
    def children(self) -> list[tuple[str, Child]]:
        """Every child that is no supervisor, with its path."""
        return list(_children(self.tree, ""))

    @cached_property
    def _values(self) -> list[tuple[str, Any]]:
        return [(path, value) for path, child in self.children for value in _inside(child.actor, set())]

    @cached_property
    def streams(self) -> list[Stream]:
        """Where the tree's WebSockets go, in the order of the tree."""
        found: dict[tuple[Any, ...], Stream] = {}
        for path, connection in self.find(Connection):
            line: Any = connection.line
            source, wanted = line.source, line.wanted_slot if hasattr(line, "wanted_slot") else None
            key = (source.venue, line.address, getattr(source, "channel", "account"), connection.tls, connection.dial)
            stream = found.get(key) or Stream(
                source.venue,
                line.address,
                source,
                wanted is not None,
                connection.tls,
                connection.dial,
                getattr(line, "rest", ""),
                getattr(line, "transport", None),
            )
            mine = (path, len(getattr(line, "symbols", ())))
            found[key] = attrs.evolve(stream, connections=(*stream.connections, mine))
        return list(found.values())

    @cached_property
    def rests(self) -> list[Rest]:
        """Where the tree's REST requests go, in the order of the tree."""
        ways = {(stream.venue, stream.transport): stream for stream in self.streams}
        ways |= {(stream.venue, None): stream for stream in self.streams}
        found: dict[tuple[Any, ...], Rest] = {}
        for _, value in self.having("source", "rest", "transport"):
            venue = value.source.venue
            way = ways.get((venue, value.transport)) or ways.get((venue, None))
            found.setdefault(
                (venue, value.rest, value.transport),
                Rest(
                    venue,
                    value.rest,
                    value.source,
                    value.transport,
                    None if way is None else way.tls,
                    None if way is None else way.dial,
                ),
            )
        return list(found.values())


def _children(node: Child | Supervisor, above: str) -> Iterator[tuple[str, Child]]:
    path = f"{above}/{node.name}" if above else node.name
    if isinstance(node, Supervisor):
        for below in node.children:
            yield from _children(below, path)
    else:
        yield path, node


def _inside(value: Any, seen: set[int]) -> Iterator[Any]:
    """Yield a value and what stands in it. Mailboxes and budgets belong to the tree, and hold nothing of a definition."""
    if id(value) in seen or isinstance(value, str | bytes | int | float | type | Mailbox | Budget):
        return
    seen.add(id(value))
    yield value
    if isinstance(value, Mapping):
        below = list(value.values())
    elif isinstance(value, tuple | list | set | frozenset):
        below = list(value)
    elif isinstance(value, partial):
        below = [*value.args, *value.keywords.values()]
    elif attrs.has(type(value)):
        below = [getattr(value, field.name) for field in attrs.fields(type(value))]
    else:
        below = []
    for each in below:
        yield from _inside(each, seen)
