"""What is answered to which path. Everything is read-only."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from math import inf
from typing import Final

import attrs
import trio

from supervisor import NoSuchChild

from ._access import Access
from ._dashboard import load_page
from ._events_stream import EventsStream
from ._http_endpoint import Reply, Request
from ._metrics import CONTENT_TYPE, Metrics
from ._plain import encode
from ._watched import Watched

_JSON: Final = "application/json; charset=utf-8"
_DOCUMENTS: Final = 0.25
"""Seconds for which one document is sent again: writing one about a thousand children takes some 20 ms."""
_SCRAPES: Final = 1.0
"""Seconds for which one scrape is told again."""
_EVERYWHERE: Final = (
    ("Cache-Control", "no-store"),
    ("X-Content-Type-Options", "nosniff"),
    ("Referrer-Policy", "no-referrer"),
)
PROBES: Final = frozenset({"/livez", "/readyz", "/healthz"})
"""Answered without a token, too, but then in one word."""
_PAGE: Final = "/"
"""Answered without a token, too: it is the same for every bot, and asks for the token itself."""


class Routes:
    """Answers requests about one tree."""

    def __init__(self, watched: Watched, access: Access, events: EventsStream) -> None:
        self._watched = watched
        self._access = access
        self._events = events
        self._dashboard = load_page()
        self._metrics = Metrics()
        self._documents: dict[str, tuple[float, bytes]] = {}
        self._scrape: tuple[float, bytes] | None = None
        self._scraping = trio.Lock()
        self._answers: dict[str, Callable[[Request], Awaitable[Reply]]] = {
            _PAGE: self._page,
            "/events": self._stream,
            "/explain": self._explain,
            "/failures.json": self._failures,
            "/healthz": self._healthz,
            "/livez": self._livez,
            "/metrics": self._scraped,
            "/readyz": self._readyz,
            "/tree.json": self._tree,
        }

    async def __call__(self, request: Request) -> Reply:
        """Return the answer to a request."""
        reply = await self._answer(request)
        return attrs.evolve(reply, headers=(*_EVERYWHERE, *reply.headers))

    async def _answer(self, request: Request) -> Reply:
        foreign = self._access.foreign(request.headers)
        if foreign is not None:
            return _text(403, foreign)
        answer = self._answers.get(request.path)
        allowed = self._access.allowed(request.headers)
        if not allowed and request.path not in PROBES and request.path != _PAGE:
            # For browsers Basic, with any name and the token as the password.
            challenge = ("WWW-Authenticate", 'Bearer realm="unblinking", Basic realm="unblinking"')
            return attrs.evolve(_text(401, "this needs the token"), headers=(challenge,))
        if answer is None:
            return _text(404, f"there are {', '.join(sorted(self._answers))}")
        if request.method not in ("GET", "HEAD"):
            return attrs.evolve(_text(405, "this can only be read"), headers=(("Allow", "GET, HEAD"),))
        reply = await answer(request)
        return (
            reply
            if allowed or request.path == _PAGE
            else _text(reply.status, "ok" if reply.status == 200 else "not ok")
        )

    async def _livez(self, request: Request) -> Reply:
        return _text(200, "ok")

    async def _readyz(self, request: Request) -> Reply:
        state = self._watched.look().status.state
        return _text(200, "ok") if state == "ready" else _text(503, f"{self._watched.tree.tree.name} is {state}")

    async def _healthz(self, request: Request) -> Reply:
        verdict = self._watched.look().verdict
        status = 200 if verdict.healthy else 503
        if _wants_json(request):
            return Reply(status, encode(verdict.to_dict()), _JSON)
        return _text(status, "\n".join(["ok"] if verdict.healthy else ["not healthy", *verdict.reasons]))

    async def _tree(self, request: Request) -> Reply:
        return Reply(200, self._kept("tree", self._watched.picture), _JSON)

    async def _failures(self, request: Request) -> Reply:
        return Reply(200, self._kept("failures", self._watched.failures), _JSON)

    def _kept(self, name: str, make: Callable[[], object]) -> bytes:
        now = trio.current_time()
        at, body = self._documents.get(name, (-inf, b""))
        if now - at >= _DOCUMENTS:
            body = encode(make())
            self._documents[name] = now, body
        return body

    async def _explain(self, request: Request) -> Reply:
        path = request.query.get("path", "")
        try:
            words = self._watched.tree.explain(path)
        except NoSuchChild as error:
            return _text(404, str(error))
        if _wants_json(request):
            return Reply(200, encode({"path": path, "explanation": words}), _JSON)
        return _text(200, words)

    async def _scraped(self, request: Request) -> Reply:
        async with self._scraping:
            now = trio.current_time()
            if self._scrape is None or now - self._scrape[0] >= _SCRAPES:
                look = self._watched.look()
                text = await self._metrics.scrape(self._watched, look.status, look.vitals, look.verdict)
                self._scrape = now, text
            return Reply(200, self._scrape[1], CONTENT_TYPE)

    async def _stream(self, request: Request) -> Reply:
        if not self._events.room():
            return attrs.evolve(_text(429, "too many read the events already"), headers=(("Retry-After", "10"),))
        return Reply(200, content_type="text/event-stream; charset=utf-8", stream=self._events.write)

    async def _page(self, request: Request) -> Reply:
        policy = ("Content-Security-Policy", self._dashboard.policy)
        return Reply(200, self._dashboard.body, "text/html; charset=utf-8", headers=(policy,))


def _text(status: int, text: str) -> Reply:
    return Reply(status, f"{text}\n".encode("utf-8", "replace"))


def _wants_json(request: Request) -> bool:
    return "application/json" in request.headers.get("accept", "") or request.query.get("format") == "json"
