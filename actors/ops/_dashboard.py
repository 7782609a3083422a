"""The page for people: one file, sent as it is, and what a browser may do with it."""

from __future__ import annotations

import base64
import hashlib
import re
from importlib import resources

import attrs


@attrs.frozen
class Page:
    """A page that brings all it needs along."""

    body: bytes
    policy: str
    """Its Content-Security-Policy: its own script and style and no others, nothing from elsewhere, in nobody's frame."""


def load_page() -> Page:
    """Read the page out of the package.

    Raises:
        OSError: The package is not whole.
    """
    body = resources.files(__package__).joinpath("dashboard.html").read_bytes()
    return Page(body, policy_of(body.decode()))


def policy_of(page: str) -> str:
    """Return the policy for a page: what stands in it is allowed by its hash (W3C CSP Level 3, 2026-06), nothing else.

    With Trusted Types a browser refuses, on top of that, to make markup or code of any text.
    """
    return "; ".join(
        [
            "default-src 'none'",
            f"script-src {_hashes(page, 'script')}",
            f"style-src {_hashes(page, 'style')}",
            "connect-src 'self'",
            "img-src data:",
            "base-uri 'none'",
            "form-action 'none'",
            "frame-ancestors 'none'",
            "require-trusted-types-for 'script'",
            "trusted-types 'none'",
        ]
    )


def _hashes(page: str, tag: str) -> str:
    texts = re.findall(rf"<{tag}>(.*?)</{tag}>", page, re.DOTALL)
    digests = (hashlib.sha256(text.encode()).digest() for text in texts)
    return " ".join(f"'sha256-{base64.b64encode(digest).decode()}'" for digest in digests)
