"""Takes the messages out of a server's WebSocket bytes: pure, in any chunks, RFC 6455 section 5.

What is taken is data: text and binary messages, whole or in fragments. Control frames come out as they came in, each
whole and each checked, for whoever answers them. The first byte that breaks the protocol ends the splitting, and is
told with the close code that the peer must get.

Text is checked as it comes, so that an invalid byte is told although its message is not finished (the RFC's section
8.1 asks only for the end; a server that sends rubbish for ever would never be told).
"""

from __future__ import annotations

import codecs
import struct
from typing import Final

import attrs

_TEXT: Final = 1
_FINAL: Final = 0x80
_RESERVED: Final = 0x70
_CONTROL: Final = 0x08
_MASKED: Final = 0x80
_WHOLE_TEXT: Final = _FINAL | _TEXT
_HEADER: Final = struct.Struct(">BBH").unpack_from
"""First byte, length, and the longer length if there is one."""

CLOSE: Final = _FINAL | 8
"""First byte of a close frame."""
PROTOCOL_ERROR: Final = 1002
NOT_UTF8: Final = 1007
TOO_BIG: Final = 1009
NO_CODE: Final = 1005
"""Stands for a close frame without a code; never sent."""

_ASSIGNED: Final = frozenset((1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014))
"""Close codes below 3000 that may stand in a frame (RFC 6455, 7.4.1; IANA registry "WebSocket Close Code Number")."""

_ENDS_INSIDE: Final = "text that ends inside a character"

Utf8: Final = codecs.getincrementaldecoder("utf-8")


class Binary(bytes):
    """A message that was sent as binary. Those that were sent as text are plain `bytes`."""

    __slots__ = ()


@attrs.frozen
class Ending:
    """How a connection ended: a close code, and what there is to say about it."""

    code: int
    reason: str


class _Violation(Exception):
    def __init__(self, code: int, reason: str) -> None:
        self.ending = Ending(code, reason)


