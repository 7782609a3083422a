"""TLS and proxies, on real sockets: who is trusted, who is not, and that nothing hangs or shows a password."""

import gc
import socket
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import trio
import trustme

from actors._errors import ConnectFailed, HttpFailure
from actors._net._dial import Dial, ProxyFailed, proxied, system_dial, tls_context
from actors._net._http import open_http
from actors._net._wire import open_wire
from actors._source import HttpRequest

from ..proxies import Tunnels, connect_proxy, listening, says, socks_proxy
from ..ws_peer import CLOSE, TEXT, Peer, frame

SECRET = "open sesame/:@"
USER = f"me:{SECRET}"
ESCAPED = "me:open%20sesame%2F%3A%40"
KINDS = {"http": connect_proxy, "socks5": socks_proxy}


class Exchange:
    """A server that speaks WebSocket and REST, over TLS or not."""

    def __init__(self, context: ssl.SSLContext | None) -> None:
        self.context = context
        self.names: list[str | None] = []
        if context is not None:
            context.sni_callback = lambda _object, name, _context: self.names.append(name)

    async def answer(self, stream: trio.SocketStream) -> None:
        secure: Any = stream
        if self.context is not None:
            secure = trio.SSLStream(stream, self.context, server_side=True, https_compatible=True)
        peer = Peer(secure)
        await peer.read_request()
        if b"pgrade: websocket" not in peer.request:
            await secure.send_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
            await secure.receive_some(1)
            return
        read, peer.read_request = peer.request, trio.lowlevel.checkpoint  # type: ignore[method-assign]
        assert read
        await peer.handshake()
        await secure.send_all(frame(TEXT, b"hello"))
        await peer.receive_until(CLOSE)


@pytest.fixture(scope="module")
def ca() -> trustme.CA:
    return trustme.CA()


def server_context(ca: trustme.CA, name: str = "localhost") -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    ca.issue_cert(name).configure_cert(context)
    return context


def client_context(ca: trustme.CA) -> ssl.SSLContext:
    context = ssl.create_default_context()
    ca.configure_trust(context)
    return context


@asynccontextmanager
async def exchange(context: ssl.SSLContext | None = None) -> AsyncIterator[tuple[Exchange, int]]:
    server = Exchange(context)
    async with listening(server.answer) as address:
        yield server, int(address.rpartition(":")[2])


async def greeting(url: str, **options: Any) -> bytes:
    with trio.fail_after(5):
        async with open_wire(url, close_timeout=0.05, **options) as wire:
            [message] = await wire.receive_many()
            return message


async def reply(base: str, **options: Any) -> bytes:
    with trio.fail_after(5):
        async with open_http(base, lambda _request, _reply: None, **options) as http:
            return (await http.request(HttpRequest("GET", "/api"))).body


@pytest.mark.parametrize("form", ["context", "file", "text", "folder"])
async def test_an_own_authority_is_trusted(form: str, ca: trustme.CA, tmp_path: Path) -> None:
    pem = tmp_path / "ca.pem"
    ca.cert_pem.write_to_path(pem)
    hashed = tmp_path / "hashed"
    hashed.mkdir()
    forms = {"context": client_context(ca), "file": pem, "text": str(pem), "folder": hashed}
    if form == "folder":
        # OpenSSL finds certificates in a folder by the hash of their names.
        for number in range(3):
            (hashed / f"{subject_hash(pem)}.{number}").write_bytes(pem.read_bytes())
    async with exchange(server_context(ca)) as (server, port):
        assert await greeting(f"wss://localhost:{port}", tls=forms[form]) == b"hello"
        assert await reply(f"https://localhost:{port}", tls=forms[form]) == b"ok"
        assert server.names == ["localhost", "localhost"], "the server is told which name is meant"


def subject_hash(pem: Path) -> str:
    import subprocess

    done = subprocess.run(["openssl", "x509", "-hash", "-noout", "-in", str(pem)], capture_output=True, check=False)
    if done.returncode:
        pytest.skip("no openssl to hash the name with")
    return done.stdout.decode().strip()


async def test_an_authority_that_is_not_trusted_is_refused(ca: trustme.CA, tmp_path: Path) -> None:
    other = tmp_path / "other.pem"
    trustme.CA().cert_pem.write_to_path(other)
    async with exchange(server_context(ca)) as (_, port):
        for tls in (None, other):
            with pytest.raises(ConnectFailed, match=r"TLS failed: the certificate is refused: .*issuer"):
                await greeting(f"wss://localhost:{port}", tls=tls)
            with pytest.raises(HttpFailure, match=r"not connected: .*the certificate is refused: .*issuer"):
                await reply(f"https://localhost:{port}", tls=tls)
    gc.collect()  # an open socket left behind would be a ResourceWarning, and so an error


async def test_a_certificate_for_another_host_is_refused(ca: trustme.CA) -> None:
    async with exchange(server_context(ca, "exchange.example")) as (_, port):
        with pytest.raises(ConnectFailed, match="the certificate is refused: Hostname mismatch"):
            await greeting(f"wss://localhost:{port}", tls=client_context(ca))
        with pytest.raises(HttpFailure, match="the certificate is refused: Hostname mismatch"):
            await reply(f"https://localhost:{port}", tls=client_context(ca))


