"""The server's frame codec against frames that an independent implementation wrote."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from websockets.frames import Frame
from websockets.frames import Opcode as TheirOpcode

from actors.simulator._frames import FrameError, FrameReader, Message, Opcode, encode, encode_close


def masked(opcode: int, payload: bytes, *, fin: bool = True) -> bytes:
    return Frame(TheirOpcode(opcode), payload, fin).serialize(mask=True)


payloads = st.text(max_size=300).map(str.encode) | st.sampled_from([b"a" * 125, b"a" * 126, b"a" * 65_536])
sent = st.lists(st.tuples(st.sampled_from([Opcode.TEXT, Opcode.BINARY]), payloads), max_size=5)


@settings(deadline=None)  # shared machines stall
@given(sent, st.integers(1, 40))
def test_messages_survive_any_cutting_of_the_bytes(messages: list[tuple[Opcode, bytes]], piece: int) -> None:
    reader = FrameReader(70_000)
    data = b"".join(masked(opcode, payload) for opcode, payload in messages)
    size = max(piece, len(data) // 200)
    got = [message for at in range(0, len(data), size) for message in reader.feed(data[at : at + size])]
    assert got == [Message(opcode, payload) for opcode, payload in messages]


@settings(deadline=None)  # shared machines stall
@given(st.lists(st.binary(max_size=20), min_size=1, max_size=6))
def test_fragments_join_and_let_control_frames_through(parts: list[bytes]) -> None:
    data = b""
    for index, part in enumerate(parts):
        opcode = Opcode.CONTINUATION if index else Opcode.BINARY
        data += masked(opcode, part, fin=index == len(parts) - 1) + masked(Opcode.PING, bytes([index]))
    got = list(FrameReader(1000).feed(data))
    assert [message.payload for message in got if message.opcode is Opcode.BINARY] == [b"".join(parts)]
    assert sum(message.opcode is Opcode.PING for message in got) == len(parts)


@settings(deadline=None)  # shared machines stall
@given(st.sampled_from([b"", b"x" * 125, b"x" * 126, b"x" * 65_535, b"x" * 65_536]), st.booleans())
def test_encoded_frames_are_what_the_independent_codec_writes(payload: bytes, fin: bool) -> None:
    assert encode(Opcode.TEXT, payload, fin=fin) == Frame(TheirOpcode.TEXT, payload, fin).serialize(mask=False)


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (Frame(TheirOpcode.TEXT, b"{}").serialize(mask=False), 1002),
        (bytes([0xC1, 0x80]) + bytes(4), 1002),
        (bytes([0x83, 0x80]) + bytes(4), 1002),
        (bytes([0x09, 0x80]) + bytes(4), 1002),
        (masked(Opcode.CONTINUATION, b"x"), 1002),
        (masked(Opcode.TEXT, b"x", fin=False) + masked(Opcode.TEXT, b"x"), 1002),
        (masked(Opcode.TEXT, b"\xff"), 1007),
        (masked(Opcode.TEXT, b"x" * 1001), 1009),
        (masked(Opcode.TEXT, b"x" * 600, fin=False) + masked(Opcode.CONTINUATION, b"x" * 600), 1009),
    ],
    # Masks are random, and names of tests must not be.
    ids=[
        "not masked", "reserved bit", "reserved opcode", "ping in pieces", "nothing to continue", "not continued",
        "not UTF-8", "too long", "too long in pieces",
    ],
)  # fmt: skip
def test_each_breach_of_the_protocol_has_its_close_code(data: bytes, code: int) -> None:
    with pytest.raises(FrameError) as caught:
        list(FrameReader(1000).feed(data))
    assert caught.value.code == code


def test_messages_before_a_breach_are_still_given() -> None:
    messages = FrameReader(1000).feed(masked(Opcode.TEXT, b"{}") + b"\xff\xff")
    assert next(messages) == Message(Opcode.TEXT, b"{}")
    with pytest.raises(FrameError):
        next(messages)


def test_close_frames_carry_code_and_reason() -> None:
    assert encode_close(1008, "Too many requests") == b"\x88\x13\x03\xf0Too many requests"
    assert Message(Opcode.CLOSE, b"").close_code() == 1005
