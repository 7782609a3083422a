"""Who may import what: the linter's contracts once more, from the installed files and without the linter."""

import ast
from collections.abc import Iterator
from pathlib import Path

import actors
import supervisor

ACTORS = Path(str(actors.__file__)).parent
SUPERVISOR = Path(str(supervisor.__file__)).parent


def imports_of(folder: Path) -> Iterator[tuple[str, str]]:
    """Yield (file, imported top-level package) for every absolute import below a folder."""
    for file in sorted(folder.rglob("*.py")):
        if "_examples" in file.parts:
            continue
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and node.level == 0:
                names = [str(node.module)]
            else:
                continue
            for name in names:
                yield str(file.relative_to(folder)), name.split(".")[0]


def importers(folder: Path, package: str) -> set[str]:
    return {file for file, imported in imports_of(folder) if imported == package}


def test_the_supervisor_knows_trio_and_attrs_and_the_standard_library_only() -> None:
    foreign = {
        (file, name)
        for file, name in imports_of(SUPERVISOR)
        if name in {"actors", "click", "h11", "httpx", "msgspec", "rich", "structlog", "trio_websocket", "json"}
    }

    assert foreign == set()


def test_one_file_imports_httpx() -> None:
    assert importers(ACTORS, "httpx") == {"_net/_http.py"}


def test_one_file_imports_cryptography() -> None:
    assert importers(ACTORS, "cryptography") == {"_signing.py"}


def test_only_the_wire_and_the_simulators_server_import_the_websocket_library() -> None:
    assert importers(ACTORS, "trio_websocket") <= {"_net/_wire.py", "simulator/_ws_server.py"}


def test_only_the_command_imports_click_rich_and_structlog() -> None:
    found = importers(ACTORS, "click") | importers(ACTORS, "rich") | importers(ACTORS, "structlog")

    assert {file for file in found if not file.startswith("_cli/")} == set()


def test_an_exchange_file_does_no_input_or_output() -> None:
    forbidden = {"trio", "httpx", "h11", "socket", "ssl", "trio_websocket", "supervisor", "asyncio"}

    assert [(file, name) for file, name in imports_of(ACTORS / "exchanges") if name in forbidden] == []


def test_nothing_starts_threads_or_another_event_loop() -> None:
    found = [*imports_of(SUPERVISOR), *imports_of(ACTORS)]

    assert [pair for pair in found if pair[1] in {"threading", "concurrent", "asyncio", "multiprocessing"}] == []


def test_no_file_has_grown_beyond_one_concept() -> None:
    lengths = {
        file.name: len(file.read_text().splitlines())
        for folder in (ACTORS, SUPERVISOR)
        for file in folder.rglob("*.py")
    }

    assert {name: length for name, length in lengths.items() if length > 450} == {}
