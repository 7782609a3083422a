"""The paths of the endpoint, asked anything: what is answered is never an error of the server's, but for the declared 503."""

from __future__ import annotations

import h11
import trio
from hypothesis import given, settings
from hypothesis import strategies as st
from trio.testing import memory_stream_pair

from actors.ops._access import Access
from actors.ops._events_stream import EventsStream
from actors.ops._health import _counters
from actors.ops._http_endpoint import Bounds, Endpoint, Request
from actors.ops._routes import Routes
from actors.ops._vitals import StreamVital, facts
from actors.ops._watched import Watched
from supervisor import Backoff, Limit, Me, Running, Supervisor, actor
from supervisor.testing import run_virtually

TOKEN = "sesame"
PATHS = ["/", "/events", "/explain", "/failures.json", "/healthz", "/livez", "/metrics", "/readyz", "/tree.json"]
MAY_BE_503 = ("/healthz", "/readyz")


@actor()
async def sick(me: Me) -> None:
    """Expose what no actor should: an owner of data that is not live, with values that are no JSON."""
    stream = StreamVital("\ud800", live=False, reason="\x00\u2028", age=float("nan"), limit=1.0)
    me.expose(lambda: facts("feed", "x", required=True, streams=[stream], odd=object()))  # type: ignore[arg-type]
    await trio.sleep_forever()


@actor()
async def raving(me: Me) -> None:
    """Expose numbers that are none."""
    streams = [{"name": 5, "live": "yes", "age": "old", "gaps": None}]
    me.expose(lambda: {"vital": "feed", "venue": "x", "required": True, "streams": streams})
    await trio.sleep_forever()


@actor(first_start="retry", backoff=Backoff(1, 1, 1))
async def failing(me: Me) -> None:
    raise RuntimeError("\ud800 <b>\x00")


@actor(on={OSError: "park"}, first_start="retry")
async def parked(me: Me) -> None:
    raise OSError("no")


TREE = Supervisor(
    "bot", [sick.child("sick"), raving.child("raving"), failing.child("ü"), parked.child("parked")], limit=Limit(10**6)
)

letters = st.text(st.characters(min_codepoint=0x21, max_codepoint=0xFF, exclude_characters="\x7f"), max_size=40)
targets = st.builds(
    lambda path, query: path + query,
    st.sampled_from(PATHS) | letters.map(lambda text: f"/{text}"),
    st.just("")
    | st.sampled_from(["bot", "bot/sick", "bot/%C3%BC", "bot/%ff", "%00", "bot/nobody", "bot//", "/"]).map(
        "?path={}".format
    )
    | letters.map(lambda text: f"?{text}")
    | letters.map(lambda text: f"?format=json&path={text}"),
)
headers = st.lists(
    st.tuples(
        st.sampled_from(["Accept", "Authorization", "Origin", "Range", "If-None-Match", "Content-Length", "Expect",
                         "Transfer-Encoding", "Connection", "Cookie", "X-Any"]),
        st.sampled_from(["application/json", f"Bearer {TOKEN}", f"Bearer {TOKEN}", "Basic !!", "Basic OnNlc2FtZQ==",
                         "http://localhost", "http://evil.example", "0", "5", "-1", "chunked", "gzip", "close",
                         "100-continue", "bytes=0-1,-2", "\xff\xfe", ""]),
    ),
    max_size=5,
)  # fmt: skip
methods = st.sampled_from(["GET", "GET", "GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "TRACE", "PATCH", "BREW"])


@settings(max_examples=150, deadline=None)
@given(methods, targets, headers, st.booleans(), st.booleans())
def test_no_request_gets_an_error_of_the_server_but_for_the_declared_503(
    method: str, target: str, given: list[tuple[str, str]], secret: bool, started: bool
) -> None:
    reported: list[str] = []
    codes: list[int] = []

    async def main() -> None:
        running = Running(TREE, seed=1)
        if started:
            async with running.opened():
                await trio.sleep(2.5)
                await talk(running)
        else:
            await talk(running)

    async def talk(running: Running) -> None:
        endpoint: Endpoint

        def report(request: Request, error: Exception) -> None:
            reported.append(f"{type(error).__name__}: {error}")

        watched = Watched(running, ["bot/parked"], lambda: _counters(endpoint))
        events = EventsStream(running, 1, lambda: endpoint.streams)
        endpoint = Endpoint(Routes(watched, Access(TOKEN if secret else None), events), Bounds(), report)
        ours, theirs = memory_stream_pair()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(endpoint.serve, theirs)
            lines = [f"{method} {target} HTTP/1.1", "Host: localhost", *(f"{name}: {value}" for name, value in given)]
            await ours.send_all("\r\n".join([*lines, "", ""]).encode("latin-1"))
            client = h11.Connection(h11.CLIENT)
            client.send(h11.Request(method=method, target="/", headers=[("Host", "x")]))
            client.send(h11.EndOfMessage())
            # A stream of events has no end; anything else has one within the bounds.
            with trio.move_on_after(30):
                while not isinstance(event := client.next_event(), h11.EndOfMessage):
                    if event is h11.NEED_DATA:
                        data = await ours.receive_some(65536)
                        if not data and not codes:
                            break  # It has waited long enough for a body that never came.
                        client.receive_data(data)
                    elif isinstance(event, h11.Response):
                        codes.append(event.status_code)
            await ours.aclose()
            nursery.cancel_scope.cancel("it is answered")

    run_virtually(main)
    path = target.partition("?")[0]
    assert reported == []
    assert codes or {"Content-Length", "Transfer-Encoding"} & {name for name, _ in given}
    assert all(code < 500 or (code == 503 and path in MAY_BE_503) for code in codes), codes
