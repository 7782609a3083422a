"""Bugs of accounts: logging in, keys, the clock by which requests are signed."""

from __future__ import annotations

from .bug import Bug

_T = "tests/actors/"

BUGS = (
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
)
