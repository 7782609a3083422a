"""Every venue against every fault: nothing is missed, doubled or out of order unless a gap says so, and no limit is broken.

`nox -s faults` prints the same runs as a table.
"""

import pytest

from .runs import Trouble, run
from .troubles import cases


@pytest.mark.slow
@pytest.mark.parametrize(("venue", "trouble"), cases(), ids=lambda value: getattr(value, "name", value))
def test_the_feed_keeps_the_law(venue: str, trouble: Trouble) -> None:
    row = run(venue, trouble)
    assert row.lawful, row
