"""`unblinking check`: prints the tree, or says in one line what is wrong and where."""

from pathlib import Path

import pytest

ACTOR = """
from supervisor import Mailbox, Supervisor, actor

@actor(grace=2)
async def worker(me): ...

"""


def write(folder: Path, text: str, name: str = "bot.py") -> str:
    (folder / name).write_text(text)
    return name


def test_the_example_bot_is_printed_as_a_tree_without_its_secrets_being_there(unblinking, examples) -> None:
    found = unblinking.run("check", str(examples / "bot.py"))

    assert (found.code, found.errors) == (0, "")
    assert found.output.startswith("bot  one_for_one")
    assert "strategy()" in found.output


@pytest.mark.parametrize(
    ("right", "wrong", "path"),
    [
        ("grace=5", "graec=5", "bot/strategy"),
        ("limit=Limit(restarts=30, within=60)", "limits=Limit(restarts=30, within=60)", "bot"),
        ('account.account("main", ', 'account.account("main", silense=3, ', "bot/main"),
        ("venue.trades(symbol, ", "venue.trades(symbol, silense=3, ", "bot/binance-btcusdt"),
    ],
)
def test_a_misspelt_option_of_the_example_is_named_with_its_path(unblinking, examples, right, wrong, path) -> None:
    text = (examples / "bot.py").read_text()
    assert right in text
    found = unblinking.run("check", write(unblinking.folder, text.replace(right, wrong)))

    assert (found.code, found.output) == (2, "")
    line = found.errors.splitlines()[0]
    assert line.startswith(f"{path}: ")
    assert wrong.split("(")[-1].split("=")[0].strip().split(" ")[-1] in line


def test_every_problem_is_told_with_its_full_path_and_one_line(unblinking) -> None:
    text = ACTOR + (
        "tree = Supervisor('bot', [Supervisor('feeds', [worker.child('a').with_(sillence=3), worker.child('a')]),"
        " worker.child('b', 'unwanted')])"
    )

    found = unblinking.run("check", write(unblinking.folder, text))

    assert found.code == 2
    lines = found.errors.splitlines()
    assert any(line.startswith("bot/feeds/a: ") and "'sillence'" in line and "'silence'" in line for line in lines)
    assert any(line.startswith("bot/feeds: ") and "'a'" in line for line in lines)
    assert any(line.startswith("bot/b: ") for line in lines)
    assert len(lines) == 3


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("tree = (", "bot.py:1: "),
        ("import nothing_of_that_name", "bot.py:1: ModuleNotFoundError: No module named 'nothing_of_that_name'"),
        ("\n\nkey = {}['BINANCE_KEY']", "bot.py:3: KeyError: 'BINANCE_KEY'"),
        (ACTOR + "other = Supervisor('bot', [])", "bot.py: defines no 'tree'; it does define other: try bot.py:other"),
        (ACTOR, "bot.py: defines no 'tree'"),
        ("tree = 3", "bot.py: 'tree' must be a Supervisor(...), or a function that returns one, not 3"),
        ("def tree(x): ...", "bot.py: "),
        (ACTOR + "def tree(): return worker.child('a')", "bot.py: 'tree' must be a Supervisor(...)"),
    ],
)
def test_what_is_no_tree_is_said_in_one_line(unblinking, text, complaint) -> None:
    found = unblinking.run("check", write(unblinking.folder, text))

    assert (found.code, found.output) == (2, "")
    assert len(found.errors.splitlines()) == 1
    assert found.errors.startswith(complaint)


def test_a_missing_file_is_said_in_one_line(unblinking) -> None:
    assert unblinking.run("check", "nowhere.py") == (2, "", "nowhere.py: no such file\n")


def test_a_function_without_arguments_may_return_the_tree(unblinking) -> None:
    text = ACTOR + "def make(size=2): return Supervisor('made', [worker.child(f'w{n}') for n in range(size)])"

    found = unblinking.run("check", write(unblinking.folder, text) + ":make")

    assert found.code == 0
    assert found.output.startswith("made  ")
    assert "w1" in found.output


def test_the_file_may_import_its_neighbours(unblinking) -> None:
    write(unblinking.folder, ACTOR, "parts.py")

    found = unblinking.run(
        "check", write(unblinking.folder, "from parts import *\ntree = Supervisor('bot', [worker.child('a')])")
    )

    assert (found.code, found.errors) == (0, "")


def test_checking_starts_nothing(unblinking) -> None:
    text = ACTOR + "@actor()\nasync def writer(me): open('started', 'w')\ntree = Supervisor('bot', [writer.child('w')])"

    assert unblinking.run("check", write(unblinking.folder, text)).code == 0
    assert not (unblinking.folder / "started").exists()
