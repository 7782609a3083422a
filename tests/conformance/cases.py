"""What a server may send, and what a client must make of it, numbered as the cases of Autobahn|Testsuite.

The expectations were written down from RFC 6455; where the suite's numbering has a variant of one idea for each byte,
one variant stands for it. `whole` frames come from `frame`, broken ones are spelled out.
"""

from collections.abc import Iterator

import attrs

from ..actors.ws_peer import CLOSE, PING, PONG, TEXT, frame

BINARY = 2
CONTINUATION = 0
GREEK = "κόσμε".encode()


@attrs.frozen
class Case:
    """One case.

    Attributes:
        id: Its number in the suite; ``own-...`` for what the suite leaves out.
        sent: What the server sends behind its handshake.
        messages: Opcode and payload of the messages that must reach the user.
        pongs: Payloads of the pongs that must come back, in their order.
        code: With which close code the client must end the connection; None: it must be content.
        told: Which code the user is told; None: the same as ``code``, or 1000, with which the server ends.
    """

    id: str
    sent: bytes
    messages: tuple[tuple[int, bytes], ...] = ()
    pongs: tuple[bytes, ...] = ()
    code: int | None = None
    told: int | None = None
    max_message: int = 1 << 25


def text(payload: bytes, *, final: bool = True) -> bytes:
    return frame(TEXT, payload, final=final)


def more(payload: bytes, *, final: bool = False) -> bytes:
    return frame(CONTINUATION, payload, final=final)


def with_bits(bits: int, data: bytes) -> bytes:
    return bytes([data[0] | bits]) + data[1:]


def close(code: int, reason: bytes = b"") -> bytes:
    return frame(CLOSE, code.to_bytes(2, "big") + reason)


HELLO = (TEXT, b"Hello")


def framing() -> Iterator[Case]:
    for section, opcode, fill in ((1, TEXT, b"*"), (2, BINARY, b"\xfe")):
        for number, size in enumerate((0, 125, 126, 127, 128, 65535, 65536), 1):
            yield Case(f"1.{section}.{number}", frame(opcode, fill * size), ((opcode, fill * size),))


def pings() -> Iterator[Case]:
    for number, payload in ((1, b""), (2, b"Hello"), (3, b"\x00\xff\xfe\xfd\xfc\xfb\x00\xff"), (4, b"\xfe" * 125)):
        yield Case(f"2.{number}", frame(PING, payload), pongs=(payload,))
    yield Case("2.5", frame(PING, b"\xfe" * 126), code=1002)
    yield Case("2.7", frame(PONG))
    yield Case("2.8", frame(PONG, b"unsolicited"))
    yield Case("2.9", frame(PONG, b"unsolicited") + frame(PING, b"ping"), pongs=(b"ping",))
    ten = tuple(b"payload-%d" % number for number in range(10))
    yield Case("2.10", b"".join(frame(PING, payload) for payload in ten), pongs=ten)


def reserved_bits() -> Iterator[Case]:
    hello = text(b"Hello")
    yield Case("3.1", with_bits(0x10, hello), code=1002)
    yield Case("3.2", hello + with_bits(0x20, hello) + frame(PING), (HELLO,), code=1002)
    yield Case("3.4", hello + with_bits(0x40, hello) + frame(PING), (HELLO,), code=1002)
    yield Case("3.5", with_bits(0x50, frame(BINARY, b"\x00\xff")), code=1002)
    yield Case("3.6", with_bits(0x60, frame(PING)), code=1002)
    yield Case("3.7", with_bits(0x70, close(1000)), code=1002)


def opcodes() -> Iterator[Case]:
    for section, reserved in ((1, range(3, 8)), (2, range(11, 16))):
        for number, opcode in enumerate(reserved, 1):
            for before in (b"", text(b"Hello")):
                messages = (HELLO,) if before else ()
                payload = b"reserved" if number % 2 else b""
                name = f"4.{section}.{number}" + ("" if before else "-alone")
                yield Case(name, before + frame(opcode, payload) + frame(PING), messages, code=1002)


