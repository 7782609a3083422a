"""Bugs of accounts: whether it is live, what is kept on disk, the dead man's switch at the exchange."""

from __future__ import annotations

from .bug import Bug

_T = "tests/actors/"

BUGS = (
    # Whether it is live
    Bug(
        "the account counts as live until the last attempt to ask has failed",
        "an early state of this library, found by a simulated day: OKX's REST silent for 42 s, an order lost by the stream before",
        "actors/_accounts/_inquiring.py",
        "                    self._unanswered(str(failure))\n",
        "                    pass\n",
        (
            _T
            + "accounts/test_private_stream_states.py::test_a_routine_question_without_an_answer_degrades_long_before_it_is_given_up",
        ),
    ),
    Bug(
        "the account counts as live although its connection is lost",
        "hummingbot#7590, hummingbot: `ready` is never taken back",
        "actors/_accounts/_telling.py",
        "            self._live.tell(live=live)\n",
        "            self._live.tell(live=live or self._live.now)\n",
        (_T + "accounts/test_telling.py::test_whoever_trades_stops_before_the_bot_has_room_for_the_news",),
    ),
    Bug(
        "the account counts as live until the bot has room for the news that it is not",
        "a state that stands in the queue behind the data it is about",
        "actors/_accounts/_telling.py",
        "            # Before it waits for room: whoever trades must stop at once.\n            self.show(live=False)\n",
        "            pass\n",
        (_T + "accounts/test_telling.py::test_whoever_trades_stops_before_the_bot_has_room_for_the_news",),
    ),
    Bug(
        "a strategy trades on although the account is no longer live",
        "nautilus denies orders while it reconciles, on one venue of all",
        "actors/_accounts/_liveness.py",
        "                for scope in light.bodies:\n",
        "                for scope in ():\n",
        (_T + "accounts/test_liveness.py::test_the_body_runs_while_it_is_live_and_again_when_it_is_live_again",),
    ),
    # On disk
    Bug(
        "what the bot has not handled yet is written down as told",
        "offsets committed before the work is done: at most once where at least once was meant",
        "actors/_accounts/_bookkeeper.py",
        "takewhile(lambda one: one[0] <= backlog.handled, backlog.waiting)",
        "backlog.waiting",
        (_T + "accounts/test_account_store.py::test_only_what_the_reader_has_come_back_from_is_written",),
    ),
    Bug(
        "what waits to be written goes with the actor that crashes",
        "found in a simulated day: the next process had an order without its fill, and was never live",
        "actors/_accounts/_private_stream.py",
        "        backlog = kept(settings.backlog, lambda: Backlog(self._store()))\n",
        "        backlog = kept(settings.backlog, lambda: Backlog(self._store()))\n        backlog.waiting.clear()\n",
        (
            _T
            + "accounts/test_account_lives.py::test_what_was_told_before_a_crash_and_handled_after_it_is_not_told_to_the_next_process",
        ),
    ),
    Bug(
        "a book that has forgotten is written down as if it had not",
        "a cache bounded by count is taken for the whole truth when it is saved",
        "actors/_accounts/_bookkeeper.py",
        "(count < len(backlog.waiting) or not self._book.remembers_what_is_asked)",
        "count < len(backlog.waiting)",
        (
            _T
            + "accounts/test_account_lives_store.py::test_a_book_that_has_forgotten_what_is_asked_about_is_not_written_anew",
        ),
    ),
    Bug(
        "a file that lacks what came before is written on",
        "a log that goes on after a hole: each entry is right, and their sum is not",
        "actors/_accounts/_account_store.py",
        "                if complete_from is not None or not self.incomplete:\n",
        "                if True:\n",
        (
            _T
            + "accounts/test_account_store.py::test_a_new_file_says_where_the_history_began_until_all_of_it_can_be_written",
        ),
    ),
    Bug(
        "a file that could not be read is written on as if it had been",
        "a lock that lasts for one moment, and two histories in one table ever after",
        "actors/_accounts/_account_store.py",
        "self.incomplete or self._seen != (None if row is None else row[1])",
        "self.incomplete",
        (
            _T
            + "accounts/test_account_lives_store.py::test_a_store_that_one_process_could_not_read_does_not_keep_the_next_from_being_live",
        ),
    ),
    Bug(
        "an id that is a number comes back from the disk as text",
        "keys that are numbers in memory and text in JSON",
        "actors/_accounts/_account_store.py",
        "            book.remember((symbol, json.loads(order_id)), _known(known))\n",
        "            book.remember((symbol, str(json.loads(order_id))), _known(known))\n",
        (_T + "accounts/test_account_store.py::test_what_is_written_is_what_is_read",),
    ),
    Bug(
        "what is deleted on disk counts as never told",
        "a cache that is pruned, and so delivers old fills again",
        "actors/_accounts/_account_store.py",
        "        book.since, book.fills_from, book.forgotten = since, complete_from, complete_from - 1\n",
        "        book.since, book.fills_from, book.forgotten = since, 0, -1\n",
        (
            _T
            + "accounts/test_account_store.py::test_what_nobody_asks_about_any_more_is_deleted_and_still_counts_as_told",
        ),
    ),
    # The dead man's switch at the exchange
    Bug(
        "the countdown is set by a timer that does not look",
        "nautilus: start_deadmans_switch refreshes on a timer, whatever the bot's health",
        "actors/_accounts/_cancel_after.py",
        "            if watch.healthy() and trio.current_time() >= due:\n",
        "            if (watch.healthy() or True) and trio.current_time() >= due:\n",
        (_T + "accounts/test_cancel_after.py::test_a_bot_that_goes_blind_has_its_orders_cancelled_in_time",),
    ),
    Bug(
        "the connection that holds back the cancelling is kept by a bot that is blind",
        "alpaca-py#740: the keepalive only sends",
        "actors/_accounts/_cancel_line.py",
        "                while watch.healthy():\n",
        "                while watch.healthy() or True:\n",
        (_T + "accounts/test_cancel_after.py::test_a_bot_that_goes_blind_has_its_orders_cancelled_in_time",),
    ),
    Bug(
        "a bot that comes down by a failure takes its protection away with it",
        "a clean-up that runs on every way out",
        "actors/_accounts/_cancel_after.py",
        "        return self._armed.healthy and not _failing(self._me.tree)\n",
        "        return self._armed.healthy\n",
        (_T + "accounts/test_cancel_after.py::test_a_tree_that_comes_down_by_a_failure_never_ends_it",),
    ),
)