async def test_a_tls_handshake_that_hangs_is_given_up_in_time() -> None:
    async with listening(lambda _stream: trio.sleep_forever()) as address:
        with trio.fail_after(3), pytest.raises(ConnectFailed, match=r"not connected within 0.1 s"):
            async with open_wire(f"wss://{address}", connect_timeout=0.1):
                pass
        with trio.fail_after(3), pytest.raises(HttpFailure):
            await reply(f"https://{address}", timeout=0.1)


def test_certificates_are_checked_unless_a_context_says_otherwise(tmp_path: Path) -> None:
    context = tls_context(None)
    assert context.check_hostname
    assert context.verify_mode is ssl.CERT_REQUIRED
    lax = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    assert tls_context(lax) is lax
    for path in (tmp_path / "missing.pem", tmp_path / "empty.pem"):
        if path.name == "empty.pem":
            path.write_text("no certificate")
        with pytest.raises(ValueError, match="no certificates can be read from"):
            tls_context(path)


async def test_missing_certificates_are_told_before_anything_is_dialled() -> None:
    with pytest.raises(ValueError, match="no certificates"):
        await greeting("wss://localhost:1", tls="/nowhere/ca.pem")


class Names(trio.abc.HostnameResolver):
    """A name service that knows these addresses."""

    def __init__(self, *addresses: str) -> None:
        self.addresses = addresses

    async def getaddrinfo(self, host: Any, port: Any, *_args: Any, **_options: Any) -> Any:
        await trio.lowlevel.checkpoint()
        if not self.addresses:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        families = {True: socket.AF_INET6, False: socket.AF_INET}
        return [
            (families[":" in each], socket.SOCK_STREAM, socket.IPPROTO_TCP, "", (each, port)) for each in self.addresses
        ]

    async def getnameinfo(self, sockaddr: Any, flags: int) -> Any:
        raise NotImplementedError


async def test_a_name_without_an_address_says_so() -> None:
    trio.socket.set_custom_hostname_resolver(Names())
    with pytest.raises(ConnectFailed, match=r"the name no.example does not resolve: Name or service not known"):
        await greeting("wss://no.example")
    with pytest.raises(HttpFailure, match=r"the name no.example does not resolve"):
        await reply("https://no.example")


async def test_of_two_addresses_the_one_that_answers_is_taken() -> None:
    async with exchange() as (_, port):
        trio.socket.set_custom_hostname_resolver(Names("::1", "127.0.0.2", "127.0.0.1"))
        assert await greeting(f"ws://two.example:{port}") == b"hello"


async def test_when_no_address_answers_each_is_told() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
    trio.socket.set_custom_hostname_resolver(Names("127.0.0.2", "127.0.0.1"))
    with pytest.raises(ConnectFailed, match="ConnectionRefusedError"):
        await greeting(f"ws://two.example:{port}")


# Proxies.


@asynccontextmanager
async def proxying(kind: str, user: str | None = None) -> AsyncIterator[tuple[Tunnels, str]]:
    tunnels = Tunnels({"exchange.example": "127.0.0.1"})
    async with listening(partial(KINDS[kind], tunnels, user)) as address:
        yield tunnels, address


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("user", [None, USER], ids=["open", "with a password"])
async def test_both_ways_to_an_exchange_lead_through_the_proxy(kind: str, user: str | None) -> None:
    async with exchange() as (_, port), proxying(kind, user) as (tunnels, address):
        dial = proxied(f"{kind}://{ESCAPED + '@' if user else ''}{address}")
        assert await greeting(f"ws://exchange.example:{port}", dial=dial) == b"hello"
        assert await greeting(f"ws://127.0.0.1:{port}", dial=dial) == b"hello"
        assert await reply(f"http://exchange.example:{port}", dial=dial) == b"ok"
        assert tunnels.asked == [("exchange.example", port), ("127.0.0.1", port), ("exchange.example", port)]


@pytest.mark.parametrize("kind", KINDS)
async def test_tls_through_a_proxy_is_with_the_exchange(kind: str, ca: trustme.CA) -> None:
    tls = client_context(ca)
    async with exchange(server_context(ca, "exchange.example")) as (server, port), proxying(kind) as (_, address):
        dial = proxied(f"{kind}://{address}")
        assert await greeting(f"wss://exchange.example:{port}", dial=dial, tls=tls) == b"hello"
        assert await reply(f"https://exchange.example:{port}", dial=dial, tls=tls) == b"ok"
        assert server.names == ["exchange.example", "exchange.example"]
        with pytest.raises(ConnectFailed, match="certificate is refused"):
            await greeting(f"wss://127.0.0.1:{port}", dial=dial, tls=tls)


