"""The actor that tells people. Whatever its channels do, the tree never waits for them."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any, Final

import attrs
import trio

from supervisor import Backoff, Child, Event, Mailbox, Me, OpenTree, Subscription, actor, child

from .._messages import kept
from ._alert_rules import AlertRules, Watch
from ._alerts import AlertMessage, Desk
from ._channel import WITHIN, AlertChannel
from ._posting import Undelivered
from ._vitals import read

_EVENTS: Final = 10_000
"""Events that wait for the actor at most: it takes them many times a second."""
_TICK: Final = 1.0
"""Seconds between two looks at the tree."""
_FLOOR: Final = 1.0
_CAP: Final = 300.0
"""Seconds until a failed delivery is tried again: at least; at most, when it has failed often."""
_GIVE_UP: Final = 6 * 3600.0
"""Seconds after which a message is given up that could not be delivered."""
_FAREWELL: Final = 4.0
"""Seconds for telling the rest when the actor ends; within the actor's grace."""
_NOTED: Final = 2000
"""Characters of a message that stand in a note."""


@attrs.define(eq=False)
class _Line:
    """What stays of one channel when an incarnation ends."""

    channel: AlertChannel
    desk: Desk
    sending: AlertMessage | None = None
    """Composed, and not delivered yet."""
    composed_at: float = 0.0
    failures: int = 0
    not_before: float = -float("inf")
    """The channel asked to be left alone until then."""
    delivered: int = 0
    undelivered: int = 0
    trouble: str | None = None


@attrs.define(eq=False)
class _Memory:
    """What stays when an incarnation ends: nothing that happens until the next one is lost."""

    events: Subscription
    watch: Watch
    lines: tuple[_Line, ...]
    known: dict[str, bool] = attrs.field(factory=dict[str, bool])

    def take(self, events: Sequence[Event], now: float) -> None:
        """Take what has happened to the channels' desks."""
        self.watch.take(events)
        self._hand_out(now)

    def take_rest(self, now: float) -> None:
        """Take everything that waits."""
        self.take(self.events.receive_nowait(), now)

    def look(self, tree: OpenTree, now: float) -> None:
        """Take what has happened, and then how the tree is: in this order, and with nothing in between."""
        self.watch.take(self.events.receive_nowait())
        status = tree.status()
        vitals = read(status, tree.tree, known=self.known, now=now)
        self.known = {vital.path: vital.required for vital in vitals}
        self.watch.look(status, vitals, now, time.time(), tree.ledger.failures)
        self._hand_out(now)

    def _hand_out(self, now: float) -> None:
        for alert in self.watch.changes():
            for line in self.lines:
                line.desk.take(alert, now)


@actor(
    first_start="retry",
    max_failures=None,
    backoff=Backoff(floor=0.5, base=0.5, cap=30.0),
    grace=5.0,
    # The next child starts when this one listens: its first event is not missed.
    ready_within=10.0,
)
@attrs.frozen
class Alerter:
    """Watches the tree, and tells; see `alerts`."""

    channels: tuple[AlertChannel, ...]
    rules: AlertRules
    every: float
    memory: Mailbox[_Memory]

    async def run(self, me: Me) -> None:
        """Tell until cancelled, and then what is left, within four seconds."""
        memory = kept(self.memory, lambda: self._begin(me.tree))
        me.ready()
        me.expose(lambda: _facts(memory))
        me.at_tree_end(lambda: _last_words(me, memory))
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._watch, me, memory)
                for line in memory.lines:
                    nursery.start_soon(_serve, me, line)
        finally:
            with me.cleanup(), trio.move_on_after(_FAREWELL):
                memory.take_rest(trio.current_time())
                async with trio.open_nursery() as nursery:
                    for line in memory.lines:
                        nursery.start_soon(_say_rest, me, line)

    def _begin(self, tree: OpenTree) -> _Memory:
        root = tree.tree.name
        lines = tuple(_Line(channel, Desk(root, every=self.every)) for channel in self.channels)
        memory = _Memory(tree.events(_EVENTS), Watch(root, self.rules), lines)
        memory.watch.take(tree.ledger.recent)  # Of children that failed before this one was started.
        memory.watch.count(tree.ledger.failures)
        return memory

    async def _watch(self, me: Me, memory: _Memory) -> None:
        while True:
            memory.look(me.tree, trio.current_time())
            look_at = trio.current_time() + _TICK
            while (left := look_at - trio.current_time()) > 0:
                events: Sequence[Event] = ()
                with trio.move_on_after(left):
                    events = await memory.events.receive_many()
                memory.take(events, trio.current_time())
                # In a storm its events are taken ten times a second, not one by one.
                await trio.sleep(min(left, _TICK / 10))


