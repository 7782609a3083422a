"""Driving inquiries: a venue's REST side is asked until there is an answer, within its limits and by its clock.

What is asked here only reads, or may be repeated without harm. A response of unknown outcome (a timeout, a 5xx) is
therefore asked for again, and never taken for an answer.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

import trio

from .._account_source import AccountSource, Inquiry, Question
from .._connections._venue_clock import VenueClock, measure
from .._errors import ClockOff, HttpFailure, Inconsistent, KeyGone, NoSuchOrder, RateLimited, Unauthorized
from .._net._http import Http
from .._net._rest_limit import SHARE
from .._source import HttpRequest

T = TypeVar("T")

TRIES: Final = 5
"""Attempts of one question."""
DELAYS: Final = (0.25, 0.5, 1.0, 2.0)
"""Seconds between them."""
UNANSWERED: Final = 5.0
"""Seconds after which a question that has failed, and is asked again, is told: the attempts may go on for a minute."""
PAGES: Final = 1000
"""Most questions of one inquiry: a venue that pages in circles must not keep us for ever."""

_FINAL: Final = (Unauthorized, NoSuchOrder, KeyGone)
"""Failures that the next attempt would repeat."""


class Inquirer:
    """Asks one venue about one account.

    Args:
        source: Knows the questions.
        http: Where they go.
        clock: The venue's; measured again when the venue finds our time wrong.
        limited: Told when the venue wants to be left alone, which is then done, however long: asking earlier makes a
            ban longer.
        unanswered: Told when there has been no answer for a while, and the question is asked once more.
    """

    def __init__(
        self,
        source: AccountSource,
        http: Http,
        clock: VenueClock,
        limited: Callable[[RateLimited], Awaitable[None]],
        unanswered: Callable[[str], None] | None = None,
    ) -> None:
        self._source = source
        self._http = http
        self._clock = clock
        self._limited = limited
        self._unanswered = unanswered

    async def inquire(self, inquiry: Inquiry[T]) -> T:
        """Ask all questions of an inquiry, and return what they say together.

        Raises:
            HttpFailure: There was no answer, also after several attempts.
            BadFrame: An answer cannot be read.
            Inconsistent: The questions take no end.
        """
        try:
            question = next(inquiry)
            for _ in range(PAGES):
                try:
                    body = await self.ask(question)
                except NoSuchOrder as unknown:
                    question = inquiry.throw(unknown)
                else:
                    question = inquiry.send(body)
        except StopIteration as end:
            found: T = end.value
            return found
        finally:
            inquiry.close()
        raise Inconsistent(f"more than {PAGES} questions to {question.path}")

    async def ask(self, question: Question) -> bytes:
        """Ask one question, again where that may help, and return the body of the answer."""
        began = trio.current_time()
        for attempt in range(TRIES):
            try:
                # Signed after the waiting, which would make the signature old.
                await self._http.wait_for_turn(
                    HttpRequest(question.method, question.path, weight=question.weight), SHARE
                )
                return (await self._http.request(self._source.request(question, self._clock.now()))).body
            except RateLimited as limited:
                if attempt == TRIES - 1:
                    raise
                await self._limited(limited)
                await trio.sleep(limited.retry_after)
            except _FINAL:
                raise
            except HttpFailure as failure:
                if attempt == TRIES - 1:
                    raise
                if self._unanswered is not None and trio.current_time() >= began + UNANSWERED:
                    self._unanswered(str(failure))
                if isinstance(failure, ClockOff):
                    await self.set_clock()
                else:
                    await trio.sleep(DELAYS[attempt])
        raise AssertionError("the last attempt returns or raises")

    async def set_clock(self) -> None:
        """Measure the venue's clock anew, waiting where the venue wants us to.

        Raises:
            HttpFailure: There was no answer.
        """
        self._clock.doubted = True
        while not self._clock.known:
            await self.check_clock()

    async def check_clock(self) -> None:
        """Measure the venue's clock once more."""
        try:
            await measure(self._clock, self._http, self._source)
        except RateLimited as limited:
            await self._limited(limited)
            await trio.sleep(limited.retry_after)
