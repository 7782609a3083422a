"""What the demo counts: what was published against what arrived. Pure."""

from collections import Counter
from collections.abc import Hashable, Iterable, Sequence

import attrs


@attrs.frozen
class Comparison:
    """What became of a published sequence.

    Always ``delivered == published - missed + duplicated + invented``.
    """

    published: int
    delivered: int
    missed: int
    """Published and never delivered."""
    duplicated: int
    """Deliveries beyond the first of the same item."""
    out_of_order: int
    """First deliveries that came after something published later."""
    invented: int
    """Deliveries of what was never published, or not with this content."""

    @property
    def perfect(self) -> bool:
        """Whether everything was delivered once and in order, and nothing else was."""
        return not (self.missed or self.duplicated or self.out_of_order or self.invented)


def compare(published: Sequence[Hashable], delivered: Iterable[Hashable]) -> Comparison:
    """Compare what arrived with what was published, item by item.

    Args:
        published: In the exchange's order, each item once.
        delivered: In the order of arrival. An item counts as the published one only if it is equal to it.
    """
    place = {item: position for position, item in enumerate(published)}
    counts: Counter[Hashable] = Counter()
    latest = -1
    late = invented = 0
    for item in delivered:
        counts[item] += 1
        if item not in place:
            invented += 1
        elif counts[item] == 1:
            late += place[item] < latest
            latest = max(latest, place[item])
    known = sum(item in place for item in counts)
    return Comparison(
        published=len(place),
        delivered=counts.total(),
        missed=len(place) - known,
        duplicated=counts.total() - invented - known,
        out_of_order=late,
        invented=invented,
    )


@attrs.define
class Silence:
    """The longest time between two signs of life of the same thing."""

    longest: float = 0.0
    """Seconds."""
    whose: str = ""
    _last: dict[str, float] = attrs.field(factory=dict, repr=False)

    def heard(self, name: str, now: float) -> None:
        """Take note of a sign of life at ``now`` (seconds)."""
        before = self._last.get(name)
        self._last[name] = now
        if before is not None and now - before > self.longest:
            self.longest, self.whose = now - before, name
