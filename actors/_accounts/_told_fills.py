"""The fills of one symbol that were delivered, as far as they are remembered. Pure."""

from __future__ import annotations

from typing import Final, TypeAlias

from .._records import Fill, OrderId

FILLS_KEPT: Final = 10_000
"""Fills remembered per symbol. Those that are not newer than the newest one forgotten count as delivered."""

FillKey: TypeAlias = tuple[OrderId, int | str]
"""Order id and fill id: where two own orders met, both fills have the id of the one trade."""


class ToldFills:
    """The delivered fills of one symbol with their times, bounded."""

    __slots__ = ("floor", "times")

    def __init__(self, floor: int) -> None:
        self.times: dict[FillKey, int] = {}
        self.floor = floor
        """Time of the newest fill that was forgotten."""

    def __contains__(self, fill: Fill) -> bool:
        return fill.time <= self.floor or (fill.order_id, fill.id) in self.times

    def copy(self) -> ToldFills:
        fills = ToldFills(self.floor)
        fills.times = self.times.copy()
        return fills

    def add(self, key: FillKey, time: int) -> None:
        self.times[key] = time
        if len(self.times) > FILLS_KEPT + FILLS_KEPT // 10:
            # Many at a time, because finding the oldest costs a sort.
            for old in sorted(self.times, key=self.times.__getitem__)[:-FILLS_KEPT]:
                self.floor = max(self.floor, self.times.pop(old))
