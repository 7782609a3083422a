"""Looking for secrets in whatever a bot shows, in every form in which somebody might have written them."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final
from urllib.parse import parse_qsl, quote, quote_plus

HEAD: Final = 12
"""Characters at the beginning of a secret that give it away: what is cut short in a message is told all the same."""
_NAMES: Final = re.compile(
    "sign|signature|api-?key|passphrase|^key$|.*-key$|listenkey|listentoken|^token$", re.IGNORECASE
)


def forms(secret: str, *, encoded: bool = True) -> set[str]:
    """Return what a secret's beginning looks like: as it is, escaped, percent-encoded, in hexadecimal and in base64.

    Args:
        secret: The secret.
        encoded: False: only as it goes over the wire.
    """
    # Of a private key in PEM the first line is no secret.
    body = secret.replace("\\n", "\n")
    head = (body.split("\n")[1] if body.startswith("-----") else body)[:HEAD]
    data = head.encode()
    made = {head, quote(head, safe=""), quote_plus(head)}
    if not encoded:
        return {form.lower() for form in made}
    made |= {json.dumps(head)[1:-1], repr(head)[1:-1], data.hex()}
    made |= {"".join(f"%{byte:02X}" for byte in data), "".join(f"\\x{byte:02x}" for byte in data)}
    for encode in (base64.b64encode, base64.urlsafe_b64encode):
        for before in range(3):
            # Inside of something longer it can begin at any of three places; what its neighbours decide is cut off.
            inside = encode(b"\0" * before + data).decode().rstrip("=")
            made.add(inside[-(-before * 8 // 6) : -1] if len(data) + before else inside)
    return {form.lower() for form in made}


def found(looks: Mapping[str, str], shown: Mapping[str, str]) -> list[str]:
    """Return where secrets are shown, and how; nothing if all is well.

    Args:
        looks: What is searched for, in lower case, and what to call it.
        shown: What is searched, by the place where it was shown.
    """
    told: list[str] = []
    known: set[str] = set()
    size = min(map(len, looks), default=0)
    for place, text in shown.items():
        # Much of it is told in many places; once is enough.
        new = set(text.lower().splitlines()) - known
        known |= new
        whole = "\n".join(new)
        # There are thousands of secrets: of most of them not even the beginning is anywhere.
        pieces = {whole[at : at + size] for at in range(len(whole))}
        for look, name in looks.items():
            if look[:size] in pieces and (at := whole.find(look)) >= 0:
                told.append(f"{place}: {name} as {look}: {whole[max(0, at - 80) : at + 60]}")
    return told


def _named(value: Any) -> Iterator[tuple[str, str]]:
    """Yield what stands, anywhere in a JSON value, under a name that says that it is a secret, with that name."""
    if isinstance(value, dict):
        for name, inner in value.items():
            if isinstance(inner, str) and _NAMES.fullmatch(str(name)):
                yield str(name), inner
            yield from _named(inner)
        if value.get("op") == "auth" and isinstance(value.get("args"), list):
            # Bybit has them in a row, without names.
            yield from (("sign", inner) for inner in value["args"] if isinstance(inner, str))
    elif isinstance(value, list):
        for inner in value:
            yield from _named(inner)


def in_text(text: str | bytes) -> list[tuple[str, str]]:
    """Return the secrets of a message, a JSON text or a query, with their names."""
    try:
        told = list(_named(json.loads(text)))
    except ValueError:
        query = text if isinstance(text, str) else text.decode("utf-8", "replace")
        told = [(name, value) for name, value in parse_qsl(query) if _NAMES.fullmatch(name)]
    return [(name, value) for name, value in told if len(value) >= HEAD]


def in_headers(headers: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    """Return the secrets of a request's headers, with their names."""
    return [(name, value) for name, value in headers if _NAMES.search(name) and len(value) >= HEAD]
