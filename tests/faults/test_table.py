"""Every venue against some faults: nothing is missed, doubled or out of order unless a gap says so, and no limit is broken.

`nox -s faults` runs all of them, and prints a table.
"""

import pytest

from .runs import Trouble, run
from .troubles import cases

QUICK = ("nothing", "reset", "mute, this connection", "stale: old data again", "notice before the close")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("venue", "trouble"),
    [case for case in cases() if case[1].name in QUICK],
    ids=lambda value: getattr(value, "name", value),
)
def test_the_feed_keeps_the_law(venue: str, trouble: Trouble) -> None:
    row = run(venue, trouble)
    assert row.lawful, row
