"""What goes wrong on a day, drawn from a seed: single faults by weight, and bursts in which they come together. Pure.

A day is a list of entries, each a second and what happens then: a `Fault` of the exchange, or something that happens to the
bot itself. Printing an entry gives the line that makes it again. An entry is known by its number, so that a part of a day can
be repeated without writing it down: `--only 3,17`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from random import Random
from typing import TypeAlias

import attrs

from actors.simulator import Fault

HOURS = 24
"""Of a day, however long it is: the load changes with each."""

BYBIT_BAN = 600.0
"""Seconds."""


@attrs.frozen
class Restart:
    """The process ends and another one is started, with the ledger's database that the first one left."""

    killed: bool
    """Without a chance to write anything more, as by `kill -9`; otherwise as by SIGTERM."""
    down: float
    """Seconds until the next one starts."""


@attrs.frozen
class Freeze:
    """The machine sleeps: no task of the bot or of the exchange runs for so many seconds, and then all of them are late."""

    seconds: float


@attrs.frozen
class WallJump:
    """The wall clock of the bot's machine is set: it is so many seconds off from now on."""

    seconds: float


@attrs.frozen
class Bug:
    """The strategy fails at the next item that it handles."""


@attrs.frozen
class SlowReader:
    """The strategy takes nothing from its mailboxes for so many seconds."""

    seconds: float


@attrs.frozen
class NoPost:
    """Nobody takes heartbeats and alerts for so many seconds."""

    seconds: float


Action: TypeAlias = Fault | Restart | Freeze | WallJump | Bug | SlowReader | NoPost


@attrs.frozen
class Entry:
    """One thing that happens on a day."""

    number: int
    at: float
    """Seconds since the day began."""
    what: Action

    def __str__(self) -> str:
        return f"{self.number:4d} {self.at:9.3f} s  {self.what}"


Drawn: TypeAlias = list[tuple[float, Action]]
"""Seconds after the incident began, and what happens then."""


@attrs.frozen
class Place:
    """Where an incident happens."""

    venue: str | None
    """None: everywhere."""
    accounts: tuple[str, ...]
    """Venues that have one."""

    @property
    def account(self) -> bool:
        """Whether there is an account to hit."""
        return self.venue is None or self.venue in self.accounts

    def held(self, random: Random, *among: str) -> str | None:
        """Return where there is an account to hit: here, or else at another venue; None: everywhere.

        Args:
            random: Draws the other venue.
            among: Only these will do; none: all.
        """
        fit = [venue for venue in self.accounts if not among or venue in among]
        return self.venue if self.venue in fit or (self.venue is None and not among) else random.choice(fit)


def _seconds(random: Random, least: float, most: float) -> float:
    """Draw a duration; short ones are as likely as long ones."""
    return round(math.exp(random.uniform(math.log(least), math.log(most))), 3)


def _on_stream(kind: str, *, timed: bool = False, most: float = 60.0, **settings: object) -> Callable[..., Drawn]:
    def draw(random: Random, place: Place) -> Drawn:
        surface = "private" if place.account and random.random() < 0.3 else "ws"
        duration = _seconds(random, 0.5, most) if timed else 0.0
        return [(0.0, Fault(kind, venue=place.venue, surface=surface, duration=duration, **settings))]  # type: ignore[arg-type]

    return draw


def _on_rest(kind: str, most: float = 45.0) -> Callable[..., Drawn]:
    def draw(random: Random, place: Place) -> Drawn:
        return [(0.0, Fault(kind, venue=place.venue, surface="rest", duration=_seconds(random, 1.0, most)))]

    return draw


def _close(random: Random, place: Place) -> Drawn:
    return _on_stream("close", code=random.choice((1000, 1001, 1008, 1011, 1012)))(random, place)


