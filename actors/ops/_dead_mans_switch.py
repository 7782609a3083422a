"""The dead man's switch: an actor that tells somebody outside, each minute, that all is well, and otherwise is silent."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Literal, TypeAlias
from urllib.parse import quote

import attrs
import trio

from supervisor import Backoff, Child, Mailbox, Me, actor, child

from .._errors import SecretMissing
from .._messages import kept
from .._secret import Secret
from ._beats import Beat, Beats
from ._posting import Posting, Undelivered, open_posting
from ._vitals import Verdict
from ._watched import Watched

BeatForm: TypeAlias = Literal["healthchecks", "cronitor"]

_LOOK: Final = 1.0
"""Seconds between two looks at the tree."""
_REASON: Final = 500
"""Characters of a reason; Cronitor takes 2,000, and a person reads it on a phone."""
_SUFFIXES: Final[dict[Beat, str]] = {"start": "/start", "well": "", "fail": "/fail"}
"""Healthchecks: "Pinging API", healthchecks.io/docs/http_api."""
_STATES: Final[dict[Beat, str]] = {"start": "run", "well": "complete", "fail": "fail"}
"""Cronitor: "Telemetry API", cronitor.io/docs/telemetry-api."""


@attrs.define
class _Counts:
    """What it did, whatever becomes of its incarnations."""

    beats: Beats
    delivered: int = 0
    undelivered: int = 0
    trouble: str = ""
    """Why the last one was not taken; empty: it was."""


@actor(
    max_failures=None,
    first_start="retry",
    backoff=Backoff(floor=1.0, base=1.0, cap=60.0),
    on={SecretMissing: "park"},
)
@attrs.frozen
class DeadMansSwitch:
    """Sends the heartbeats; see `dead_mans_switch`."""

    address: Secret
    every: float
    form: BeatForm
    needs: tuple[str, ...]
    memory: Mailbox[_Counts]

    async def run(self, me: Me) -> None:
        """Send until cancelled; a beat that is on its way is given up."""
        counts = kept(self.memory, lambda: _Counts(Beats(self.every)))
        watched = Watched(me.tree, self.needs, dict)
        me.expose(
            lambda: {
                "said": counts.beats.said,
                "delivered": counts.delivered,
                "undelivered": counts.undelivered,
                "trouble": counts.trouble,
            }
        )
        async with open_posting(self.address) as posting:
            me.ready()
            while True:
                verdict = watched.look().verdict
                beat = counts.beats.next(trio.current_time(), well=verdict.healthy)
                if beat is not None:
                    await self._send(me, posting, counts, beat, verdict)
                await trio.sleep(min(_LOOK, self.every))

    async def _send(self, me: Me, posting: Posting, counts: _Counts, beat: Beat, verdict: Verdict) -> None:
        reason = _short(verdict) if beat == "fail" else ""
        try:
            if self.form == "healthchecks":
                await posting.post(reason.encode("utf-8", "replace"), below=_SUFFIXES[beat])
            else:
                message = f"&message={quote(reason, safe='')}" if reason else ""
                await posting.post(query=f"state={_STATES[beat]}{message}")
        except Undelivered as error:
            counts.undelivered += 1
            again = counts.beats.failed(trio.current_time(), beat, wait=error.retry_after or 0.0, final=error.final)
            # Once a trouble: an hour without a network is one line, not sixty.
            if not counts.trouble or not (again or counts.beats.said == "well"):
                me.note("heartbeat_failed", beat=beat, error=str(error), again=again)
            counts.trouble = str(error)
            return
        counts.beats.sent(trio.current_time(), beat)
        counts.delivered += 1
        if counts.trouble:
            me.note("heartbeat_taken_again", beat=beat, undelivered=counts.undelivered)
            counts.trouble = ""
        elif beat != "well":
            me.note("heartbeat", beat=beat, reason=reason)


def dead_mans_switch(
    url: Secret | str,
    every: float = 60.0,
    form: BeatForm = "healthchecks",
    *,
    needs: Sequence[str] = (),
    name: str = "dead_mans_switch",
) -> Child:
    """Return a child that sends heartbeats while the bot is healthy, to somebody who raises the alarm when they stop.

    Healthy is what ``/healthz`` of `health` calls so; neither needs the other. While the bot is not healthy when a beat is
    due, it sends ``fail`` with the reason, once, and then nothing until it is well again. A beat that is not taken is tried
    again a few times. None of that holds up the rest of the tree.

    Args:
        url: The address of the check, as the service shows it. Whoever knows it can feed the switch, so it is a secret
            and appears nowhere. When the secret is missing, or is no address, the child is parked.
        every: Seconds between two beats. Give the service twice that, and more, before it raises the alarm.
        form: ``healthchecks``: Healthchecks.io, its self-hosted kin, and `unblinking watchdog`: ``/start`` and ``/fail``
            below the address, the reason in the body. ``cronitor``: ``?state=run``, ``complete`` and ``fail``, the reason
            as ``message``.
        needs: Paths of children that must be ready for the bot to be healthy, beside the data that the tree requires.
        name: Of the child.

    Raises:
        ValueError: ``every`` is not above zero, or there is no such form.
    """
    if not 0 < every < float("inf"):
        raise ValueError(f"every must be a number of seconds above zero, not {every!r}")
    if form not in ("healthchecks", "cronitor"):
        raise ValueError(f"form must be 'healthchecks' or 'cronitor', not {form!r}")
    address = Secret.literal(url) if isinstance(url, str) else url
    memory = Mailbox[_Counts](f"{name}.memory", capacity=1)
    return child(name, DeadMansSwitch(address, float(every), form, tuple(needs), memory))


def _short(verdict: Verdict) -> str:
    first, *others = verdict.reasons or ("not healthy",)
    text = first if not others else f"{first} (and {len(others)} more)"
    return text if len(text) <= _REASON else f"{text[: _REASON - 1]}…"
