"""What the tree needs of this machine: packages that do not clash, secrets, room on the disk, ports that are free."""

from __future__ import annotations

import errno
import os
import shutil
import socket
import stat
import sys
import tempfile
from importlib.metadata import distributions
from typing import Final

import trio

from .._errors import SecretMissing
from .._secret import Secret
from ..ops._health import Health
from ..ops._ledger import LedgerWriter
from ._finding import Finding
from ._needs import Needs

_MB: Final = 1_000_000
_ROOM: Final = 2
"""Times what the ledger may take: SQLite needs room beside the file, and so do logs."""


async def packages(needs: Needs) -> list[Finding]:
    """See whether supervisord is installed beside us: its package has the name of ours, see `actors._guard`."""
    await trio.lowlevel.checkpoint()
    # Whichever was installed last has overwritten the other's files; that ours are there now proves nothing for tomorrow.
    found = [distribution for distribution in distributions() if distribution.metadata["Name"] == "supervisor"]
    if found:
        text = f"supervisord {found[0].version} is installed in {sys.prefix}, and overwrites files of unblinking"
        advice = "pip uninstall supervisor unblinking, then install unblinking alone"
        return [Finding("failed", "packages", "supervisor", text, advice)]
    return [Finding("ok", "packages", "supervisor", "no other package of this name is installed")]


async def secrets(needs: Needs) -> list[Finding]:
    """See whether every secret can be read, and whether others can read its file."""
    await trio.lowlevel.checkpoint()
    # The actors of an account share its secrets: each is told once.
    first: dict[Secret, str] = {}
    for path, secret in needs.find(Secret):
        first.setdefault(secret, path)
    return [_secret(path, secret) for secret, path in first.items()]


def _secret(path: str, secret: Secret) -> Finding:
    try:
        secret.reveal()
    except SecretMissing as missing:
        return Finding("failed", "secrets", path, str(missing), "set it, as the bot's own user will see it")
    file = secret.path
    if file is not None and file.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        text = f"the secret in file {file} can be read by other users"
        return Finding("warning", "secrets", path, text, f"chmod 600 {file}")
    return Finding("ok", "secrets", path, "a secret is there")


async def disk(needs: Needs) -> list[Finding]:
    """See whether the ledger's file can be written, and has room."""
    await trio.lowlevel.checkpoint()
    return [_disk(path, writer) for path, writer in needs.find(LedgerWriter)]


def _disk(path: str, writer: LedgerWriter) -> Finding:
    file, folder = writer.path, writer.path.parent
    try:
        # Asking for the permission is not enough: read-only file systems and quotas answer only to trying.
        with tempfile.TemporaryFile(dir=folder) as probe:
            probe.write(b"?" * 4096)
            probe.flush()
        free = shutil.disk_usage(folder).free
    except OSError as error:
        missing = error.errno == errno.ENOENT
        advice = f"mkdir -p {folder}" if missing else f"make it writable for {_user()}, or give the ledger another path"
        return Finding("failed", "disk", path, f"{folder} cannot be written: {error.strerror}", advice)
    if file.exists() and not (file.is_file() and os.access(file, os.R_OK | os.W_OK)):
        return Finding("failed", "disk", path, f"{file} cannot be written", f"chown it to {_user()}, or move it away")
    text = f"{free / _MB:,.0f} MB are free at {folder}, the ledger takes up to {writer.max_bytes / _MB:,.0f} MB"
    if free < writer.max_bytes:
        return Finding("failed", "disk", path, text, "make room, or give the ledger a smaller max_bytes")
    if free < _ROOM * writer.max_bytes:
        return Finding("warning", "disk", path, text, "make room")
    return Finding("ok", "disk", path, text)


def _user() -> str:
    return f"user {os.getuid()}"


async def ports(needs: Needs) -> list[Finding]:
    """See whether the health endpoint can listen."""
    await trio.lowlevel.checkpoint()
    return [_port(path, health) for path, health in needs.find(Health)]


def _port(path: str, health: Health) -> Finding:
    at = f"{health.host}:{health.port}"
    if health.port == 0:
        return Finding("ok", "ports", path, f"{at}: the system chooses a port")
    family = socket.AF_INET6 if ":" in health.host else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            # As the endpoint does: connections that are going away do not matter.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((health.host, health.port))
            probe.listen()
    except OSError as error:
        advice = {
            errno.EADDRINUSE: f"does the bot run already? `unblinking status {at}`; or choose another port",
            errno.EACCES: "choose a port above 1023",
            errno.EADDRNOTAVAIL: "that is no address of this machine",
        }.get(error.errno or 0, "choose another host or port")
        return Finding("failed", "ports", path, f"{at} cannot be listened at: {error.strerror}", advice)
    return Finding("ok", "ports", path, f"{at} is free")


async def stopping(needs: Needs) -> list[Finding]:
    """Add up how long an orderly stop takes at most, for whoever would kill the process after a time of its own."""
    await trio.lowlevel.checkpoint()
    # One after the other, each with what it may take.
    most = sum(child.policy.grace + child.policy.bound for _, child in needs.children)
    text = (
        f"an orderly stop takes {most:.0f} s at most; give TimeoutStopSec, --stop-timeout or "
        "terminationGracePeriodSeconds more"
    )
    return [Finding("ok", "stopping", needs.tree.name, text)]