def _slow(random: Random, place: Place) -> Drawn:
    settings = {"delay": round(random.uniform(0.05, 1.5), 3), "chunk": random.choice((0, 0, 400))}
    surface = random.choice(("ws", "ws", "rest"))
    return [(0.0, Fault("slow", venue=place.venue, surface=surface, duration=_seconds(random, 5.0, 60.0), **settings))]  # type: ignore[arg-type]


def _some(kind: str) -> Callable[..., Drawn]:
    def draw(random: Random, place: Place) -> Drawn:
        return _on_stream(kind, timed=kind != "lost_subscription", share=round(random.uniform(0.1, 1.0), 2))(
            random, place
        )

    return draw


def _refuse(random: Random, place: Place) -> Drawn:
    duration = _seconds(random, 1.0, 60.0)
    return [
        (0.0, Fault("refuse", venue=place.venue, duration=duration)),
        (0.05, Fault("reset", venue=place.venue)),
    ]


def _notice(random: Random, place: Place) -> Drawn:
    venue = place.venue if place.venue in ("binance", "okx", "gate") else random.choice(("binance", "okx", "gate"))
    return [(0.0, Fault("notice", venue=venue, duration=_seconds(random, 2.0, 60.0), variant=random.randrange(2)))]


def _expired_token(random: Random, place: Place) -> Drawn:
    return [(0.0, Fault("expire_token", venue="kucoin")), (0.1, Fault("reset", venue="kucoin"))]


def _clock_of_venue(random: Random, place: Place) -> Drawn:
    shift = round(random.choice((-1, 1)) * _seconds(random, 0.5, 120.0), 3)
    return [(0.0, Fault("clock_skew", venue=place.venue, duration=_seconds(random, 5.0, 60.0), shift=shift))]


def _expired_key(random: Random, place: Place) -> Drawn:
    venue = place.held(random, *KEYED)
    return [(0.0, Fault("expire_key", venue=venue, surface="private", notice=random.random() < 0.5))]


def _revoked_key(random: Random, place: Place) -> Drawn:
    venue, lasts, notice = place.held(random), _seconds(random, 5.0, 90.0), random.random() < 0.5
    # The last incident of a day may be cut off after its first entry: no key stays revoked.
    return [
        (lasts, Fault("restore_key", venue=venue, surface="private")),
        (0.0, Fault("revoke_key", venue=venue, surface="private", notice=notice)),
    ]


def _at_login(kind: str) -> Callable[..., Drawn]:
    """The stream breaks, and logging in again is what does not work."""

    def draw(random: Random, place: Place) -> Drawn:
        venue = place.held(random)
        drawn: Drawn = [(0.0, Fault(kind, venue=venue, surface="private", duration=_seconds(random, 1.0, 60.0)))]
        if venue in (None, *KEYED) and random.random() < 0.5:
            keyed = place.held(random, *KEYED) if venue is None else venue
            drawn.append((0.05, Fault("expire_key", venue=keyed, surface="private", notice=False)))
        return [*drawn, (0.1, Fault("reset", venue=venue, surface="private"))]

    return draw


def _events(kind: str, most: float) -> Callable[..., Drawn]:
    """A private stream leaves out, or brings once more, so many messages."""

    def draw(random: Random, place: Place) -> Drawn:
        count = round(_seconds(random, 1.0, most))
        return [(0.0, Fault(kind, venue=place.held(random), surface="private", count=count))]

    return draw


def _rest_lag(random: Random, place: Place) -> Drawn:
    """REST is behind; half of the time the stream breaks meanwhile, so that REST is what counts."""
    venue, duration = place.held(random), _seconds(random, 2.0, 60.0)
    settings = {"delay": _seconds(random, 0.2, 5.0), "variant": random.randrange(3)}
    drawn: Drawn = [(0.0, Fault("rest_lag", venue=venue, surface="rest", duration=duration, **settings))]  # type: ignore[arg-type]
    if random.random() < 0.5:
        at = round(random.uniform(0.0, duration), 3)
        drawn.append((at, Fault("reset", venue=venue, surface="private")))
    return drawn


