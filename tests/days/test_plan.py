"""What goes wrong on a day is drawn from its seed alone."""

from collections import Counter
from itertools import chain

from actors.simulator import Fault

from ..actors.products import PRODUCTS
from .accounts import HOLDINGS, holdings
from .day import CALM, RECOVER, Settings
from .plan import HOURS, Bug, Freeze, NoPost, Restart, SlowReader, WallJump, draw, load

ACCOUNTS = tuple(holding.venue for holding in chain(*HOLDINGS))


def test_the_same_seed_draws_the_same_day_and_another_one_does_not() -> None:
    first, again, other = (draw(seed, 1500.0, 300, tuple(PRODUCTS), ACCOUNTS) for seed in (1, 1, 2))

    assert first == again
    assert first != other
    assert [entry.number for entry in first] == list(range(300))
    assert [entry.at for entry in first] == sorted(entry.at for entry in first)


def test_over_some_days_everything_happens_everywhere() -> None:
    entries = [entry.what for seed in range(20) for entry in draw(seed, 1500.0, 300, tuple(PRODUCTS), ACCOUNTS)]
    kinds = {what.kind for what in entries if isinstance(what, Fault)}
    venues = Counter(what.venue for what in entries if isinstance(what, Fault))

    assert kinds == set(Fault.kinds())
    assert {*PRODUCTS, None} <= venues.keys()
    assert {type(what) for what in entries} == {Fault, Restart, Freeze, WallJump, Bug, SlowReader, NoPost}


def test_each_day_has_an_account_at_every_venue_and_over_some_days_of_every_product() -> None:
    days = [{holding.venue for holding in holdings(seed)} for seed in range(20)]

    assert all(len(day) == len(HOLDINGS) for day in days)
    assert set(ACCOUNTS) == set.union(*days)


def test_everything_is_over_when_the_recovery_begins() -> None:
    for seed in range(20):
        settings = Settings(seed=seed)
        for entry in settings.entries():
            assert CALM <= entry.at <= settings.seconds - RECOVER
            if isinstance(entry.what, Fault):
                assert entry.at + entry.what.duration <= settings.seconds - RECOVER + 10.001


def test_no_key_stays_revoked() -> None:
    for seed in [*range(40), 4178]:
        revoked = set[str | None]()
        for entry in Settings(seed=seed).entries():
            if isinstance(entry.what, Fault) and entry.what.kind == "revoke_key":
                revoked.add(entry.what.venue)
            elif isinstance(entry.what, Fault) and entry.what.kind == "restore_key":
                revoked -= {entry.what.venue} if entry.what.venue is not None else revoked
        assert not revoked, f"seed {seed}"


def test_a_part_of_a_day_is_named_by_numbers() -> None:
    settings = Settings(seed=7, minutes=20, faults=50, only=(3, 17))

    assert [entry.number for entry in settings.entries()] == [3, 17]
    assert settings.command().endswith("--days 1 --seed 7 --minutes 20 --faults 50 --rate 0.4 --only 3,17")


def test_a_day_has_a_night_and_rushes() -> None:
    hours = [load(1, hour) for hour in range(HOURS)]

    assert max(hours) > 10 * min(hours)
    assert 0.6 < sum(hours) / HOURS < 1.4
