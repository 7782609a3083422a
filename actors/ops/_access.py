"""Who may read: the token, and the names under which a server is asked. Pure.

A page of any site can have the reader's browser ask a server on the reader's own machine. Such a request carries the
foreign site as its Origin or, when the site's name was pointed at this machine, as its Host ("DNS rebinding").
"""

from __future__ import annotations

import binascii
import hashlib
import hmac
from base64 import b64decode
from collections.abc import Mapping
from ipaddress import ip_address

import attrs


def is_loopback(host: str) -> bool:
    """Return whether a name or an address, without port, means this machine to itself only."""
    if host.lower().rstrip(".") == "localhost":
        return True
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


@attrs.frozen
class Access:
    """What a request must bring."""

    token: str | None = attrs.field(default=None, repr=False)
    """None: nothing."""
    local: bool = True
    """Whether only names of this machine are right: the server listens on loopback."""

    def foreign(self, headers: Mapping[str, str]) -> str | None:
        """Say what shows that a request was meant for, or made by, somebody else; None: nothing does."""
        host = headers.get("host", "")
        if self.local and host and not is_loopback(_name(host)):
            return "this server answers to names of this machine only; ask for it as localhost"
        origin = headers.get("origin")
        if origin is not None and origin.partition("://")[2].lower() != host.lower():
            return "requests of other sites' pages are not answered"
        return None

    def allowed(self, headers: Mapping[str, str]) -> bool:
        """Say whether a request brings the token: as ``Bearer``, or as the password of ``Basic``, which browsers ask for."""
        if self.token is None:
            return True
        given = _given(headers.get("authorization", ""))
        # Digests are of one length, so that the time taken tells nothing about the token's.
        return hmac.compare_digest(_digest(given), _digest(self.token))


def _given(authorization: str) -> str:
    scheme, _, rest = authorization.strip().partition(" ")
    if scheme.lower() == "bearer":
        return _as_utf8(rest.strip())
    if scheme.lower() == "basic":
        try:
            return b64decode(rest.strip(), validate=True).decode("utf-8").partition(":")[2]
        except (binascii.Error, ValueError):
            return ""
    return ""


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).digest()


def _as_utf8(text: str) -> str:
    return text.encode("latin-1").decode("utf-8", "surrogateescape")


def _name(host: str) -> str:
    """Return the host without its port."""
    if host.startswith("["):
        return host.partition("]")[0] + "]"
    return host.rpartition(":")[0] if host.count(":") == 1 else host
