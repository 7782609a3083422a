"""`nox -s fuzz`: give everything that reads what a venue sends as many strange inputs as fit into a time.

``-- --seconds N`` of fuzzing altogether; ``--group NAME`` only one group; ``--folder DIR`` where inputs are kept: those that
reached something new, for the next time, and those that failed; ``--repeat FILE`` runs one that failed.

atheris chooses the inputs: it sees which code an input has reached, and goes on from those that reached something new.
Where it is not installed they are chosen by chance alone. Each group is a process of its own. The exit code is 0 when
every input ended in events, a typed error or a closed connection, within 10 s and 2 GB.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib.util
import os
import re
import sys
import time
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from random import Random
from typing import Any, Final

GROUPS: Final = ("streams", "answers", "inquiries", "wire")
"""As of `targets`, which must not be imported here: the fuzzer wants to see it done."""
_SEEN: Final = (
    "actors.exchanges",
    "actors._net._ws_frames",
    "actors._net._tap",
    "actors._net._wire",
    "actors._net._rest_limit",
)
"""Modules and packages in which the fuzzer sees what is reached."""
_LONGEST: Final = 10
"""Seconds for one input."""
_MEMORY: Final = 2048
"""Megabytes for the process."""
_HEAD: Final = 2
"""Bytes in front of an input that choose the target."""


class Chooser:
    """Hands an input to the target of a group that its head chooses."""

    def __init__(self, group: str) -> None:
        from .targets import targets

        self.targets = [target for target in targets() if target.group == group]

    def seeds(self) -> list[bytes]:
        """Return what to begin with, for each target."""
        return [
            place.to_bytes(_HEAD, "big") + seed for place, target in enumerate(self.targets) for seed in target.seeds
        ]

    def target(self, data: bytes) -> Any:
        """Return the target that an input is for."""
        return self.targets[int.from_bytes(data[:_HEAD], "big") % len(self.targets)]

    def run(self, data: bytes) -> None:
        """Hand it over."""
        if len(data) >= _HEAD:
            self.target(data).run(data[_HEAD:])

    def change(self, data: bytes, random: Random, change_bytes: Callable[[bytes], bytes] | None = None) -> bytes:
        """Return another input, mostly for the same target."""
        from .mutation import mutated

        head = data[:_HEAD] if len(data) >= _HEAD and random.random() < 0.95 else random.randbytes(_HEAD)
        return head + mutated(data[_HEAD:], random, change_bytes)


def _not_seen() -> list[str]:
    """Return the modules of which the fuzzer need not know: looking into all of them takes half a minute."""
    spec = importlib.util.find_spec("actors")
    assert spec is not None
    assert spec.submodule_search_locations is not None
    root = Path(spec.submodule_search_locations[0])
    files = (file.relative_to(root.parent).with_suffix("") for file in root.rglob("*.py"))
    names = [".".join(file.parts).removesuffix(".__init__") for file in files]
    return [name for name in names if not f"{name}.".startswith(tuple(f"{seen}." for seen in _SEEN))]


def fuzz(group: str, seconds: int, folder: Path) -> None:
    """Fuzz one group with atheris, which ends the process."""
    import atheris

    with atheris.instrument_imports(include=["actors"], exclude=_not_seen()):
        chooser = Chooser(group)
    corpus, failures = folder / group, folder / "failures"
    for place in (corpus, failures):
        place.mkdir(parents=True, exist_ok=True)
    for seed in chooser.seeds():
        (corpus / hashlib.sha1(seed).hexdigest()).write_bytes(seed)

    def run(data: bytes) -> None:
        try:
            chooser.run(data)
        except BaseException:
            # atheris itself keeps only what has crashed or hung.
            (failures / f"{group}-{hashlib.sha1(data).hexdigest()}").write_bytes(data)
            raise

    def change(data: bytes, most: int, seed: int) -> bytes:
        changed = chooser.change(data, Random(seed), lambda old: bytes(atheris.Mutate(old, max(1, most - _HEAD))))
        return changed[:most]

    options = [
        f"-max_total_time={seconds}",
        f"-timeout={_LONGEST}",
        f"-rss_limit_mb={_MEMORY}",
        f"-artifact_prefix={failures}/{group}-",
        "-max_len=30000",
        str(corpus),
    ]
    atheris.Setup([sys.argv[0], *options], run, custom_mutator=change)
    atheris.Fuzz()


def fuzz_by_chance(group: str, seconds: int, folder: Path) -> int:
    """Fuzz one group without seeing what is reached."""
    chooser, random, count = Chooser(group), Random(), 0
    seeds, end = chooser.seeds(), time.monotonic() + seconds
    while time.monotonic() < end:
        data = random.choice(seeds)
        for _ in range(random.choice((1, 1, 2, 4))):
            data = chooser.change(data, random)
        began = time.monotonic()
        try:
            chooser.run(data)
            assert time.monotonic() - began < _LONGEST, f"longer than {_LONGEST} s"
        except BaseException:  # noqa: BLE001 - this is what is looked for
            traceback.print_exc()
            (folder / "failures").mkdir(parents=True, exist_ok=True)
            (folder / "failures" / f"{group}-{hashlib.sha1(data).hexdigest()}").write_bytes(data)
            return 1
        count += 1
    print(f"#{count} DONE by chance", file=sys.stderr)
    return 0


def in_a_process(group: str, seconds: int, folder: Path) -> int:
    """Fuzz one group in a process of its own, with all that it says in a file; return its exit code."""
    sys.stdout.flush()
    process = os.fork()
    if process:
        return os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
    log = os.open(folder / f"{group}.log", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(log, 1)
    os.dup2(log, 2)
    code = 1
    try:
        if importlib.util.find_spec("atheris") is None:
            code = fuzz_by_chance(group, seconds, folder)
        else:
            fuzz(group, seconds, folder)
    except BaseException:  # noqa: BLE001 - the process ends here in any case
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def repeat(file: Path) -> int:
    """Run one input that has failed."""
    chooser = Chooser(file.name.partition("-")[0])
    data = file.read_bytes()
    print(f"{chooser.target(data).name}: {data[_HEAD:]!r}")
    chooser.run(data)
    print("nothing is wrong with it")
    return 0


def main(arguments: Sequence[str] | None = None) -> int:
    """Fuzz, and say what came of it."""
    parser = argparse.ArgumentParser(prog="nox -s fuzz --", description=__doc__)
    parser.add_argument("--seconds", type=int, default=600, help="of fuzzing, altogether")
    parser.add_argument("--group", choices=GROUPS, help="only this one")
    parser.add_argument("--folder", type=Path, default=Path("fuzz"))
    parser.add_argument("--repeat", type=Path, metavar="FILE")
    chosen = parser.parse_args(arguments)
    if chosen.repeat is not None:
        return repeat(chosen.repeat)
    folder: Path = chosen.folder
    folder.mkdir(parents=True, exist_ok=True)
    groups = [chosen.group] if chosen.group else GROUPS
    bad = 0
    for group in groups:
        before = set((folder / "failures").glob(f"{group}-*"))
        code = in_a_process(group, max(1, chosen.seconds // len(groups)), folder)
        said = (folder / f"{group}.log").read_text(errors="replace")
        done = re.findall(r"^#(\d+)\s+DONE\s+(.*)$", said, re.MULTILINE)
        if code == 0 and done:
            print(f"{group:10} {int(done[-1][0]):9,} inputs  {done[-1][1].partition(' lim:')[0]}", flush=True)
            continue
        bad += 1
        print(f"{group:10} FAILED\n{said[-4000:]}", flush=True)
        for file in sorted(set((folder / "failures").glob(f"{group}-*")) - before):
            print(f"repeat with: nox -s fuzz -- --repeat {file.absolute()}", flush=True)
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
