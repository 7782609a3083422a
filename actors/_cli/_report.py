"""The demo's report: the exchange's true record against what the witness saw. Pure."""

from collections.abc import Iterable

import attrs

from actors import OrderUpdate
from actors._records import OrderId
from actors.simulator import OrderEvent, PublishedTrade

from ._stage import Stage
from ._tally import Comparison, compare
from ._witness import Witness


@attrs.frozen
class Report:
    """Everything the demo promises, in numbers."""

    played: str
    """What the exchange published, in words."""
    trades: dict[str, Comparison]
    """By venue and symbol."""
    orders: Comparison
    recovered: int
    """Order updates that were found by asking, because the private stream was down."""
    gaps: int
    """Trades declared lost."""
    raised: int
    recorded: int
    unrecorded: tuple[str, ...]
    """Failures without a record: path and incarnation."""
    started: int
    ended: int
    decisions: dict[str, int]
    silence: float
    """Seconds."""
    silent: str
    faults: int
    hits: int
    """Connections that the faults broke, muted or soiled."""
    violations: tuple[str, ...]
    """Limits of the venues that the bot broke."""

    @property
    def restarts(self) -> int:
        """How many lives were given again, planned ones included."""
        return self.decisions.get("restart", 0) + self.decisions.get("planned_restart", 0)

    def problems(self) -> list[str]:
        """Say what does not add up; nothing when the bot kept every promise."""
        found = [f"trades of {market}: {_wrong(seen)}" for market, seen in self.trades.items() if not seen.perfect]
        if not self.trades or not all(seen.published for seen in self.trades.values()):
            found.append("a market published no trades: nothing was shown")
        if not self.orders.perfect:
            found.append(f"order events: {_wrong(self.orders)}")
        if self.gaps:
            found.append(f"{self.gaps} trades were declared lost")
        found += [f"the failure of {life} has no record" for life in self.unrecorded]
        if sum(self.decisions.values()) != self.ended:
            found.append(f"{self.ended} ends, but {sum(self.decisions.values())} decisions")
        if self.started != self.ended:
            found.append(f"{self.started} incarnations started, but {self.ended} ended")
        found += [f"the bot broke a limit of the venue: {violation}" for violation in self.violations]
        return found

    def lines(self) -> list[str]:
        """Return the report as text."""
        head = f"  {'':<30}{'published':>10}{'delivered':>10}{'missed':>8}{'duplicated':>12}{'out of order':>14}"
        rows = [_row(f"trades {market}", seen) for market, seen in self.trades.items()]
        rows.append(_row("order events", self.orders))
        decided = ", ".join(f"{count} {action}" for action, count in sorted(self.decisions.items()))
        facts = [
            ("played", self.played),
            ("order events", f"{self.recovered} of them recovered by reconciling"),
            ("faults", f"{self.faults} applied, {self.hits} connections hit"),
            ("failures", f"{self.raised} raised by actors, {self.recorded} recorded, {len(self.unrecorded)} lost"),
            ("ends", f"{self.ended} of {self.started} incarnations, each with one decision: {decided}"),
            ("restarts", str(self.restarts)),
            ("longest silence", f"{self.silence:.2f} s ({self.silent})" if self.silent else "none"),
            ("limits broken", str(len(self.violations))),
        ]
        return [head, *rows, "", *(f"  {name:<18}{text}" for name, text in facts)]


def make_report(stage: Stage, witness: Witness) -> Report:
    """Compare the exchange's record with what the witness saw."""
    record = stage.exchange.record
    decisions: dict[str, int] = {}
    for event in witness.ended:
        decisions[event.decision.action] = decisions.get(event.decision.action, 0) + 1
    return Report(
        played=stage.summary(),
        trades={
            " ".join(market): compare(
                [_published(trade) for trade in stage.published(market)], witness.trades.get(market, [])
            )
            for market in stage.markets
        },
        orders=_compare_orders(
            stage.order_events,
            witness.orders,
        ),
        recovered=sum(update.source == "reconcile" for update in witness.orders),
        gaps=sum(gap.count or 0 for gap in witness.gaps),
        raised=len(witness.raised),
        recorded=len(witness.recorded),
        unrecorded=tuple(f"{path}#{generation}" for path, generation in sorted(witness.unrecorded)),
        started=witness.started,
        ended=len(witness.ended),
        decisions=decisions,
        silence=witness.silence.longest,
        silent=witness.silence.whose,
        faults=len(record.faults),
        hits=sum(len(fault.hit) for fault in record.faults),
        violations=tuple(f"{found.venue} {found.rule}: {found.detail}" for found in record.violations),
    )


def _published(trade: PublishedTrade) -> tuple[int | str, str, str, str, int]:
    return (trade.id, trade.price, trade.quantity, trade.side, trade.time)


def _compare_orders(published: Iterable[OrderEvent], delivered: Iterable[OrderUpdate]) -> Comparison:
    """Compare order by order: REST tells no order among events of different orders that happened in one outage."""
    told: dict[OrderId, list[tuple[str, str, int | str]]] = {}
    heard: dict[OrderId, list[tuple[str, str, int | str]]] = {}
    for event in published:
        row = (event.status.lower(), _plain(event.filled), event.trade_id)
        told.setdefault(event.order_id, []).append(row)
    for update in delivered:
        fill_id = 0 if update.fill is None else update.fill.id
        heard.setdefault(update.order_id, []).append((update.status, _plain(format(update.filled, "f")), fill_id))
    parts = [compare(told.get(number, []), heard.get(number, [])) for number in {**told, **heard}]
    return Comparison(*(sum(getattr(part, field.name) for part in parts) for field in attrs.fields(Comparison)))


def _plain(number: str) -> str:
    """Return a decimal without the zeros that only say how it was written."""
    return (number.rstrip("0").rstrip(".") if "." in number else number) or "0"


def _row(name: str, seen: Comparison) -> str:
    return f"  {name:<30}{seen.published:>10}{seen.delivered:>10}{seen.missed:>8}{seen.duplicated:>12}{seen.out_of_order:>14}"


def _wrong(seen: Comparison) -> str:
    counts = {
        "missed": seen.missed,
        "delivered twice": seen.duplicated,
        "out of order": seen.out_of_order,
        "never published": seen.invented,
    }
    return ", ".join(f"{count} {what}" for what, count in counts.items() if count)
