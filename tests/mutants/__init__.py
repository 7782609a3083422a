"""Planted bugs: what others did wrong, done to this code on purpose; the tests must find each of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from .bug import Bug
from .of_account_keeping import BUGS as _OF_ACCOUNT_KEEPING
from .of_account_logins import BUGS as _OF_ACCOUNT_LOGINS
from .of_account_reconciling import BUGS as _OF_ACCOUNT_RECONCILING
from .of_feeds import BUGS as _OF_FEEDS
from .of_operating import BUGS as _OF_OPERATING
from .of_the_supervisor import BUGS as _OF_THE_SUPERVISOR

AREAS: Final[Mapping[str, tuple[Bug, ...]]] = {
    "The runtime": _OF_THE_SUPERVISOR,
    "Feeds": _OF_FEEDS,
    "Accounts": (*_OF_ACCOUNT_RECONCILING, *_OF_ACCOUNT_LOGINS, *_OF_ACCOUNT_KEEPING),
    "Operating": _OF_OPERATING,
}
ALL: Final = tuple(bug for bugs in AREAS.values() for bug in bugs)