# Bursts: several faults that belong together.


def _flapping(random: Random, place: Place) -> Drawn:
    count, every = random.randint(5, 15), _seconds(random, 0.3, 4.0)
    return [(round(number * every, 3), Fault("reset", venue=place.venue)) for number in range(count)]


def _outage(random: Random, place: Place) -> Drawn:
    """The venue is gone: no stream, no REST, nobody listens."""
    duration = _seconds(random, 10.0, 180.0)
    drawn: Drawn = [
        (0.0, Fault("refuse", venue=place.venue, surface=surface, duration=duration)) for surface in ("ws", "rest")
    ]
    how = random.choice(("reset", "half_open"))
    for surface in ("ws", "private", "rest"):
        if surface != "private" or place.account:
            lasting = duration if how == "half_open" else 0.0
            drawn.append((0.02, Fault(how, venue=place.venue, surface=surface, duration=lasting)))  # type: ignore[arg-type]
    return drawn


def _everything(random: Random, place: Place) -> Drawn:
    """The stream breaks while REST is down, comes back mute, and brings garbage."""
    venue, drawn = place.venue, Drawn()
    drawn += _on_rest(random.choice(("http_5xx", "http_429", "http_418", "half_open")))(random, place)
    drawn += [
        (1.0, Fault("reset", venue=venue)),
        (2.0, Fault("mute", venue=venue, duration=_seconds(random, 2.0, 40.0))),
    ]
    drawn += [(round(random.uniform(3.0, 40.0), 3), Fault("garbage", venue=venue)) for _ in range(2)]
    drawn.append(
        (round(random.uniform(0.0, 20.0), 3), Fault("lost_ack", venue=venue, duration=_seconds(random, 1, 30)))
    )
    if random.random() < 0.3:
        drawn.append((round(random.uniform(0.0, 30.0), 3), Bug()))
    return drawn


def _ban(random: Random, place: Place) -> Drawn:
    return [
        *_on_rest("http_418", 90.0)(random, place),
        (0.5, Fault("reset", venue=place.venue)),
        (round(random.uniform(5.0, 60.0), 3), Fault("reset", venue=place.venue)),
    ]


def _maintenance(random: Random, place: Place) -> Drawn:
    return [(0.0, Fault("maintenance", venue=place.venue, duration=_seconds(random, 10.0, 120.0)))]


def _restart(random: Random, place: Place) -> Drawn:
    return [(0.0, Restart(random.random() < 0.5, _seconds(random, 2.0, 30.0)))]


def _crash_loop(random: Random, place: Place) -> Drawn:
    """Somebody fixes the bot: it is started again and again."""
    gap = _seconds(random, 8.0, 40.0)
    return [(round(number * gap, 3), Restart(random.random() < 0.5, 2.0)) for number in range(3)]


Incident: TypeAlias = Callable[[Random, Place], Drawn]

WEIGHTS: tuple[tuple[float, Incident], ...] = (
    (8, _on_stream("reset")),
    (5, _close),
    (5, _on_stream("mute", timed=True)),
    (3, _on_stream("mute", timed=True, newcomers=False)),
    (4, _on_stream("stale", timed=True)),
    (4, _on_stream("half_open", timed=True)),
    (3, _on_stream("accept_then_close", timed=True)),
    (4, _slow),
    (3, _on_stream("garbage")),
    (1, _on_stream("oversized")),
    (2, _on_stream("truncated")),
    (3, _some("duplicate")),
    (3, _some("reorder")),
    (3, _some("lost_subscription")),
    (3, _on_stream("lost_ack", timed=True)),
    (3, _refuse),
    (3, _clock_of_venue),
    (3, _notice),
    (1, _expired_token),
    (3, _expired_key),
    (1.5, _revoked_key),
    (4, _on_rest("http_5xx")),
    (3, _on_rest("http_429")),
    (2, _on_rest("mute")),
    (2, _on_rest("half_open")),
    (2, _on_rest("unknown_outcome")),
    (2, _at_login("refuse_login")),
    (2, _at_login("lost_login_ack")),
    (3, _events("drop_events", 60.0)),
    (2, _events("replay_events", 60.0)),
    (3, _rest_lag),
    (1, _maintenance),
    (1, lambda random, place: [(0.0, Freeze(_seconds(random, 0.5, 60.0)))]),
    (1.5, lambda random, place: [(0.0, WallJump(round(random.uniform(-30.0, 30.0), 3)))]),
    (2, lambda random, place: [(0.0, Bug())]),
    (1.5, lambda random, place: [(0.0, SlowReader(_seconds(random, 0.5, 30.0)))]),
    (1, lambda random, place: [(0.0, NoPost(_seconds(random, 1.0, 90.0)))]),
    (1, _flapping),
    (1, _outage),
    (1, _everything),
    (1, _ban),
    (0.6, _restart),
    (0.15, _crash_loop),
)
"""Incidents, each with its weight."""

