"""Bugs of what watches a bot: health, dead man's switch, alerts, secrets."""

from __future__ import annotations

from .bug import Bug

_T = "tests/ops/"

BUGS = (
    Bug(
        "a stale stream counts as fresh as long as its connection lives",
        "no health endpoint tells per-stream freshness",
        "actors/ops/_vitals.py",
        "                elif stream.stale:\n",
        "                elif False:\n",
        (_T + "test_vitals.py::test_a_stream_older_than_its_limit_is_a_reason",),
    ),
    Bug(
        "an owner that never told anything counts as healthy",
        "hummingbot#7590: user_stream_initialized",
        "actors/ops/_vitals.py",
        "        elif not self.vital:\n",
        "        elif False:\n",
        (_T + "test_vitals.py::test_an_owner_that_has_told_nothing_is_unhealthy_if_the_tree_requires_it",),
    ),
    Bug(
        "the dead man's switch is fed by a blind timer",
        "alpaca-py#740, Lean.Brokerages.Tastytrade#31: the keepalive only sends",
        "actors/ops/_dead_mans_switch.py",
        "well=verdict.healthy)",
        "well=True)",
        (
            _T
            + "test_dead_mans_switch.py::test_when_it_is_not_well_it_says_so_once_and_is_silent_until_it_is_well_again",
        ),
    ),
    Bug(
        "every alert of a storm is a message of its own",
        "a thousand messages at 3 a.m.",
        "actors/ops/_alerts.py",
        "        if not at_once and now - self._last < self._every:\n",
        "        if False:\n",
        (_T + "test_alert_desk.py::test_every_alert_is_told_or_counted_and_its_end_only_after_it",),
    ),
    Bug(
        "nobody is told that it is well again",
        "an alert without an end is soon ignored",
        "actors/ops/_alerts.py",
        "            standing.over_at = now if standing.over_at is None else standing.over_at\n",
        "",
        (_T + "test_alert_desk.py::test_every_alert_is_told_or_counted_and_its_end_only_after_it",),
    ),
    Bug(
        "a secret shows itself",
        "keys in logs and tracebacks",
        "actors/_secret.py",
        "    def __repr__(self) -> str:\n        return _HIDDEN\n",
        "    def __repr__(self) -> str:\n        return str(self._source)\n",
        ("tests/actors/test_secret.py::test_no_way_of_printing_shows_the_value",),
    ),
    Bug(
        "the text of a login shows its key and its signature",
        "keys in logs and tracebacks",
        "actors/_source.py",
        "    text: str = attrs.field(repr=False)\n",
        "    text: str\n",
        ("tests/actors/test_secret.py::test_what_carries_a_key_or_a_signature_shows_neither",),
    ),
    Bug(
        "what a venue quotes of a signed request is told",
        "OKX 50110 names the key that it refuses",
        "actors/_net/_http.py",
        "        failure = self._judge(request, without_secrets(request, reply)) or failure\n",
        "",
        ("tests/actors/net/test_http.py::test_what_a_request_was_signed_with_is_not_told_even_if_the_venue_quotes_it",),
    ),
    Bug(
        "a request that is cut short while it is sent leaves a generator half-way",
        "httpx's ByteStream is an asynchronous generator",
        "actors/_net/_http.py",
        "        sent.stream = _Content(request.content)\n",
        "",
        (
            "tests/actors/net/test_http.py::test_a_request_that_is_cut_short_while_its_body_is_sent_leaves_nothing_half_done",
        ),
    ),
    Bug(
        "a field of a note stands for the note's own time",
        'note("listening", at=...)',
        "supervisor/_events.py",
        ", validator=_not_its_own)",
        ")",
        (
            "tests/supervisor/test_tree_seen_from_inside.py::test_a_notes_field_cannot_stand_for_what_the_note_says_itself",
        ),
    ),
    Bug(
        "the child after the ledger starts before the ledger listens",
        "without ready_within children start in the same turn",
        "actors/ops/_ledger.py",
        "    ready_within=10.0,\n",
        "",
        (_T + "test_ledger.py::test_children_after_the_ledger_are_seen_from_their_first_event_on",),
    ),
    Bug(
        "the child after the alerts starts before they listen",
        "without ready_within children start in the same turn",
        "actors/ops/_alerter.py",
        "    ready_within=10.0,\n",
        "",
        (_T + "test_alerter.py::test_children_after_the_alerts_are_seen_from_their_first_event_on",),
    ),
    Bug(
        "nobody is told that a key may withdraw",
        "a bot that is broken into loses all",
        "actors/_doctor/_keys.py",
        "    if report.withdraws:\n",
        "    if False:\n",
        ("tests/cli/test_doctor_keys.py::test_what_a_key_may_do_too_much_or_too_little_is_told",),
    ),
    Bug(
        "an address that is not allowed is told as a wrong key",
        "every venue has a code for it but Binance",
        "actors/_doctor/_keys.py",
        "    if named & _ADDRESS:\n",
        "    if False:\n",
        ("tests/cli/test_doctor_keys.py::test_what_the_venue_means_by_its_refusal_is_told",),
    ),
    Bug(
        "a child that cannot be stopped ends the log for people",
        "structlog takes a field called stack for text of its own",
        "actors/_cli/_logs.py",
        '    if (stack := fields.pop("stack", None)) is not None:\n',
        '    if (stack := fields.get("nothing")) is not None:\n',
        ("tests/cli/test_logs.py::test_a_hung_child_is_one_line_for_people_and_a_list_for_programs",),
    ),
)
