"""`unblinking watchdog`: a process of its own that looks at a bot from outside and tells people."""

import os
import sys
from pathlib import Path
from typing import Final

import click
import structlog
import trio

from supervisor import Event, Supervisor

from .._errors import SecretMissing
from .._secret import Secret
from ..ops._apprise import apprise as apprise_channel
from ..ops._channel import AlertChannel
from ..ops._posting import parse
from ..ops._telegram import TELEGRAM
from ..ops._telegram import telegram as telegram_channel
from ..ops._watchdog import watchdog as watchdog_tree
from ..ops._webhook import webhook as webhook_channel
from ._asking import TOKEN
from ._follow import follow
from ._load import BadInput
from ._logs import LogFormat, configure, log
from ._output import Lines

TELEGRAM_TOKEN: Final = "UNBLINKING_TELEGRAM_TOKEN"  # noqa: S105 - the name of a variable
WEBHOOK: Final = "UNBLINKING_WEBHOOK"
APPRISE: Final = "UNBLINKING_APPRISE"
HEARTBEAT_KEY: Final = "UNBLINKING_HEARTBEAT_KEY"
_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
_SECONDS = click.FloatRange(min=0, min_open=True, max=7 * 24 * 3600)


@click.command()
@click.argument("url", metavar="[URL]", required=False)
@click.option("--every", type=_SECONDS, default=60.0, show_default=True, help="seconds between two probes")
@click.option("--after", type=click.IntRange(min=1), default=3, show_default=True, help="failures that raise the alarm")
@click.option(
    "--telegram", metavar="CHAT", help=f"tell this chat; the bot's token is in {TELEGRAM_TOKEN}, or in a file"
)
@click.option("--telegram-token-file", type=_FILE, help="file with the token of the Telegram bot")
@click.option("--telegram-api", metavar="URL", default=TELEGRAM, show_default=True, help="a server of your own")
@click.option("--webhook", metavar="URL", help=f"post JSON there; others can see it: better in {WEBHOOK}")
@click.option("--webhook-file", type=_FILE, help="file with the address of the webhook")
@click.option("--apprise", metavar="URL", help=f"slack://, mailto://, ...; others can see it: better in {APPRISE}")
@click.option("--apprise-file", type=_FILE, help="file with an address of apprise")
@click.option("--heartbeat", metavar="PORT", type=click.IntRange(0, 65535), help="take heartbeats at this port")
@click.option("--heartbeat-host", metavar="HOST", default="127.0.0.1", show_default=True, help="address of that port")
@click.option("--heartbeat-key-file", type=_FILE, help=f"heartbeats must come to /KEY; otherwise {HEARTBEAT_KEY}")
@click.option("--silence", type=_SECONDS, default=300.0, show_default=True, help="seconds without a heartbeat")
@click.option("--token-file", type=_FILE, help=f"file with the health endpoint's token; otherwise {TOKEN}")
@click.option("--name", help="of the bot, in messages; otherwise the URL")
@click.option("--log-format", type=click.Choice(["text", "json"]), default="text", show_default=True)
def watchdog(
    url: str | None,
    every: float,
    after: int,
    telegram: str | None,
    telegram_token_file: Path | None,
    telegram_api: str,
    webhook: str | None,
    webhook_file: Path | None,
    apprise: str | None,
    apprise_file: Path | None,
    heartbeat: int | None,
    heartbeat_host: str,
    heartbeat_key_file: Path | None,
    silence: float,
    token_file: Path | None,
    name: str | None,
    log_format: LogFormat,
) -> None:
    """Watch a bot from outside until SIGTERM or SIGINT: probe its health endpoint, take its heartbeats, tell people.

    URL is that of the health endpoint; without one there must be --heartbeat.
    Exit code 0 after an orderly stop, 2 when it cannot begin.
    """
    channels: list[AlertChannel] = []
    if telegram is not None:
        token = _secret(telegram_token_file, TELEGRAM_TOKEN)
        if token is None:
            raise BadInput(f"--telegram needs the token of a bot: set {TELEGRAM_TOKEN}, or give --telegram-token-file")
        _readable(token)
        if parse(telegram_api) is None:
            raise BadInput("--telegram-api is not an http:// or https:// address")
        channels.append(telegram_channel(token, telegram, base=telegram_api))
    address = Secret.literal(webhook) if webhook is not None else _secret(webhook_file, WEBHOOK)
    if address is not None:
        if parse(_readable(address)) is None:
            raise BadInput("the address of the webhook is not an http:// or https:// address")
        channels.append(webhook_channel(address))
    service = Secret.literal(apprise) if apprise is not None else _secret(apprise_file, APPRISE)
    if service is not None:
        channels.append(_service(service))
    if not channels:
        raise BadInput(
            f"nobody would be told: give --telegram CHAT, --webhook URL or --apprise URL, or set {WEBHOOK} or {APPRISE}"
        )
    key = _secret(heartbeat_key_file, HEARTBEAT_KEY)
    if key is not None and not set(_readable(key)) <= _PLAIN:
        raise BadInput("the key of heartbeats may have letters, digits, '-' and '_' only")
    try:
        tree = watchdog_tree(
            url,
            channels,
            every=every,
            after=after,
            token=_secret(token_file, TOKEN),
            heartbeat=heartbeat,
            heartbeat_host=heartbeat_host,
            heartbeat_key=key,
            silence=silence,
            name=name or (url or "bot").partition("://")[2] or url or "bot",
        )
    except ValueError as wrong:
        raise BadInput(str(wrong)) from None
    lines = Lines(sys.stderr.fileno())
    configure(lines, log_format, colors=sys.stderr.isatty())
    sys.exit(trio.run(_run, tree, lines))


_PLAIN: Final = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_")


def _secret(file: Path | None, variable: str) -> Secret | None:
    """Return a secret from a file or from the environment; None where there is neither."""
    if file is not None:
        return Secret.file(file)
    return Secret.env(variable) if os.environ.get(variable, "").strip() else None


def _service(address: Secret) -> AlertChannel:
    """Return what tells people through apprise, if that is there and knows the address."""
    _readable(address)
    try:
        channel = apprise_channel(address)
    except ImportError as missing:
        raise BadInput(str(missing)) from None
    if channel.unknown():
        raise BadInput("apprise does not know the address that it is given, or something is missing in it")
    return channel


def _readable(secret: Secret) -> str:
    """Return a secret's value now: the time to learn that it is missing is not that of the first alarm."""
    try:
        return secret.reveal()
    except SecretMissing as error:
        raise BadInput(str(error)) from None


async def _run(tree: Supervisor, lines: Lines) -> int:
    async def log_event(event: Event) -> None:  # noqa: ASYNC124 - other followers wait
        log(event)

    gave_up = await follow(tree, lines, log_event, structlog.get_logger().error)
    return 0 if gave_up is None else 1
