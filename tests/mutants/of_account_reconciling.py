"""Bugs of accounts: asking after an interruption, fills and orders."""

from __future__ import annotations

from .bug import Bug

_T = "tests/actors/"

BUGS = (
    # After an interruption
    Bug(
        "a connection is followed by no reconciliation",
        "python-binance, pybit, freqtrade: almost nobody reconciles after a private reconnect",
        "actors/_accounts/_private_stream.py",
        '        self._events.opened()\n        await self._telling.say("reconciling", "connected")\n        self._ask()\n',
        '        await self._events.flow()\n        await self._telling.say("live", "connected")\n',
        (
            _T
            + "accounts/test_private_stream.py::test_what_happened_during_an_interruption_is_delivered_before_the_account_is_live",
        ),
    ),
    Bug(
        "what came while the venue was asked is lost",
        "ibx#113: missed fills on reconnect are lost",
        "actors/_accounts/_live_events.py",
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
        "        if first:\n            await self._events.flow()\n",
        '        if first:\n            await self._telling.say("live", "reconciled")\n            await self._events.flow()\n',
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
        "with no orders open, a stream is asked about after it was opened, and never again",
        "a listen key dies without a word: what happens then is seen after the next reconnect",
        "actors/_accounts/_private_stream.py",
        "            self._due = trio.current_time() + min(SETTLE if first else math.inf, self._settings.reconcile_every)\n",
        "            self._due = trio.current_time() + (SETTLE if first else math.inf)\n",
        (
            _T
            + "accounts/test_private_stream_states.py::test_what_a_deaf_connection_loses_after_an_outage_of_rest_is_found_by_the_schedule",
        ),
    ),
    Bug(
        "one of two channels is mute, and the connection is kept because the other one lives",
        "ccxt/node-binance-api#86: single streams of a connection go dead, the others live",
        "actors/_accounts/_live_events.py",
        "            self._channels.told(alone)\n",
        "            pass\n",
        (
            _T
            + "accounts/test_mute_channel.py::test_a_second_order_that_one_channel_tells_of_alone_has_the_connection_replaced",
        ),
    ),
    Bug(
        "a connection is replaced again and again for a channel that does not tell such things",
        "Bybit does not say whether liquidations and block trades have order events",
        "actors/_accounts/_channel_watch.py",
        "        self._not_before = now + self._wait\n",
        "",
        (_T + "accounts/test_mute_channel.py::test_where_another_connection_does_not_help_the_account_does_not_flap",),
    ),
    Bug(
        "with orders open, a stream that tells nothing is not asked about before the schedule",
        "python-binance#1057, binance-connector-js#135: pongs arrive, order events stop",
        "actors/_accounts/_private_stream.py",
        "        return self._quiet_at if self._events.flowing and self._book.has_open_orders else _NEVER\n",
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
)
