"""The watchdog: a tree of its own, in a process of its own, that looks at a bot from outside and tells people."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from typing import Final

import attrs
import trio

from supervisor import Backoff, Child, Limit, Mailbox, Me, Supervisor, actor, child

from .._errors import HttpFailure, SecretMissing
from .._messages import kept
from .._net._http import open_http
from .._secret import Secret
from .._source import HttpReply, HttpRequest
from ._access import Access, is_loopback
from ._alarm import News, ProbeAlarm, SilenceAlarm
from ._alerts import Alert, AlertMessage
from ._channel import WITHIN, AlertChannel
from ._http_endpoint import Bounds, Endpoint, Reply, Request
from ._posting import Undelivered, parse
from ._sd_notify import systemd

_FIRST_PAUSE: Final = 1.0
"""Seconds until a message that was not taken is tried again; doubled each time."""
_LATER: Final = 30.0
"""Seconds between two tries, at most, unless the channel asks for more."""
_PATIENCE: Final = 24 * 3600.0
"""Seconds after which such a message is given up."""
_WAITING: Final = 100
"""Messages that wait to be told; of more, the oldest are dropped and counted."""
_LOOK: Final = 1.0
"""Seconds between two looks at the time of the last heartbeat."""
_REASONS: Final = 10
"""Lines of an answer that are told on, of which each is cut like any line of a message."""
_AGAIN: Final = Backoff(floor=0.5, base=0.5, cap=30.0)


@attrs.frozen
class Telling:
    """One message for people, and since when it waits."""

    message: AlertMessage
    at: float
    """Seconds on Trio's clock."""


@actor(max_failures=None, first_start="retry", backoff=_AGAIN)
@attrs.frozen
class Teller:
    """Tells people over one channel what comes, in order, until it is taken."""

    channel: AlertChannel
    tellings: Mailbox[Telling]

    async def run(self, me: Me) -> None:
        """Tell until cancelled. What was being told is told again after a crash."""
        me.ready()
        while True:
            async with self.tellings.take() as telling:
                await self._tell(me, telling)

    async def _tell(self, me: Me, telling: Telling) -> None:
        channel, title = self.channel.name, telling.message.title
        tries = 0
        while True:
            tries += 1
            try:
                with trio.fail_after(WITHIN + 5.0):
                    await self.channel.send(telling.message)
            except (Undelivered, trio.TooSlowError) as error:
                # Refused for good is no reason to give up either: a token that was revoked may come back, and there is
                # nobody else who would tell.
                reason = str(error) or "it took too long"
                late = trio.current_time() - telling.at
                if late > _PATIENCE:
                    me.note("alert_lost", channel=channel, title=title, reason=reason, tries=tries)
                    return
                if tries == 1:
                    me.note("alert_undelivered", channel=channel, title=title, reason=reason)
                asked = error.retry_after if isinstance(error, Undelivered) else None
                await trio.sleep(max(min(_LATER, _FIRST_PAUSE * 2.0 ** min(tries - 1, 10)), asked or 0.0))
            else:
                me.note("alert_told", channel=channel, title=title, tries=tries)
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
    tellings: tuple[Mailbox[Telling], ...]
    memory: Mailbox[ProbeAlarm]

    async def run(self, me: Me) -> None:
        """Ask until cancelled."""
        alarm = kept(self.memory, lambda: ProbeAlarm(self.after))
        me.expose(lambda: {"failed": alarm.failed, "alarmed": alarm.alarmed})
        me.ready()
        due = trio.current_time()
        while True:
            trouble, reasons = await self._probe(me)
            if trouble is None and alarm.well_at is None:
                me.note("first_well")
            news = alarm.probed(trio.current_time(), trouble, reasons)
            if trouble is not None:
                me.note("probe_failed", trouble=trouble, reasons=list(reasons), in_a_row=alarm.failed)
            tell(self.tellings, self.name, me.path, news)
            # Late is late: no two probes follow each other at once.
            due = max(due + self.every, trio.current_time())
            await trio.sleep_until(due)

    async def _probe(self, me: Me) -> tuple[str | None, tuple[str, ...]]:
        """Return what is wrong, None: nothing; and what the bot says about it."""
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
            return f"it does not answer: {error.reason}", ()
        if reply.status == 200:
            return None, ()
        text = reply.body.decode("utf-8", "replace")
        said = ["".join(filter(str.isprintable, line)) for line in text.splitlines() if line.strip()]
        more = [f"and {len(said) - _REASONS} lines more"] if len(said) > _REASONS else []
        return f"it answers {reply.status}", (*said[:_REASONS], *more)

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
    tellings: tuple[Mailbox[Telling], ...]
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
                tell(self.tellings, self.name, me.path, alarm.fail(trio.current_time()))
            elif path == prefix:
                if not alarm.heard:
                    me.note("first_heartbeat")
                tell(self.tellings, self.name, me.path, alarm.beat(trio.current_time()))
            return Reply(200, b"OK\n")

        def report(request: Request, error: Exception) -> None:
            me.note("receiver_failed", error=type(error).__name__)

        endpoint = Endpoint(respond, Bounds(connections=64), report)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._look, me, alarm)
            prefix = "" if self.key is None else f"/{self.key.reveal()}"
            listeners = await trio.open_tcp_listeners(self.port, host=self.host)
            addresses = [f"{self.host}:{listener.socket.getsockname()[1]}" for listener in listeners]
            me.expose(lambda: {"listening": addresses, "silent": trio.current_time() - alarm.last})
            me.ready()
            me.note("listening", addresses=addresses)
            await trio.serve_listeners(endpoint.serve, listeners)

    async def _look(self, me: Me, alarm: SilenceAlarm) -> None:
        # Each incarnation looks, before it can fail over a taken port: nobody can feed it then, and that is silence.
        while True:
            tell(self.tellings, self.name, me.path, alarm.look(trio.current_time()))
            await trio.sleep(min(_LOOK, self.silence / 4))


