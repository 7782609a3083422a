"""The child that `Venue.cancel_all_after` returns."""

from __future__ import annotations

from collections.abc import Sequence

import attrs

from supervisor import Child, Mailbox, child

from ._account_source import AccountSource
from ._accounts._cancel_after import Armed, AtStop, CancelAllAfter
from ._accounts._cancel_line import GuardedConnection
from ._cancel_rules import CancelRule, ConnectionRule, CountdownRule
from ._connections._venue_clock import VenueClock
from ._groups import Place, attempts_at


def wrong_rule(rule: CancelRule, venue: str, seconds: object, symbols: Sequence[str], at_stop: str) -> list[str]:
    """Say what does not fit the venue's rule."""
    found = []
    whole = isinstance(seconds, int) and not isinstance(seconds, bool)
    if not (whole and rule.least <= seconds <= rule.most):  # type: ignore[operator]  # checked in the same breath
        found.append(f"seconds must be a whole number from {rule.least} to {rule.most} on {venue}, not {seconds!r}")
    if at_stop not in ("leave", "disarm"):
        found.append(f"at_stop must be 'leave' or 'disarm', not {at_stop!r}")
    if isinstance(rule, CountdownRule) and rule.named and not symbols:
        found.append(f"symbols must be named: {venue} has a countdown for each")
    if symbols and (isinstance(rule, ConnectionRule) or rule.whole):
        found.append(f"symbols must not be named: {venue} cancels all orders of the account")
    return found


def cancel_child(
    place: Place,
    name: str,
    source: AccountSource,
    rule: CancelRule,
    *,
    seconds: int,
    symbols: Sequence[str],
    needs: Sequence[str],
    at_stop: AtStop,
) -> Child:
    """Return the child; everything was checked."""
    memory: Mailbox[Armed] = Mailbox(f"{name} memory", capacity=1)
    clock: Mailbox[VenueClock] = Mailbox(f"{name} clock of the venue", capacity=1)
    if isinstance(rule, CountdownRule):
        countdown = CancelAllAfter(
            source=source,
            rule=rule,
            rest=place.rest,
            seconds=seconds,
            symbols=tuple(symbols),
            needs=tuple(needs),
            at_stop=at_stop,
            hold=place.rest_hold,
            memory=memory,
            clock=clock,
            transport=place.transport,
        )
        return child(name, countdown)
    limits = source.limits
    attempts = attempts_at(place.ws, limits.attempts, limits.attempts_within)
    connection = GuardedConnection(
        source=source,
        rule=rule,
        ws=place.ws,
        rest=place.rest,
        seconds=seconds,
        needs=tuple(needs),
        at_stop=at_stop,
        attempts=attempts,
        ws_hold=place.ws_hold,
        rest_hold=place.rest_hold,
        memory=memory,
        clock=clock,
        tls=place.tls,
        dial=place.dial,
        transport=place.transport,
    )
    return child(name, connection)


async def _never(_me: object) -> None:
    """Stands in for an actor that could not be built; the tree that holds it does not open."""


def unusable_child(name: str, wrong: Sequence[str]) -> Child:
    """Return a child in place of one that cannot be built; the tree that holds it does not open."""
    made = child(name, _never)
    return attrs.evolve(made, wrong=(*made.wrong, *wrong))
