"""What one channel is told of alerts: all of it, in few messages."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actors.ops._alerts import Alert, AlertMessage, Desk


def alert(key: str, *, over: float | None = None, cause: str = "", lines: tuple[str, ...] = ()) -> Alert:
    return Alert(key, "parked", "critical", f"bot/{key}", f"bot/{key} is parked", cause, lines, 0.0, over)


steps = st.lists(
    st.one_of(
        st.tuples(st.just("open"), st.integers(0, 11)),
        st.tuples(st.just("over"), st.integers(0, 11)),
        st.tuples(st.just("change"), st.integers(0, 11)),
        st.tuples(st.just("wait"), st.sampled_from([0.3, 1.0, 5.0, 40.0, 4000.0])),
    ),
    max_size=80,
)


@settings(max_examples=150)
@given(steps, st.integers(1, 12), st.booleans())
def test_every_alert_is_told_or_counted_and_its_end_only_after_it(
    steps: list[tuple[str, float]], most: int, at_once: bool
) -> None:
    desk = Desk("bot", every=10.0, most=most)
    now, made = 0.0, list[tuple[float, AlertMessage]]()
    told_open, opened, named = set[str](), 0, 0
    really: set[str] = set()

    def compose(last: bool = False) -> None:
        nonlocal named
        message = desk.compose(now, now, at_once=last)
        if message is None:
            return
        made.append((now, message))
        for one in message.opened:
            assert one.key not in told_open
            told_open.add(one.key)
        for one in message.repeated:
            assert one.key in told_open
            assert one.over is None
        for one in message.resolved:
            assert one.key in told_open
            told_open.discard(one.key)
        named += len(message.opened)
        assert message.opened or message.repeated or message.resolved or message.more or message.passed

    for what, value in steps:
        if what == "wait":
            # As the actor does: once a second, while the time is short.
            for _ in range(max(1, int(value)) if value < 100 else 1):
                now += value if value < 1 or value > 100 else 1.0
                compose()
        elif what == "open":
            if str(value) not in really:
                opened += 1
                really.add(str(value))
                desk.take(alert(str(value)), now)
        elif what == "change":
            desk.take(Alert(str(value), "parked", "critical", "", "", fresh=False), now) if str(
                value
            ) in really else None
        elif str(value) in really:
            really.discard(str(value))
            desk.take(alert(str(value), over=now), now)
        assert len(desk._standing) <= most
    if at_once:
        compose(last=True)
    else:
        for _ in range(60):
            now += 1.0
            compose()

    assert desk.untold == 0
    assert desk.opened == opened
    assert desk.told == named
    assert desk.told + desk.counted == opened
    regular = [at for at, _ in made[:-1]] if at_once else [at for at, _ in made]
    assert all(later - sooner >= 10.0 for sooner, later in zip(regular, regular[1:], strict=False))
    counted = sum(sum(message.more.values()) + sum(message.passed.values()) for _, message in made)
    assert counted <= desk.counted
    if len(really) <= most and not any(message.more for _, message in made):
        assert told_open == really


@given(
    st.lists(
        st.tuples(st.text(max_size=300), st.text(max_size=30), st.lists(st.text(max_size=400), max_size=4)), max_size=60
    ),
    st.integers(20, 500),
)
def test_no_text_is_longer_than_its_limit(found: list[tuple[str, str, list[str]]], limit: int) -> None:
    alerts = tuple(alert(key, cause=cause, lines=tuple(lines)) for key, cause, lines in found)
    message = AlertMessage("bot", 0.0, opened=alerts, resolved=alerts)

    assert len(message.text(limit)) <= limit
    assert len(message.text(limit, lambda text: len(text.encode("utf-16-le", "replace")) // 2)) <= limit


def test_a_storm_is_one_message_with_counts_by_cause() -> None:
    desk = Desk("bot")
    for number in range(5000):
        desk.take(alert(f"feed{number}", cause=f"ConnectionError {number % 2}"), 0.01 * number / 50)
    message = desk.compose(2.0, 0.0)
    assert message is not None
    text = message.text()

    assert desk.compose(30.0, 0.0) is None
    assert message.title == "bot: alerts: 5000 new"
    assert "NEW critical: 500 x parked: ConnectionError 0" in text
    assert "bot/feed0, bot/feed2, bot/feed4, bot/feed6, bot/feed8 and 495 more" in text
    assert "Also, too many to be listed: parked 4000" in text
    assert len(text) < 1000
    assert len(message.to_dict()["opened"]) == 50
    assert message.to_dict()["counts"]["opened"] == {"parked": 1000}


def test_what_lasts_is_told_again_after_an_hour_four_hours_a_day_and_each_day() -> None:
    desk = Desk("bot")
    desk.take(alert("a"), 0.0)
    told = []
    for minute in range(4 * 24 * 60):
        if message := desk.compose(60.0 * minute, 0.0):
            told.append((minute / 60, message.title))

    assert [round(hour) for hour, _ in told] == [0, 1, 4, 24, 48, 72]
    assert told[0][1] == "bot: bot/a is parked"
    assert told[1][1] == "bot: still: bot/a is parked"


def test_what_comes_and_goes_is_one_alert_that_is_over_when_it_stays_so() -> None:
    desk = Desk("bot", settle=30.0)
    told = []
    for second in range(600):
        if second < 300 and second % 20 == 0:
            desk.take(alert("a"), second)
        if second < 300 and second % 20 == 10:
            desk.take(alert("a", over=second), second)
        if message := desk.compose(second, second):
            told.append((second, message.title))

    assert told == [(1, "bot: bot/a is parked"), (320, "bot: resolved: bot/a is parked")]
    assert (desk.opened, desk.told, desk.counted) == (15, 1, 14)


@pytest.mark.parametrize(
    ("part", "severity"), [("opened", "critical"), ("repeated", "critical"), ("resolved", "resolved")]
)
def test_a_message_is_as_severe_as_the_worst_that_is_open(part: str, severity: str) -> None:
    assert AlertMessage("bot", 0.0, **{part: (alert("a"),)}).severity == severity  # type: ignore[arg-type]
