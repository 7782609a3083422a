"""What an account tells the bot: updates and states, in one mailbox, and what was told in one book."""

from __future__ import annotations

from supervisor import Mailbox

from .._records import AccountItem, AccountPhase, AccountState, OrderUpdate
from .._wall_clock import now_ms
from ._book import Book
from ._bookkeeper import Bookkeeper
from ._liveness import Liveness


class Telling:
    """Puts things into the bot's mailbox, and writes down that they are there, without a checkpoint in between.

    Args:
        venue: The venue's name.
        account: The account's name.
        out: Where things go.
        book: What was told.
        bookkeeper: Keeps it for the next process.
        live: Told whether the account is live, if anybody wants to know.
    """

    def __init__(
        self,
        venue: str,
        account: str,
        out: Mailbox[AccountItem],
        book: Book,
        bookkeeper: Bookkeeper,
        live: Liveness | None,
    ) -> None:
        self._venue = venue
        self._account = account
        self._out = out
        self._book = book
        self._bookkeeper = bookkeeper
        self._live = live
        self.reason = "starting"
        """Why the state is what it is, as of now: it may change without the state."""

    async def deliver(self, update: OrderUpdate) -> None:
        """Tell news."""
        await self.put(update)
        # No checkpoint since it was put in.
        self._book.absorb(update)
        self._bookkeeper.delivered(update)

    async def say(self, state: AccountPhase, reason: str) -> None:
        """Tell the state, if it is another one than was told last."""
        self.reason = reason
        if state != "live":
            # Before it waits for room: whoever trades must stop at once.
            self.show(live=False)
        if state != self._book.state:
            await self.put(AccountState(self._venue, self._account, state, reason, now_ms()))
            self._book.state = state
        self.show(live=state == "live")

    def show(self, *, live: bool) -> None:
        """Say whether it is live to those who only want to know that."""
        if self._live is not None:
            self._live.tell(live=live)

    async def put(self, item: AccountItem) -> None:
        """Put one item into the mailbox; what follows the call runs without a checkpoint in between."""
        while True:
            await self._out.wait_writable()
            if self._out.send_many_nowait((item,)):
                return
