"""The watchdog: a tree of its own, in a process of its own, that looks at a bot from outside and tells people."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final

import attrs
import trio

from supervisor import Backoff, Child, Limit, Mailbox, Me, Supervisor, actor, child

from .._errors import HttpFailure, SecretMissing
from .._http import open_http
from .._messages import kept
from .._secret import Secret
from .._source import HttpReply, HttpRequest
from ._access import Access, is_loopback
from ._alarm import ProbeAlarm, SilenceAlarm
from ._http_endpoint import Bounds, Endpoint, Reply, Request
from ._posting import Undelivered, parse
from ._sd_notify import systemd
from ._tell import Tell

_LATER: Final = 30.0
"""Seconds until a message that nobody took is tried again."""
_PATIENCE: Final = 24 * 3600.0
"""Seconds after which such a message is given up."""
_WAITING: Final = 100
"""Messages that wait to be told; of more, the oldest are dropped and counted."""
_LOOK: Final = 1.0
"""Seconds between two looks at the time of the last heartbeat."""
_REASON: Final = 500
"""Characters of an answer that are told on."""
_AGAIN: Final = Backoff(floor=0.5, base=0.5, cap=30.0)


@attrs.frozen
class Alert:
    """One message for people."""

    text: str
    at: float
    """Seconds on Trio's clock."""


@actor(max_failures=None, first_start="retry", backoff=_AGAIN)
@attrs.frozen
class Teller:
    """Tells people over one channel what comes, in order, until it is taken."""

    channel: Tell
    alerts: Mailbox[Alert]

    async def run(self, me: Me) -> None:
        """Tell until cancelled. What was being told is told again after a crash."""
        me.ready()
        while True:
            async with self.alerts.take() as alert:
                await self._tell(me, alert)

    async def _tell(self, me: Me, alert: Alert) -> None:
        tries = 0
        while True:
            tries += 1
            try:
                await self.channel.tell(alert.text)
            except (Undelivered, SecretMissing) as error:
                # A secret may come back, too; to give up would be the wrong answer to anything here.
                late = trio.current_time() - alert.at
                if late > _PATIENCE:
                    me.note("alert_lost", text=alert.text, error=str(error), tries=tries)
                    return
                if tries == 1:
                    me.note("alert_undelivered", text=alert.text, error=str(error))
                asked = error.retry_after if isinstance(error, Undelivered) else None
                await trio.sleep(max(_LATER, asked or 0.0))
            else:
                me.note("alert_told", text=alert.text, tries=tries)
                return


@actor(max_failures=None, first_start="retry", backoff=_AGAIN)
@attrs.frozen
class Prober:
    """Asks the health endpoint how the bot is."""

    url: str
    every: float
    after: int
    token: Secret | None
    name: str
    alerts: tuple[Mailbox[Alert], ...]
    memory: Mailbox[ProbeAlarm]

    async def run(self, me: Me) -> None:
        """Ask until cancelled."""
        alarm = kept(self.memory, lambda: ProbeAlarm(self.after))
        me.expose(lambda: {"failed": alarm.failed, "alarmed": alarm.alarmed})
        me.ready()
        due = trio.current_time()
        while True:
            trouble = await self._probe(me)
            if trouble is None and alarm.well_at is None:
                me.note("first_well")
            told = alarm.probed(trio.current_time(), trouble)
            if trouble is not None:
                me.note("probe_failed", trouble=trouble, in_a_row=alarm.failed)
            if told is not None:
                raise_alert(self.alerts, self.name, told)
            # Late is late: no two probes follow each other at once.
            due = max(due + self.every, trio.current_time())
            await trio.sleep_until(due)

    async def _probe(self, me: Me) -> str | None:
        """Return what is wrong; None: nothing."""
        parts = parse(self.url)
        assert parts is not None, "it was checked when the tree was written"
        base, path, query = parts
        target = path if path.strip("/") else "/healthz"
        request = HttpRequest("GET", target, query, self._authorization(me))
        try:
            # A connection of its own each time: what is asked is whether one can be had.
            async with open_http(base, _take_any, timeout=min(10.0, self.every), max_body=1024 * 1024) as http:
                reply = await http.request(request)
        except HttpFailure as error:
            return f"it does not answer: {error.reason}"
        if reply.status == 200:
            return None
        text = reply.body.decode("utf-8", "replace")
        words = "; ".join("".join(filter(str.isprintable, line)) for line in text.splitlines() if line.strip())
        cut = words if len(words) <= _REASON else f"{words[: _REASON - 1]}…"
        return f"answers {reply.status}" + (f": {cut}" if cut else "")

    def _authorization(self, me: Me) -> tuple[tuple[str, str], ...]:
        if self.token is None:
            return ()
        try:
            return (("Authorization", f"Bearer {self.token.reveal()}"),)
        except SecretMissing as error:
            me.note("token_missing", error=str(error), advice="probes go on without it, and get no reasons")
            return ()


