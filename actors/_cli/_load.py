"""FILE[:NAME] of the command line -> a tree, or one clear line that says why not."""

import importlib.util
import inspect
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import ModuleType
from typing import IO

import click

from supervisor import BadTree, Supervisor, collecting_problems

DEFAULT_NAME = "tree"


class BadInput(click.ClickException):
    """What the user gave cannot be used: one line a problem on standard error, exit code 2."""

    exit_code = 2

    def show(self, file: IO[str] | None = None) -> None:
        """Print it without decoration: programs and people look for the path that stands first."""
        click.echo(self.message, file=file, err=True)


def load_tree(target: str) -> Supervisor:
    """Read a Python file and return the tree that it defines, checked.

    The file runs as it would under `python FILE`: its folder is importable, but ``__name__`` is not ``__main__``.

    Args:
        target: ``bot.py`` or ``bot.py:name``. The name is a `Supervisor`, or a function that returns one and can be
            called without arguments. Without a name: ``tree``.

    Raises:
        BadInput: No such file, no such name, not a tree, a tree with problems, or the file itself fails.
    """
    file, name = split(target)
    module = load_file(file)
    try:
        value = getattr(module, name)
    except AttributeError:
        others = [key for key, found in vars(module).items() if isinstance(found, Supervisor)]
        hint = f"; it does define {', '.join(others)}: try {file}:{others[0]}" if others else ""
        raise BadInput(f"{file}: defines no {name!r}{hint}") from None
    if inspect.isfunction(value):
        with _blaming(file), collecting_problems():
            value = value()
    if not isinstance(value, Supervisor):
        raise BadInput(f"{file}: {name!r} must be a Supervisor(...), or a function that returns one, not {value!r:.80}")
    try:
        value.check()
    except BadTree as wrong:
        raise BadInput(str(wrong)) from wrong
    return value


def split(target: str) -> tuple[Path, str]:
    """Split ``FILE[:NAME]``; what follows the last colon is a name only if it could be one."""
    file, colon, name = target.rpartition(":")
    return (Path(file), name) if colon and name.isidentifier() else (Path(target), DEFAULT_NAME)


def load_file(file: Path) -> ModuleType:
    """Run a Python file and return its module.

    Raises:
        BadInput: No such file, or it fails.
    """
    if not file.is_file():
        raise BadInput(f"{file}: {'is a folder' if file.is_dir() else 'no such file'}")
    # A stem that is taken must not replace a module that the file itself may want to import.
    name = file.stem if file.stem.isidentifier() and file.stem not in sys.modules else f"_unblinking_{file.stem}"
    loader = SourceFileLoader(name, str(file))  # any suffix will do, as for `python FILE`
    spec = importlib.util.spec_from_file_location(name, file, loader=loader)
    assert spec is not None, "a loader was given"
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # attrs and msgspec look annotations up there
    sys.path.insert(0, str(file.resolve().parent))
    with _blaming(file), collecting_problems():
        loader.exec_module(module)
    return module


@contextmanager
def _blaming(file: Path) -> Iterator[None]:
    """Turn whatever the user's file raises into one line that names the place in it."""
    try:
        yield
    except SyntaxError as wrong:
        raise BadInput(f"{wrong.filename}:{wrong.lineno}: {wrong.msg}") from wrong
    except BadTree as wrong:
        raise BadInput(str(wrong)) from wrong
    except Exception as wrong:
        frames = [frame for frame in traceback.extract_tb(wrong.__traceback__) if frame.filename == str(file)]
        place = f"{file}:{frames[-1].lineno}" if frames else str(file)
        what = "".join(traceback.format_exception_only(wrong)).strip().splitlines()[-1]
        raise BadInput(f"{place}: {what}") from wrong