KEYED = ("binance", "binance-usdm", "kucoin")
"""Venues whose private streams stand on something that ends by itself."""
EVERYWHERE = 0.06
"""Share of the incidents that hit all venues at once."""
IN_BURSTS = 0.6
"""Share of the incidents that come close to others."""


def draw(seed: int, seconds: float, faults: int, venues: Sequence[str], accounts: Sequence[str]) -> list[Entry]:
    """Return the entries of a day in the order of their times.

    Args:
        seed: The same seed and arguments give the same day.
        seconds: How long it is.
        faults: How many there are.
        venues: Which can be hit.
        accounts: Venues that have an account.
    """
    random = Random(f"{seed}/day")
    bursts = [random.uniform(0.05, 0.9) * seconds for _ in range(max(1, faults // 40))]
    weights, incidents = zip(*WEIGHTS, strict=True)
    drawn: Drawn = []
    while len(drawn) < faults:
        venue = None if random.random() < EVERYWHERE else random.choice(venues)
        place = Place(venue, tuple(accounts))
        if random.random() < IN_BURSTS:
            at = random.choice(bursts) + random.expovariate(1 / 20.0)
        else:
            at = random.uniform(0.01, 0.95) * seconds
        [incident] = random.choices(incidents, weights)
        found = incident(random, place)
        drawn += [_within(seconds, min(round(at + after, 3), seconds), what) for after, what in found]
    del drawn[faults:]
    # At the end of the faults, where what comes too late is put, a key is restored behind being revoked.
    drawn.sort(key=lambda entry: (entry[0], getattr(entry[1], "kind", "") == "restore_key"))
    return [Entry(number, at, what) for number, (at, what) in enumerate(drawn)]


def _within(seconds: float, at: float, what: Action) -> tuple[float, Action]:
    """Return an entry that is over soon after the end of the day."""
    if isinstance(what, Fault) and what.kind == "http_418" and at > seconds - BYBIT_BAN:
        # Bybit does not say how long a ban lasts; who keeps to its documents waits for ten minutes.
        what = attrs.evolve(what, kind="http_429")
    if isinstance(what, Fault) and at + what.duration > seconds + 10.0:
        what = attrs.evolve(what, duration=round(seconds + 10.0 - at, 3))
    return at, what


def load(seed: int, hour: int) -> float:
    """Return how much is traded in an hour of a day, as a part of the average: a night, two rushes, and chance."""
    shape = (
        0.15,
        0.1,
        0.1,
        0.1,
        0.15,
        0.3,
        0.6,
        1.2,
        2.2,
        1.8,
        1.2,
        1.0,
        0.9,
        1.0,
        1.8,
        2.6,
        2.2,
        1.6,
        1.2,
        0.9,
        0.8,
        0.6,
        0.4,
        0.3,
    )
    return shape[hour % HOURS] * Random(f"{seed}/load/{hour}").uniform(0.5, 1.5)
