"""Drives the questions of an account's source with answers of a test."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from actors._account_source import Inquiry, Question
from actors._errors import ActorError

T = TypeVar("T")


def drive(inquiry: Inquiry[T], answer: Callable[[Question], bytes | ActorError]) -> tuple[T, list[Question]]:
    """Answer question after question; return what they say together, and what was asked."""
    asked: list[Question] = []
    try:
        question = next(inquiry)
        while True:
            asked.append(question)
            said = answer(question)
            question = inquiry.throw(said) if isinstance(said, ActorError) else inquiry.send(said)
    except StopIteration as end:
        return end.value, asked
