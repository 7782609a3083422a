"""Channels carry messages over HTTP, and keep their secrets."""

import json
import logging
import traceback

import pytest
import trio

from actors import Secret, telegram, webhook
from actors.ops import Alert, AlertMessage, Undelivered

from .post_office import post_office

TOKEN = "4711:AAsesame-open_TOKEN"
MESSAGE = AlertMessage(
    "bot", 1.0, opened=(Alert("k", "parked", "critical", "bot/a", "bot/a is parked", "cause", ("a <b> _line_",), 0.0),)
)
LONG = AlertMessage(
    "bot",
    1.0,
    opened=tuple(
        Alert(f"k{n}", "data", "critical", f"bot/{n}", "\U0001f525" * 300, f"c{n}", ("x" * 300,) * 5) for n in range(99)
    ),
)


def everything_said(error: BaseException, log: pytest.LogCaptureFixture) -> str:
    return "".join(traceback.format_exception(error)) + repr(error) + log.text


async def test_telegram_gets_plain_text_for_its_chat() -> None:
    async with post_office() as office:
        await telegram(Secret.literal(TOKEN), -100123, base=office.address).send(MESSAGE)
    (posted,) = office.posted

    assert posted.target == f"/bot{TOKEN}/sendMessage"
    assert posted.headers["content-type"] == "application/json"
    assert posted.json["chat_id"] == "-100123"
    assert "parse_mode" not in posted.json
    assert posted.json["text"].splitlines()[:3] == [
        "bot: bot/a is parked", "NEW critical: bot/a is parked", "  a <b> _line_",
    ]  # fmt: skip


async def test_no_message_to_telegram_is_longer_than_it_takes() -> None:
    async with post_office() as office:
        await telegram(Secret.literal(TOKEN), "@alerts", base=office.address).send(LONG)
    text = office.posted[0].json["text"]

    assert 3000 < len(text.encode("utf-16-le")) // 2 <= 4096
    assert text.endswith("(cut: there is more)")


@pytest.mark.parametrize(
    ("status", "headers", "body", "wait", "final"),
    [
        (429, {}, {"ok": False, "description": "Too Many Requests", "parameters": {"retry_after": 37}}, 37.0, False),
        (429, {"Retry-After": "12"}, {"ok": False, "description": "Too Many Requests"}, 12.0, False),
        (400, {}, {"ok": False, "description": "Bad Request: chat not found"}, None, True),
        (401, {}, {"ok": False, "description": f"Unauthorized {TOKEN}"}, None, False),
        (502, {}, "<html>bad gateway</html>", None, False),
        (200 + 99, {}, ["no", "object"], None, False),
        (500, {}, {"parameters": {"retry_after": float("nan")}}, None, False),
    ],
)
async def test_what_telegram_answers_decides_when_it_is_tried_again(
    status: int,
    headers: dict[str, str],
    body: object,
    wait: float | None,
    final: bool,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    channel = telegram(Secret.literal(TOKEN), "1", base="http://127.0.0.1:1")
    async with post_office() as office:
        status = 503 if status == 299 else status
        office.answers.append((status, headers, json.dumps(body).encode()))
        channel = telegram(Secret.literal(TOKEN), "1", base=office.address)
        with pytest.raises(Undelivered) as caught:
            await channel.send(MESSAGE)

    assert (caught.value.retry_after, caught.value.final) == (wait, final)
    assert "sesame" not in everything_said(caught.value, caplog) + repr(channel)


async def test_a_telegram_that_is_not_there_costs_an_error_without_the_token(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    for base in ("http://127.0.0.1:1", "ftp://x", "http://[", "http://x y", "https://no-such-host.invalid"):
        with pytest.raises(Undelivered) as caught:
            await telegram(Secret.literal(TOKEN), "1", base=base).send(MESSAGE)
        assert "sesame" not in everything_said(caught.value, caplog)
        assert not caught.value.final


async def test_a_token_that_is_missing_or_broken_is_told_without_showing_it() -> None:
    for secret, words in ((Secret.env("NO_SUCH_VARIABLE"), "is not set"), (Secret.literal("sesame\nopen"), "no http")):
        with pytest.raises(Undelivered, match=words) as caught:
            await telegram(secret, "1").send(MESSAGE)
        assert "sesame" not in "".join(traceback.format_exception(caught.value))


async def test_a_webhook_gets_json_at_exactly_its_address_with_its_headers() -> None:
    async with post_office() as office:
        url = Secret.literal(f"{office.address}/hooks/a%2Fb/?key=sesame%20open")
        await webhook(url, headers={"Authorization": Secret.literal("Bearer sesame")}).send(MESSAGE)
        await webhook(office.address).send(LONG)
    first, second = office.posted

    assert first.target == "/hooks/a%2Fb/?key=sesame%20open"
    assert first.headers["authorization"] == "Bearer sesame"
    assert first.json["title"] == "bot: bot/a is parked"
    assert first.json["opened"][0]["lines"] == ["a <b> _line_"]
    assert first.json["counts"]["opened"] == {"parked": 1}
    assert second.target == "/"
    assert len(second.json["opened"]) == 50
    assert second.json["counts"]["opened"] == {"data": 99}


@pytest.mark.parametrize(("status", "final"), [(404, False), (422, True), (302, False), (503, False), (429, False)])
async def test_a_webhook_that_refuses_tells_nothing_of_its_address(
    status: int, final: bool, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    async with post_office() as office:
        office.answers.append((status, {"Retry-After": "7", "Location": "/sesame"}, b"Cannot POST /sesame?key=sesame"))
        channel = webhook(f"{office.address}/sesame?key=sesame", headers={"X-Key": "sesame"}, name="pager")
        with pytest.raises(Undelivered) as caught:
            await channel.send(MESSAGE)

    assert caught.value.final is (final and caught.value.retry_after is None)
    assert caught.value.retry_after == 7.0
    assert "sesame" not in everything_said(caught.value, caplog) + repr(channel)


def test_a_header_that_is_none_is_refused_early() -> None:
    with pytest.raises(ValueError, match="not the name of a header"):
        webhook("http://localhost", headers={"X: y\r\n": "z"})


async def test_a_header_with_line_ends_is_not_sent() -> None:
    with pytest.raises(Undelivered, match="printable"):
        await webhook("http://127.0.0.1:1", headers={"X": Secret.literal("a\r\nb: c")}).send(MESSAGE)


async def test_a_mute_server_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("actors.ops._channel.WITHIN", 0.2)
    async with post_office() as office:
        office.mute = True
        with pytest.raises(Undelivered, match=r"no answer within 0\.2 s"), trio.fail_after(5):
            await webhook(office.address).send(MESSAGE)
