"""The actor behind the health endpoint."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import attrs
import trio

from supervisor import Backoff, Child, Me, actor, child

from .._errors import SecretMissing
from .._secret import Secret
from ._access import Access, is_loopback
from ._events_stream import EventsStream
from ._http_endpoint import Bounds, Endpoint, Request
from ._routes import Routes
from ._watched import Watched


@actor(
    ready_within=10.0,
    first_start="retry",
    max_failures=None,
    backoff=Backoff(floor=1.0, base=1.0, cap=30.0),
    on={SecretMissing: "park"},
)
@attrs.frozen
class Health:
    """Serves the endpoint; see `health`."""

    port: int
    host: str
    token: Secret | None
    needs: tuple[str, ...]
    bounds: Bounds

    async def run(self, me: Me) -> None:
        """Serve until cancelled; cancellation closes every connection."""
        token = None if self.token is None else self.token.reveal()
        local = is_loopback(self.host)
        if not local and token is None:
            me.note("open_to_the_network", host=self.host, advice="anyone who reaches it can read it; give it a token")
        endpoint: Endpoint
        watched = Watched(me.tree, self.needs, lambda: _counters(endpoint))
        events = EventsStream(me.tree, self.bounds.streams, lambda: endpoint.streams)
        routes = Routes(watched, Access(token, local), events)

        def report(request: Request, error: Exception) -> None:
            me.note("endpoint_failed", target=request.path, error=f"{type(error).__name__}: {error}")

        endpoint = Endpoint(routes, self.bounds, report)
        listeners = await trio.open_tcp_listeners(self.port, host=self.host)
        addresses = [_address(listener.socket.getsockname()) for listener in listeners]
        me.expose(lambda: {"listening": addresses, **_counters(endpoint)})
        me.ready()
        me.note("listening", addresses=addresses)
        await trio.serve_listeners(endpoint.serve, listeners)


def health(
    port: int = 8080,
    host: str = "127.0.0.1",
    *,
    token: Secret | None = None,
    needs: Sequence[str] = (),
    name: str = "health",
    bounds: Bounds | None = None,
) -> Child:
    """Return a child that tells over HTTP how the tree is; see the page on the health endpoint for its paths.

    It only reads. When the port is taken it tries again, and the bot goes on.

    Args:
        port: 0: one that the system chooses; the child's `Status.facts` and its note ``listening`` say which.
        host: Address to listen at. On loopback only requests for names of this machine are answered.
        token: Everything but the bare answers of ``/livez``, ``/readyz`` and ``/healthz`` needs it, as
            ``Authorization: Bearer``, or as the password that a browser asks for. None: nothing does.
        needs: Paths of children that must be ready for the bot to be healthy, beside the data that the tree requires.
        name: Of the child.
        bounds: What a client can have at most.
    """
    return child(name, Health(port, host, token, tuple(needs), bounds or Bounds()))


def _counters(endpoint: Endpoint) -> dict[str, int]:
    return {
        "connections": endpoint.connections,
        "requests": endpoint.requests,
        "evicted": endpoint.evicted,
        "refused": endpoint.refused,
    }


def _address(name: Any) -> str:
    host, port = name[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
