"""Alerts through apprise: from a worker thread, bounded, and without a word about its addresses."""

import logging
import threading
import time
import traceback

import pytest
import trio

from actors import Secret, apprise
from actors.ops import Alert, AlertMessage, Undelivered

from .post_office import post_office

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")  # apprise's own
library = pytest.importorskip("apprise")
MESSAGE = AlertMessage("bot", 1.0, opened=(Alert("k", "parked", "critical", "bot/a", "bot/a is parked"),))


async def test_apprise_delivers_the_text() -> None:
    async with post_office() as office:
        await apprise(Secret.literal(f"json://127.0.0.1:{office.port}/sesame")).send(MESSAGE)
    (posted,) = office.posted

    assert posted.json["title"] == "bot: bot/a is parked"
    assert posted.json["type"] == "failure"
    assert "NEW critical: bot/a is parked" in posted.json["message"]


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("json://127.0.0.1:1/sesame", "could not deliver"),
        ("nonsense://sesame", "does not know the address number 1 of 1"),
        ("sesame", "does not know the address"),
        ("tgram://sesame/1", "does not know the address"),
    ],
)
async def test_what_fails_tells_nothing_of_the_address(
    url: str, words: str, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    channel = apprise(url)
    with pytest.raises(Undelivered, match=words) as caught:
        await channel.send(MESSAGE)
    said = "".join(traceback.format_exception(caught.value)) + caplog.text + repr(channel) + "".join(capfd.readouterr())

    assert "sesame" not in said


async def test_a_thread_that_hangs_is_left_behind_and_there_is_never_a_second_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("actors.ops._apprise.WITHIN", 0.2)
    free, calls = threading.Event(), list[float]()

    def hang(self: object, **given: object) -> bool:
        calls.append(time.monotonic())
        free.wait(10)
        return True

    monkeypatch.setattr(library.Apprise, "notify", hang)
    channel = apprise("json://127.0.0.1:1")
    for _ in range(3):
        with pytest.raises(Undelivered, match="within"), trio.fail_after(5):
            await channel.send(MESSAGE)
    free.set()
    with trio.fail_after(30):
        while channel.limiter.borrowed_tokens:  # noqa: ASYNC110 - the thread tells nobody
            await trio.sleep(0.01)
    assert len(calls) == 1


def test_an_apprise_without_an_address_is_refused() -> None:
    with pytest.raises(ValueError, match="address"):
        apprise()


def test_without_the_library_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ImportError, match=r"unblinking\[apprise\]"):
        apprise("json://localhost")
