"""Everything that this project checks, one session each: `nox -l` lists them.

Sessions run on the Python that runs nox. Tests and demo use the installed package, never the working tree.
"""

import os
import re
import shutil
from pathlib import Path

import nox

nox.options.default_venv_backend = "uv|virtualenv"
nox.options.error_on_external_run = True
# `tests-3.12` and `tests-3.13` are for machines that have those; elsewhere nox says "skipped: interpreter not found",
# also when CI is set.
nox.options.error_on_missing_interpreters = False
nox.options.sessions = ["tests", "lint", "types", "docs"]

PYPROJECT = nox.project.load_toml("pyproject.toml")
# The folders that hold Python written by hand.
SOURCES = ["supervisor", "actors", "tests", "docs", "noxfile.py"]
# flake8-async finds what ruff does not. 109: a `timeout` parameter is how a bound is named here. 114 wants a list of
# startable functions, for a check of classes that nobody writes here.
ASYNC_IGNORED = "ASYNC109,ASYNC114"
# Actors of tests end in every wrong way on purpose, and a test may talk to our servers with httpx.
ASYNC_IGNORED_IN_TESTS = "ASYNC102,ASYNC103,ASYNC104,ASYNC105,ASYNC111,ASYNC120,ASYNC124,ASYNC127"
# Keeps the current directory off sys.path, so that `import supervisor` can only mean the installed wheel;
# tests/test_packaging.py checks that it does.
INSTALLED_ONLY = {"PYTHONSAFEPATH": "1", "UNBLINKING_TEST_INSTALLED": "1"}


def install(session: nox.Session, *groups: str) -> None:
    """Install the package, as a user would, and the tools of some dependency groups."""
    session.install(".", *nox.project.dependency_groups(PYPROJECT, *groups))


def asynchronous(*places: str) -> list[str]:
    """Return the files that can have an asynchronous pitfall: looking at the others takes as long, and finds nothing."""
    below = [place for place in map(Path, places) if place.is_dir()]
    files = [Path(place) for place in places if place.endswith(".py")]
    files += [file for place in below for file in sorted(place.rglob("*.py"))]
    return [str(file) for file in files if re.search(r"\b(async|await|trio)\b", file.read_text(encoding="utf-8"))]


def run_of_tests(session: nox.Session, module: str, *arguments: str) -> None:
    """Run a module of the tests as a program, against the installed package: the working tree comes last on the path."""
    program = "import runpy, sys; sys.path.append('.'); sys.argv[0] = sys.argv.pop(1); runpy.run_module(sys.argv[0], run_name='__main__')"
    session.run("python", "-c", program, module, *arguments, env=INSTALLED_ONLY)


@nox.session
def demo(session: nox.Session) -> None:
    """Run the example bot through faults against the embedded exchange; `-- ARGS` go to `unblinking demo`."""
    session.install(".")
    session.run("unblinking", "demo", *session.posargs)


@nox.session
def tests(session: nox.Session) -> None:
    """Run the tests against the installed package, on all cores; `-- ARGS` go to pytest instead, on one."""
    install(session, "tests")
    session.run("pytest", *(session.posargs or ("--numprocesses", "auto")), env=INSTALLED_ONLY)


@nox.session(name="third-party")
def third_party(session: nox.Session) -> None:
    """Let clients that others wrote for the real venues speak with the embedded exchange; `-- ARGS` go to pytest."""
    install(session, "tests", "third-party")
    # Here a library that is missing is a failure; in `tests` it is a reason to skip.
    session.run("pytest", "tests/third_party", *session.posargs, env=INSTALLED_ONLY | {"UNBLINKING_THIRD_PARTY": "all"})


@nox.session
def browser(session: nox.Session) -> None:
    """Look at the dashboard in a headless Chromium; `-- picture` takes the documentation's, other ARGS go to pytest."""
    install(session, "tests", "browser")
    # Here a browser that is missing is a failure; in `tests` it is a reason to skip.
    wanted = INSTALLED_ONLY | {"UNBLINKING_BROWSER": "1"}
    arguments = session.posargs
    if arguments == ["picture"]:
        wanted["UNBLINKING_PICTURE"] = str(Path("docs/images/dashboard.png").absolute())
        arguments = ["-k", "picture"]
    session.run("pytest", "tests/browser", *arguments, env=wanted)


@nox.session(name="tests-3.12", python="3.12")
def tests_312(session: nox.Session) -> None:
    """Run the tests on Python 3.12, where that is installed."""
    tests(session)


@nox.session(name="tests-3.13", python="3.13")
def tests_313(session: nox.Session) -> None:
    """Run the tests on Python 3.13, where that is installed."""
    tests(session)


@nox.session
def lint(session: nox.Session) -> None:
    """Style, asynchronous pitfalls and the direction of imports."""
    session.install(*nox.project.dependency_groups(PYPROJECT, "lint"))
    session.run("ruff", "check", *SOURCES)
    session.run("ruff", "format", "--check", *SOURCES)
    # ASYNC9 is opt-in: it asks for a checkpoint on every path, which an actor that only hands over has no use for.
    flake8 = ("flake8", "--select", "ASYNC1,ASYNC2,ASYNC3", "--extend-ignore")
    session.run(*flake8, ASYNC_IGNORED, *asynchronous("supervisor", "actors", "docs", "noxfile.py"))
    session.run(*flake8, f"{ASYNC_IGNORED},{ASYNC_IGNORED_IN_TESTS}", *asynchronous("tests"))
    session.run("lint-imports")


