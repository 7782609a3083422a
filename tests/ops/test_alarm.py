"""When the watchdog raises the alarm, and when it ends it: properties of the pure part."""

from hypothesis import given
from hypothesis import strategies as st

from actors.ops._alarm import News, ProbeAlarm, SilenceAlarm, lasting

ANSWERS = st.lists(st.tuples(st.floats(0, 1000), st.booleans()), max_size=100)


def probe(answers: list[tuple[float, bool]], after: int) -> list[tuple[int, str]]:
    """Give a watchdog these answers; return what it told, with the index of the answer after which it did."""
    alarm, now, told = ProbeAlarm(after), 0.0, []
    for index, (pause, well) in enumerate(answers):
        now += pause
        news = alarm.probed(now, None if well else "it answers 503")
        if news is not None:
            told.append((index, "DOWN" if news.down else "RESOLVED"))
    return told


def expected(wells: list[bool], after: int) -> list[tuple[int, str]]:
    """The same, said in another way: by rows of equal answers."""
    told, down = [], False
    for index, well in enumerate(wells):
        row = wells[max(0, index + 1 - after) : index + 1]
        if not down and len(row) == after and not any(row):
            down = True
            told.append((index, "DOWN"))
        elif down and well:
            down = False
            told.append((index, "RESOLVED"))
    return told


@given(answers=ANSWERS, after=st.integers(1, 6))
def test_the_alarm_comes_with_the_last_of_so_many_failures_in_a_row_and_ends_with_the_first_success(
    answers: list[tuple[float, bool]], after: int
) -> None:
    assert probe(answers, after) == expected([well for _, well in answers], after)


def test_the_alarm_says_what_is_wrong_and_since_when() -> None:
    alarm = ProbeAlarm(2)
    assert alarm.probed(0, None) is None
    assert alarm.probed(60, "it answers 503") is None

    assert alarm.probed(120, "it answers 503", ("bot/feed is parked",)) == News(
        True, "it answers 503", 60, ("bot/feed is parked", "2 probes in a row failed; it was last well 2 min ago")
    )
    assert alarm.probed(180, "still") is None
    assert alarm.probed(240, None) == News(False, "it is well again after 3 min", 60)


STEPS = st.lists(st.tuples(st.floats(0.1, 400), st.sampled_from(["beat", "fail", "look"])), max_size=100)


@given(steps=STEPS, silence=st.floats(1, 600))
def test_silence_is_told_as_soon_as_it_is_looked_at_and_only_then(
    steps: list[tuple[float, str]], silence: float
) -> None:
    alarm, now, last, down = SilenceAlarm(silence, 0.0), 0.0, 0.0, False
    for pause, step in steps:
        now += pause
        if step == "beat":
            told, want, last = alarm.beat(now), "RESOLVED" if down else None, now
            down = False
        elif step == "fail":
            told, want, down = alarm.fail(now), None if down else "DOWN", True
        else:
            told, late = alarm.look(now), not down and now - last >= silence
            want, down = "DOWN" if late else None, down or late
        assert (told and ("DOWN" if told.down else "RESOLVED")) == want


def test_a_heartbeat_that_never_came_is_missed_too() -> None:
    alarm = SilenceAlarm(300, 0.0)

    assert alarm.look(299) is None
    assert alarm.look(300) == News(True, "no heartbeat since this watchdog started, for 5 min", 0)
    assert alarm.beat(7500) == News(False, "heartbeats come again after 2 h 5 min", 0)


@given(st.floats(0, 1e9))
def test_lengths_of_time_have_a_unit(seconds: float) -> None:
    assert lasting(seconds).split()[1] in ("s", "min", "h", "days")
