"""The server's half of RFC 6455: frames in, frames out. Pure bytes.

Written here, and not taken from a library, because an exchange that is to misbehave must be able to: it counts the
client's ping and pong frames, withholds answers, and sends what no well-behaved library would send.
"""

from __future__ import annotations

import enum
import struct
from collections.abc import Iterator

import attrs


class Opcode(enum.IntEnum):
    """RFC 6455, 5.2."""

    CONTINUATION = 0x0
    TEXT = 0x1
    BINARY = 0x2
    CLOSE = 0x8
    PING = 0x9
    PONG = 0xA


class FrameError(Exception):
    """The client broke the protocol.

    Args:
        code: the close code that the standard demands.
        message: what was wrong.
    """

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code


@attrs.frozen
class Message:
    """A whole message, its fragments joined, or a control frame."""

    opcode: Opcode
    payload: bytes

    def close_code(self) -> int:
        """The code of a CLOSE; 1005 when the client gave none."""
        return int.from_bytes(self.payload[:2], "big") if len(self.payload) >= 2 else 1005


def encode(opcode: Opcode, payload: bytes, *, fin: bool = True) -> bytes:
    """One unmasked frame, as servers send it."""
    head = (0x80 if fin else 0) | opcode
    size = len(payload)
    if size < 126:
        return bytes((head, size)) + payload
    if size < 65_536:
        return struct.pack("!BBH", head, 126, size) + payload
    return struct.pack("!BBQ", head, 127, size) + payload


def encode_close(code: int, reason: str = "") -> bytes:
    """A close frame; the reason is cut to what a control frame can hold."""
    return encode(Opcode.CLOSE, struct.pack("!H", code) + reason.encode()[:123])


class FrameReader:
    """Takes bytes as they come and gives whole messages.

    Args:
        largest: bytes of one message above which the connection ends with 1009.
    """

    def __init__(self, largest: int) -> None:
        self._largest = largest
        self._buffer = bytearray()
        self._fragments: bytearray | None = None
        self._opcode = Opcode.TEXT

    def feed(self, data: bytes | bytearray) -> Iterator[Message]:
        """Add bytes and give the messages that became whole.

        Raises:
            FrameError: the client broke the protocol; what came before the offending frame has been given.
        """
        self._buffer += data
        while (message := self._next()) is not None:
            if message is not _PARTIAL:
                yield message

    def _next(self) -> Message | None:
        buffer = self._buffer
        if len(buffer) < 2:
            return None
        first, second = buffer[0], buffer[1]
        if first & 0x70:
            raise FrameError(1002, "reserved bits without an extension")
        if not second & 0x80:
            raise FrameError(1002, "a client must mask its frames")
        try:
            opcode = Opcode(first & 0x0F)
        except ValueError:
            raise FrameError(1002, f"unknown opcode {first & 0x0F}") from None
        size, start = second & 0x7F, 2
        control = opcode >= Opcode.CLOSE
        if control and (size > 125 or not first & 0x80):
            raise FrameError(1002, "a control frame is short and whole")
        if size >= 126:
            start = 4 if size == 126 else 10
            if len(buffer) < start:
                return None
            size = int.from_bytes(buffer[2:start], "big")
        held = len(self._fragments) if self._fragments is not None and not control else 0
        if size + held > self._largest:
            raise FrameError(1009, f"a message of more than {self._largest} bytes")
        end = start + 4 + size
        if len(buffer) < end:
            return None
        payload = _unmask(bytes(buffer[start + 4 : end]), bytes(buffer[start : start + 4]))
        del buffer[:end]
        return Message(opcode, payload) if control else self._data(opcode, payload, fin=bool(first & 0x80))

    def _data(self, opcode: Opcode, payload: bytes, *, fin: bool) -> Message:
        if (opcode is Opcode.CONTINUATION) != (self._fragments is not None):
            raise FrameError(1002, "fragments out of order")
        if self._fragments is None:
            self._fragments, self._opcode = bytearray(), opcode
        self._fragments += payload
        if not fin:
            return _PARTIAL
        whole, self._fragments = bytes(self._fragments), None
        if self._opcode is Opcode.TEXT:
            try:
                whole.decode()
            except UnicodeDecodeError:
                raise FrameError(1007, "text that is not UTF-8") from None
        return Message(self._opcode, whole)


_PARTIAL = Message(Opcode.CONTINUATION, b"")
"""Says that a frame was taken which did not complete its message."""


def _unmask(payload: bytes, mask: bytes) -> bytes:
    size = len(payload)
    key = (mask * (size // 4 + 1))[:size]
    return (int.from_bytes(payload, "big") ^ int.from_bytes(key, "big")).to_bytes(size, "big")
