"""Listen keys: what a private stream of Binance's derivatives stands on. Pure: time is an argument."""

from __future__ import annotations

import string
from random import Random

import attrs

_ALPHABET = string.ascii_letters + string.digits


@attrs.define
class ListenKey:
    """A key of the private stream. It is valid for 60 minutes after the last POST or PUT (USD-M user data streams)."""

    value: str = attrs.field(repr=False)
    api_key: str
    expires: float
    notice: bool = True
    """Whether its end is told to the streams that asked for `listenKeyExpired`."""

    def active(self, now: float) -> bool:
        """Whether events flow on it."""
        return now < self.expires


class ListenKeys:
    """The listen keys of all accounts of a venue; one active key per account (USD-M user data streams, 2026-05-28)."""

    def __init__(self, random: Random, life: float) -> None:
        self._random = random
        self._life = life
        self._by_account: dict[str, ListenKey] = {}
        self._by_value: dict[str, ListenKey] = {}

    def create(self, api_key: str, now: float) -> ListenKey:
        """The active key, extended, or a new one."""
        key = self._by_account.get(api_key)
        if key is None or not key.active(now):
            if key is not None:
                # One generation of dead keys is remembered, no more: streams on older ones stay silent anyway.
                self._by_value = {k.value: k for k in self._by_account.values()}
            key = ListenKey("".join(self._random.choices(_ALPHABET, k=64)), api_key, 0.0)
            self._by_account[api_key] = key
            self._by_value[key.value] = key
        key.expires = now + self._life
        return key

    def extend(self, api_key: str, now: float) -> ListenKey | None:
        """Keep the account's key alive; None when it has none that lives."""
        key = self.active_key(api_key, now)
        if key is not None:
            key.expires = now + self._life
        return key

    def delete(self, api_key: str, now: float) -> None:
        """End the account's key without a notice."""
        self.expire(api_key, now, notice=False)

    def expire(self, api_key: str, now: float, *, notice: bool) -> ListenKey | None:
        """End the account's key at once; None when it has none that lives."""
        key = self.active_key(api_key, now)
        if key is not None:
            key.expires, key.notice = now, notice
        return key

    def expire_all(self, now: float, *, notice: bool) -> list[str]:
        """End every account's key at once, and say which those were."""
        ended = [self.expire(api_key, now, notice=notice) for api_key in self._by_account]
        return [key.value for key in ended if key is not None]

    def active_key(self, api_key: str, now: float) -> ListenKey | None:
        """The key on which the account's events flow now."""
        key = self._by_account.get(api_key)
        return key if key is not None and key.active(now) else None

    def find(self, value: str) -> ListenKey | None:
        """The key with that value, living or just dead."""
        return self._by_value.get(value)
