"""unblinking's runtime: a supervision tree on Trio in which no failure is lost. Knows Trio and attrs, nothing else.

Layout, from the top of the import order down; each file imports only from those below it:

    _running                    opening, stopping, running and operating a tree; the handle `Running`
    _node                       the Trio side of one supervisor
    _tree                       the open tree as an actor in it sees it
    _me, _runtime               what an actor sees; what all supervisors of a tree share
    _operations, _plan, _explain  what an operator can do to a running tree, and ask of it
    _machine                    the supervisor as a state machine, pure
    _bounds, _judge, _port      its parts: times, limits, and what it orders from the Trio side
    _state, _status             a child's states and record; the live tree as values
    _actor, _spec, _render      actors; the definition of a tree as a value, and as text
    _events, _ledger            what happened, as records, and in counts
    _outcome                    how an incarnation ended and what its policy wants, pure
    _blocking                   notices actors that keep the event loop for themselves
    _mailbox, _open_mailbox, _timers           memory channels that outlive actors; one heap for all timers
    _policy, _strategy, _budget, _errors, _checks
"""

from __future__ import annotations

from ._actor import Actor as Actor
from ._actor import actor as actor
from ._actor import child as child
from ._budget import Budget as Budget
from ._budget import BudgetStatistics as BudgetStatistics
from ._errors import BadTree as BadTree
from ._errors import ForeignCancelled as ForeignCancelled
from ._errors import GaveUp as GaveUp
from ._errors import PlannedEnd as PlannedEnd
from ._errors import Problem as Problem
from ._errors import StaleActor as StaleActor
from ._errors import StartTimeout as StartTimeout
from ._errors import StopActor as StopActor
from ._errors import SupervisorError as SupervisorError
from ._events import Blocked as Blocked
from ._events import DeadLettered as DeadLettered
from ._events import Ended as Ended
from ._events import Event as Event
from ._events import Note as Note
from ._events import Ready as Ready
from ._events import Started as Started
from ._events import StopRequested as StopRequested
from ._events import Unstoppable as Unstoppable
from ._ledger import Ledger as Ledger
from ._ledger import PathCount as PathCount
from ._mailbox import DeadLetter as DeadLetter
from ._mailbox import Mailbox as Mailbox
from ._mailbox import MailboxClosed as MailboxClosed
from ._mailbox import MailboxError as MailboxError
from ._mailbox import MailboxFull as MailboxFull
from ._mailbox import MailboxStatistics as MailboxStatistics
from ._me import Me as Me
from ._operations import NoSuchChild as NoSuchChild
from ._operations import WrongState as WrongState
from ._outcome import Decision as Decision
from ._outcome import End as End
from ._plan import Plan as Plan
from ._plan import diff as diff
from ._policy import Backoff as Backoff
from ._policy import Limit as Limit
from ._policy import Policy as Policy
from ._policy import PolicyOptions as PolicyOptions
from ._policy import Spread as Spread
from ._running import Running as Running
from ._running import run as run
from ._runtime import Subscription as Subscription
from ._spec import Child as Child
from ._spec import Supervisor as Supervisor
from ._spec import collecting_problems as collecting_problems
from ._status import Status as Status
from ._tree import OpenTree as OpenTree

__all__ = [
    "Actor",
    "Backoff",
    "BadTree",
    "Blocked",
    "Budget",
    "BudgetStatistics",
    "Child",
    "DeadLetter",
    "DeadLettered",
    "Decision",
    "End",
    "Ended",
    "Event",
    "ForeignCancelled",
    "GaveUp",
    "Ledger",
    "Limit",
    "Mailbox",
    "MailboxClosed",
    "MailboxError",
    "MailboxFull",
    "MailboxStatistics",
    "Me",
    "NoSuchChild",
    "Note",
    "OpenTree",
    "PathCount",
    "Plan",
    "PlannedEnd",
    "Policy",
    "PolicyOptions",
    "Problem",
    "Ready",
    "Running",
    "Spread",
    "StaleActor",
    "StartTimeout",
    "Started",
    "Status",
    "StopActor",
    "StopRequested",
    "Subscription",
    "Supervisor",
    "SupervisorError",
    "Unstoppable",
    "WrongState",
    "actor",
    "child",
    "collecting_problems",
    "diff",
    "run",
]

__unblinking__ = True
"""Marks this package as ours: PyPI's supervisord installs a package of the same name, see `actors`."""