async def _serve(me: Me, line: _Line) -> None:
    while True:
        now = trio.current_time()
        if line.sending is None:
            line.sending = line.desk.compose(now, time.time())
            line.composed_at = now
        if line.sending is None:
            await trio.sleep(_TICK / 2)
        elif now < line.not_before:
            await trio.sleep(line.not_before - now)
        else:
            await _try(me, line)


async def _try(me: Me, line: _Line) -> None:
    """Try once to deliver what is to be delivered; say when to try again if that fails."""
    message = line.sending
    assert message is not None, "called with a message only"
    try:
        with trio.fail_after(WITHIN + 5.0):
            await line.channel.send(message)
    except Undelivered as failure:
        reason, retry_after, final = str(failure), failure.retry_after, failure.final
    except trio.TooSlowError:
        reason, retry_after, final = "it took too long", None, False
    except Exception as error:  # noqa: BLE001 - a channel's bug costs its message at most; its text may quote anything
        reason, retry_after, final = f"the channel raised {type(error).__name__}", None, False
    else:
        line.sending, line.failures, line.delivered = None, 0, line.delivered + 1
        if line.trouble is not None:
            line.trouble = None
            me.note("alert_channel_works", channel=line.channel.name)
        return
    now = trio.current_time()
    line.failures += 1
    if line.trouble is None:
        me.note("alert_channel_trouble", channel=line.channel.name, reason=reason)
    line.trouble = reason
    pause = me.random.uniform(_FLOOR, min(_CAP, 2.0 * 2.0 ** min(line.failures, 10)))
    line.not_before = now + (pause if retry_after is None else min(max(_FLOOR, retry_after), _GIVE_UP))
    if final or now - line.composed_at >= _GIVE_UP:
        _give_up(me, line, reason)


def _give_up(me: Me, line: _Line, reason: str) -> None:
    message = line.sending
    if message is not None:
        line.sending = None
        line.undelivered += 1
        me.note(
            "alert_undelivered",
            channel=line.channel.name,
            reason=reason,
            title=message.title,
            text=message.text(_NOTED),
            severity=message.severity,
        )


async def _say_rest(me: Me, line: _Line) -> None:
    """Deliver what is left. What cannot be stays, for another incarnation or the tree's last words."""
    while True:
        now = trio.current_time()
        if line.sending is None:
            line.sending = line.desk.compose(now, time.time(), at_once=True)
            line.composed_at = now
        if line.sending is None:
            return
        # A channel that asked for a pause gets it here, too; the time for all of this is short anyway.
        await trio.sleep(max(0.0, line.not_before - now))
        await _try(me, line)


def _last_words(me: Me, memory: _Memory) -> None:
    """Record what could not be told any more."""
    now = trio.current_time()
    memory.take_rest(now)
    for line in memory.lines:
        _give_up(me, line, f"the tree has ended; {line.trouble or 'there was no time'}")
        line.sending = line.desk.compose(now, time.time(), at_once=True)
        _give_up(me, line, "it happened when the tree had ended")


def _facts(memory: _Memory) -> dict[str, Any]:
    return {
        "channels": [
            {
                "channel": line.channel.name,
                "open": line.desk.open,
                "untold": line.desk.untold + (line.sending is not None),
                "delivered": line.delivered,
                "undelivered": line.undelivered,
                "trouble": line.trouble,
            }
            for line in memory.lines
        ],
        "events_dropped": memory.events.dropped,
    }


def alerts(
    *channels: AlertChannel, rules: AlertRules | None = None, every: float = 10.0, name: str = "alerts"
) -> Child:
    """Return a child that tells people of what they should know: by `telegram`, `webhook`, `apprise`, or all of them.

    Make it one of the first children of the root: it then sees every event, and is among the last to be stopped. What
    happens together is told together; each channel gets at most one message ``every`` so many seconds. A channel that
    does not work is tried again, at growing intervals, while news gather; the tree never waits for it. What is not
    delivered within six hours, or when the tree ends, stands in a note ``alert_undelivered``.

    Args:
        channels: Where to.
        rules: When; None: the defaults of `AlertRules`.
        every: Seconds between two messages of one channel. Only the last one, at the end, does not wait.
        name: Of the child.

    Raises:
        ValueError: There is no channel, or ``every`` is not positive.
    """
    if not channels:
        raise ValueError("alerts need a channel")
    if not every > 0:
        raise ValueError(f"every must be positive, not {every!r}")
    memory: Mailbox[_Memory] = Mailbox(f"{name} memory", capacity=1)
    return child(name, Alerter(channels, rules or AlertRules(), every, memory))
