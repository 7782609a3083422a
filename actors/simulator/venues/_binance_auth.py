"""Who asks, and whether it is signed: what every private request of Binance has, over REST and the WebSocket API. Pure.

Sources: binance-spot-api-docs rest-api.md and web-socket-api.md, "SIGNED request security", 2026-07-21; errors.md.
"""

from __future__ import annotations

from typing import Any

from ..._signing import verify
from .._account_view import AccountView
from .._dialect import Floor
from .._rest import ApiError, Handler, Request
from ._binance_rest import Params, problem


def rejected() -> ApiError:
    """The answer to a key that does not count, or not here, or not for this."""
    return problem(401, -2015, "Invalid API-key, IP, or permissions for action.")


class Authority:
    """Knows the keys of a venue.

    Args:
        floor: of the venue.
    """

    def __init__(self, floor: Floor) -> None:
        self._floor = floor

    def known(self, api_key: str) -> str:
        """The key, if it counts.

        Raises:
            ApiError: -2014 for none, -2015 for one that is unknown or revoked.
        """
        if not api_key:
            raise problem(401, -2014, "API-key format invalid.")
        if self._floor.credentials.secret(api_key) is None:
            raise rejected()
        return api_key

    def api_key(self, request: Request) -> str:
        """The key in the header of a REST request; raises as `known`."""
        return self.known(request.headers.get("x-mbx-apikey", ""))

    def may_log_in(self) -> None:
        """Refuse whoever opens a private stream, while a fault says so.

        Raises:
            ApiError: -2015.
        """
        if self._floor.credentials.refuses_logins(self._floor.clock.now()):
            raise rejected()

    def signed(self, handler: Handler) -> Handler:
        """A handler that answers only what is signed, and on time."""

        def check(request: Request) -> Any:
            api_key, params = self.api_key(request), Params(request)
            check_time(params, self._floor.ms())
            payload = "".join(_unsigned(part) for part in (request.query, request.body))
            self.check(api_key, payload, params.text("signature"))
            return handler(request)

        return check

    def check(self, api_key: str, payload: str, signature: str) -> None:
        """Check a signature of any of the three kinds; for RSA and Ed25519 the secret is a key in PEM.

        Raises:
            ApiError: -1022 when it does not match.
        """
        secret = self._floor.credentials.secrets[api_key]
        # Hexadecimal digits may be of either case, base64 may not.
        made = signature if "-----BEGIN" in secret else signature.lower()
        if not verify(secret, payload, made):
            raise problem(400, -1022, "Signature for this request is not valid.")

    def view(self, request: Request) -> AccountView:
        """What REST shows of the account of a request now."""
        return self._floor.accounts[self.api_key(request)].view(self._floor.clock.now())


def check_time(params: Params, now_ms: int) -> None:
    """Check `timestamp` and `recvWindow` (default 5000 ms, at most 60000) against the server's time.

    Raises:
        ApiError: -1021 outside of the window, -1102 without a timestamp, -1131 with too wide a window.
    """
    params.text("timestamp")
    timestamp = params.number("timestamp") or 0
    window = params.number("recvWindow")
    window = 5000 if window is None else window
    if not 0 < window <= 60_000:
        raise problem(400, -1131, "recvWindow must be less than 60000")
    if timestamp >= now_ms + 1000:
        raise problem(400, -1021, "Timestamp for this request was 1000ms ahead of the server's time.")
    if now_ms - timestamp > window:
        raise problem(400, -1021, "Timestamp for this request is outside of the recvWindow.")


def _unsigned(part: str) -> str:
    return "&".join(pair for pair in part.split("&") if not pair.startswith("signature="))
