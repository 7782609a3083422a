"""Asking the simulated exchange what a source wants to know, without a connection, and by hand."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from actors._account_source import AccountSource, Inquiry, Question
from actors._errors import ActorError, NoSuchOrder
from actors._source import HttpReply
from actors.simulator import Exchange
from actors.simulator._rest import Request

T = TypeVar("T")


def asked(exchange: Exchange, source: AccountSource, question: Question, *, off: int = 0) -> bytes:
    """Return the body of the answer to one question.

    Args:
        exchange: Whom to ask; needs a running Trio.
        source: Whose question it is; it signs it.
        question: What is asked.
        off: Milliseconds by which the time of the signature is not the exchange's.

    Raises:
        HttpFailure: What the source makes of the answer.
    """
    sent = source.request(question, exchange.clock.ms() + off)
    headers = {name.lower(): value for name, value in sent.headers}
    request = Request(sent.method, sent.path, sent.query, headers, sent.content.decode())
    reply = exchange.dialects[source.venue].answer(request, exchange.clock.now())
    told = {name.lower(): value for name, value in reply.headers}
    failure = source.failure(sent, HttpReply(reply.status, told, reply.body))
    if failure is not None:
        raise failure
    return reply.body


def found(exchange: Exchange, source: AccountSource, inquiry: Inquiry[T], seen: list[Question] | None = None) -> T:
    """Return what an inquiry finds out at the exchange.

    Args:
        exchange: Whom to ask.
        source: Whose inquiry it is.
        inquiry: What to ask.
        seen: Gets the questions that were asked.
    """
    try:
        question = next(inquiry)
        while True:
            if seen is not None:
                seen.append(question)
            try:
                body = asked(exchange, source, question)
            except NoSuchOrder as unknown:
                question = inquiry.throw(unknown)
            else:
                question = inquiry.send(body)
    except StopIteration as end:
        value: T = end.value
        return value


def answered(inquiry: Inquiry[T], bodies: Sequence[bytes | Exception]) -> T:
    """Return what an inquiry makes of these answers, one to each question."""
    try:
        next(inquiry)
        for body in bodies:
            if isinstance(body, Exception):
                inquiry.throw(body)
            else:
                inquiry.send(body)
    except StopIteration as end:
        value: T = end.value
        return value
    raise AssertionError("it asks for more")


def drive(inquiry: Inquiry[T], answer: Callable[[Question], bytes | ActorError]) -> tuple[T, list[Question]]:
    """Answer question after question; return what they say together, and what was asked."""
    seen: list[Question] = []
    try:
        question = next(inquiry)
        while True:
            seen.append(question)
            said = answer(question)
            question = inquiry.throw(said) if isinstance(said, ActorError) else inquiry.send(said)
    except StopIteration as end:
        return end.value, seen
