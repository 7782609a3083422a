"""Every venue's account against some troubles: at the end the bot holds what is true, each fill once, in causal order.

`nox -s accounts` runs all of them, and prints a table.
"""

import pytest

from .runs import Trouble, run
from .troubles import cases

QUICK = (
    "nothing",
    "drop: reset",
    "key expiry with notice",
    "revoked key, and the stream breaks",
    "5xx during reconcile",
    "dropped events on a living stream",
)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "trouble"),
    [case for case in cases() if case[1].name in QUICK],
    ids=lambda value: getattr(value, "name", value),
)
def test_no_order_update_and_no_fill_is_lost(name: str, trouble: Trouble) -> None:
    row = run(name, trouble)
    assert row.lawful, row


def test_the_same_seed_gives_the_same_row() -> None:
    name, trouble = next(case for case in cases() if case[1].name == "drop: reset")
    assert run(name, trouble, seed=3) == run(name, trouble, seed=3)
