"""What a tree needs before it goes live, looked at one thing after another. Nothing of the tree is started.

    _finding     what a check says, and what a check is
    _needs       the tree as a definition: which values of a kind are in it, and which addresses it uses
    _addresses   DNS, TLS, REST and WebSocket handshake of each address
    _clocks      this machine's time beside each venue's
    _keys        what the venues say to the accounts' keys
    _limits      the connections and symbols declared, beside what the venues allow
    _machine     packages that clash, secrets, disk, ports

To add a check: write an async function of `Needs` that returns findings, and name it in `CHECKS`.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from typing import Final

import trio

from supervisor import Supervisor

from ._addresses import addresses
from ._clocks import clocks
from ._finding import Check, Finding
from ._keys import keys
from ._limits import limits
from ._machine import disk, packages, ports, secrets, stopping
from ._needs import Needs

CHECKS: Final[tuple[Check, ...]] = (packages, secrets, disk, ports, stopping, addresses, clocks, limits, keys)
"""In the order in which they are told: what costs nothing first."""
WITHIN: Final = 60.0
"""Seconds for one check."""


async def examine(tree: Supervisor, checks: Sequence[Check] = CHECKS) -> AsyncGenerator[Finding]:
    """Yield what the checks find, as they find it. A check that fails itself is a finding, too.

    Args:
        tree: The definition.
        checks: Which, in their order.
    """
    needs = Needs(tree)
    for check in checks:
        for finding in await _findings(check, needs):
            yield finding


async def _findings(check: Check, needs: Needs) -> list[Finding]:
    name = check.__name__
    try:
        with trio.fail_after(WITHIN):
            return await check(needs)
    except trio.TooSlowError:
        return [Finding("failed", name, "", f"not done within {WITHIN:g} s", "ask again; is the network that slow?")]
    except Exception as error:  # noqa: BLE001 - told; the others go on. The text of an error that nobody expected may quote anything
        return [Finding("failed", name, "", f"the check itself failed: {type(error).__name__}", "report it as a bug")]
