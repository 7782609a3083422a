"""The demo's arithmetic: it must catch what it promises to rule out."""

from random import Random

from hypothesis import given
from hypothesis import strategies as st

from actors._cli._tally import Silence, compare

numbers = st.lists(st.integers(0, 30), unique=True)


@given(published=numbers, delivered=st.lists(st.integers(0, 40)))
def test_the_counts_always_add_up(published: list[int], delivered: list[int]) -> None:
    found = compare(published, delivered)

    assert found.delivered == found.published - found.missed + found.duplicated + found.invented
    assert found.perfect == (delivered == published)


@given(published=st.lists(st.integers(), unique=True, min_size=2), seed=st.integers())
def test_a_different_order_is_seen_and_is_not_called_a_loss(published: list[int], seed: int) -> None:
    delivered = published.copy()
    Random(seed).shuffle(delivered)

    found = compare(published, delivered)

    assert (found.missed, found.duplicated, found.invented) == (0, 0, 0)
    assert (found.out_of_order > 0) == (delivered != published)


def test_one_missed_one_twice_and_one_invented_are_told_apart() -> None:
    found = compare([1, 2, 3, 4], [1, 2, 2, 4, 9])

    assert (found.missed, found.duplicated, found.invented, found.out_of_order) == (1, 1, 1, 0)


def test_the_longest_silence_is_that_of_one_feed_and_not_of_all_together() -> None:
    silence = Silence()
    for name, at in (("a", 0.0), ("b", 1.0), ("b", 2.0), ("a", 5.0), ("b", 6.0)):
        silence.heard(name, at)

    assert (silence.longest, silence.whose) == (5.0, "a")
