"""Everything that apprise knows as a channel for alerts: mail, Slack, Discord, PagerDuty, a hundred more."""

from __future__ import annotations

import importlib
import importlib.util
import logging
from typing import Any, Final

import attrs
import trio

from .._errors import SecretMissing
from .._secret import Secret
from ._alerts import AlertMessage
from ._channel import WITHIN
from ._posting import Undelivered

_KINDS: Final = {"critical": "failure", "warning": "warning", "resolved": "success"}


@attrs.frozen
class Apprise:
    """Addresses of apprise; see `apprise`."""

    urls: tuple[Secret, ...]
    name: str
    limiter: trio.CapacityLimiter = attrs.field(factory=lambda: trio.CapacityLimiter(1), repr=False, eq=False)
    """One thread at a time: one that hangs keeps the others from being made, and nobody else's waiting."""

    def unknown(self) -> list[int]:
        """Return which of the addresses, counted from 1, apprise does not know. It sends nothing.

        Raises:
            SecretMissing: One of them is not there.
        """
        return _add(_library().Apprise(), [url.reveal() for url in self.urls])

    async def send(self, message: AlertMessage) -> None:
        """Deliver one message; see `AlertChannel.send`. A thread that hangs is left behind."""
        try:
            urls = [url.reveal() for url in self.urls]
        except SecretMissing as missing:
            raise Undelivered(str(missing)) from None
        trouble: str | None = f"nothing came of it within {WITHIN:g} s"
        with trio.move_on_after(WITHIN):
            trouble = await trio.to_thread.run_sync(
                _notify, urls, message, limiter=self.limiter, abandon_on_cancel=True
            )
        if trouble is not None:
            raise Undelivered(trouble)


def _notify(urls: list[str], message: AlertMessage) -> str | None:
    """Send in a thread; return what went wrong."""
    library = _library()
    try:
        sender = library.Apprise()
        unknown = _add(sender, urls)
        body = message.text(20_000)
        sent = bool(
            sender.notify(body=body, title=message.title, notify_type=_KINDS[message.severity], body_format="text")
        )
    except Exception as error:  # noqa: BLE001 - a hundred services fail in their own ways; the texts may quote addresses
        return f"apprise raised {type(error).__name__}"
    if unknown:
        places = ", ".join(f"number {number}" for number in unknown)
        return f"apprise does not know the address {places} of {len(urls)}"
    return None if sent else "apprise could not deliver it everywhere"


def _library() -> Any:
    library = importlib.import_module("apprise")
    # It logs addresses, in which keys stand.
    logging.getLogger("apprise").disabled = True
    return library


def _add(sender: Any, urls: list[str]) -> list[int]:
    """Give addresses to apprise; return which it does not know. Those are not named: they are secrets."""
    return [number for number, url in enumerate(urls, 1) if not sender.add(url)]


def apprise(*urls: Secret | str, name: str = "apprise") -> Apprise:
    """Return addresses of apprise as one channel for `alerts`; needs ``pip install unblinking[apprise]``.

    Messages are sent in a worker thread, one at a time, each for fifteen seconds at most. When one of several addresses
    fails the message is sent to all of them again: give addresses of which each must get it once channels of their own.
    The logger ``apprise`` is switched off in this process, as it logs addresses.

    Args:
        urls: Such as ``slack://...``, ``mailto://...``, ``discord://...``: see apprise's documentation. No part of them is
            told anywhere.
        name: Of the channel, for notes and status.

    Raises:
        ValueError: There is no address.
        ImportError: apprise is not installed.
    """
    if not urls:
        raise ValueError("apprise needs an address")
    if importlib.util.find_spec("apprise") is None:
        raise ImportError("apprise is not installed: pip install unblinking[apprise]")
    return Apprise(tuple(Secret.literal(url) if isinstance(url, str) else url for url in urls), name)