@actor(max_failures=None, first_start="retry", backoff=_AGAIN, ready_within=10.0)
@attrs.frozen
class HeartbeatReceiver:
    """Takes heartbeats over HTTP."""

    port: int
    host: str
    silence: float
    key: Secret | None
    name: str
    alerts: tuple[Mailbox[Alert], ...]
    memory: Mailbox[SilenceAlarm]

    async def run(self, me: Me) -> None:
        """Listen until cancelled; cancellation closes every connection."""
        alarm = kept(self.memory, lambda: SilenceAlarm(self.silence, trio.current_time()))
        access = Access(None, is_loopback(self.host))
        if self.key is None and not is_loopback(self.host):
            me.note("open_to_the_network", host=self.host, advice="anyone who reaches it can feed it; give it a key")

        async def respond(request: Request) -> Reply:
            await trio.lowlevel.checkpoint()
            if (foreign := access.foreign(request.headers)) is not None:
                return Reply(403, f"{foreign}\n".encode())
            if request.method not in ("GET", "HEAD", "POST"):
                return Reply(405, b"heartbeats are POST\n", headers=(("Allow", "GET, HEAD, POST"),))
            path = request.path.rstrip("/")
            if path not in (prefix, f"{prefix}/start", f"{prefix}/fail"):
                return Reply(404, b"no heartbeat\n")
            if path == f"{prefix}/fail":
                self._tell(alarm.fail(trio.current_time()))
            elif path == prefix:
                if not alarm.heard:
                    me.note("first_heartbeat")
                self._tell(alarm.beat(trio.current_time()))
            return Reply(200, b"OK\n")

        def report(request: Request, error: Exception) -> None:
            me.note("receiver_failed", error=type(error).__name__)

        endpoint = Endpoint(respond, Bounds(connections=64), report)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._look, alarm)
            prefix = "" if self.key is None else f"/{self.key.reveal()}"
            listeners = await trio.open_tcp_listeners(self.port, host=self.host)
            addresses = [f"{self.host}:{listener.socket.getsockname()[1]}" for listener in listeners]
            me.expose(lambda: {"listening": addresses, "silent": trio.current_time() - alarm.last})
            me.ready()
            me.note("listening", at=addresses)
            await trio.serve_listeners(endpoint.serve, listeners)

    async def _look(self, alarm: SilenceAlarm) -> None:
        # Each incarnation looks, before it can fail over a taken port: nobody can feed it then, and that is silence.
        while True:
            self._tell(alarm.look(trio.current_time()))
            await trio.sleep(min(_LOOK, self.silence / 4))

    def _tell(self, text: str | None) -> None:
        if text is not None:
            raise_alert(self.alerts, self.name, text)


def watchdog(
    url: str | None,
    channels: Sequence[Tell],
    *,
    every: float = 60.0,
    after: int = 3,
    token: Secret | None = None,
    heartbeat: int | None = None,
    heartbeat_host: str = "127.0.0.1",
    heartbeat_key: Secret | None = None,
    silence: float = 300.0,
    name: str = "bot",
) -> Supervisor:
    """Return a tree that looks at a bot from outside; run it in a process of its own, best on another machine.

    Args:
        url: Of the bot's health endpoint; without a path ``/healthz`` is asked. None: it only takes heartbeats.
        channels: How people are told; each gets everything.
        every: Seconds between two probes.
        after: Failures in a row that raise the alarm.
        token: Of the endpoint, so that its answer holds the reasons.
        heartbeat: Port that takes heartbeats of `dead_mans_switch`; 0: one that the system chooses; None: none.
        heartbeat_host: Address of that port.
        heartbeat_key: Heartbeats must come to ``/KEY``. None: to ``/``.
        silence: Seconds without a heartbeat that raise the alarm.
        name: Of the bot, in what people are told.

    Raises:
        ValueError: An address is none, a number is out of range, or there is nothing to watch or nobody to tell.
    """
    if not channels:
        raise ValueError("there must be a channel: an alarm that nobody hears is none")
    if url is None and heartbeat is None:
        raise ValueError("there is nothing to watch: neither a health endpoint nor heartbeats")
    if not (_is_time(every) and _is_time(silence)) or after < 1:
        raise ValueError("every and silence are seconds above zero, after is at least 1")
    if heartbeat is not None and not 0 <= heartbeat <= 65535:
        raise ValueError(f"{heartbeat} is no port")
    full = None if url is None else (url if "://" in url else f"http://{url}")
    if full is not None and parse(full) is None:
        raise ValueError("the address of the health endpoint is none, such as http://127.0.0.1:8080")
    alerts = tuple(
        Mailbox[Alert](f"alerts {number}", capacity=_WAITING, overflow="drop_oldest")
        for number in range(1, len(channels) + 1)
    )
    watchers: list[Child] = []
    if full is not None:
        memory = Mailbox[ProbeAlarm]("prober.memory", capacity=1)
        watchers.append(child("prober", Prober(full, every, after, token, name, alerts, memory)))
    if heartbeat is not None:
        remembered = Mailbox[SilenceAlarm]("heartbeats.memory", capacity=1)
        receiver = HeartbeatReceiver(heartbeat, heartbeat_host, silence, heartbeat_key, name, alerts, remembered)
        watchers.append(child("heartbeats", receiver))
    tellers = [
        child(f"teller-{number}", Teller(channel, mailbox))
        for number, (channel, mailbox) in enumerate(zip(channels, alerts, strict=True), start=1)
    ]
    # Whoever watches does not give up: there is nobody behind it.
    return Supervisor("watchdog", [systemd(), *tellers, *watchers], limit=Limit(1_000_000, within=60.0))


def raise_alert(alerts: Sequence[Mailbox[Alert]], name: str, text: str) -> None:
    """Hand a message to all channels; never waits."""
    at = datetime.fromtimestamp(time.time(), UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    for mailbox in alerts:
        mailbox.send_nowait(Alert(f"[{name}] {text}, {at}", trio.current_time()))


def _is_time(seconds: float) -> bool:
    return math.isfinite(seconds) and seconds > 0


def _take_any(request: HttpRequest, reply: HttpReply) -> None:
    return None
