"""Planted bugs: what others did wrong, done to this code on purpose; the tests must find each of them."""

from __future__ import annotations

from .of_accounts import BUGS as _OF_ACCOUNTS
from .of_feeds import BUGS as _OF_FEEDS
from .of_operating import BUGS as _OF_OPERATING
from .of_the_supervisor import BUGS as _OF_THE_SUPERVISOR

ALL = (*_OF_THE_SUPERVISOR, *_OF_FEEDS, *_OF_ACCOUNTS, *_OF_OPERATING)
