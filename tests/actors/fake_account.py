"""An account of a venue that exists only in tests: its frames are JSON that says what it means, its habits are options."""

import json
from collections.abc import Sequence

import attrs

from actors import BadFrame, HttpFailure
from actors._account_source import Credentials, Inquiry, Keeping, KeyReport, OrderReport, Question
from actors._errors import ClockOff, KeyGone, NoSuchOrder, RateLimited, Unauthorized, UnknownOutcome
from actors._records import Fill, OrderId
from actors._secret import Secret
from actors._source import (
    Acknowledged,
    Ask,
    Closing,
    Control,
    Decoded,
    Denied,
    Door,
    Frame,
    HttpReply,
    HttpRequest,
    Ignored,
    Limits,
    Pong,
    Refused,
    Terminated,
    Welcome,
)

from .fake_source import LIMITS, Item

FAILURES = {401: Unauthorized, 404: NoSuchOrder, 408: ClockOff, 410: KeyGone}
CREDENTIALS = Credentials(Secret.literal("KEYHIDDEN"), Secret.literal("SECRETHIDDEN"))


@attrs.frozen
class FakeAccount:
    """An account. What it sends: ``{"op": "login", "id": "1", "at": 1000}``, then ``{"op": "orders", ...}``."""

    account: str = "main"
    credentials: Credentials = CREDENTIALS
    steps: tuple[tuple[str, ...], ...] = (("login",), ("orders", "fills"))
    """What is asked in each phase."""
    probe_every: float | None = None
    keeping: Keeping | None = None
    asks_for_door: bool = False
    limits: Limits = LIMITS
    venue: str = "fake"
    ping_every: float = 15.0
    whole: bool = True
    fills_apart: bool = False

    def key(self, body: bytes) -> str:
        return str(json.loads(body)["key"])

    def symbol(self, name: str) -> str:
        return name.upper()

    def door_question(self) -> Question | None:
        return Question("POST", "/door") if self.asks_for_door else None

    def door(self, address: str, answer: bytes | None, key: str) -> Door:
        return Door(f"{address}/private?key={key}&door={'' if answer is None else answer.decode()}")

    def phase(self, number: int, now: int, key: str, first_id: int) -> list[Ask] | None:
        if number >= len(self.steps):
            return None
        self.credentials.secret.reveal()
        return [
            Ask(str(first_id + place), json.dumps({"op": op, "id": first_id + place, "at": now}), (op,))
            for place, op in enumerate(self.steps[number])
        ]

    def probe(self, now: int, number: int) -> Ask | None:
        return Ask(str(number), json.dumps({"op": "probe", "id": number, "at": now}), ())

    def ping(self, number: int) -> str | None:
        return None

    def decode_many(self, frames: Sequence[Frame], received: int) -> Decoded:
        decoded = Decoded([], [])
        for frame in frames:
            said = json.loads(frame)
            if "trade" in said:
                decoded.items.append(Item(*said["trade"]))
            elif "garbage" in said:
                decoded.error = BadFrame("garbage")
                break
            else:
                decoded.controls.append(self._control(said))
        return decoded

    def _control(self, said: dict[str, object]) -> Control:
        number = str(said.get("id", ""))
        match said.get("kind"):
            case "ack":
                return Acknowledged(number, tuple(said.get("about", ())))  # type: ignore[arg-type]
            case "refused":
                return Refused(7, "no", number)
            case "limited":
                return Refused(429, "too much", number, retry_after=100.0)
            case "denied":
                return Denied(401, "who are you")
            case "terminated":
                return Terminated("the stream is over")
            case "closing":
                return Closing("see you")
            case "welcome":
                return Welcome()
            case "pong":
                return Pong()
        return Ignored("?", known=False)

    # REST

    def request(self, question: Question, now: int) -> HttpRequest:
        return HttpRequest(question.method, question.path, f"at={now}", weight=question.weight)

    def failure(self, request: HttpRequest, reply: HttpReply) -> HttpFailure | None:
        status = reply.status
        if status == 200:
            return None
        if status == 429:
            return RateLimited(str(request), "slower", retry_after=30.0, status=status)
        kind = FAILURES.get(status, UnknownOutcome if status >= 500 else HttpFailure)
        return kind(str(request), "no", status=status)

    def time_question(self) -> Question:
        return Question("GET", "/time", signed=False)

    def time(self, body: bytes) -> int:
        return int(body)

    def open_orders(self, symbol: str | None) -> Inquiry[list[OrderReport]]:
        yield Question("GET", "/open")
        return []

    def orders(self, symbol: str | None, since: int, now: int) -> Inquiry[list[OrderReport]]:
        yield Question("GET", "/orders", (("since", since),))
        return []

    def one_order(self, symbol: str, order_id: OrderId) -> Inquiry[OrderReport | None]:
        try:
            yield Question("GET", "/order")
        except NoSuchOrder:
            return None
        return None

    def fills(self, symbol: str | None, since: int, now: int) -> Inquiry[list[Fill]]:
        yield Question("GET", "/fills", (("since", since),))
        return []

    def permissions_question(self) -> Question | None:
        return None

    def permissions(self, body: bytes) -> KeyReport:
        return KeyReport()
