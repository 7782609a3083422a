"""Bugs of feeds: silence, continuity, books, failover, rotation, limits, the wire."""

from __future__ import annotations

from .bug import Bug

_T = "tests/actors/"

BUGS = (
    # Recovery
    Bug(
        "a pinger holds its connection back",
        "an early state of this library: the pinger's default delay was the group's, until a figure was looked into",
        "actors/_connections/_pinger.py",
        "@actor(backoff=_BACKOFF)",
        "@actor()",
        (_T + "connections/test_recovery.py::test_trades_come_again_soon_after_a_connection_broke",),
    ),
    Bug(
        "a feed waits for its turn at REST although it will not wait until then",
        "an early state of this library: the start of many feeds took five seconds for each that had to wait",
        "actors/_feeds/_asking.py",
        "            await http.wait_for_turn(request, SHARE, by=trio.current_effective_deadline())\n",
        "            await http.wait_for_turn(request, SHARE)\n",
        (
            _T
            + "feeds/test_opening_many.py::test_a_feed_whose_turn_at_rest_is_late_does_not_keep_the_next_one_from_starting",
        ),
    ),
    # Silence
    Bug(
        "data that waited for its confirmation counts as fresh",
        "found in a simulated day: live for ten seconds without what was published",
        "actors/_feeds/_silence.py",
        "        at = now - waited\n",
        "        at = now\n",
        (_T + "feeds/test_silence.py::test_the_silence_behind_what_has_waited_has_begun_when_it_came",),
    ),
    Bug(
        "a mute feed is asked about and never doubted",
        "python-binance#1057, #1090, pybit#242: connected, and silent for hours",
        "actors/_feeds/_silence.py",
        "            if news:\n",
        "            if news and False:\n",
        (_T + "feeds/test_silence.py::test_a_mute_of_fifty_trades_a_second_is_noticed_within_three_seconds",),
    ),
    Bug(
        "a channel that is quiet by nature is taken for mute",
        "cryptofeed#223, #226, #536, #715: quiet channels restarted every 120 s",
        "actors/_feeds/_silence.py",
        "            if news:\n",
        "            if news is not None:\n",
        (_T + "feeds/test_silence.py::test_a_mute_of_fifty_trades_a_second_is_noticed_within_three_seconds",),
    ),
    Bug(
        "the learned rate is ignored: only the declared silence counts",
        "nautilus: idle timeouts built, and None passed by the adapters",
        "actors/_feeds/_rhythm.py",
        "return min(max(FLOOR, natural), cap, most)",
        "return most",
        (_T + "feeds/test_silence.py::test_a_mute_of_fifty_trades_a_second_is_noticed_within_three_seconds",),
    ),
    Bug(
        "a subscription that was renewed in vain is renewed for ever",
        "Kraken acknowledges, and never sends: nautilus#4255",
        "actors/_feeds/_silence.py",
        "if all_silent or again:",
        "if all_silent:",
        (_T + "feeds/test_silence.py::test_the_ladder_is_renewal_then_replacement",),
    ),
    # Continuity
    Bug(
        "one trade is lost at the border of two REST pages",
        "backfills by page with exclusive borders",
        "actors/_feeds/_numbered.py",
        "before = Missing(missing.first, _start(run[0]) - 1) if _start(run[0]) > missing.first else None",
        "before = Missing(missing.first, _start(run[0]) - 1) if _start(run[0]) > missing.first + 1 else None",
        (_T + "feeds/test_continuity.py::test_whatever_arrives_every_id_goes_out_once_in_order_or_lies_in_a_gap",),
    ),
    Bug(
        "a hole that cannot be filled is passed over in silence",
        "unicorn-binance-websocket-api#42: data between a disconnect and a reconnect is lost",
        "actors/_feeds/_numbered.py",
        "        self._gap(missing, reason)\n        self._advance()\n        self._caught_up()\n",
        "        self.cursor.head = attrs.evolve(self.cursor.head, covered=missing.last)\n"
        "        self._advance()\n        self._caught_up()\n",
        (_T + "feeds/test_continuity.py::test_a_gap_that_was_delivered_is_not_told_again",),
    ),
    Bug(
        "what two connections bring is delivered twice",
        "nobody deduplicates events",
        "actors/_feeds/_unnumbered.py",
        "            if trade.id in known:\n",
        "            if False:\n",
        (
            _T
            + "feeds/test_unnumbered_laws.py::test_whatever_arrives_each_trade_goes_out_once_in_order_or_lies_in_a_gap",
        ),
    ),
    Bug(
        "a list that does not reach back to the last trade counts as complete",
        "Bybit's REST gives 60 trades of spot",
        "actors/_feeds/_unnumbered.py",
        '            self._gap("REST\'s list does not reach back to the last trade", first)\n',
        "",
        (_T + "feeds/test_unnumbered.py::test_a_list_that_does_not_reach_back_leaves_a_gap_in_its_place",),
    ),
    Bug(
        "a loss is looked for only while the stream brings something new",
        "found by a simulated day: a stream that had lost trades repeated itself for a minute",
        "actors/_feeds/_feed.py",
        "        if news and track is not None and self._audited(symbol, track, 1, now):\n",
        "        if False:\n",
        (
            _T + "feeds/test_feed_venues.py"
            "::test_a_loss_in_the_middle_is_found_although_the_stream_brings_nothing_new_afterwards",
        ),
    ),
    Bug(
        "the cursor does not move with what was delivered: all of it comes again after a crash",
        "nautilus PR#4991: replayed fills",
        "actors/_feeds/_continuity.py",
        "            self.done, self.told = self.head, self.telling\n            return\n",
        "            self.told = self.telling\n            return\n",
        (_T + "feeds/test_continuity.py::test_a_restart_goes_on_behind_exactly_what_was_delivered",),
    ),
    Bug(
        "what is published between subscribing and the anchor is lost",
        "subscribe, then snapshot, and forget what lies between",
        "actors/_feeds/_numbered.py",
        "        if covered is None or lowest <= covered:\n            self._place(lowest - 1)\n",
        "        if covered is None:\n            self._place(lowest - 1)\n",
        (
            _T
            + "feeds/test_continuity.py::test_a_live_trade_at_or_below_the_anchor_was_published_after_the_subscription",
        ),
    ),
    Bug(
        "a venue that starts its ids anew is taken for one that repeats itself",
        "trade ids of Binance's test network begin anew",
        "actors/_feeds/_numbered.py",
        "elif time is not None and trade.time > time + RESTART_AFTER:",
        "elif False:",
        (_T + "feeds/test_continuity.py::test_a_lower_id_much_later_is_a_new_numbering_and_no_repetition",),
    ),
    # Books
    Bug(
        "a book takes a message that does not follow",
        "ccxt PR#29492: no gap check",
        "actors/_feeds/_book_sync.py",
        'return "next" if self._base(message, joint) <= mine else "ahead"',
        'return "next"',
        (_T + "feeds/test_book_sync.py::test_a_hole_that_nobody_fills_breaks_the_book_when_patience_ends",),
    ),
    Bug(
        "the rule by which a book is joined to its snapshot is off by one",
        "two texts of one venue contradict each other",
        "actors/_feeds/_book_sync.py",
        "return message.first - joint if message.previous is None else message.previous",
        "return message.first - joint - 1 if message.previous is None else message.previous",
        (_T + "feeds/test_book_sync.py::test_a_live_book_is_the_true_one_whatever_connections_and_rest_do",),
    ),
    Bug(
        "levels from before a snapshot stay in the book",
        "ccxt#29210: ghost levels after a reconnect",
        "actors/_feeds/_book.py",
        "            self._ladder.replace(item.bids, item.asks)\n",
        "            self._ladder.change(item.bids, item.asks)\n",
        (_T + "feeds/test_book.py::test_an_update_after_a_lost_one_is_refused_until_the_next_snapshot",),
    ),
    Bug(
        "a book that has crossed goes on as if nothing were",
        "node-binance-api#37: books that cross",
        "actors/_feeds/_book.py",
        "        if self._ladder.crossed:\n",
        "        if False:\n",
        (_T + "feeds/test_book.py::test_an_update_that_crosses_empties_the_book",),
    ),
    # Failover
    Bug(
        "a stale price is handed out as a fresh one",
        "ccxt#17081: the price froze for hours",
        "actors/_feeds/_merge.py",
        "        if any(now - due > max_age for due, _ in self._waiting):\n",
        "        if False:\n",
        (_T + "feeds/test_merge.py::test_every_trade_of_the_followed_source_once_in_order_and_fresh_or_a_gap",),
    ),
    Bug(
        "the feed flaps between two sources",
        "failing back at the first sign of life",
        "actors/_feeds/_failover.py",
        "if source.rank < current.rank and now >= source.had_from(self.terms.stable):",
        "if source.rank < current.rank and now >= source.had_from(0.0):",
        (_T + "feeds/test_failover.py::test_whatever_the_sources_do_exactly_one_that_is_fresh_is_followed_or_none",),
    ),
    Bug(
        "a source whose price is apart from all others is followed",
        "no library compares venues",
        "actors/_feeds/_failover.py",
        "source.suspect = source.apart_since is not None and now >= source.apart_since + MOMENT",
        "source.suspect = False",
        (_T + "feeds/test_failover.py::test_a_source_that_is_alone_with_its_price_is_left_when_it_stays_so",),
    ),
    # Limits of venues
    Bug(
        "what the venue says was used of its allowance is not read",
        "ccxt#18217: bans of addresses that others use, too",
        "actors/_net/_rest_limit.py",
        "        if unknown > 0:\n",
        "        if False:\n",
        (_T + "net/test_rest_limit.py::test_what_others_used_is_learned_from_the_venue",),
    ),
    Bug(
        "a Retry-After that is a time is taken for seconds",
        "Binance's two units",
        "actors/_net/_rest_limit.py",
        "    seconds = wait if wait < _A_MOMENT else max((wait - _venue_time(headers, now_ms)) / 1000, 1.0)\n",
        "    seconds = wait\n",
        (_T + "net/test_rest_limit.py::test_both_units_of_retry_after_are_read",),
    ),
    Bug(
        "the end of a ban is not read out of the error",
        "-1003 tells until when an address is banned",
        "actors/_net/_rest_limit.py",
        "    if found is None:\n        return None\n",
        "    if True:\n        return None\n",
        (_T + "net/test_rest_limit.py::test_a_ban_is_read_from_the_text_by_the_venues_clock",),
    ),
    Bug(
        "pongs are not counted among the messages of a connection",
        "Binance counts pings and pongs among 5 messages a second",
        "actors/_connections/_message_budget.py",
        "pongs = math.floor(within / PEER_PINGS_EVERY) + 1 if peer_pings else 0",
        "pongs = 0",
        (_T + "connections/test_message_budget.py::test_no_window_ever_has_too_many_messages",),
    ),
    Bug(
        "a connection does not wait although the venue asked for it",
        "pybit: 10 attempts in 0.09 s; websockets: 3,900 connections in 2 s",
        "actors/_connections/_connection.py",
        "        if wait > 0:\n",
        "        if False:\n",
        (_T + "connections/test_connection.py::test_retry_after_is_obeyed_across_incarnations",),
    ),
    # Rotation
    Bug(
        "a connection is replaced when the venue has cut it already",
        "python-binance#1090: no new data after 24 hours",
        "actors/_connections/_connection.py",
        "RETIRE: Final = (0.9, 0.98)",
        "RETIRE: Final = (1.1, 1.2)",
        (
            _T
            + "connections/test_connection_rotation.py::test_before_the_lifetime_limit_the_next_wire_flows_before_the_old_one_goes",
        ),
    ),
    Bug(
        "the old connection goes before the new one flows",
        "binance-connector-python's 23 h timer breaks first",
        "actors/_connections/_connection.py",
        "                await self._overlap(present, following)\n",
        "                present.retire('replaced')\n",
        (
            _T
            + "connections/test_connection_rotation.py::test_before_the_lifetime_limit_the_next_wire_flows_before_the_old_one_goes",
        ),
    ),
    Bug(
        "a venue's notice that it will close is not heard",
        "serverShutdown is in two of twenty libraries",
        "actors/_connections/_link.py",
        "                self._announce(control.reason, over=False)\n",
        "                pass\n",
        (_T + "connections/test_connection_rotation.py::test_the_venues_notice_brings_the_next_wire_at_once",),
    ),
    Bug(
        "failed rotations are repeated without a pause",
        "a notice that every new connection gets makes a storm",
        "actors/_connections/_connection.py",
        "            failures += 1\n",
        "",
        (
            _T
            + "connections/test_connection_rotation.py::test_a_venue_that_refuses_every_next_wire_does_not_get_a_storm",
        ),
    ),
    # Subscriptions
    Bug(
        "an acknowledgement of nonsense is believed",
        "Binance acknowledges symbols that do not exist",
        "actors/_connections/_subscriptions.py",
        "        elif self._source.list_request() is None:\n",
        "        elif True:\n",
        (_T + "connections/test_subscriptions.py::test_where_the_venue_can_list_only_the_list_confirms",),
    ),
    Bug(
        "one bad topic takes a whole batch with it",
        "Bybit fails the batch",
        "actors/_connections/_subscriptions.py",
        "symbol.most = symbol.most if named else max(1, len(unanswered) // 2)",
        "symbol.most = symbol.most",
        (
            _T
            + "connections/test_subscriptions.py::test_a_batch_refused_as_a_whole_is_halved_until_the_bad_one_stands_alone",
        ),
    ),
    Bug(
        "a subscription without an answer is waited for, for ever",
        "pybit#62: attempting_connection stuck",
        "actors/_connections/_subscriptions.py",
        "            if now >= sent.deadline:\n                self._unanswered(sent, now)\n",
        "            if False:\n                self._unanswered(sent, now)\n",
        (_T + "connections/test_subscriptions.py::test_no_answer_in_time_means_that_the_connection_is_of_no_use",),
    ),
    # The wire
    Bug(
        "reserved bits pass",
        "RFC 6455, 5.2",
        "actors/_net/_ws_frames.py",
        "        if first & _RESERVED:\n",
        "        if False:\n",
        (_T + "net/test_ws_frames.py::test_the_splitter_reads_what_wsproto_reads",),
    ),
    Bug(
        "a message may be as long as it likes",
        "freqtrade#10933: a fault of the network ends in a kill for memory",
        "actors/_net/_ws_frames.py",
        "if len(self._parts) + size > self._max_message:",
        "if size > self._max_message:",
        (
            _T
            + "net/test_ws_frames.py::test_a_message_that_is_too_long_as_a_whole_is_refused_however_short_its_fragments_are",
        ),
    ),
    Bug(
        "text that is not UTF-8 passes when it comes in one frame",
        "trio-websocket fails three cases of the conformance suite",
        "actors/_net/_ws_frames.py",
        "        if not all(map(bytes.isascii, taken)):\n",
        "        if False:\n",
        (_T + "net/test_ws_frames.py::test_the_splitter_reads_what_wsproto_reads",),
    ),
    Bug(
        "a slow reader lets messages pile up",
        "cryptofeed: max_queue=None; unicorn: unbounded deque",
        "actors/_net/_tap.py",
        "        return full and not self._left and self.ending is None\n",
        "        return False\n",
        (_T + "net/test_tap.py::test_when_too_much_waits_reading_pauses_and_pongs_go_out_unasked",),
    ),
    Bug(
        "half a frame on the wire is followed by another one",
        "a send that was cancelled half-way",
        "actors/_net/_tap.py",
        "        except trio.Cancelled:\n            self.half_sent = True\n            raise\n",
        "        except trio.Cancelled:\n            raise\n",
        (_T + "net/test_tap.py::test_a_send_that_was_cancelled_half_way_leaves_nothing_to_send_behind_it",),
    ),
    Bug(
        "a batch overtakes one that waits for a slow consumer",
        "a shortcut around a queue forgets who is still in it",
        "actors/_feeds/_feed.py",
        "        if self._under_way or not isinstance(message, Batch):\n",
        "        if not isinstance(message, Batch):\n",
        (_T + "feeds/test_feed.py::test_a_batch_that_comes_while_others_wait_for_a_slow_consumer_waits_its_turn",),
    ),
    Bug(
        "what found no room is handed over only when more comes",
        "the last trades before a quiet hour stay behind",
        "actors/_connections/_link.py",
        "            self._flow.helpers.start_soon(self._outflow.flush)\n",
        "            pass\n",
        (
            _T + "connections/test_connection.py::"
            "test_what_the_owner_had_no_room_for_is_his_as_soon_as_he_has_although_nothing_more_comes",
        ),
    ),
    Bug(
        "a feed's failure is raised in its connection",
        "callbacks: who calls gets the blame",
        "actors/_feeds/_feed.py",
        "            self._nursery.start_soon(_fail, error)\n",
        "            raise\n",
        (_T + "feeds/test_feed_failures.py::test_a_feed_that_crashes_repeats_nothing_and_loses_nothing",),
    ),
    Bug(
        "what waits for room ends with the connection",
        "the end of a connection is lost on a full queue, and its feed stays live",
        "actors/_connections/_connection.py",
        "Outflow(settings.inflow, me, kept(settings.unsaid, list[Any]))",
        "Outflow(settings.inflow, me, [])",
        (
            _T + "connections/test_connection.py::"
            "test_what_the_owner_had_no_room_for_is_his_although_the_wire_has_ended",
        ),
    ),
)
