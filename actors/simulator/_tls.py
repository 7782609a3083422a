"""A certificate authority that exists while the exchange is served, and is trusted by whoever is told of it."""

from __future__ import annotations

import ssl

import attrs


@attrs.frozen
class Authority:
    """Who vouches for the exchange, and how the exchange proves it."""

    pem: str = attrs.field(repr=False)
    """The authority's certificate, to be trusted by clients."""
    server: ssl.SSLContext = attrs.field(repr=False)


def new_authority(host: str) -> Authority:
    """Make an authority, and a certificate by it for a host and for localhost.

    Args:
        host: a name or a numeric address.

    Raises:
        RuntimeError: the package that makes certificates is not installed.
    """
    try:
        import trustme  # noqa: PLC0415 - only who serves TLS needs it
    except ImportError as exc:
        raise RuntimeError("TLS needs certificates: install unblinking[tls], or trustme") from exc
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(host, "localhost").configure_cert(context)
    return Authority(authority.cert_pem.bytes().decode(), context)
