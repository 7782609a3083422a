"""What a supervisor's machine orders from the Trio side. Nothing here calls back into the machine at once."""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Protocol

from ._budget import OpenBudget
from ._events import Event, Ready, Started
from ._state import Slot
from ._timers import Order, Timer


class Port(Protocol):
    """What the machine orders from the Trio side."""

    def start(self, slot: Slot) -> None:
        """Start the slot's next incarnation."""

    def cancel(self, slot: Slot, reason: str) -> None:
        """Cancel the slot's incarnation; its cleanup may go on."""

    def cut_cleanup(self, slot: Slot) -> None:
        """Cancel the cleanup of the slot's incarnation, too."""

    def stack(self, slot: Slot) -> tuple[str, ...]:
        """Return where the slot's incarnation is waiting."""

    def at(self, deadline: float, order: Order, callback: Callable[[float], None]) -> Timer:
        """Call back at the deadline."""

    def take_back(self, timer: Timer | None) -> None:
        """Forget a timer, if there is one."""

    def budget_of(self, slot: Slot) -> OpenBudget | None:
        """Return the open budget that the slot's starts draw from."""

    @property
    def random(self) -> Random:
        """For jitter."""

    def lived(self, path: str) -> int:
        """Return how many incarnations of this path have ended, under whichever child had the name."""

    def spread(self, slot: Slot, exception: BaseException | None, now: float) -> float:
        """Count a failure; return what to add to its delay because many fail alike, seconds."""

    def publish(self, event: Event) -> None:
        """Put an event into the tree's stream."""

    def tell(self, kind: type[Started | Ready], slot: Slot, now: float) -> None:
        """Put an event without details into the tree's stream. It is not made where nobody listens."""

    def started(self) -> None:
        """Every first start is done."""

    def finished(self) -> None:
        """No incarnation lives any more; `Machine.result` says how it came."""

    def end_process(self, slot: Slot) -> None:
        """Stop the whole tree and end the process: this child, which cannot be stopped, is declared so."""