def watchdog(
    url: str | None,
    channels: Sequence[AlertChannel],
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
        channels: How people are told: those of `alerts`. Each gets everything.
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
    tellings = tuple(
        Mailbox[Telling](f"tellings {number}", capacity=_WAITING, overflow="drop_oldest")
        for number in range(1, len(channels) + 1)
    )
    watchers: list[Child] = []
    if full is not None:
        memory = Mailbox[ProbeAlarm]("prober.memory", capacity=1)
        watchers.append(child("prober", Prober(full, every, after, token, name, tellings, memory)))
    if heartbeat is not None:
        remembered = Mailbox[SilenceAlarm]("heartbeats.memory", capacity=1)
        receiver = HeartbeatReceiver(heartbeat, heartbeat_host, silence, heartbeat_key, name, tellings, remembered)
        watchers.append(child("heartbeats", receiver))
    tellers = [
        child(f"teller-{number}", Teller(channel, mailbox))
        for number, (channel, mailbox) in enumerate(zip(channels, tellings, strict=True), start=1)
    ]
    # Whoever watches does not give up: there is nobody behind it.
    return Supervisor("watchdog", [systemd(), *tellers, *watchers], limit=Limit(1_000_000, within=60.0))


def tell(tellings: Sequence[Mailbox[Telling]], name: str, path: str, news: News | None) -> None:
    """Hand news to all channels, if there are any; never waits."""
    if news is None:
        return
    now, wall = trio.current_time(), time.time()
    alert = Alert(
        key=f"down {path}",
        kind="down",
        severity="critical",
        path=path,
        title=f"DOWN: {news.text}" if news.down else news.text,
        lines=news.lines,
        opened=wall - (now - news.since),
        over=None if news.down else wall,
    )
    message = AlertMessage(name, wall, opened=(alert,)) if news.down else AlertMessage(name, wall, resolved=(alert,))
    for mailbox in tellings:
        mailbox.send_nowait(Telling(message, now))


def _is_time(seconds: float) -> bool:
    return math.isfinite(seconds) and seconds > 0


def _take_any(request: HttpRequest, reply: HttpReply) -> None:
    return None
