"""Delta debugging finds what a failure needs, and stops when it may not go on."""

from hypothesis import given
from hypothesis import strategies as st

from .shrink import shrink


@given(st.sets(st.integers(0, 99), min_size=1, max_size=4))
def test_it_finds_exactly_the_entries_that_are_needed(needed: set[int]) -> None:
    found = shrink(range(100), lambda part: needed <= set(part), most=2000)

    assert set(found) == needed


@given(st.sets(st.integers(0, 99), min_size=1, max_size=4), st.integers(0, 40))
def test_it_keeps_to_its_runs_and_what_it_returns_fails(needed: set[int], most: int) -> None:
    runs = 0

    def fails(part: tuple[int, ...]) -> bool:
        nonlocal runs
        runs += 1
        return needed <= set(part)

    found = shrink(range(100), fails, most=most)
    assert runs <= most
    assert needed <= set(found)
