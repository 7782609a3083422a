"""Addresses, taken apart with one check: what passes it can be connected to, or fails as connections fail."""

from __future__ import annotations

from urllib.parse import SplitResult, urlsplit


def taken_apart(address: str, *schemes: str) -> SplitResult:
    """Take an address apart.

    Args:
        address: One that is meant to be connected to. In a URL are only printable ASCII characters (RFC 3986).
        schemes: Those that it may have.

    Raises:
        ValueError: It is none. The text does not show it: keys, tokens and passwords stand in addresses.
    """
    try:
        parts = urlsplit(address)
        # The port is checked when it is read.
        sound = parts.scheme in schemes and bool(parts.hostname) and parts.port != 0
    except ValueError:
        parts, sound = None, False
    if parts is None or not sound or not address.isascii() or not address.isprintable() or " " in address:
        raise ValueError(f"not a {' or '.join(f'{scheme}://' for scheme in schemes)} address")
    return parts