@nox.session
def types(session: nox.Session) -> None:
    """Check both packages strictly, and the public API as a user's program sees it."""
    install(session, "types")
    session.run("mypy")
    # What must not pass is in these files, too: an error that does not come is an ignore that is not needed.
    session.run("mypy", "tests/typing/api.py", "tests/typing/supervisor_api.py")
    session.run("pyright")
    session.run("pyright", "--ignoreexternal", "--verifytypes", "supervisor")


@nox.session
def bench(session: nox.Session) -> None:
    """Measure the supervisor beside bare Trio, feeds beside other clients; `-- NAME ...` only those, `-- --page` the docs' page."""
    install(session, "bench", "third-party", "plots")
    session.run("python", "tests/bench", "--json", "bench.json", *session.posargs, env=INSTALLED_ONLY)


@nox.session
def conformance(session: nox.Session) -> None:
    """Run Autobahn|Testsuite itself against the wire; it needs a Python 2.7: on the PATH, of pyenv, or as PYTHON27."""
    found = sorted(Path.home().glob(".pyenv/versions/2.7*/bin/python2.7"))
    python = os.environ.get("PYTHON27") or (str(found[-1]) if found else shutil.which("python2.7"))
    if python is None:
        session.error("no Python 2.7; tests/conformance/test_rfc6455.py plays the same cases without it")
    folder = Path(session.create_tmp()) / "autobahn"
    if not (folder / "autobahntestsuite").exists():
        session.run(python, "-m", "pip", "install", "-q", "--target", str(folder), "autobahntestsuite", external=True)
    install(session, "tests")
    session.run("pytest", "tests/conformance", env=INSTALLED_ONLY | {"UNBLINKING_AUTOBAHN": f"{python}:{folder}"})


@nox.session
def faults(session: nox.Session) -> None:
    """Every venue against every fault, as a table; `-- --only TEXT` chooses rows, see `-- --help`."""
    install(session, "tests")
    run_of_tests(session, "tests.faults", *session.posargs)


@nox.session
def accounts(session: nox.Session) -> None:
    """Every venue's account against every fault, as a table; `-- --only TEXT` chooses rows, see `-- --help`."""
    install(session, "tests")
    run_of_tests(session, "tests.accounts", *session.posargs)


@nox.session
def soak(session: nox.Session) -> None:
    """Days of twenty connections with rotations and faults on the virtual clock; `-- --days N --seed S`."""
    install(session, "tests")
    run_of_tests(session, "tests.soak.soak", *session.posargs)


@nox.session
def mutants(session: nox.Session) -> None:
    """Plant known bugs one by one, and see that the tests find each; `-- TEXT ...` chooses some, see `-- --help`."""
    install(session, "tests")
    session.run("python", "-m", "tests.mutants", *session.posargs)


@nox.session
def mutmut(session: nox.Session) -> None:
    """Change every line of the pure core in every way, and see that the tests notice; `-- TEXT ...` chooses modules."""
    install(session, "tests", "mutmut")
    session.run("python", "-m", "tests.mutants.core", *session.posargs)


@nox.session
def fuzz(session: nox.Session) -> None:
    """Give whatever reads what a venue sends strange inputs; `-- --seconds N`, see `-- --help`."""
    install(session, "tests")
    # Where there is no wheel of it, as for Pythons newer than it, inputs are chosen by chance.
    fuzzer = nox.project.dependency_groups(PYPROJECT, "fuzz")
    session.install("--only-binary", ":all:", *fuzzer, success_codes=[0, 1, 2], silent=True)
    run_of_tests(session, "tests.fuzzing", *session.posargs)


@nox.session
def docs(session: nox.Session) -> None:
    """Build the documentation; a warning is an error."""
    install(session, "docs")
    session.run("sphinx-build", "-W", "--keep-going", "-q", "-b", "html", "docs", "docs/_build/html")


@nox.session
def simulate(session: nox.Session) -> None:
    """Whole bots through whole bad days: `-- --days N --seed S [--minutes M]`; `-- supervisor|accounts` for properties.

    `nox -s simulate -- supervisor [--examples N]`: N is the number of examples of all properties together, which share it
    evenly. Whatever fails prints how to repeat it.
    """
    known = {"supervisor": ("tests/properties", 6), "accounts": ("tests/accounts/test_property.py", 10)}
    kind, *rest = session.posargs or [""]
    if kind not in known:
        install(session, "tests")
        run_of_tests(session, "tests.days", *session.posargs)
        return
    folder, properties = known[kind]
    if rest and (len(rest) != 2 or rest[0] != "--examples" or not rest[1].isdecimal()):
        session.error(f"usage: nox -s simulate -- {kind} [--examples N], not {' '.join(session.posargs)}")
    examples = str(-(-int(rest[1] if rest else 10_000) // properties))
    install(session, "tests")
    session.run(
        "pytest",
        folder,
        "--deselect=tests/properties/test_planted_bugs.py",
        "-o",
        "faulthandler_timeout=0",
        env=INSTALLED_ONLY | {"UNBLINKING_EXAMPLES": examples},
    )
