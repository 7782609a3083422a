"""REST without a venue: requests, replies, parameters, and a desk that routes and charges. Pure: time is an argument."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Literal, Protocol, TypeAlias
from urllib.parse import parse_qsl

import attrs
import msgspec

encode_json = msgspec.json.Encoder().encode

Headers: TypeAlias = tuple[tuple[str, str], ...]


@attrs.frozen
class Request:
    """One HTTP request, its body read."""

    method: str
    path: str
    query: str
    """As sent: signatures are over these very characters."""
    headers: Mapping[str, str]
    """Names in lower case."""
    body: str = ""

    @property
    def params(self) -> dict[str, str]:
        """Query and form body together; the last of several values counts."""
        joined = "&".join(part for part in (self.query, self.body) if part and not part.startswith("{"))
        return dict(parse_qsl(joined, keep_blank_values=True))


@attrs.frozen
class Reply:
    """One HTTP answer, and the limit that the request broke, if any."""

    status: int
    body: bytes
    headers: Headers = ()
    breach: str = ""


class ApiError(Exception):
    """A request is answered with an error of the venue's own kind.

    Args:
        status: of the HTTP answer; some venues say 200.
        body: what they say there.
    """

    def __init__(self, status: int, body: object) -> None:
        super().__init__(status, body)
        self.status = status
        self.body = encode_json(body)


Handler: TypeAlias = Callable[[Request], Any]
"""Gives what the body says.

Raises:
    ApiError: the request is refused.
"""


@attrs.frozen
class Route:
    """One endpoint: what it costs and who answers."""

    cost: int | Callable[[Request], int]
    handler: Handler
    limit: tuple[int, float] | None = None
    """Requests of this endpoint in a rolling time of so many seconds, where the venue counts by endpoint."""


class Toll(Protocol):
    """What a venue charges for requests."""

    def pay(self, path: str, cost: int, route: Route | None, now: float) -> Headers | Reply:
        """Charge one request: headers for its answer, or the answer itself when it is too much."""


class Desk:
    """Answers the requests of one venue.

    Args:
        toll: what requests cost.
        unknown: the answer to a path that does not exist.
        routes: by method and path. A path may end in "/*", and then stands for all that is right below it.
    """

    def __init__(
        self, toll: Toll, unknown: Callable[[Request], Reply], routes: Mapping[tuple[str, str], Route] = {}
    ) -> None:
        self._toll = toll
        self._unknown = unknown
        self.routes: dict[tuple[str, str], Route] = dict(routes)

    def answer(self, request: Request, now: float) -> Reply:
        """Answer one request.

        Args:
            request: whole.
            now: seconds on the exchange's clock.
        """
        path, route = self._route(request.method, request.path)
        cost = 1 if route is None else route.cost if isinstance(route.cost, int) else route.cost(request)
        paid = self._toll.pay(path, cost, route, now)
        if isinstance(paid, Reply):
            return paid
        if route is None:
            known = any(self._route(method, request.path)[1] for method, _ in self.routes)
            reply = Reply(405, b"{}") if known else self._unknown(request)
            return attrs.evolve(reply, headers=paid + reply.headers)
        try:
            return Reply(200, encode_json(route.handler(request)), paid)
        except ApiError as exc:
            return Reply(exc.status, exc.body, paid)

    def _route(self, method: str, path: str) -> tuple[str, Route | None]:
        """The endpoint for that path itself, or for all that is right below its last slash, and how it is known."""
        if (method, path) not in self.routes:
            below = f"{path.rpartition('/')[0]}/*"
            path = below if (method, below) in self.routes else path
        return path, self.routes.get((method, path))


Limited: TypeAlias = Literal["429", "418"]
