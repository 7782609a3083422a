"""Telegram as a channel for alerts (Bot API, core.telegram.org/bots/api, sendMessage and ResponseParameters)."""

from __future__ import annotations

import json
from typing import Any, Final

import attrs

from .._errors import SecretMissing
from .._net._dial import Dial, Tls
from .._secret import Secret
from .._source import HttpReply
from ._alerts import AlertMessage
from ._channel import parts_of, post
from ._posting import Undelivered

TELEGRAM: Final = "https://api.telegram.org"
_LIMIT: Final = 4096
"""Characters of one message, counted in UTF-16 as Telegram does."""


@attrs.frozen
class Telegram:
    """A chat of Telegram; see `telegram`."""

    token: Secret
    chat: str
    base: str
    tls: Tls = attrs.field(default=None, repr=False)
    dial: Dial | None = attrs.field(default=None, repr=False)

    @property
    def name(self) -> str:
        """For notes and status."""
        return "telegram"

    async def send(self, message: AlertMessage) -> None:
        """Deliver one message; see `AlertChannel.send`."""
        try:
            token = self.token.reveal()
        except SecretMissing as missing:
            raise Undelivered(str(missing)) from None
        # The token is a part of the address: it goes where errors do not look.
        base = f"{self.base.rstrip('/')}/bot{token}"
        parts_of(base)

        def reason(reply: HttpReply) -> tuple[str, float | None]:
            words, wait = _refusal(reply.body)
            return words.replace(token, "***"), wait

        # No parse_mode: names and errors are full of what its formats take for markup.
        content = {
            "chat_id": self.chat,
            "text": message.text(_LIMIT, _utf16),
            "link_preview_options": {"is_disabled": True},
            "disable_notification": message.severity == "resolved",
        }
        await post(base, content, path="/sendMessage", reason=reason, tls=self.tls, dial=self.dial)


def telegram(
    token: Secret,
    chat: str | int,
    *,
    base: str = TELEGRAM,
    tls: Tls = None,
    dial: Dial | None = None,
) -> Telegram:
    """Return a chat of Telegram as a channel for `alerts`.

    Args:
        token: Of your bot, from BotFather.
        chat: Id of the chat, or ``@name`` of a channel, in which the bot may write.
        base: Address of the Bot API: your own server, or a test's.
        tls: Whom to trust: None, the system's certificates; a path, only those there; or a context.
        dial: How to connect, for instance through a proxy; None: TCP.
    """
    return Telegram(token, str(chat), base, tls, dial)


def _utf16(text: str) -> int:
    return len(text) + sum(character > "\uffff" for character in text)


def _refusal(body: bytes) -> tuple[str, float | None]:
    try:
        found: Any = json.loads(body)
        words = str(found.get("description", "refused"))[:200]
        wait = found.get("parameters", {}).get("retry_after")
    except (ValueError, AttributeError):
        return "refused, with an answer that is not Telegram's", None
    return words, float(wait) if isinstance(wait, int | float) and wait >= 0 else None
