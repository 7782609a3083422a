"""The demo's bad day: one fault of every kind that matters, in an order and at times drawn from the seed. Pure."""

from collections.abc import Sequence
from random import Random

from actors.simulator import Fault, FaultScript

QUIET_START = 2.0
"""Seconds before the first fault: long enough to see the bot at work."""
QUIET_END = 3.0
"""Seconds after the last fault in which its effects show before the exchange falls silent."""
BRIEF = 0.05
"""Seconds between the two halves of a fault that only hurts together with a second one."""


def bad_day(seed: int, seconds: float, public: Sequence[str], private: str) -> FaultScript:
    """Draw a script.

    Args:
        seed: The same seed and arguments give the same script.
        seconds: How long the exchange publishes. Less than about ten seconds hold fewer faults.
        public: The venues whose public feeds are hit: one, two or three.
        private: The venue of the account.
    """
    random = Random(f"{seed}/bad day")
    cases = _public_cases(public, random) + _private_cases(private, random)
    random.shuffle(cases)
    time_for_faults = seconds - QUIET_START - QUIET_END
    # Closer than a second apart they would hit connections that are already down.
    room = max(0, min(len(cases), int(time_for_faults)))
    slots = [QUIET_START + time_for_faults * (place + random.random() * 0.5) / max(room, 1) for place in range(room)]
    return FaultScript(
        (round(at + offset, 3), fault) for at, case in zip(slots, cases, strict=False) for offset, fault in case
    )


Case = list[tuple[float, Fault]]
"""Faults that belong together, each with its seconds after the first."""


def _public_cases(venues: Sequence[str], random: Random) -> list[Case]:
    close = random.choice((1001, 1011, 1012))
    refused, muted, down = (round(random.uniform(0.8, 1.6), 3) for _ in range(3))
    # Each kind hits one venue: with all of them on every connection the backoff, rightly, would be most of the demo.
    a, b, c, d, e, f = random.sample([*venues] * (6 // len(venues)), 6)
    return [
        [(0.0, Fault("reset", venue=a))],
        [(0.0, Fault("close", venue=b, code=close))],
        [(0.0, Fault("garbage", venue=c))],
        [(0.0, Fault("mute", venue=d, duration=muted))],
        # Nobody notices a closed door without having to come in.
        [(0.0, Fault("refuse", venue=e, duration=refused)), (BRIEF, Fault("reset", venue=e))],
        # The hole of a reset cannot be filled at once: REST is down as well.
        [(0.0, Fault("http_5xx", venue=f, surface="rest", duration=down)), (BRIEF, Fault("reset", venue=f))],
    ]


def _private_cases(venue: str, random: Random) -> list[Case]:
    silent = round(random.uniform(0.3, 0.8), 3)
    return [
        [(0.0, Fault("reset", venue=venue, surface="private"))],
        [(0.0, Fault("expire_key", venue=venue, surface="private", notice=True))],
        # Without a notice a dead key shows only at the next connection.
        [
            (0.0, Fault("expire_key", venue=venue, surface="private", notice=False)),
            (silent, Fault("reset", venue=venue, surface="private")),
        ],
        [(0.0, Fault("garbage", venue=venue, surface="private"))],
    ]