async def test_a_proxy_can_be_reached_by_tls_and_through_another(ca: trustme.CA) -> None:
    tunnels = Tunnels({"inner.example": "127.0.0.1", "exchange.example": "127.0.0.1"})

    async def secure(stream: trio.SocketStream) -> None:
        wrapped: Any = trio.SSLStream(stream, server_context(ca, "inner.example"), server_side=True)
        await connect_proxy(tunnels, USER, wrapped)

    async with exchange() as (_, port), listening(secure) as inner, proxying("socks5") as (outer, address):
        outer.names["inner.example"] = "127.0.0.1"
        inner_port = inner.rpartition(":")[2]
        way = proxied(f"socks5h://{address}")
        dial = proxied(f"https://{ESCAPED}@inner.example:{inner_port}", dial=way, tls=client_context(ca))
        assert await greeting(f"ws://exchange.example:{port}", dial=dial) == b"hello"
        assert (outer.asked, tunnels.asked) == (
            [("inner.example", int(inner_port))],
            [("exchange.example", port)],
        )
        with pytest.raises(ConnectFailed, match="is not reached: TLS failed: the certificate is refused"):
            await greeting(f"ws://exchange.example:{port}", dial=proxied(f"https://{inner}"))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("credentials", ["me:wrong-word@", ""])
async def test_a_wrong_password_fails_to_connect_and_is_not_shown(kind: str, credentials: str) -> None:
    async with proxying(kind, USER) as (tunnels, address):
        dial = proxied(f"{kind}://{credentials}{address}")
        with pytest.raises(ConnectFailed, match=f"the proxy {kind}://{address} refused") as caught:
            await greeting("ws://exchange.example", dial=dial)
        with pytest.raises(HttpFailure, match=r"not connected: .*refused") as caught_too:
            await reply("http://exchange.example", dial=dial)
        assert tunnels.asked == []
    shown = repr(dial) + str(dial)
    for error in (caught.value, caught_too.value):
        shown += str(error) + repr(error) + repr(error.__cause__) + repr(error.__context__)
    assert "wrong" not in shown
    assert "me:" not in shown
    gc.collect()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 403 Forbidden\r\n\r\n",
        b"HTTP/1.1 502 Bad Gateway\r\n\r\n",
        b"\x05\x00\x05\x02\x00\x01\x00\x00\x00\x00\x00\x00",  # not allowed by the rules
        b"\x05\x02",  # asks for a password that was not offered
        b"\x05\xff",
        b"\x04\x5a",
        b"HTTP/1.1 200",
        b"\r\n\r\n",
        b"x" * 20_000,
        b"",
    ],
)
async def test_whatever_a_proxy_answers_instead_it_fails_to_connect(kind: str, answer: bytes) -> None:
    async def once(stream: trio.SocketStream) -> None:
        with trio.move_on_after(0.05):
            await says(answer, stream)

    async with listening(once) as address:
        with trio.fail_after(3), pytest.raises(ConnectFailed, match=f"the proxy {kind}://{address}"):
            await greeting("ws://exchange.example", dial=proxied(f"{kind}://{address}"))
    gc.collect()


@pytest.mark.parametrize("kind", KINDS)
async def test_a_proxy_that_hangs_is_given_up_in_time(kind: str) -> None:
    async with listening(lambda _stream: trio.sleep_forever()) as address:
        dial = proxied(f"{kind}://{address}")
        with trio.fail_after(3), pytest.raises(ConnectFailed, match=r"not connected within 0.1 s"):
            async with open_wire("wss://exchange.example", dial=dial, connect_timeout=0.1):
                pass
        with trio.fail_after(3), pytest.raises(HttpFailure):
            await reply("https://exchange.example", dial=dial, timeout=0.1)
    gc.collect()


@pytest.mark.parametrize("kind", KINDS)
async def test_a_proxy_that_is_not_there_fails_to_connect(kind: str) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
    dial = proxied(f"{kind}://127.0.0.1:{port}")
    with pytest.raises(ConnectFailed, match="is not reached: ConnectionRefusedError"):
        await greeting("ws://exchange.example", dial=dial)
    with pytest.raises(ProxyFailed):
        await dial("exchange.example", 80)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "127.0.0.1:1080",
        "ftp://h:1",
        "socks5://",
        "http://u:hidden@:80",
        "http://u:hidden@h:0",
        "http://u:hidden@h:x",
    ],
)
def test_what_is_no_proxy_is_refused_and_not_shown(url: str) -> None:
    with pytest.raises(ValueError, match="a proxy is http://") as caught:
        proxied(url)
    assert "hidden" not in str(caught.value) + repr(caught.value.__cause__)
    assert caught.value.__suppress_context__ or "hidden" not in repr(caught.value.__context__)


def test_a_dial_shows_where_the_proxy_is_and_nothing_more() -> None:
    make: Callable[[str], Dial] = proxied
    assert repr(make(f"http://{ESCAPED}@proxy.example:3128")) == "proxied('http://proxy.example:3128')"
    assert repr(make("socks5://user@[::1]")) == "proxied('socks5://[::1]:1080')"
    assert make("http://a:b@h:1") == make("http://a:b@h:1")
    assert make("http://a:b@h:1") != make("http://a:c@h:1")
    assert system_dial is not None
