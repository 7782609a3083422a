"""Who may log in at a venue: API keys, their secrets, and what faults have taken from them. Pure: time is an argument."""

from __future__ import annotations

from collections.abc import Mapping

import attrs


@attrs.define
class Credentials:
    """The API keys of one venue. Signatures are checked by its dialect, each venue has a way of its own."""

    secrets: Mapping[str, str] = attrs.field(factory=dict, repr=False)
    """By API key: all that were ever given out."""
    passphrase: str = attrs.field(default="", repr=False)
    """Of all keys, on the venues that want one."""
    revoked: set[str] = attrs.field(factory=set, repr=False)
    """API keys that count no longer."""
    refused_until: float = 0.0
    """Second on the exchange's clock until which nobody gets in, however right the key is."""

    def secret(self, api_key: str) -> str | None:
        """The secret of a key; None: there is no such key, or it was revoked."""
        return None if api_key in self.revoked else self.secrets.get(api_key)

    def refuses_logins(self, now: float) -> bool:
        """Whether who opens a private stream now is to be told that the credentials are wrong."""
        return now < self.refused_until
