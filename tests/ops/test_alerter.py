"""The actor that tells people: promptly, seldom, whatever its channels do, and without keeping the tree waiting."""

from collections.abc import Callable, Iterable

import attrs
import pytest
import trio
from trio.testing import MockClock

from actors import AlertRules, Secret, alerts, binance, telegram, webhook
from actors.ops import AlertMessage, StreamVital, Undelivered, facts
from actors.ops._alert_rules import Watch
from supervisor import Backoff, Event, GaveUp, Limit, Mailbox, Me, Note, Running, Supervisor, actor

from .post_office import post_office

AT_ONCE = Backoff(0, 0, 0)
TOKEN = "4711:AAsesame-open_TOKEN"


@attrs.frozen
class Basket:
    """A channel into a list; fails as often as it is told, takes as long as it is told."""

    name: str = "basket"
    got: list[tuple[float, AlertMessage]] = attrs.field(factory=list)
    failures: list[Exception] = attrs.field(factory=list)
    pause: float = 0.0

    async def send(self, message: AlertMessage) -> None:
        await trio.sleep(self.pause)
        if self.failures:
            raise self.failures.pop(0)
        self.got.append((trio.current_time(), message))

    @property
    def titles(self) -> list[str]:
        return [message.title for _, message in self.got]


@actor(on={PermissionError: "park"}, first_start="retry")
async def forbidden(me: Me) -> None:
    await trio.sleep(0.5)
    raise PermissionError("bad key")


@actor(backoff=AT_ONCE, first_start="retry", max_failures=None)
async def failing(me: Me, times: int) -> None:
    if me.generation <= times:
        raise ConnectionError(f"attempt {me.generation}")
    await trio.sleep_forever()


@actor()
async def account(me: Me, live: list[bool]) -> None:
    streams = lambda: [StreamVital("main", live=live[0], reason="no key")]  # noqa: E731 - read at each look
    me.expose(lambda: facts("account", "binance-usdm", required=True, streams=streams()))
    await trio.sleep_forever()


def bot(*children: object) -> Supervisor:
    return Supervisor("bot", children, limit=Limit(10**6))  # type: ignore[arg-type]


def notes(running: Running) -> Callable[[], list[Note]]:
    events = running.events(100_000)
    return lambda: [event for event in events.receive_nowait() if isinstance(event, Note)]


async def test_what_opens_is_told_within_seconds_and_what_is_over_is_told_as_resolved(
    autojump_clock: MockClock,
) -> None:
    basket = Basket()
    async with bot(alerts(basket), forbidden.child("a")).open() as running:
        await trio.sleep(5)
        assert basket.titles == ["bot: bot/a is parked"]
        assert basket.got[0][0] - trio.current_time() < 3
        running.remove_child("bot/a")
        await trio.sleep(60)

    assert basket.titles[1:] == ["bot: resolved: bot/a is parked"]


