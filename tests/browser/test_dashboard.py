"""The dashboard in a real browser, before real processes."""

from __future__ import annotations

import json
import os
import re
import signal
import time
from pathlib import Path

import pytest

from .conftest import Browser, Processes, line_with

HERE = Path(__file__).parent
CONNECTION = "binance-btcusdt/connection"


class Scene:
    """An exchange and a bot, each a process of its own."""

    def __init__(self, processes: Processes, **environment: str) -> None:
        self.exchange = processes.start(str(HERE / "exchange.py"))
        addresses = line_with(self.exchange, "{")
        self.bot = processes.unblinking("run", str(HERE / "bot.py"), EXCHANGE=addresses, **environment)
        port = re.search(r"127\.0\.0\.1:(\d+)", line_with(self.bot, "listening"))
        assert port is not None
        self.url = f"http://127.0.0.1:{port[1]}/"
        assert json.loads(addresses)

    def inject(self, *faults: str) -> None:
        assert self.exchange.stdin is not None
        self.exchange.stdin.write("".join(f"{fault}\n" for fault in faults))
        self.exchange.stdin.flush()


def connection(browser: Browser) -> list[str]:
    """Return the row of the feed's connection: actor, state, for, life, restarts, why."""
    rows = browser.run(
        "return [...document.querySelectorAll('#tree tbody tr')].map(row => [...row.cells].map(cell => cell.innerText))"
    )
    names = [row[0] for row in rows]
    return list(rows[names.index("connection", names.index("binance-btcusdt"))])


def test_a_failure_shows_its_state_reason_and_countdown_then_the_recovery_and_then_that_the_bot_is_gone(
    browser: Browser, processes: Processes
) -> None:
    scene = Scene(processes)
    browser.open(scene.url)
    browser.until(lambda: browser.text("#verdict") == "bot: ✔ healthy", "healthy")
    assert browser.row("streams", "BTCUSDT")[2] == "✔ live"
    age = re.match(r"(\d\.\d) s of (\d) s", browser.row("streams", "BTCUSDT")[3])
    assert age is not None
    assert float(age[1]) < int(age[2])
    assert 2 <= int(age[2]) <= 4, "its silence of 2 s and what an answer may take; less, once its rhythm is known"
    assert browser.row("accounts", "main")[2] == "✔ live"
    assert connection(browser)[1] == "● ready"
    lives = int(connection(browser)[3].removeprefix("#"))

    # Nobody gets in for as long as this lasts: the first try after the break fails, too.
    scene.inject("refuse 4", "reset 0")
    browser.until(lambda: connection(browser)[1].startswith("▲ waiting"), "waiting")
    countdowns: dict[str, list[float]] = {}  # by the number of the life that has ended
    while found := re.fullmatch(r"▲ waiting, next try in (\d+\.\d) s", (row := connection(browser))[1]):
        countdowns.setdefault(row[3], []).append(float(found[1]))
        assert "restart in 3.00 s" in row[5]
        assert "WireClosed" in row[5] or "Connection" in row[5]
    assert all(seconds == sorted(seconds, reverse=True) for seconds in countdowns.values()), "it counts down"
    assert all(seconds[0] <= 3.0 for seconds in countdowns.values())
    assert any(seconds[0] - seconds[-1] > 0.5 for seconds in countdowns.values())
    browser.until(lambda: browser.text("#verdict") == "bot: ✘ NOT HEALTHY", "not healthy")
    assert "BTCUSDT" in browser.text("#reasons")
    assert browser.row("failures", CONNECTION)[3].startswith("→ restart in 3.00 s")

    browser.until(lambda: browser.text("#verdict") == "bot: ✔ healthy", "healthy again")
    assert connection(browser)[1] == "● ready"
    assert int(connection(browser)[3].removeprefix("#")) > lives
    assert browser.row("streams", "BTCUSDT")[2] == "✔ live"
    line = "return document.querySelector('#streams polyline')?.points.length > 3"
    browser.until(lambda: browser.run(line), "the line of the rate")

    os.kill(scene.bot.pid, signal.SIGKILL)
    browser.until(lambda: "LOST THE BOT" in browser.text("#lost"), "that it is lost")
    assert "nobody answers" in browser.text("#lost")
    assert browser.driver.title == "⚠ bot LOST"
    assert browser.text("#verdict") == "bot: ✔ healthy when last seen"
    assert browser.text("#contact") == ""
    assert browser.complaints() == []


def test_a_bot_that_hangs_is_lost_too_and_found_again(browser: Browser, processes: Processes) -> None:
    scene = Scene(processes)
    browser.open(scene.url)
    browser.until(lambda: "up to date" in browser.text("#contact"), "up to date")
    scene.bot.send_signal(signal.SIGSTOP)
    browser.until(lambda: "LOST THE BOT" in browser.text("#lost"), "that it is lost")
    assert "no answer within 3 s" in browser.text("#lost")
    scene.bot.send_signal(signal.SIGCONT)
    browser.until(lambda: "up to date" in browser.text("#contact"), "up to date again")

    assert browser.text("#lost") == ""


