"""Telling people: a line of text to a chat or a webhook. What an address or a token is does not show."""

from __future__ import annotations

import math
from typing import Any, Final, Protocol

import attrs
import msgspec
import trio

from .._secret import Secret
from ._posting import Undelivered, open_posting

TELEGRAM: Final = "https://api.telegram.org"

_TRIES: Final = 4
_PAUSE: Final = 1.0
"""Seconds before the second try; doubled before each further one."""
_LONGEST: Final = 120.0
"""Seconds that are waited within one telling when the other side asks for it; if it is more, the caller decides."""
_LENGTH: Final = 4_000
"""Characters of a message. Telegram takes 4,096 ("sendMessage", core.telegram.org/bots/api)."""


class Tell(Protocol):
    """Whoever can tell people something."""

    async def tell(self, text: str) -> None:
        """Deliver a text.

        Cancellation gives it up; it may have been delivered.

        Raises:
            Undelivered: Nobody took it. The message does not hold address or token.
            SecretMissing: Address or token are not there.
        """


@attrs.frozen
class WebhookTell:
    """Posts ``{"text": ...}``: the form of Slack, Mattermost and many others."""

    address: Secret

    async def tell(self, text: str) -> None:
        """Deliver a text; see `Tell`."""
        await _deliver(self.address, "", {"text": _cut(text)})


@attrs.frozen
class TelegramTell:
    """Sends a message of a Telegram bot ("sendMessage", core.telegram.org/bots/api)."""

    token: Secret
    chat: str
    """Number of the chat, or ``@name`` of a channel."""
    api: str = TELEGRAM

    async def tell(self, text: str) -> None:
        """Deliver a text; see `Tell`."""
        # The token stands in the path: the whole address is the secret.
        address = Secret.literal(f"{self.api.rstrip('/')}/bot{self.token.reveal()}")
        message = {"chat_id": self.chat, "text": _cut(text), "link_preview_options": {"is_disabled": True}}
        await _deliver(address, "/sendMessage", message)


async def _deliver(address: Secret, below: str, message: dict[str, Any]) -> None:
    content = msgspec.json.encode(message)
    for attempt in range(1, _TRIES + 1):
        # A way of its own each time: the last one may have gone bad.
        try:
            async with open_posting(address) as posting:
                await posting.post(content, below=below, content_type="application/json")
        except Undelivered as error:
            wait = error.retry_after
            if error.final or attempt == _TRIES or (wait is not None and wait > _LONGEST):
                raise
            pause = _PAUSE * math.ldexp(1.0, attempt - 1) if wait is None else wait
        else:
            return
        await trio.sleep(pause)


def _cut(text: str) -> str:
    return text if len(text) <= _LENGTH else f"{text[: _LENGTH - 1]}…"
