"""Any HTTP address as a channel for alerts."""

from __future__ import annotations

from collections.abc import Mapping

import attrs

from .._errors import SecretMissing
from .._net._dial import Dial, Tls
from .._secret import Secret
from .._source import HttpReply
from ._alerts import AlertMessage
from ._channel import parts_of, post
from ._posting import Undelivered


@attrs.frozen
class Webhook:
    """An address that takes messages; see `webhook`."""

    url: Secret
    headers: tuple[tuple[str, Secret], ...]
    name: str
    tls: Tls = attrs.field(default=None, repr=False)
    dial: Dial | None = attrs.field(default=None, repr=False)

    async def send(self, message: AlertMessage) -> None:
        """Deliver one message; see `AlertChannel.send`."""
        try:
            base, query = parts_of(self.url.reveal())
            headers = {header: value.reveal() for header, value in self.headers}
        except SecretMissing as missing:
            raise Undelivered(str(missing)) from None
        if not all(value.isascii() and value.isprintable() for value in headers.values()):
            raise Undelivered("a header's value is not printable ASCII")
        await post(base, message.to_dict(), query=query, headers=headers, reason=_reason, tls=self.tls, dial=self.dial)


def webhook(
    url: Secret | str,
    *,
    headers: Mapping[str, Secret | str] | None = None,
    name: str = "webhook",
    tls: Tls = None,
    dial: Dial | None = None,
) -> Webhook:
    """Return an address as a channel for `alerts`: each message is POSTed there as JSON, see the reference.

    Args:
        url: Where to. No part of it is told anywhere: in many of them there is a key.
        headers: Beside the content's type, such as ``Authorization``.
        name: Of the channel, for notes and status.
        tls: Whom to trust: None, the system's certificates; a path, only those there; or a context.
        dial: How to connect, for instance through a proxy; None: TCP.

    Raises:
        ValueError: A name of a header is none.
    """
    given = tuple((header, _secret(value)) for header, value in (headers or {}).items())
    for header, _ in given:
        if not header.replace("-", "").isalnum() or not header.isascii():
            raise ValueError(f"not the name of a header: {header!r}")
    return Webhook(_secret(url), given, name, tls, dial)


def _secret(value: Secret | str) -> Secret:
    return Secret.literal(value) if isinstance(value, str) else value


def _reason(reply: HttpReply) -> tuple[str, float | None]:
    # Nothing of the body: servers quote addresses in it.
    moved = "it has moved, and is not followed" if 300 <= reply.status < 400 else "refused"
    return moved, None
