"""Every function that is given what a venue sends is fuzzed, with inputs that reach it, and survives some by chance."""

from __future__ import annotations

import functools
import importlib
import inspect
import pkgutil
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import actors.exchanges
from actors._account_source import AccountSource
from actors._source import BookSource, PublicSource, QuoteSource, TradeSource

from . import samples
from .mutation import LONGEST, mutated
from .targets import GROUPS, PRIVATE, PUBLIC, Target, targets

ALL = functools.cache(targets)
BY_INQUIRY = {"open_orders", "orders", "one_order", "fills"}


def readers_of(protocol: type[Any]) -> set[str]:
    """The methods of a protocol that are given bytes, or ask for some."""
    found = set()
    for name, method in inspect.getmembers(protocol, inspect.isfunction):
        if name.startswith("_"):
            continue
        hints = {part: str(hint) for part, hint in inspect.get_annotations(method).items()}
        given = " ".join(hint for part, hint in hints.items() if part != "return")
        if "bytes" in given or "Frame" in given or "HttpReply" in given or "Inquiry" in hints.get("return", ""):
            found.add(name)
    return found


def test_no_method_that_reads_is_left_out() -> None:
    public = set().union(*map(readers_of, (PublicSource, TradeSource, QuoteSource, BookSource)))
    assert public == set(PUBLIC)
    assert readers_of(AccountSource) == set(PRIVATE)


def sources() -> set[type[Any]]:
    """Every class of a venue's files that reads frames."""
    found = set()
    for module in pkgutil.iter_modules(actors.exchanges.__path__, "actors.exchanges."):
        for value in vars(importlib.import_module(module.name)).values():
            if inspect.isclass(value) and hasattr(value, "decode_many") and "venue" in dir(value):
                found.add(value)
    return found


def test_no_source_of_any_venue_is_left_out() -> None:
    covered = {type(source) for source in (*samples.public_sources().values(), *samples.account_sources().values())}
    abstract = {base for kind in covered for base in kind.__mro__[1:]}
    assert sources() - abstract - covered == set()
    assert covered <= sources()


def test_each_source_has_a_target_for_each_of_its_readers() -> None:
    there = {target.name for target in ALL()}
    for name, source in samples.public_sources().items():
        wanted = {"decode_many", "failure", {"trades": "rows", "quotes": "newest", "book": "snapshot"}[source.channel]}
        wanted |= {"door"} if source.door_request() is not None else set()
        assert {f"{name}: {method}" for method in wanted} <= there
    for name, account in samples.account_sources().items():
        wanted = {"decode_many", "failure", "time", *BY_INQUIRY}
        wanted |= {"key"} if account.keeping is not None else set()
        wanted |= {"door"} if account.door_question() is not None else set()
        wanted |= {"permissions"} if account.permissions_question() is not None else set()
        assert {f"{name}: {method}" for method in wanted} <= there
    assert {target.group for target in ALL()} == set(GROUPS)
    assert len(there) == len(ALL())


@pytest.mark.slow
def test_of_what_it_begins_with_something_comes() -> None:
    """An input that is refused at the door finds nothing behind it."""
    reached = {target.name: sum(target.run(seed) for seed in target.seeds) for target in ALL()}
    # Of a handshake that is not accepted nothing comes.
    assert [name for name, count in reached.items() if count == 0 and name != "handshake"] == []


@pytest.mark.slow
@pytest.mark.parametrize("group", GROUPS)
@given(data=st.data())
@settings(max_examples=150, deadline=None)
def test_any_input_ends_in_events_or_a_typed_error(group: str, data: st.DataObject) -> None:
    target: Target = data.draw(st.sampled_from([target for target in ALL() if target.group == group]))
    given_input = data.draw(st.sampled_from(target.seeds))
    random: Random = data.draw(st.randoms(use_true_random=False))
    for _ in range(data.draw(st.integers(1, 4))):
        given_input = mutated(given_input, random)
    target.run(given_input)


@given(st.binary(max_size=200), st.randoms(use_true_random=False))
def test_whatever_is_mutated_is_an_input(data: bytes, random: Random) -> None:
    assert len(mutated(data, random)) <= LONGEST
