"""Delta debugging: the fewest entries of a day with which it still fails in the same way (Zeller and Hildebrandt, 2002). Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence


def shrink(entries: Sequence[int], fails: Callable[[tuple[int, ...]], bool], *, most: int) -> tuple[int, ...]:
    """Return a part of the entries with which it still fails.

    Args:
        entries: Of a run that fails.
        fails: Runs a part, and says whether it fails in the same way.
        most: Runs that may be made; what is left then is returned.
    """
    kept, parts, runs = tuple(entries), 2, 0
    while len(kept) > 1 and runs < most:
        size = -(-len(kept) // parts)
        for begin in range(0, len(kept), size):
            without = kept[:begin] + kept[begin + size :]
            runs += 1
            if fails(without):
                kept, parts = without, max(parts - 1, 2)
                break
            if runs >= most:
                return kept
        else:
            if size == 1:
                break
            parts = min(2 * parts, len(kept))
    return kept