async def test_children_after_the_alerts_are_seen_from_their_first_event_on(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[tuple[str, str]] = []
    take = Watch.take

    def watched(watch: Watch, events: Iterable[Event]) -> None:
        events = list(events)
        seen.extend((event.path, event.kind) for event in events)
        take(watch, events)

    monkeypatch.setattr(Watch, "take", watched)
    async with bot(alerts(Basket()), account.child("a", [True]), account.child("b", [True])).open() as running:
        await running.wait_state("bot/b", "ready")

    for path in ("bot/a", "bot/b"):
        assert [kind for child, kind in seen if child == path] == ["started", "ready", "stopping", "ended"]


async def test_an_account_that_is_not_live_is_told_after_its_time(autojump_clock: MockClock) -> None:
    basket, live = Basket(), [False]
    async with bot(alerts(basket, rules=AlertRules(account_after=20.0)), account.child("orders", live)).open():
        await trio.sleep(19)
        assert basket.titles == []
        await trio.sleep(5)
        assert basket.titles == ["bot: bot/orders is not live"]
        live[0] = True
        await trio.sleep(45)

    assert basket.titles[1:] == ["bot: resolved: bot/orders is not live"]


async def test_ten_thousand_failures_are_one_message_and_one_that_resolves_it_with_the_exact_count(
    autojump_clock: MockClock,
) -> None:
    basket = Basket()
    running = Running(bot(alerts(basket), failing.child("feed", 10_000)), seed=1)
    async with running.opened():
        await trio.sleep(300)
        assert running.ledger.failures == 10_000

    assert basket.titles == [
        "bot: more than 20 restarts within 60 s", "bot: resolved: more than 20 restarts within 60 s",
    ]  # fmt: skip
    # Faster than its events can be taken, and yet each is counted.
    assert basket.got[1][1].resolved[0].lines[0] == "10000 restarts since it began"


async def test_there_are_never_more_messages_than_one_in_so_many_seconds(autojump_clock: MockClock) -> None:
    basket = Basket()

    async with bot(alerts(basket, every=10.0)).open() as running:
        for number in range(100):
            running.add_child("bot", forbidden.child(f"n{number}"))
            await trio.sleep(0.7)
    times = [at for at, _ in basket.got]

    assert len(times) == 8
    assert sum(len(message.opened) for _, message in basket.got) == 100
    assert all(later - sooner >= 10.0 for sooner, later in zip(times[:-1], times[1:-1], strict=False))


async def test_a_channel_that_fails_is_tried_again_while_news_gather_and_nothing_is_lost(
    autojump_clock: MockClock,
) -> None:
    failures: list[Exception] = [Undelivered("down") for _ in range(3)]
    bad, good = Basket("bad", failures=[*failures, RuntimeError("sesame")]), Basket("good")
    running = Running(bot(alerts(bad, good), forbidden.child("a")), seed=1)
    told = notes(running)
    async with running.opened():
        await trio.sleep(2)
        running.add_child("bot", forbidden.child("b"))
        await trio.sleep(200)
    found = told()

    assert good.titles == ["bot: bot/a is parked", "bot: bot/b is parked"]
    assert bad.titles == ["bot: bot/a is parked", "bot: bot/b is parked"]
    assert [note.what for note in found] == ["alert_channel_trouble", "alert_channel_works"]
    assert found[0].fields == {"channel": "bad", "reason": "down"}


async def test_a_pause_that_the_channel_asks_for_is_kept(autojump_clock: MockClock) -> None:
    basket = Basket(failures=[Undelivered("slow down", retry_after=120.0)])
    async with bot(alerts(basket), forbidden.child("a")).open():
        await trio.sleep(115)
        assert basket.got == []
        await trio.sleep(10)

    assert basket.titles == ["bot: bot/a is parked"]


async def test_a_message_that_is_refused_for_good_is_recorded_and_the_next_one_is_sent(
    autojump_clock: MockClock,
) -> None:
    basket = Basket(failures=[Undelivered("chat not found", final=True)])
    running = Running(bot(alerts(basket), forbidden.child("a")), seed=1)
    told = notes(running)
    async with running.opened():
        await trio.sleep(5)
        running.add_child("bot", forbidden.child("b"))
        await trio.sleep(60)
    (lost,) = [note for note in told() if note.what == "alert_undelivered"]

    assert basket.titles == ["bot: bot/b is parked"]
    assert (lost.fields["title"], lost.fields["reason"]) == ("bot: bot/a is parked", "chat not found")
    assert "PermissionError: bad key" in lost.fields["text"]


async def test_a_channel_that_is_down_for_hours_costs_a_note_for_each_message_given_up(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("actors.ops._alerter._GIVE_UP", 900.0)
    basket = Basket(failures=[Undelivered("down") for _ in range(10_000)])
    running = Running(bot(alerts(basket), forbidden.child("a")), seed=1)
    told = notes(running)
    async with running.opened():
        await trio.sleep(1500)
        assert [note.what for note in told()] == ["alert_channel_trouble", "alert_undelivered"]
        assert len(basket.failures) > 9980


async def test_the_root_giving_up_is_told_before_the_tree_has_ended(autojump_clock: MockClock) -> None:
    basket = Basket(pause=1.0)

    @actor(on={ValueError: "escalate"})
    async def fatal(me: Me) -> None:
        await trio.sleep(3)
        raise ValueError("enough")

    with pytest.raises(GaveUp):
        async with bot(alerts(basket), fatal.child("fatal")).open() as running:
            await running.wait_stopped()

    assert basket.titles == ["bot: bot gives up over bot/fatal"]
    assert "crashed: ValueError: enough" in basket.got[0][1].text()


async def test_the_end_of_the_tree_waits_for_no_channel_and_records_what_was_not_told(
    autojump_clock: MockClock,
) -> None:
    stuck, works = Basket("stuck", pause=10**9), Basket("works")
    running = Running(bot(alerts(stuck, works, every=60.0), forbidden.child("a")), seed=1)
    told = notes(running)
    async with running.opened():
        await trio.sleep(3)
        running.add_child("bot", forbidden.child("b"))
        await trio.sleep(1)
        began = trio.current_time()
    lost = [note for note in told() if note.what == "alert_undelivered"]

    assert trio.current_time() - began <= 4.5
    assert works.titles == ["bot: bot/a is parked", "bot: bot/b is parked"]
    assert [(note.fields["channel"], note.fields["title"]) for note in lost] == [
        ("stuck", "bot: bot/a is parked"), ("stuck", "bot: bot/b is parked"),
    ]  # fmt: skip


async def test_an_orderly_end_without_news_says_nothing(autojump_clock: MockClock) -> None:
    basket = Basket()
    running = Running(bot(alerts(basket), failing.child("a", 2)), seed=1)
    told = notes(running)
    async with running.opened():
        await trio.sleep(100)

    assert basket.got == []
    assert told() == []


async def test_another_incarnation_goes_on_where_the_last_one_ended(autojump_clock: MockClock) -> None:
    basket = Basket(failures=[Undelivered("down", retry_after=50.0)])
    async with bot(alerts(basket), forbidden.child("a")).open() as running:
        await trio.sleep(5)
        running.restart_child("bot/alerts")
        await trio.sleep(100)
        assert running.status().find("bot/alerts").generation == 2

    assert basket.titles == ["bot: bot/a is parked"]


async def test_the_tree_does_not_wait_for_a_channel_that_hangs(autojump_clock: MockClock) -> None:
    out = Mailbox[int]("out", capacity=1)

    @actor()
    async def source(me: Me, out: Mailbox[int]) -> None:
        for number in range(100):
            await trio.sleep(0.1)
            await out.send(number)
        await trio.sleep_forever()

    got: list[float] = []

    @actor()
    async def sink(me: Me, out: Mailbox[int]) -> None:
        async for _ in out:
            got.append(trio.current_time())

    stuck = alerts(Basket(pause=10**9))
    async with bot(stuck, failing.child("x", 200), source.child("source", out), sink.child("sink", out)).open():
        await trio.sleep(15)
    assert len(got) == 100
    assert got[-1] - got[0] < 10


@pytest.mark.slow
async def test_telegram_and_webhook_of_a_real_tree_without_the_token_in_any_event() -> None:
    async with post_office() as office:
        office.answers.append(
            (429, {}, b'{"ok":false,"description":"Too Many Requests","parameters":{"retry_after":2}}')
        )
        channels = [telegram(Secret.literal(TOKEN), 1, base=office.address), webhook(f"{office.address}/{TOKEN}")]
        running = Running(bot(alerts(*channels, every=0.1), forbidden.child("a")), seed=1)
        events = running.events()
        async with running.opened():
            with trio.fail_after(10):
                while len(office.posted) < 2:  # noqa: ASYNC110 - it polls what is seen from outside only
                    await trio.sleep(0.05)
            shown = str(running.status().to_dict()) + repr(running.tree)
        said = "".join(f"{event!r} {event.to_dict()}" for event in events.receive_nowait())

    assert office.posted[1].at - office.refused[0].at >= 2.0
    assert {posted.target for posted in office.posted} == {f"/bot{TOKEN}/sendMessage", f"/{TOKEN}"}
    assert "alert_channel_trouble" in said
    assert "sesame" not in said + shown


async def test_a_real_feed_that_cannot_connect_is_told(autojump_clock: MockClock) -> None:
    basket, out = Basket(), Mailbox[object]("out", capacity=10)
    feed = binance.at(ws="ws://127.0.0.1:1", rest="http://127.0.0.1:1").trades("BTCUSDT", out=out)
    async with bot(alerts(basket), feed).open():
        await trio.sleep(100)

    assert any("not live" in message.text() for _, message in basket.got)


def test_alerts_without_a_channel_are_refused() -> None:
    with pytest.raises(ValueError, match="need a channel"):
        alerts()
    with pytest.raises(ValueError, match="every"):
        alerts(Basket(), every=0)
