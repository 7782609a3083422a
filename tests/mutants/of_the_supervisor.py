"""Bugs of the runtime. Ten more are in `tests.properties.test_planted_bugs`, where the properties must find them."""

from __future__ import annotations

from .bug import Bug

_T = "tests/supervisor/"

BUGS = (
    Bug(
        "the jitter is lost at the cap: all clients line up again",
        "stamina: the jitter is added before the cap, and at the cap all wait equally long",
        "supervisor/_policy.py",
        "return low if low == high else rng.uniform(low, high)",
        "return high if high == self.cap else rng.uniform(low, high)",
        (_T + "test_policy.py::test_the_spread_survives_at_the_cap",),
    ),
    Bug(
        "what a full mailbox drops is not counted",
        "python-binance#1647: max_queue_size of user sockets ignored, nobody knows",
        "supervisor/_open_mailbox.py",
        "self._dropped += len(self._take_items(len(self._items) - self.capacity))",
        "self._take_items(len(self._items) - self.capacity)",
        (_T + "test_mailbox.py::test_overflow_drops_what_is_declared_and_counts_it",),
    ),
    Bug(
        "a group waits for the shortest delay of its members",
        "EEP 57 wants the longest",
        "supervisor/_state.py",
        "due = max(due, now + slot.policy.backoff.delay(max(slot.failures, 1), rng))",
        "due = min(due, now + slot.policy.backoff.delay(max(slot.failures, 1), rng))",
        (_T + "test_delays.py::test_a_group_waits_for_the_longest_delay_of_its_members",),
    ),
    Bug(
        "a budget lets a burst through at the edge of its window",
        "a token bucket with burst gets connections closed",
        "supervisor/_budget.py",
        "return max(self._not_before, self._used[too_many] + self.declared.within + _BOTH_ENDS)",
        "return max(self._not_before, self._used[too_many] + self.declared.within / 2)",
        (_T + "test_budget.py::test_no_closed_interval_of_the_window_holds_more_than_count",),
    ),
    Bug(
        "an attempt counts from its beginning only: what was slow arrives together with what was allowed meanwhile",
        "found by a simulated day: the machine slept while it dialled",
        "supervisor/_budget.py",
        "too_many = len(self._used) + self._under_way - self.declared.count",
        "too_many = len(self._used) - self.declared.count",
        (_T + "test_budget.py::test_no_window_holds_more_arrivals_than_count_however_long_each_is_under_way",),
    ),
    Bug(
        "Retry-After does not close a budget",
        "alpaca-py#740: fixed 10 ms reconnect into a 429",
        "supervisor/_budget.py",
        "        self._not_before = max(self._not_before, at)",
        "        self._not_before = min(self._not_before, at)",
        (_T + "test_budget.py::test_nothing_is_allowed_before_a_ban_is_over",),
    ),
    Bug(
        "cleanup may take as long as it likes",
        "python-binance#1083: hangs on join",
        "supervisor/_me.py",
        "deadline = now if self._cut else start + self._slot.policy.grace",
        "deadline = start + 1e9",
        (_T + "test_life.py::test_the_cleanup_of_an_actor_that_failed_by_itself_is_cut_off_after_its_grace",),
    ),
    Bug(
        "an item that was taken is lost when its actor crashes",
        "ccxt PR#26254: the usual `await watch` loop drops messages",
        "supervisor/_open_mailbox.py",
        "                self._again.insert(0, (item, deliveries - (not isinstance(error, Exception))))\n",
        "",
        (_T + "test_mailbox.py::test_an_item_whose_block_is_cancelled_goes_back_to_the_front_and_does_not_count",),
    ),
    Bug(
        "an item that kills its actor is delivered for ever",
        "poison messages without dead letters",
        "supervisor/_open_mailbox.py",
        "if isinstance(error, Exception) and deliveries > self.redeliver:",
        "if isinstance(error, Exception) and deliveries > self.redeliver + 10**9:",
        (
            _T
            + "test_mailbox.py::test_an_item_that_its_actor_crashes_over_is_given_out_again_and_then_goes_to_the_dead_letters",
        ),
    ),
    Bug(
        "restarts are not spread after a common cause",
        "nautilus#1339: constant reconnects after one flap run into 300 attempts in 5 minutes",
        "supervisor/_judge.py",
        "return rng.uniform(0.0, self._spread.over) if alike >= self._spread.failures else 0.0",
        "return 0.0",
        (
            _T
            + "test_spread.py::test_the_restarts_after_a_common_cause_are_spread_and_those_before_it_was_seen_are_not",
        ),
    ),
    Bug(
        "consecutive failures are forgotten: a child that never gets well is retried for ever",
        "cryptofeed#124: the run loop lives, and is dead after 11 retries (the bound counts something else)",
        "supervisor/_judge.py",
        "            slot.failures += 1\n",
        "            slot.failures = 1\n",
        (
            _T
            + "scenarios/test_a_start.py::test_scenario_07_a_start_by_an_operator_that_fails_follows_the_child_s_policy",
        ),
    ),
    Bug(
        "a timer that is taken back fires all the same",
        "a stale timer revives a removed child",
        "supervisor/_timers.py",
        "        timer.callback = None\n        self._cancelled += 1\n",
        "        self._cancelled += 0\n",
        (_T + "test_timers.py::test_timers_fire_in_the_order_of_deadline_and_place_and_taken_back_ones_do_not",),
    ),
    Bug(
        "equal deadlines fire in any order",
        "Trio wakes equal deadlines at random",
        "supervisor/_timers.py",
        "return (self.order, self.seq) < (other.order, other.seq)",
        "return (self.order, self.seq) > (other.order, other.seq)",
        (_T + "test_timers.py::test_timers_fire_in_the_order_of_deadline_and_place_and_taken_back_ones_do_not",),
    ),
    Bug(
        "an operator's stop does not outlast a group restart",
        "stopped children revived",
        "supervisor/_state.py",
        'return self.state == "parked" or self.wish in ("stopped", "removed")',
        'return self.state == "parked"',
        (
            _T
            + "test_operations.py::test_stopping_the_lead_of_a_waiting_group_holds_the_others_and_starting_it_releases_them",
        ),
    ),
    Bug(
        "a child is unstoppable because the machine slept",
        "an early state of this library, found by a simulated day with two freezes",
        "supervisor/_bounds.py",
        "        if turns and now - deadline > _LATE:\n",
        "        if not turns:\n",
        (
            _T
            + "test_life.py::test_a_child_that_had_no_time_to_end_because_the_machine_slept_is_not_called_unstoppable",
        ),
    ),
    Bug(
        "the ledger counts only what it keeps a sample of",
        "python-binance#866: exceptions swallowed",
        "supervisor/_ledger.py",
        "        self.by_kind[event.end.kind] += 1\n",
        "        self.by_kind[event.end.kind] += len(self.recent) < self._samples\n",
        (_T + "test_ledger.py::test_counts_stay_exact_while_samples_are_bounded",),
    ),
)
