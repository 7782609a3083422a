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


def forms(secret: str) -> set[str]:
    """Return what a secret's beginning looks like: as it is, escaped, percent-encoded, in hexadecimal and in base64."""
    # Of a private key in PEM the first line is no secret.
    body = secret.replace("\\n", "\n")
    head = (body.split("\n")[1] if body.startswith("-----") else body)[:HEAD]
    data = head.encode()
    made = {head, quote(head, safe=""), quote_plus(head), json.dumps(head)[1:-1], repr(head)[1:-1], data.hex()}
    made |= {"".join(f"%{byte:02X}" for byte in data), "".join(f"\\x{byte:02x}" for byte in data)}
    for encode in (base64.b64encode, base64.urlsafe_b64encode):
        for before in range(3):
            # Inside of something longer it can begin at any of three places; what its neighbours decide is cut off.
            inside = encode(b"\0" * before + data).decode().rstrip("=")
            made.add(inside[-(-before * 8 // 6) : -1] if len(data) + before else inside)
    return {form.lower() for form in made}


def found(secrets: Iterable[str], shown: Mapping[str, str]) -> list[str]:
    """Return where a secret is shown, and which, and how; nothing if all is well."""
    places = {place: text.lower() for place, text in shown.items()}
    return sorted(
        f"{place}: {secret[:HEAD]}... as {form}: ...{text[max(0, text.index(form) - 80) : text.index(form) + 60]}..."
        for secret in set(secrets)
        for form in forms(secret)
        for place, text in places.items()
        if form in text
    )


def named_secrets(value: Any) -> Iterator[str]:
    """Yield what stands, anywhere in a JSON value, under a name that says that it is a secret."""
    if isinstance(value, dict):
        for name, inner in value.items():
            if isinstance(inner, str) and _NAMES.fullmatch(str(name)):
                yield inner
            yield from named_secrets(inner)
        if value.get("op") == "auth" and isinstance(value.get("args"), list):
            # Bybit has them in a row, without names.
            yield from (inner for inner in value["args"] if isinstance(inner, str))
    elif isinstance(value, list):
        for inner in value:
            yield from named_secrets(inner)


def in_text(text: str | bytes) -> set[str]:
    """Return the secrets of a message: a JSON text, or a query."""
    try:
        told = named_secrets(json.loads(text))
    except ValueError:
        query = text if isinstance(text, str) else text.decode("utf-8", "replace")
        told = (value for name, value in parse_qsl(query) if _NAMES.fullmatch(name))
    return {value for value in told if len(value) >= HEAD}


def in_headers(headers: Iterable[tuple[str, str]]) -> set[str]:
    """Return the secrets of a request's headers."""
    return {value for name, value in headers if _NAMES.search(name) and len(value) >= HEAD}
