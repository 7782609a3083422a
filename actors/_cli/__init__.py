"""The command `unblinking`. One file a subcommand, sync functions that call `trio.run`.

_check.py _run.py _watch.py _demo.py    the subcommands
_doctor.py                              what a bot needs before it goes live
_status.py _asking.py _picture.py       status, top, explain: a running bot, asked over its health endpoint
_failures.py                            what a ledger file knows
_watchdog.py                            a process of its own that looks at a bot from outside
_load.py _follow.py                     FILE[:NAME] -> tree; running one as a program
_output.py _logs.py                     lines that never block the event loop; events as log lines
_stage.py _faults.py _witness.py        the demo: what is played, what breaks, what is seen of it
_tally.py _report.py _live.py           the demo: arithmetic, report, view of the live tree
"""

import click

from ._check import check
from ._demo import demo
from ._doctor import doctor
from ._failures import failures
from ._run import run
from ._status import explain, status, top
from ._watch import watch
from ._watchdog import watchdog


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="unblinking")
def main() -> None:
    """Supervision trees for Trio trading bots: every failure has one record and one decision."""


for command in (demo, run, check, doctor, watch, status, top, explain, failures, watchdog):
    main.add_command(command)

__all__ = ["main"]