def fragments() -> Iterator[Case]:
    yield Case("5.1", frame(PING, b"fragment1", final=False) + more(b"fragment2", final=True), code=1002)
    yield Case("5.2", frame(PONG, b"fragment1", final=False) + more(b"fragment2", final=True), code=1002)
    two = text(b"fragment1", final=False), more(b"fragment2", final=True)
    both = ((TEXT, b"fragment1fragment2"),)
    yield Case("5.3", b"".join(two), both)
    yield Case("5.6", two[0] + frame(PING, b"ping") + two[1], both, (b"ping",))
    yield Case("5.9", more(b"non-continuation", final=True) + text(b"Hello"), code=1002)
    yield Case("5.12", more(b"non-continuation") + text(b"Hello"), code=1002)
    yield Case("5.15", b"".join(two) + more(b"fragment3") + text(b"fragment4"), both, code=1002)
    yield Case("5.16", 2 * (more(b"fragment1") + text(b"fragment2", final=False)), code=1002)
    yield Case("5.18", text(b"fragment1", final=False) + text(b"fragment2"), code=1002)
    parts = [b"fragment%d" % number for number in range(1, 6)]
    sent = (
        text(parts[0], final=False)
        + more(parts[1])
        + frame(PING, b"1!")
        + more(parts[2])
        + more(parts[3])
        + frame(PING, b"2!")
        + more(parts[4], final=True)
    )
    yield Case("5.19", sent, ((TEXT, b"".join(parts)),), (b"1!", b"2!"))


# Autobahn 6.5 to 6.22, after Markus Kuhn's "UTF-8 decoder capability and stress test".
VALID = {
    "6.2.1": b"Hello-\xc2\xb5@\xc3\x9f\xc3\xb6\xc3\xa4\xc3\xbc\xc3\xa0\xc3\xa1-UTF-8!!",
    "6.5.1": GREEK,
    "6.6.11": GREEK,
    "6.7.1": b"\x00",
    "6.7.2": b"\xc2\x80",
    "6.7.3": b"\xe0\xa0\x80",
    "6.7.4": b"\xf0\x90\x80\x80",
    "6.9.1": b"\x7f",
    "6.9.2": b"\xdf\xbf",
    "6.9.3": b"\xef\xbf\xbf",
    "6.9.4": b"\xf4\x8f\xbf\xbf",
    "6.11.1": b"\xed\x9f\xbf",
    "6.11.2": b"\xee\x80\x80",
    "6.11.4": b"\xf4\x8f\xbf\xbf",
    "6.22.1": b"\xef\xbf\xbe",
    "6.22.34": b"\xf4\x8f\xbf\xbf",
    "6.23.1": b"\xef\xbf\xbd",
}
INVALID = {
    "6.3.1": GREEK + b"\xed\xa0\x80" + b"edited",
    "6.6.1": b"\xce",
    "6.6.3": b"\xce\xba\xe1",
    "6.8.1": b"\xf8\x88\x80\x80\x80",
    "6.8.2": b"\xfc\x84\x80\x80\x80\x80",
    "6.10.1": b"\xf7\xbf\xbf\xbf",
    "6.10.3": b"\xfd\xbf\xbf\xbf\xbf\xbf",
    "6.11.5": b"\xf4\x90\x80\x80",
    "6.12.1": b"\x80",
    "6.12.2": b"\xbf",
    "6.12.3": b"\x80\xbf",
    "6.12.8": b"\x80\xbf\x80\xbf\x80\xbf\xbe",
    "6.13.1": b"\xc0 \xc1 \xc2 \xc3 ",
    "6.13.3": b"\xf0 \xf1 \xf2 ",
    "6.14.1": b"\xc0",
    "6.14.2": b"\xe0\x80",
    "6.14.3": b"\xf0\x80\x80",
    "6.14.6": b"\xdf",
    "6.14.7": b"\xef\xbf",
    "6.15.1": b"\xc0\xe0\x80\xf0\x80\x80",
    "6.16.1": b"\xfe",
    "6.16.2": b"\xff",
    "6.17.1": b"\xc0\xaf",
    "6.17.2": b"\xe0\x80\xaf",
    "6.17.3": b"\xf0\x80\x80\xaf",
    "6.18.1": b"\xc1\xbf",
    "6.19.1": b"\xc0\x80",
    "6.20.1": b"\xed\xa0\x80",
    "6.20.7": b"\xed\xbf\xbf",
    "6.21.1": b"\xed\xa0\x80\xed\xb0\x80",
}


def utf8() -> Iterator[Case]:
    yield Case("6.1.1", text(b""), ((TEXT, b""),))
    yield Case("6.1.2", text(b"", final=False) + more(b"") + more(b"", final=True), ((TEXT, b""),))
    yield Case("6.1.3", text(b"", final=False) + more(b"middle") + more(b"", final=True), ((TEXT, b"middle"),))
    for name, payload in VALID.items():
        yield Case(name, text(payload), ((TEXT, payload),))
    for name, payload in INVALID.items():
        yield Case(name, text(payload), code=1007)
    whole = VALID["6.2.1"]
    pieces = b"".join(more(whole[at : at + 1]) for at in range(1, len(whole)))
    yield Case("6.2.3", text(whole[:1], final=False) + pieces + more(b"", final=True), ((TEXT, whole),))
    # The server does not send the rest, so a client that waits for it is found out.
    yield Case("6.4.1", text(GREEK, final=False) + more(b"\xf4\x90\x80\x80"), code=1007)
    yield Case("6.4.2", text(GREEK + b"\xf4", final=False) + more(b"\x90"), code=1007)
    yield Case("6.4.3", text(GREEK + b"\xf4\x90" + b"\x80\x80edited")[:-8], code=1007)
    yield Case("6.4.4", text(GREEK + b"\xf4\x90" + b"\x80\x80edited")[:-8], code=1007)


