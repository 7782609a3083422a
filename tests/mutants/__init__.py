"""Planted bugs: what others did wrong, done to this code on purpose; the tests must find each of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from .bug import Bug
from .of_accounts import BUGS as _OF_ACCOUNTS
from .of_feeds import BUGS as _OF_FEEDS
from .of_operating import BUGS as _OF_OPERATING
from .of_the_supervisor import BUGS as _OF_THE_SUPERVISOR

AREAS: Final[Mapping[str, tuple[Bug, ...]]] = {
    "The runtime": _OF_THE_SUPERVISOR,
    "Feeds": _OF_FEEDS,
    "Accounts": _OF_ACCOUNTS,
    "Operating": _OF_OPERATING,
}
ALL: Final = tuple(bug for bugs in AREAS.values() for bug in bugs)
