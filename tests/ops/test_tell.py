"""Telling people: to stand-ins for a webhook and for Telegram, over real sockets."""

import json
from collections.abc import Callable

import pytest
import trio

from actors import Secret, SecretMissing
from actors.ops._posting import Undelivered
from actors.ops._tell import TelegramTell, WebhookTell

from .receiver import Receiver, Taken, receiving

TOKEN = "110201543:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw"


def telegram(receiver: Receiver) -> TelegramTell:
    return TelegramTell(Secret.literal(TOKEN), "-100123", f"http://127.0.0.1:{receiver.port}")


def in_turn(*answers: tuple[int, bytes]) -> Callable[[Taken], tuple[int, bytes]]:
    left = list(answers)
    return lambda taken: left.pop(0) if left else (200, b"{}")


async def test_a_webhook_gets_the_text_as_json() -> None:
    async with receiving() as receiver:
        await WebhookTell(Secret.literal(f"http://127.0.0.1:{receiver.port}/services/T0/B0/x?y=1")).tell("DOWN: é")

    assert [(taken.method, taken.target) for taken in receiver.taken] == [("POST", "/services/T0/B0/x?y=1")]
    assert json.loads(receiver.taken[0].body) == {"text": "DOWN: é"}


async def test_telegram_gets_the_text_for_the_chat() -> None:
    async with receiving() as receiver:
        await telegram(receiver).tell("x" * 5000)

    told = json.loads(receiver.taken[0].body)
    assert receiver.targets == [f"/bot{TOKEN}/sendMessage"]
    assert (told["chat_id"], len(told["text"])) == ("-100123", 4000)


async def test_the_wait_that_telegram_asks_for_is_kept() -> None:
    busy = b'{"ok":false,"error_code":429,"description":"Too Many Requests","parameters":{"retry_after":1.5}}'
    async with receiving() as receiver:
        receiver.answer = in_turn((429, busy))
        await telegram(receiver).tell("DOWN")

    first, second = receiver.taken
    assert 1.5 <= second.at - first.at < 3


async def test_a_wait_that_is_too_long_is_the_callers_to_decide() -> None:
    async with receiving() as receiver:
        receiver.answer = in_turn((429, b'{"parameters":{"retry_after":3600}}'))
        with pytest.raises(Undelivered) as caught:
            await telegram(receiver).tell("DOWN")

    assert (caught.value.retry_after, len(receiver.taken)) == (3600, 1)


async def test_an_error_of_the_server_is_tried_again_and_a_refusal_is_not() -> None:
    async with receiving() as receiver:
        receiver.answer = in_turn((502, b""))
        await telegram(receiver).tell("DOWN")
        assert len(receiver.taken) == 2
        receiver.answer = in_turn((403, b'{"ok":false}'))
        with pytest.raises(Undelivered, match="answered with 403"):
            await telegram(receiver).tell("DOWN")
        assert len(receiver.taken) == 3


async def test_token_and_address_are_in_no_error_and_no_repr() -> None:
    async with receiving() as receiver:
        receiver.answer = lambda taken: (404, taken.target.encode())
        channel = telegram(receiver)
        with pytest.raises(Undelivered) as caught:
            await channel.tell("DOWN")

    shown = [
        repr(channel),
        repr(caught.value),
        str(caught.value),
        repr(WebhookTell(Secret.literal("https://h/s3cr3t"))),
    ]
    assert TOKEN not in "".join(shown) and "s3cr3t" not in "".join(shown)


async def test_a_redirection_takes_the_secret_nowhere() -> None:
    async with receiving() as receiver:
        receiver.answer = lambda taken: (307, b"")
        with trio.fail_after(30), pytest.raises(Undelivered, match="answered with 307"):
            await telegram(receiver).tell("DOWN")

    assert set(receiver.targets) == {f"/bot{TOKEN}/sendMessage"}


async def test_a_secret_that_is_missing_is_said_to_be() -> None:
    with pytest.raises(SecretMissing, match="NO_SUCH_TOKEN"):
        await TelegramTell(Secret.env("NO_SUCH_TOKEN"), "1").tell("DOWN")