def test_no_text_of_the_bots_becomes_markup_and_nothing_but_the_page_itself_may_run(
    browser: Browser, processes: Processes
) -> None:
    scene = Scene(processes, EVIL="1")
    browser.open(scene.url)
    # The list of failures may be a moment newer than the tree beside it.
    browser.until(lambda: browser.row("tree", "evil", "■ parked"), "parked")

    assert "<script>document.title='pwned'</script>" in browser.row("failures", "RuntimeError")[2]
    assert browser.run("return document.querySelectorAll('main img, main b, main script').length") == 0
    assert "pwned" not in browser.driver.title
    assert browser.complaints() == []
    # The policy holds, whatever a mistake in the page would do.
    assert (
        browser.run("try { document.body.innerHTML = '<p>'; return 'took it' } catch (e) { return e.name }")
        == "TypeError"
    )
    browser.run(
        "const s = document.createElement('script'); try { s.text = 'window.ran = 1' } catch (e) {}; document.body.append(s)"
    )
    assert browser.run("return window.ran ?? 'did not run'") == "did not run"


def test_a_name_is_explained(browser: Browser, processes: Processes) -> None:
    scene = Scene(processes, EVIL="1")
    browser.open(scene.url)
    browser.until(lambda: browser.row("tree", "evil", "parked"), "parked")
    browser.run("[...document.querySelectorAll('#tree button')].find(one => one.innerText.includes('evil')).click()")

    assert browser.until(lambda: browser.text("#why pre"), "the explanation").startswith("bot/evil is parked")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_fits_a_phone_and_every_text_is_readable(browser: Browser, processes: Processes, scheme: str) -> None:
    scene = Scene(processes, EVIL="1")
    browser.resize(360, 740, mobile=True)
    browser.colours(scheme)
    browser.open(scene.url)
    browser.until(lambda: browser.row("failures", "RuntimeError"), "the failure")

    assert browser.run("return document.documentElement.scrollWidth") <= 360
    out = browser.run(
        "return [...document.querySelectorAll('main *')].filter(one => one.getBoundingClientRect().right > 360.5)"
        ".map(one => one.outerHTML)"
    )
    assert out == []
    assert browser.run(CONTRAST) == []


CONTRAST = """
// Texts whose contrast is less than 4.5:1 (WCAG 2.2, 1.4.3).
const light = (colour) => colour.match(/[\\d.]+/g).slice(0, 3).map(Number).map((c) => c / 255)
  .map((c) => c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4)
  .reduce((sum, c, place) => sum + c * [0.2126, 0.7152, 0.0722][place], 0);
const paper = light(getComputedStyle(document.body).backgroundColor);
return [...document.querySelectorAll('h1, #contact, main span, main small, main label, main li, main th')]
  .filter((one) => one.innerText)
  .map((one) => [one.innerText, light(getComputedStyle(one).color)])
  .filter(([, ink]) => (Math.max(ink, paper) + 0.05) / (Math.min(ink, paper) + 0.05) < 4.5);
"""


def test_with_a_token_the_page_asks_for_it_or_takes_it_from_behind_the_address(
    browser: Browser, processes: Processes
) -> None:
    scene = Scene(processes, TOKEN="open sesame/ü")
    browser.open(scene.url)
    browser.until(lambda: "wants its token" in browser.text("#ask"), "the question")
    assert browser.text("main") == ""
    field = browser.driver.find_element("id", "token")
    field.send_keys("wrong\n")
    browser.until(lambda: "not its token" in browser.text("#refused"), "the refusal")
    field.send_keys("open sesame/ü\n")
    browser.until(lambda: "up to date" in browser.text("#contact"), "up to date")
    assert browser.text("#ask") == ""

    browser.run("sessionStorage.clear()")
    browser.open("about:blank")
    browser.open(f"{scene.url}#token=open%20sesame%2F%C3%BC")
    browser.until(lambda: "up to date" in browser.text("#contact"), "up to date")
    assert "sesame" not in browser.driver.current_url


def test_the_demo_serves_it_and_shows_its_failures(browser: Browser, processes: Processes) -> None:
    demo = processes.unblinking("demo", "--port", "0", "--seconds", "40", "--seed", "7")
    url = line_with(demo, "dashboard: ").partition(": ")[2].strip()
    browser.open(url)
    browser.until(lambda: browser.row("failures", "→ restart"), "a failure with its decision")
    browser.until(lambda: browser.text("#verdict") == "bot: ✔ healthy", "healthy")
    assert [len(browser.row(section, word)) for section, word in (("streams", "usdm"), ("accounts", "main"))] == [8, 5]

    demo.send_signal(signal.SIGINT)
    browser.until(lambda: "LOST THE BOT" in browser.text("#lost"), "that it has ended")


def test_the_picture_for_the_documentation(browser: Browser, processes: Processes) -> None:
    """Written to the file that UNBLINKING_PICTURE names, see `nox -s browser -- picture`; tried out where none is."""
    scene = Scene(processes)
    browser.resize(1100, 1020)
    browser.colours("light")
    browser.open(scene.url)
    browser.until(lambda: browser.text("#verdict") == "bot: ✔ healthy", "healthy")
    browser.until(lambda: browser.run("return document.querySelectorAll('#streams polyline').length") == 2, "the lines")
    time.sleep(10)  # for lines that are longer than a second
    scene.inject("refuse 9", "reset 0")
    browser.until(lambda: browser.text("#verdict") == "bot: ✘ NOT HEALTHY", "not healthy")
    browser.until(lambda: "▲ waiting, next try" in connection(browser)[1], "waiting")
    picture = browser.driver.get_screenshot_as_png()

    assert picture.startswith(b"\x89PNG")
    assert len(picture) < 200_000
    if file := os.environ.get("UNBLINKING_PICTURE"):
        Path(file).write_bytes(picture)
