"""Bugs of accounts: reconciling, fills, logins, keys, clocks, what is kept on disk, the dead man's switch at the exchange."""

from __future__ import annotations

from .bug import Bug

_T = "tests/actors/"

BUGS = (
    # After an interruption
    Bug(
        "a time that the venue does not like is signed again and again",
        "an early state of this library, found by a simulated day: KuCoin's token is asked for with a signature",
        "actors/_connections/_venue_clock.py",
        "        clock.doubted = True\n        raise\n",
        "        raise\n",
        (
            "tests/actors/accounts/test_kucoin_gate_accounts.py::test_a_clock_that_is_a_minute_off_signs_with_the_venue_s_time",
        ),
    ),
    Bug(
        "a connection is followed by no reconciliation",
        "python-binance, pybit, freqtrade: almost nobody reconciles after a private reconnect",
        "actors/_accounts/_private_stream.py",
        '        self._flowing = False\n        await self._telling.say("reconciling", "connected")\n        self._ask()\n',
        '        await self._let_flow()\n        await self._telling.say("live", "connected")\n',
        (
            _T
            + "accounts/test_private_stream.py::test_what_happened_during_an_interruption_is_delivered_before_the_account_is_live",
        ),
    ),
    Bug(
        "what came while the venue was asked is lost",
        "ibx#113: missed fills on reconnect are lost",
        "actors/_accounts/_private_stream.py",
        "        held, self._held = self._held, deque()\n",
        "        held, self._held = deque[Item](), deque()\n",
        (
            _T
            + "accounts/test_private_stream_states.py::test_what_came_while_it_was_asked_is_told_from_the_stream_before_the_account_is_live",
        ),
    ),
    Bug(
        "the account is called live before what was held is delivered",
        "hummingbot#7590: user_stream_initialized says nothing about what the bot has been told",
        "actors/_accounts/_private_stream.py",
        "        if first:\n            await self._let_flow()\n",
        '        if first:\n            await self._telling.say("live", "reconciled")\n            await self._let_flow()\n',
        (
            _T
            + "accounts/test_private_stream_states.py::test_what_came_while_it_was_asked_is_told_from_the_stream_before_the_account_is_live",
        ),
    ),
    Bug(
        "an update counts as delivered before it is: a crash in between loses it",
        "nautilus#4958: the list of races while reconciling",
        "actors/_accounts/_telling.py",
        "        await self.put(update)\n        # No checkpoint since it was put in.\n        self._book.absorb(update)\n",
        "        self._book.absorb(update)\n        await self.put(update)\n",
        (_T + "accounts/test_telling.py::test_an_update_that_does_not_reach_the_bot_was_not_delivered",),
    ),
    Bug(
        "a reconciliation asks from where the last one began: an answer that lagged is never made good",
        "REST reads a copy that lags behind the stream",
        "actors/_accounts/_book.py",
        "        self.points[symbol] = (None if last is None else last[1], began)\n",
        "        self.points[symbol] = (began, began)\n",
        (_T + "accounts/test_account_book.py::test_each_time_is_asked_about_twice",),
    ),
    Bug(
        "an order that the copy behind REST does not have yet is taken for cancelled",
        "hummingbot: an order that is not found three times is lost",
        "actors/_accounts/_questions.py",
        "    if now - known.time < FORGOTTEN_AFTER:\n        return None\n",
        "",
        (_T + "accounts/test_private_stream.py::test_whatever_happens_every_update_is_accounted_for",),
    ),
    Bug(
        "a stream that lives and leaves things out is believed",
        "Lean.TradeStation#95: 18 orders filled, four of them told, heartbeats healthy",
        "actors/_accounts/_private_stream.py",
        "            if missed:\n",
        "            if False:\n",
        (_T + "accounts/test_private_stream.py::test_a_stream_that_keeps_updates_to_itself_is_found_out_and_replaced",),
    ),
    Bug(
        "with orders open, a stream that tells nothing is not asked about before the schedule",
        "python-binance#1057, binance-connector-js#135: pongs arrive, order events stop",
        "actors/_accounts/_private_stream.py",
        "        return self._quiet_at if self._flowing and self._book.has_open_orders else _NEVER\n",
        "        return _NEVER\n",
        (
            _T
            + "accounts/test_private_stream_quiet.py::test_with_open_orders_a_quiet_stream_is_asked_about_earlier_and_less_and_less_often",
        ),
    ),
    Bug(
        "a failure on the way is taken for an empty answer",
        "JKorf/Binance.Net, ccxt: a 5xx says nothing about what has happened",
        "actors/_accounts/_inquiring.py",
        "            except HttpFailure as failure:\n                if attempt == TRIES - 1:\n                    raise\n",
        '            except HttpFailure as failure:\n                if attempt == TRIES - 1:\n                    return b"[]"\n',
        (_T + "accounts/test_inquiring.py::test_after_some_attempts_the_failure_comes_out",),
    ),
    Bug(
        "who is limited asks again at once",
        "418 bans after a storm of requests: XChange#4011, ccxt#18217",
        "actors/_accounts/_inquiring.py",
        "                await trio.sleep(limited.retry_after)\n            except _FINAL:\n",
        "            except _FINAL:\n",
        (_T + "accounts/test_inquiring.py::test_a_limit_is_waited_out_and_told",),
    ),
    # Fills and orders
    Bug(
        "a fill that is told again is news",
        "nautilus PR#4991: replayed fills",
        "actors/_accounts/_reconcile.py",
        "    if update.fill is not None and book.has_fill(update.fill):\n",
        "    if False:\n",
        (_T + "accounts/test_reconcile.py::test_what_happens_while_rest_is_asked_is_left_to_the_stream",),
    ),
    Bug(
        "fills are told apart by their ids alone: where two own orders meet, one of the two is lost",
        "Binance gives both sides of a trade one id; caches by trade id",
        "actors/_accounts/_told_fills.py",
        "        return fill.time <= self.floor or (fill.order_id, fill.id) in self.times\n",
        "        return fill.time <= self.floor or any(number == fill.id for _, number in self.times)\n",
        (_T + "accounts/test_reconcile.py::test_where_two_own_orders_meet_each_of_them_has_its_fill",),
    ),
    Bug(
        "an order's end is told twice",
        "Bybit tells `Filled` again when a cancellation came too late",
        "actors/_accounts/_reconcile.py",
        '    if rank < known_rank or known_rank == RANK["filled"] or (rank == known_rank and update.time <= known.time):\n',
        "    if rank < known_rank or (rank == known_rank and update.time <= known.time):\n",
        (_T + "accounts/test_live_events.py::test_an_end_that_is_told_again_is_no_news_whatever_it_says",),
    ),
    Bug(
        "a cancellation goes out before the fills that it overtook",
        "nautilus PR#4991: cancels out of order",
        "actors/_accounts/_reconcile.py",
        '    return "news" if update.filled == known.filled else "incomplete"\n',
        '    return "news"\n',
        (_T + "accounts/test_live_events.py::test_a_live_event_that_skips_a_fill_shows_the_loss",),
    ),
    Bug(
        "an order's state goes out before the fills that led to it",
        "Bybit and Gate tell orders and executions apart, in either order",
        "actors/_accounts/_pairing.py",
        "            elif state.filled == filled:\n",
        "            elif state.filled >= filled:\n",
        (_T + "accounts/test_pairing.py::test_in_any_order_of_arrival_every_fill_comes_once_and_in_its_place",),
    ),
    Bug(
        "fills for which no order's state comes are never asked about",
        "Lean.InteractiveBrokers#249: fills during a disconnect never recovered",
        "actors/_accounts/_pairing.py",
        '        return min((waiting.until for waiting in self._waiting.values()), default=float("inf"))\n',
        '        return float("inf")\n',
        (_T + "accounts/test_pairing.py::test_what_is_lost_keeps_the_rest_waiting_and_asking_sets_it_right",),
    ),
    Bug(
        "a cancellation that names its last trade counts as a fill",
        "OKX's rules for repeated messages",
        "actors/exchanges/_okx_account_rows.py",
        '        if fill_id <= 0 or quantity <= 0 or _STATUS[self.status] == "canceled":\n',
        "        if fill_id <= 0 or quantity <= 0:\n",
        (_T + "exchanges/test_okx_account.py::test_only_what_names_a_trade_and_is_no_end_without_one_is_a_fill",),
    ),
    Bug(
        "funding counts as a fill",
        "Bybit's executions are also bookings",
        "actors/exchanges/_bybit_account_rows.py",
        "        return self.kind in _FILLS\n",
        "        return True\n",
        (_T + "exchanges/test_bybit_account.py::test_what_is_of_another_category_or_no_fill_is_left_out",),
    ),
    Bug(
        "of a list of fills only the first page is read",
        "REST polls that never page: a busy hour is cut off at the limit",
        "actors/exchanges/_bybit_account_rest.py",
        "        cursor = page.cursor\n",
        "        return found\n",
        (_T + "exchanges/test_bybit_account.py::test_a_cursor_leads_from_page_to_page_and_goes_as_it_came",),
    ),
    Bug(
        "the trade of two own orders is cut in two by the border of a page",
        "Binance: the next page begins behind the last id",
        "actors/exchanges/_binance_history.py",
        "            page = read((yield self._page(symbol, **{self.id_name: int(last)})))\n",
        "            page = read((yield self._page(symbol, **{self.id_name: int(last) + 1})))\n",
        (
            _T
            + "exchanges/test_binance_spot_account_rest.py::test_everything_since_a_time_is_found_whatever_the_windows_and_pages",
        ),
    ),
    # Logging in
    Bug(
        "subscribed before the login is acknowledged: connected, and silent for ever",
        "XChange#4967, #4968, pybit#56",
        "actors/_connections/_login.py",
        "                await self._send(wire, ask)\n            await self._until_answered()\n",
        "                await self._send(wire, ask)\n",
        (
            _T
            + "connections/test_private_connection.py::test_each_step_waits_for_the_answers_of_the_one_before_and_bears_its_own_time",
        ),
    ),
    Bug(
        "what was signed at the beginning is sent later, with a time that is no longer taken",
        "Gate signs each subscription with its time; libraries send stored messages again",
        "actors/_connections/_login.py",
        "        while True:\n            asks = self._login.step(self._clock.now(), trio.current_time())\n",
        "        began = self._clock.now()\n"
        "        while True:\n            asks = self._login.step(began, trio.current_time())\n",
        (
            _T
            + "connections/test_private_connection.py::test_each_step_waits_for_the_answers_of_the_one_before_and_bears_its_own_time",
        ),
    ),
    Bug(
        "a refusal that comes after the consent is not heard",
        "OKX's channel-conn-count-error",
        "actors/_connections/_login.py",
        "        if isinstance(answer, Refused) and not answer.harmless:\n",
        "        if isinstance(answer, Refused) and not answer.harmless and self._sent:\n",
        (_T + "connections/test_private_connection.py::test_a_refusal_that_comes_late_ends_the_connection",),
    ),
    Bug(
        "a wrong key is tried again for ever",
        "hummingbot#7679: the listen key is fetched in a loop",
        "actors/_accounts/_private_stream.py",
        '    on={Unauthorized: "park", SecretMissing: "park"},\n',
        '    on={SecretMissing: "park"},\n',
        (_T + "accounts/test_private_stream_failures.py::test_whoever_is_parked_while_live_says_so_first",),
    ),
    Bug(
        "a wrong key is tried again for ever, on the connection",
        "hummingbot#7679",
        "actors/_groups.py",
        '_PARKING: Final = {Unauthorized: "park", SecretMissing: "park"}\n',
        '_PARKING: Final = {SecretMissing: "park"}\n',
        (
            _T
            + "accounts/test_kucoin_gate_accounts.py::test_a_refused_login_parks_the_account_until_it_is_told_to_try_again",
        ),
    ),
    # Keys
    Bug(
        "a connection takes the key that was made for the one before",
        "cryptofeed, ccxt: the listen key of the first connection on every reconnect; XChange#4740",
        "actors/_connections/_lines.py",
        "                if key.session is session:\n",
        "                if True:\n",
        (_T + "connections/test_private_connection.py::test_a_key_that_was_made_for_an_earlier_connection_opens_none",),
    ),
    Bug(
        "the venue says that the key is gone, and it is only written down",
        "unicorn#301, ict_2025#73: -1125 for ever, and the loop only logs",
        "actors/_accounts/_listen_key.py",
        "            if isinstance(failure, KeyGone):\n",
        "            if False:\n",
        (_T + "accounts/test_listen_key.py::test_a_key_that_is_gone_makes_the_connection_fail_over_to_a_new_one",),
    ),
    Bug(
        "the key is not extended",
        "Binance.Net#1190, python-binance#825: the stream stops after hours",
        "actors/_accounts/_listen_key.py",
        "        due = made + self._keeping.every\n",
        "        due = made + 1e9\n",
        (_T + "accounts/test_listen_key.py::test_the_key_is_extended_every_half_hour",),
    ),
    Bug(
        "a new key does not make a new connection",
        "hummingbot: a new key after a failed keepalive, and the socket stays",
        "actors/_connections/_link.py",
        "        if self._key == order.key:\n",
        "        if False:\n",
        (
            _T
            + "connections/test_private_connection.py::test_a_key_that_ends_rotates_the_connections_made_with_it_and_no_other",
        ),
    ),
    Bug(
        "a stream that the venue has ended is waited for, because its wire lives",
        "python-binance, pybit: `eventStreamTerminated` and `listenKeyExpired` are not handled",
        "actors/_connections/_link.py",
        "                self._announce(control.reason, over=True)\n",
        "                pass\n",
        (
            _T
            + "connections/test_private_connection.py::test_a_stream_that_is_over_is_lost_at_once_and_replaced_without_a_failure",
        ),
    ),
    # Clocks
    Bug(
        "requests are signed with the machine's time",
        "-1021 on every machine whose clock is off",
        "actors/_connections/_venue_clock.py",
        "        return self.at(trio.current_time())\n",
        '        return int(__import__("time").time() * 1000)\n',
        (_T + "connections/test_venue_clock.py::test_it_is_never_further_off_than_it_says",),
    ),
    Bug(
        "one slow answer sets the clock wrong",
        "ccxt, python-binance: the offset of a single request",
        "actors/_connections/_venue_clock.py",
        "        self._offset = median(self._offsets)\n",
        "        self._offset = offset\n",
        (_T + "connections/test_venue_clock.py::test_one_measurement_that_is_odd_does_not_move_it",),
    ),
    Bug(
        "a venue's clock that is set back leaves the next questions beginning too late",
        "what came and went unseen after that moment is never told",
        "actors/_accounts/_book.py",
        "            self.points[symbol] = (None if before is None else before - by, last - by)\n",
        "            self.points[symbol] = (before, last)\n",
        (_T + "accounts/test_account_book.py::test_a_clock_that_is_set_back_takes_along_what_was_noted_by_it",),
    ),
    Bug(
        "a process begins where the one before it had asked by a clock that was ahead",
        "what came and went while no process ran is never told",
        "actors/_accounts/_book.py",
        "        self.set_back = set_back - _fallen(self.ahead, ahead)\n",
        "        self.set_back = set_back\n",
        (
            _T
            + "accounts/test_account_lives_clock.py::test_what_came_and_went_while_no_process_ran_is_told_although_the_clock_was_ahead_before",
        ),
    ),
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
