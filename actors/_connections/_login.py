"""Logging in on a private connection: step after step, each acknowledged before the next one is built.

Subscribing before the login is acknowledged leaves a connection that is up and silent for ever (exchanges.md 7b, XChange
#4967, pybit #56). Nothing is carried over from one connection to the next: each logs in by itself, with the time of that
moment. A refusal ends the connection, also when it comes long after the consent (OKX ``channel-conn-count-error``).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, TypeAlias

import attrs
import trio

from .._account_source import AccountSource
from .._errors import RateLimited, Unsubscribed
from .._net._wire import Wire
from .._source import Acknowledged, Ask, Listed, Refused
from ._message_budget import MessageBudget
from ._venue_clock import VenueClock

Answer: TypeAlias = Acknowledged | Refused | Listed

_FIRST_ID: Final = 1


@attrs.define
class _Sent:
    """A request without an answer so far."""

    ask: Ask
    open: dict[str, None]
    """What it is about and is not answered for."""


class Login:
    """What was asked on one connection, and what the venue has said to it. Pure: callers pass times.

    Args:
        source: Knows what to ask.
        key: That the connection was made with; empty: none.
        answer_within: Seconds that the venue gets for the answers of one step.
    """

    def __init__(self, source: AccountSource, key: str, answer_within: float) -> None:
        self._source = source
        self._key = key
        self._within = answer_within
        self._step = 0
        self._next_id = _FIRST_ID
        self._sent: dict[str, _Sent] = {}
        self._deadline = float("inf")
        self._probe: str | None = None

    @property
    def waits(self) -> bool:
        """Whether anything is asked that has no answer so far."""
        return bool(self._sent) or self._probe is not None

    def step(self, venue_now: int, now: float) -> list[Ask] | None:
        """Return the requests of the next step, which the caller sends at once; None: it was the last one.

        Raises:
            SecretMissing: A credential cannot be read.
        """
        asks = self._source.phase(self._step, venue_now, self._key, self._next_id)
        self._step += 1
        if asks is not None:
            self._next_id += len(asks)
            self._sent = {ask.id: _Sent(ask, dict.fromkeys(ask.symbols)) for ask in asks}
            self._deadline = now + self._within
        return asks

    def probe(self, venue_now: int, now: float) -> Ask | None:
        """Return a request that finds out whether the venue still takes us for who we are."""
        ask = self._source.probe(venue_now, self._next_id)
        self._next_id += 1
        if ask is not None:
            self._probe, self._deadline = ask.id, now + self._within
        return ask

    def answered(self, answer: Answer) -> None:
        """Take an answer.

        Raises:
            Unsubscribed: It is a refusal, of what was asked here or of anything else.
            RateLimited: It is one, and the venue says when to come back.
        """
        if self._probe is not None and getattr(answer, "id", "") in ("", self._probe):
            # Whatever it says: somebody who is not authorised would have been told that.
            self._probe = None
            return
        if isinstance(answer, Listed):
            return
        if isinstance(answer, Refused) and answer.retry_after is not None:
            raise RateLimited("private stream", answer.message, retry_after=answer.retry_after, code=answer.code)
        if isinstance(answer, Refused) and not answer.harmless:
            raise Unsubscribed(f"refused: {answer.message} ({answer.code})")
        for sent in self._meant(answer):
            for name in answer.symbols:
                sent.open.pop(name, None)
            if not answer.symbols or not sent.open:
                del self._sent[sent.ask.id]

    def _meant(self, answer: Acknowledged | Refused) -> list[_Sent]:
        if answer.id:
            return [self._sent[answer.id]] if answer.id in self._sent else []
        if answer.symbols:
            return [sent for sent in self._sent.values() if not sent.open.keys().isdisjoint(answer.symbols)]
        # Neither: venues answer in order.
        return list(self._sent.values())[:1]

    def due(self) -> float:
        """Return when `check` has something to say."""
        return self._deadline if self.waits else float("inf")

    def check(self, now: float, unread_until: float) -> None:
        """See whether an answer is overdue.

        Args:
            now: Seconds.
            unread_until: Until when answers may have waited without being read.

        Raises:
            Unsubscribed: One is.
        """
        if self.waits and now >= self._deadline:
            self._deadline = max(self._deadline, unread_until + self._within)
            if now >= self._deadline:
                what = "the question whether we are logged in" if self._probe else f"step {self._step} of logging in"
                raise Unsubscribed(f"no answer within {self._within:g} s to {what}")


class Talk:
    """What is said on one private wire: the login, and a question from time to time whether it still holds.

    Args:
        login: What to say.
        probe_every: Seconds between those questions; None: there is none.
        clock: The venue's.
        messages: What may be sent.
        unread_until: Until when answers may have waited without being read, on Trio's clock.
    """

    def __init__(
        self,
        login: Login,
        probe_every: float | None,
        clock: VenueClock,
        messages: MessageBudget,
        unread_until: Callable[[], float],
    ) -> None:
        self._login = login
        self._probe_every = probe_every
        self._clock = clock
        self._messages = messages
        self._unread_until = unread_until
        self._heard = trio.Event()
        self._alone_until = -float("inf")

    async def log_in(self, wire: Wire, begins: Callable[[], None]) -> None:
        """Do all steps.

        Args:
            wire: To talk on.
            begins: Called before the first step, if there is any.

        Raises:
            Unsubscribed: The venue refuses, or does not answer.
            SecretMissing: A credential is missing.
        """
        while True:
            asks = self._login.step(self._clock.now(), trio.current_time())
            if asks is None:
                return
            begins()
            for ask in asks:
                await self._send(wire, ask)
            await self._until_answered()

    async def keep_asking(self, wire: Wire) -> None:
        """Ask from time to time, for ever; at once done where nothing is to be asked.

        Raises:
            Unsubscribed: The venue does not answer.
        """
        while self._probe_every is not None:
            await trio.sleep(self._probe_every)
            # Asking earlier than the venue wants to be asked makes a ban longer.
            await trio.sleep_until(max(trio.current_time(), self._alone_until))
            ask = self._login.probe(self._clock.now(), trio.current_time())
            if ask is not None:
                await self._send(wire, ask)
                await self._until_answered()

    def hear(self, answer: Answer) -> None:
        """Take an answer.

        Raises:
            Unsubscribed: It is a refusal.
            RateLimited: It is one, and the venue says when to come back.
        """
        if isinstance(answer, Refused) and answer.retry_after is not None:
            self._alone_until = trio.current_time() + answer.retry_after
        elif isinstance(answer, Refused) and (answer.clock_off or self._login.waits):
            # Where the venue does not say that it was our time that it did not like, it may have been all the same.
            self._clock.doubted = True
        self._login.answered(answer)
        self._heard.set()

    async def _send(self, wire: Wire, ask: Ask) -> None:
        await self._messages.spend()
        await wire.send(ask.text)

    async def _until_answered(self) -> None:
        while self._login.waits:
            with trio.move_on_at(self._login.due()):
                await self._heard.wait()
            self._heard = trio.Event()
            self._login.check(trio.current_time(), self._unread_until())
