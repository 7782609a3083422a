"""Ids that prove nothing: a session joins by a trade that was delivered already, or there is a gap."""

from actors._feeds._unnumbered import HELD, OVERLAP, REMEMBERED
from actors._records import Gap
from actors._session import Session

from ..track_model import Print
from .nameless import names, ready, sparse, text, trades, unnumbered


def test_the_first_session_is_joined_at_once() -> None:
    track, one = unnumbered(), Session()
    track.opened(one, 0.0)
    assert track.live(one, trades(1, 2), 0.0) == 2
    assert ready(track) == names(1, 2)
    assert track.question(0.0) is None
    assert track.complete


def test_a_second_session_waits_for_an_overlap_and_asks_nobody() -> None:
    track, one, two = unnumbered(), Session(), Session()
    track.opened(one, 0.0)
    track.live(one, trades(1, 2), 0.0)
    track.opened(two, 1.0)
    assert track.question(1.0) is None
    track.live(two, trades(4, 5), 1.0)
    assert ready(track) == names(1, 2), "trade 3 may be on its way"
    track.live(one, trades(3, 4), 1.1)
    assert ready(track) == names(1, 2, 3, 4, 5)
    track.lost(one)
    assert track.live(two, trades(6), 2.0) == 1
    assert ready(track)[-1:] == names(6)
    assert track.complete
    assert track.question(2.0) is None


def test_a_second_session_that_finds_no_overlap_has_rest_asked() -> None:
    track, one, two = unnumbered(), Session(), Session()
    track.opened(one, 0.0)
    track.live(one, trades(1), 0.0)
    track.opened(two, 1.0)
    track.live(two, trades(3), 1.0)
    question = track.question(1.0)
    assert question is not None
    assert question.not_before == 1.0 + OVERLAP
    track.answer(question, trades(0, 1, 2, 3), final=False)
    assert ready(track) == names(1, 2, 3)


def test_after_an_interruption_the_list_is_delivered_from_the_last_trade_on() -> None:
    track, one, two = unnumbered(), Session(), Session()
    track.opened(one, 0.0)
    track.live(one, trades(1), 0.0)
    track.lost(one)
    assert not track.complete
    assert track.question(0.0) is None, "nobody would bring what comes after the answer"
    track.opened(two, 1.0)
    question = track.question(1.0)
    assert question is not None
    assert track.answer(question, trades(0, 1, 2, 3), final=False)
    assert ready(track) == names(1, 2, 3)
    # The list may have been a little old: the first live trade must be in it, or it is asked for again.
    track.live(two, trades(5), 1.1)
    assert ready(track) == names(1, 2, 3)
    question = track.question(1.1)
    assert question is not None
    assert question.urgent
    assert not track.answer(question, trades(0, 1, 2, 3), final=False)
    assert track.answer(question, trades(1, 2, 3, 4, 5, 6), final=False)
    assert ready(track) == names(1, 2, 3, 4, 5, 6)
    track.live(two, trades(6, 7), 1.2)
    assert ready(track) == names(1, 2, 3, 4, 5, 6, 7)
    assert track.question(1.2) is None


def test_a_list_that_does_not_reach_back_leaves_a_gap_in_its_place() -> None:
    track, one, two = unnumbered(), Session(), Session()
    track.opened(one, 0.0)
    track.live(one, trades(1), 0.0)
    track.lost(one)
    track.opened(two, 1.0)
    track.live(two, trades(9), 1.0)
    question = track.question(1.0)
    assert question is not None
    assert track.answer(question, trades(7, 8, 9), final=False)
    assert ready(track) == [*names(1), "gap", *names(7, 8, 9)]
    gap = track.cursor.ready[1]
    assert isinstance(gap, Gap)
    assert (gap.first_id, gap.last_id, gap.count) == (None, None, None)
    assert (gap.after_id, gap.before_id) == tuple(names(1, 7))
    assert (gap.after_time, gap.before_time) == (sparse(1).time, sparse(7).time)
    assert track.complete


def test_without_an_answer_live_trades_go_on_behind_a_gap() -> None:
    track, one, two = unnumbered(), Session(), Session()
    track.opened(one, 0.0)
    track.live(one, trades(1), 0.0)
    track.lost(one)
    track.opened(two, 1.0)
    track.live(two, trades(5), 1.0)
    question = track.question(1.0)
    assert question is not None
    track.give_up(question, "REST is down")
    assert ready(track) == [*names(1), "gap", *names(5)]
    assert track.live(two, trades(6), 1.0) == 1
    assert track.question(1.0) is None


def test_a_doubt_without_news_costs_nothing() -> None:
    track, one = unnumbered(), Session()
    track.opened(one, 0.0)
    track.live(one, trades(1), 0.0)
    track.wonder()
    question = track.question(30.0)
    assert question is not None
    assert not question.urgent
    before = track.filled
    track.answer(question, trades(0, 1), final=False)
    assert track.filled == before
    track.live(one, trades(2), 40.0)
    assert ready(track) == names(1, 2)
    assert track.question(40.0) is None


