"""What health asks for is declared where the feed is: `required=False` leaves it out."""

from typing import Any

import pytest

from actors import Secret, best_feed, binance, binance_usdm, gate
from supervisor import BadTree, Child, Mailbox, Supervisor

OUT: Mailbox[Any] = Mailbox("out", capacity=10)
KEYS = {"key": Secret.literal("k"), "secret": Secret.literal("s")}


def owner(group: Supervisor) -> Any:
    """Return the actor that owns the group's data: its first child."""
    first = group.children[0]
    assert isinstance(first, Child)
    return first.actor


@pytest.mark.parametrize("required", [True, False])
def test_every_kind_of_feed_can_be_left_out_of_health(required: bool) -> None:
    groups = [
        binance.trades("BTCUSDT", out=OUT, required=required),
        gate.quotes("BTC_USDT", out=OUT, required=required),
        binance.books("BTCUSDT", out=OUT, required=required),
        binance_usdm.account("main", out=OUT, required=required, **KEYS),
        best_feed("btc", [binance.trades("BTCUSDT"), gate.trades("BTC_USDT")], out=OUT, required=required),
    ]
    assert [owner(group).required for group in groups] == [required] * len(groups)


def test_a_source_is_not_required_where_the_choice_is() -> None:
    best = best_feed("btc", [binance.trades("BTCUSDT"), gate.trades("BTC_USDT")], out=OUT)
    sources = [group for group in best.children[1:] if isinstance(group, Supervisor)]
    assert [owner(group).required for group in sources] == [False, False]


def test_what_is_neither_true_nor_false_is_refused() -> None:
    with pytest.raises(BadTree, match="required must be True or False"):
        binance.trades("BTCUSDT", out=OUT, required="yes")  # type: ignore[call-overload]
