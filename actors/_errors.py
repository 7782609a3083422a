"""Errors of the exchange side, grouped by whose fault it is and what to do next.

ActorError
    SecretMissing           a secret is not where it was said to be: fix the environment
    WireError               the connection
        ConnectFailed       it never came up
        WireClosed          it is over
        PongTimeout         it is up, and nobody answers on it
        SendTimeout         it is up, and takes nothing
    HttpFailure             a REST request was not answered with success
        Unauthorized        the venue refuses the credentials: trying again does not help
        RateLimited         the venue says when to come back
        ClockOff            the request's time was not the venue's: measure its clock, and sign again
        NoSuchOrder         the venue does not know the order, or not yet
        KeyGone             the listen key is no longer valid: make a new one
        UnknownOutcome      whether the request took effect must be asked before it is repeated
    BadFrame                the venue sent what the decoder cannot read
    Unsubscribed            the subscription was refused, or is not among those the venue lists
    MuteFeed                connected, and yet silent, while the venue has news
    KeyTimeout              no listen key came in time
    Inconsistent            the venue's answers about an account do not add up

Messages and attributes never hold a query string, a header or a body: keys and signatures stand in those.
"""

from __future__ import annotations

SAMPLE = 200
"""Longest sample of a frame that an error carries, in characters."""


class ActorError(Exception):
    """Base of all errors of the exchange side."""


class SecretMissing(ActorError):
    """A secret could not be read from its source. The message names the variable or the file."""


class WireError(ActorError):
    """The WebSocket connection failed."""


class ConnectFailed(WireError):
    """The connection did not come up.

    Args:
        address: Scheme, host, port and path; never the query.
        reason: What happened, in words.
        status: The HTTP status, when the server answered the handshake with a refusal.
        retry_after: Seconds that the server asked to wait.
    """

    def __init__(
        self, address: str, reason: str, *, status: int | None = None, retry_after: float | None = None
    ) -> None:
        super().__init__(f"{address}: {reason}")
        self.address = address
        self.reason = reason
        self.status = status
        self.retry_after = retry_after


class WireClosed(WireError):
    """The connection is over.

    Args:
        code: The close code (RFC 6455, section 7.4); 1006 when there was no close frame.
        reason: The text of the close frame, or what was seen instead.
    """

    def __init__(self, code: int, reason: str = "") -> None:
        super().__init__(f"closed with code {code}" + (f": {reason}" if reason else ""))
        self.code = code
        self.reason = reason


class PongTimeout(WireError):
    """A ping was not answered in time.

    Args:
        seconds: How long the answer was waited for.
    """

    def __init__(self, seconds: float) -> None:
        super().__init__(f"no pong within {seconds:g} s")
        self.seconds = seconds


class SendTimeout(WireError):
    """The peer did not take what was sent. The connection is of no further use: half a frame may be on the wire.

    Args:
        seconds: How long it was tried.
    """

    def __init__(self, seconds: float) -> None:
        super().__init__(f"nothing could be sent for {seconds:g} s")
        self.seconds = seconds


class HttpFailure(ActorError):
    """A REST request was not answered with success.

    Args:
        request: Method and path; never the query.
        reason: What happened, in words.
        status: The HTTP status; None when there was no answer.
        code: The venue's own error code from the body.
    """

    def __init__(self, request: str, reason: str, *, status: int | None = None, code: int | None = None) -> None:
        head = request if status is None else f"{request} -> {status}"
        super().__init__(f"{head}: {reason}" if code is None else f"{head}: {reason} ({code})")
        self.request = request
        self.reason = reason
        self.status = status
        self.code = code


class Unauthorized(HttpFailure):
    """The venue refuses the credentials, or what they are used for. Trying again does not help."""


class RateLimited(HttpFailure):
    """The venue refuses to answer for a while.

    Args:
        request: Method and path.
        reason: What happened, in words.
        retry_after: Seconds until the next request is allowed. Earlier ones make it longer.
        status: The HTTP status; None when the request was not even sent.
        code: The venue's own error code.
    """

    def __init__(
        self, request: str, reason: str, *, retry_after: float, status: int | None = None, code: int | None = None
    ) -> None:
        super().__init__(request, f"{reason}; retry after {retry_after:g} s", status=status, code=code)
        self.retry_after = retry_after


class ClockOff(HttpFailure):
    """The time in the request was not the venue's."""


class NoSuchOrder(HttpFailure):
    """The venue does not know the order: it never had it, has forgotten it, or has not written it down yet."""


class KeyGone(HttpFailure):
    """The listen key of a private stream no longer exists."""


class UnknownOutcome(HttpFailure):
    """The request may or may not have taken effect: ask before repeating it."""


class BadFrame(ActorError):
    """A frame or a body cannot be decoded.

    Args:
        reason: What is wrong with it.
        sample: Its beginning, at most `SAMPLE` characters. Empty for private streams, which hold account data.
    """

    def __init__(self, reason: str, frame: str | bytes = "") -> None:
        start = frame[:SAMPLE]
        self.reason = reason
        self.sample = start.decode("utf-8", "replace") if isinstance(start, bytes) else start
        super().__init__(f"{reason}: {self.sample!r}" if self.sample else reason)


class Unsubscribed(ActorError):
    """The venue refused the subscription, or does not list it."""


class MuteFeed(ActorError):
    """The connection is up and brings nothing, although the venue has newer data."""


class KeyTimeout(ActorError):
    """No listen key came within the declared time."""


class Inconsistent(ActorError):
    """Orders and fills do not add up: one of the answers is older than the other. Ask again."""