class FrameSplitter:
    """Splits what a server sends into messages and control frames.

    Args:
        max_message: Bytes of the longest message. A longer one is refused when its length is announced.

    Attributes:
        messages: Complete messages, in their order. Whoever takes them puts an empty list in place.
        control: Complete control frames, in their order, as they came; to be taken in the same way.
        violation: What was wrong with the byte that ended the splitting. What came before it is in the lists.
        closed: Code and reason of the peer's close frame. Whatever comes behind that frame is ignored.
    """

    def __init__(self, max_message: int) -> None:
        self.messages: list[bytes] = []
        self.control: list[bytes] = []
        self.violation: Ending | None = None
        self.closed: Ending | None = None
        self._max_message = max_message
        self._tail = b""
        """The beginning of a header or of a control frame, until the rest is there."""
        # The message under way.
        self._open = False
        self._text = False
        self._parts = bytearray()
        self._utf8: codecs.IncrementalDecoder | None = None
        """Made for the first text in fragments that is not ASCII: connections are many, and most never see one."""
        self._in_character = False
        # The frame under way.
        self._left = 0
        self._final = True

    def feed(self, data: bytes) -> None:
        """Take bytes as they came."""
        if self.violation is not None or self.closed is not None:
            return
        if self._tail:
            data = self._tail + data
            self._tail = b""
        position = 0
        try:
            while position < len(data):
                if self._left:
                    position = self._payload(data, position)
                    continue
                if not self._open:
                    position = self._whole_texts(data, position)
                after = self._header(data, position)
                if after is None:
                    self._tail = data[position:]
                    break
                position = after
        except _Violation as found:
            self.violation = found.ending

    def _whole_texts(self, data: bytes, position: int) -> int:
        """Take unfragmented text messages while there is one whole and plain. This is where nearly all data passes."""
        taken: list[bytes] = []
        append = taken.append
        end = len(data)
        # A header with a two-byte length has four bytes.
        last = end - 4
        whole, read, limit = _WHOLE_TEXT, _HEADER, self._max_message
        while position <= last:
            first, short, size = read(data, position)
            if short == 126:
                start = position + 4
                if size < 126:
                    break
            elif short < 126:
                start = position + 2
                size = short
            else:
                break
            stop = start + size
            if first != whole or stop > end or size > limit:
                break
            append(data[start:stop])
            position = stop
        # All of them at once: nearly always there is nothing else in them.
        if not all(map(bytes.isascii, taken)):
            for payload in taken:
                _check_utf8(payload)
                self.messages.append(payload)
        else:
            self.messages += taken
        return position

    def _header(self, data: bytes, position: int) -> int | None:
        """Read one header, or a whole control frame. Returns the position behind it; None if there is more to come."""
        if len(data) - position < 2:
            return None
        first, size = data[position], data[position + 1]
        if first & _RESERVED:
            raise _Violation(PROTOCOL_ERROR, "a reserved bit is set")
        opcode = first & 0x0F
        if opcode > 10 or 2 < opcode < 8:
            raise _Violation(PROTOCOL_ERROR, f"reserved opcode {opcode}")
        if size & _MASKED:
            raise _Violation(PROTOCOL_ERROR, "a server's frame is masked")
        if opcode & _CONTROL:
            return self._control_frame(data, position, first, size)
        start = position + 2
        if size > 125:
            width = 2 if size == 126 else 8
            start += width
            if start > len(data):
                return None
            size = int.from_bytes(data[position + 2 : start], "big")
            if size < (126 if width == 2 else 1 << 16) or size >> 63:
                raise _Violation(PROTOCOL_ERROR, "a length is not encoded in the one valid way")
        self._data_frame(opcode, size, final=bool(first & _FINAL))
        return start

    def _control_frame(self, data: bytes, position: int, first: int, size: int) -> int | None:
        if not first & _FINAL:
            raise _Violation(PROTOCOL_ERROR, "a control frame is fragmented")
        if size > 125:
            raise _Violation(PROTOCOL_ERROR, "a control frame is longer than 125 bytes")
        stop = position + 2 + size
        if stop > len(data):
            return None
        frame = data[position:stop]
        if first == CLOSE:
            self.closed = _read_close(frame[2:])
            stop = len(data)
        self.control.append(frame)
        return stop

    def _data_frame(self, opcode: int, size: int, *, final: bool) -> None:
        if self._open == bool(opcode):
            what = "a new message begins inside another" if opcode else "a continuation without a beginning"
            raise _Violation(PROTOCOL_ERROR, what)
        if len(self._parts) + size > self._max_message:
            raise _Violation(TOO_BIG, f"a message of more than {self._max_message} bytes")
        if opcode:
            self._open = True
            self._text = opcode == _TEXT
        self._final = final
        self._left = size
        if not size:
            self._end_of_frame()

    def _payload(self, data: bytes, position: int) -> int:
        chunk = data[position : position + self._left]
        if self._text and (self._in_character or not chunk.isascii()):
            self._utf8 = Utf8() if self._utf8 is None else self._utf8
            try:
                self._utf8.decode(chunk)
            except UnicodeDecodeError as error:
                raise _not_utf8(error) from None
            self._in_character = bool(self._utf8.getstate()[0])
        self._parts += chunk
        self._left -= len(chunk)
        if not self._left:
            self._end_of_frame()
        return position + len(chunk)

    def _end_of_frame(self) -> None:
        if not self._final:
            return
        if self._in_character:
            raise _Violation(NOT_UTF8, _ENDS_INSIDE)
        self.messages.append(bytes(self._parts) if self._text else Binary(self._parts))
        self._parts.clear()
        self._open = False


def _check_utf8(payload: bytes) -> None:
    try:
        payload.decode()
    except UnicodeDecodeError as error:
        raise _not_utf8(error) from None


def _not_utf8(error: UnicodeDecodeError) -> _Violation:
    # Not the error's own text: bytes of a private stream stand in it.
    ends = error.reason == "unexpected end of data"
    return _Violation(NOT_UTF8, _ENDS_INSIDE if ends else f"text that is not UTF-8: {error.reason}")


def _read_close(payload: bytes) -> Ending:
    if not payload:
        return Ending(NO_CODE, "")
    if len(payload) == 1:
        raise _Violation(PROTOCOL_ERROR, "a close frame with half a code")
    code = int.from_bytes(payload[:2], "big")
    if code not in _ASSIGNED and not 3000 <= code <= 4999:
        raise _Violation(PROTOCOL_ERROR, f"close code {code} may not be sent")
    try:
        return Ending(code, payload[2:].decode())
    except UnicodeDecodeError as error:
        raise _not_utf8(error) from None
