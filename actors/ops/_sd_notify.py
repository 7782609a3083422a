"""Telling systemd how the program is: sd_notify(3), in pure Python.

Protocol: sd_notify(3) and sd_watchdog_enabled(3), systemd 252: datagrams of ``NAME=value`` lines to the socket that
``NOTIFY_SOCKET`` names; ``@`` in front stands for the zero byte of an abstract name.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping, Sequence
from typing import Final

import attrs
import trio

from supervisor import Backoff, Child, Me, actor, child

from ._vitals import Verdict
from ._watched import Watched

_LOOK: Final = 0.25
"""Seconds between two looks at the tree: what READY and STOPPING may be late."""
_STATUS: Final = 5.0
"""Seconds between two changes of the status line: it is for people, and a verdict may flicker."""
_LINE: Final = 300
"""Characters of the status line."""


class Notifier:
    """The way to systemd.

    Args:
        address: As ``NOTIFY_SOCKET`` has it.
    """

    def __init__(self, address: str) -> None:
        self._address = f"\0{address[1:]}" if address.startswith("@") else address
        self.known = address.startswith(("/", "@"))
        """Whether it is an address that can be used here; the other kinds are of virtual machines."""

    def send(self, *lines: str) -> str | None:
        """Send a message, and never wait; return what went wrong."""
        if not self.known:
            return "NOTIFY_SOCKET is neither a path nor an abstract name"
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sender:
                sender.setblocking(False)
                sender.sendto("\n".join(lines).encode("utf-8", "replace"), self._address)
        except OSError as error:
            return f"{type(error).__name__}: {error.strerror}"
        return None


def watchdog_interval(environment: Mapping[str, str], pid: int) -> float | None:
    """Return the seconds within which systemd wants a sign of life; None: it wants none, or of another process."""
    microseconds = environment.get("WATCHDOG_USEC", "")
    meant = environment.get("WATCHDOG_PID", "")
    if not (microseconds.isascii() and microseconds.isdigit()) or int(microseconds) == 0:
        return None
    return int(microseconds) / 1e6 if meant in ("", str(pid)) else None


def status_line(state: str, verdict: Verdict) -> str:
    """Return the tree's condition as one line for ``systemctl status``."""
    if state != "ready":
        return state
    if verdict.healthy:
        return "healthy"
    first, *others = verdict.reasons or ("",)
    text = f"not healthy: {first}" + (f" (and {len(others)} more)" if others else "")
    flat = "".join(letter if letter.isprintable() else " " for letter in text)
    return flat if len(flat) <= _LINE else f"{flat[: _LINE - 1]}…"


@actor(max_failures=None, first_start="retry", backoff=Backoff(floor=0.25, base=0.25, cap=5.0))
@attrs.frozen
class Systemd:
    """Tells systemd; see `systemd`."""

    needs: tuple[str, ...]
    only_healthy: bool

    async def run(self, me: Me) -> None:
        """Tell until cancelled; when the whole tree stops, that is told at last."""
        address = os.environ.get("NOTIFY_SOCKET", "")
        if not address:
            me.ready()
            await trio.sleep_forever()
        await _Telling(me, Notifier(address), self.needs, self.only_healthy).run()


class _Telling:
    def __init__(self, me: Me, notifier: Notifier, needs: tuple[str, ...], only_healthy: bool) -> None:
        self._me = me
        self._notifier = notifier
        self._watched = Watched(me.tree, needs, dict)
        self._only_healthy = only_healthy
        self._trouble: str | None = None
        self._line = ""
        self._line_at = -float("inf")
        self._ready = False
        self._stopping = False

    async def run(self) -> None:
        interval = watchdog_interval(os.environ, os.getpid())
        # Half of it: one that is late by as much as that is still in time.
        feed_every = None if interval is None else interval / 2
        fed_at = -float("inf")
        look_every = _LOOK if feed_every is None else min(_LOOK, feed_every / 2)
        self._me.expose(lambda: {"watchdog": interval, "status": self._line, "trouble": self._trouble})
        self._me.ready()
        try:
            while True:
                look = self._watched.look()
                state, now = look.status.state, trio.current_time()
                self._tell_state(state)
                if feed_every is not None and now - fed_at >= feed_every - look_every / 2:
                    # A tree that has not started, or stops, is not healthy, and yet must be given its time.
                    if look.verdict.healthy or state != "ready" or not self._only_healthy:
                        self._send("WATCHDOG=1")
                    fed_at = now
                self._tell_line(status_line(state, look.verdict), now)
                await trio.sleep(look_every)
        finally:
            # Also when nothing was left to wait for, so that the loop saw no tree that stops.
            self._tell_state(self._me.tree.status().state)

    def _tell_state(self, state: str) -> None:
        if state == "ready" and not self._ready:
            self._ready = self._send("READY=1")
        elif state in ("stopping", "down") and not self._stopping:
            self._stopping = self._send("STOPPING=1", "STATUS=stopping")

    def _tell_line(self, line: str, now: float) -> None:
        if line != self._line and now - self._line_at >= _STATUS and self._send(f"STATUS={line}"):
            self._line, self._line_at = line, now

    def _send(self, *lines: str) -> bool:
        trouble = self._notifier.send(*lines)
        if trouble is not None and self._trouble is None:
            self._me.note("systemd_not_told", error=trouble)
        self._trouble = trouble
        return trouble is None


def systemd(*, needs: Sequence[str] = (), only_healthy: bool = False, name: str = "systemd") -> Child:
    """Return a child that tells systemd how the program is; make it the first child, so that it is stopped last.

    It sends ``READY`` when the tree has started, ``STATUS`` with the verdict of `health`, ``STOPPING`` when the tree stops,
    and ``WATCHDOG`` at half of the unit's ``WatchdogSec``, as long as the event loop turns. Where there is no systemd (no
    ``NOTIFY_SOCKET``) it does nothing.

    Args:
        needs: Paths of children that must be ready for the bot to be healthy, beside the data that the tree requires.
        only_healthy: Send ``WATCHDOG`` only while the bot is healthy. Then systemd restarts a bot whose exchange is down,
            again and again: the supervisor's own restarts are nearly always the better answer.
        name: Of the child.
    """
    return child(name, Systemd(tuple(needs), only_healthy))
