"""Bugs of what watches a bot: health, dead man's switch, alerts, secrets."""

from __future__ import annotations

from .bug import Bug

_T = "tests/ops/"

BUGS = (
    Bug(
        "a stale stream counts as fresh as long as its connection lives",
        "no health endpoint tells per-stream freshness (facts: peers, 1.4)",
        "actors/ops/_vitals.py",
        "                elif stream.stale:\n",
        "                elif False:\n",
        (_T + "test_vitals.py",),
    ),
    Bug(
        "an owner that never told anything counts as healthy",
        "hummingbot#7590: user_stream_initialized",
        "actors/ops/_vitals.py",
        "        elif not self.vital:\n",
        "        elif False:\n",
        (_T + "test_vitals.py", _T + "test_required.py"),
    ),
    Bug(
        "the dead man's switch is fed by a blind timer",
        "alpaca-py#740, Lean.Brokerages.Tastytrade#31: the keepalive only sends",
        "actors/ops/_dead_mans_switch.py",
        "well=verdict.healthy)",
        "well=True)",
        (_T + "test_dead_mans_switch.py",),
    ),
    Bug(
        "every alert of a storm is a message of its own",
        "a thousand messages at 3 a.m.",
        "actors/ops/_alerts.py",
        "        if not at_once and now - self._last < self._every:\n",
        "        if False:\n",
        (_T + "test_alert_desk.py",),
    ),
    Bug(
        "nobody is told that it is well again",
        "an alert without an end is soon ignored",
        "actors/ops/_alerts.py",
        "            standing.over_at = now if standing.over_at is None else standing.over_at\n",
        "",
        (_T + "test_alert_desk.py",),
    ),
    Bug(
        "a secret shows itself",
        "keys in logs and tracebacks",
        "actors/_secret.py",
        "    def __repr__(self) -> str:\n        return _HIDDEN\n",
        "    def __repr__(self) -> str:\n        return str(self._source)\n",
        ("tests/actors/test_secret.py",),
    ),
)