def test_what_came_during_a_doubt_waits_for_the_answer() -> None:
    track, one = unnumbered(), Session()
    track.opened(one, 0.0)
    track.live(one, trades(1), 0.0)
    track.wonder()
    question = track.question(30.0)
    assert question is not None
    track.live(one, trades(4), 30.1)
    assert ready(track) == names(1)
    track.answer(question, trades(0, 1, 2, 3, 4), final=False)
    assert ready(track) == names(1, 2, 3, 4), "a mute that ended by itself is found"
    assert track.live(one, trades(5), 31.0) == 1


def test_a_doubt_that_gets_useless_answers_is_dropped() -> None:
    track, one = unnumbered(), Session()
    track.opened(one, 0.0)
    track.live(one, trades(5), 0.0)
    track.wonder()
    question = track.question(30.0)
    assert question is not None
    assert not track.answer(question, [], final=False)
    assert not track.answer(question, trades(1, 2), final=False)
    assert track.answer(question, [], final=True)
    track.live(one, trades(6), 31.0)
    assert ready(track) == names(5, 6)
    assert track.complete


def test_a_doubt_that_rest_cannot_settle_is_dropped() -> None:
    track, one = unnumbered(), Session()
    track.opened(one, 0.0)
    track.live(one, trades(1), 0.0)
    track.wonder()
    question = track.question(30.0)
    assert question is not None
    track.live(one, trades(2), 30.1)
    track.give_up(question, "down")
    assert ready(track) == names(1, 2)


def test_a_trade_that_only_the_stream_has_keeps_its_place() -> None:
    track, one, two = unnumbered(), Session(), Session()
    track.opened(one, 0.0)
    track.live(one, [text(1)], 0.0)
    track.lost(one)
    track.opened(two, 1.0)
    track.live(two, [text(4), text(5)], 1.0)
    question = track.question(1.0)
    assert question is not None
    track.answer(question, [text(1), text(2), text(3), text(5)], final=False)
    assert ready(track) == [text(place).id for place in (1, 2, 3, 4, 5)]


def test_among_trades_of_one_millisecond_the_order_of_list_and_stream_is_kept() -> None:
    def now(name: str) -> Print:
        return Print(name, name, 1000)

    track, one, two = unnumbered(), Session(), Session()
    track.opened(one, 0.0)
    track.live(one, [now("a")], 0.0)
    track.lost(one)
    track.opened(two, 1.0)
    track.live(two, [now("d"), now("e"), now("h")], 1.0)
    question = track.question(1.0)
    assert question is not None
    track.answer(question, [now(name) for name in "abcefg"], final=False)
    assert "".join(ready(track)) == "abcdefgh"


def test_the_oldest_that_wait_give_way_and_rest_shows_them() -> None:
    track, one, two = unnumbered(), Session(), Session()
    track.opened(one, 0.0)
    track.live(one, trades(0), 0.0)
    track.lost(one)
    track.opened(two, 1.0)
    track.live(two, trades(*range(1, HELD + 11)), 1.0)
    assert track.dropped == 10
    question = track.question(1.0)
    assert question is not None
    track.answer(question, trades(*range(HELD + 5)), final=False)
    assert ready(track) == names(*range(HELD + 11))


def test_what_was_ready_and_not_delivered_when_the_feed_failed_is_delivered_from_the_list() -> None:
    track, one, two = unnumbered(), Session(), Session()
    track.opened(one, 0.0)
    track.live(one, trades(1, 2, 3), 0.0)
    track.cursor.delivered(1)
    track.restarted()
    assert ready(track) == []
    track.opened(two, 1.0)
    question = track.question(1.0)
    assert question is not None
    track.answer(question, trades(0, 1, 2, 3), final=False)
    assert ready(track) == names(2, 3)


def test_memory_is_bounded() -> None:
    track, one = unnumbered(), Session()
    track.opened(one, 0.0)
    for start in range(0, 5 * REMEMBERED, 100):
        track.live(one, trades(*range(start, start + 100)), 0.0)
        track.cursor.delivered(100)
    assert len(track._delivered) <= 2 * REMEMBERED


def test_a_session_that_ends_before_its_first_trade_is_followed_by_a_gap_and_what_came_after_the_list() -> None:
    track, one, two = unnumbered(), Session(), Session()
    track.opened(one, 0.0)
    question = track.question(0.0)
    assert question is not None
    track.answer(question, trades(1, 2), final=False)
    assert ready(track) == []
    track.lost(one)
    track.opened(two, 1.0)
    track.live(two, trades(4), 1.0)
    question = track.question(1.0)
    assert question is not None
    track.answer(question, trades(1, 2, 3, 4), final=False)
    assert ready(track) == ["gap", *names(3, 4)], "2 may have been printed when the session was there"