def closing() -> Iterator[Case]:
    yield Case("7.1.1", text(b"Hello") + close(1000), (HELLO,), told=1000)
    yield Case("7.1.2", close(1000) + close(1000), told=1000)
    yield Case("7.1.3", close(1000) + frame(PING), told=1000)
    yield Case("7.1.4", close(1000) + text(b"Hello"), told=1000)
    yield Case("7.1.5", text(b"fragment1", final=False) + close(1000) + more(b"2", final=True), told=1000)
    yield Case("7.3.1", frame(CLOSE), told=1005)
    yield Case("7.3.2", frame(CLOSE, b"a"), code=1002)
    yield Case("7.3.3", close(1000), told=1000)
    yield Case("7.3.4", close(1000, b"Hello World!"), told=1000)
    yield Case("7.3.5", close(1000, b"*" * 123), told=1000)
    yield Case("7.3.6", close(1000, b"*" * 124), code=1002)
    yield Case("7.5.1", close(1000, GREEK + b"\xed\xa0\x80"), code=1007)
    for number, code in enumerate((1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 3000, 3999, 4000, 4999), 1):
        yield Case(f"7.7.{number}", close(code), told=code)
    for number, code in enumerate((0, 999, 1004, 1005, 1006, 1016, 1100, 2000, 2999), 1):
        yield Case(f"7.9.{number}", close(code), code=1002)
    yield Case("7.13.1", close(5000), code=1002)
    yield Case("7.13.2", close(65535), code=1002)
    for code in (1012, 1013, 1014):
        yield Case(f"own-close-{code}", close(code), told=code)
    yield Case("own-close-1015", close(1015), code=1002)


def limits() -> Iterator[Case]:
    big = b"*" * (1 << 18)
    yield Case("9.1", text(big), ((TEXT, big),))
    yield Case("9.2", frame(BINARY, big), ((BINARY, big),))
    pieces = [more(big[at : at + 1024]) for at in range(1024, len(big), 1024)]
    yield Case("9.3", text(big[:1024], final=False) + b"".join(pieces) + more(b"", final=True), ((TEXT, big),))
    yield Case("9.7", 1000 * text(b"x" * 16), 1000 * ((TEXT, b"x" * 16),))
    pieces = [more(big[at : at + 1300]) for at in range(1300, 65536, 1300)]
    length = 1300 * (len(pieces) + 1)
    yield Case(
        "10.1.1", text(big[:1300], final=False) + b"".join(pieces) + more(b"", final=True), ((TEXT, big[:length]),)
    )
    yield Case("own-longest", text(b"x" * 1000), ((TEXT, b"x" * 1000),), max_message=1000)
    yield Case("own-too-long", text(b"Hello") + text(b"x" * 1001), (HELLO,), code=1009, max_message=1000)
    yield Case("own-too-long-by-header", b"\x81\x7f" + (1 << 62).to_bytes(8, "big"), code=1009)
    halves = text(b"x" * 600, final=False) + more(b"x" * 401)
    yield Case("own-too-long-in-fragments", halves, code=1009, max_message=1000)


def lengths_and_masks() -> Iterator[Case]:
    yield Case("own-length-126-for-125", b"\x81\x7e\x00\x7d" + b"x" * 125, code=1002)
    yield Case("own-length-127-for-65535", b"\x82\x7f" + (65535).to_bytes(8, "big") + b"x" * 65535, code=1002)
    yield Case("own-length-127-for-1", b"\x81\x7f" + (1).to_bytes(8, "big") + b"x", code=1002)
    yield Case("own-length-top-bit", b"\x82\x7f" + (1 << 63).to_bytes(8, "big"), code=1002)
    yield Case("own-masked-text", b"\x81\x85\x00\x00\x00\x00Hello", code=1002)
    yield Case("own-masked-ping", b"\x89\x80\x00\x00\x00\x00", code=1002)


CASES = [
    *framing(),
    *pings(),
    *reserved_bits(),
    *opcodes(),
    *fragments(),
    *utf8(),
    *closing(),
    *limits(),
    *lengths_and_masks(),
]
