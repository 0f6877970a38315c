"""Commands load what they need: those that read the database load no library of images, pages or reports.

Commands run on a database with an image, in a process of their own, and say which modules were loaded when each ended.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from typer.main import get_command

from miqa_node.core.settings import load_settings
from miqa_node.interfaces.cli.app import app
from miqa_node.interfaces.cli.command import commands_of
from miqa_node.interfaces.cli.exits import Exit
from miqa_node.runtime.store.object_keys import original_key
from miqa_node.runtime.store.site_store import open_store
from miqa_node.runtime.work.migration import migrate
from miqa_node.stages.units.rows import instances
from tests.quick import in_gate
from tests.release import tell
from tests.runtime.store.making import digest, header, received, study

pytestmark = pytest.mark.more

PROGRAM = """
import json, sys
from miqa_node.interfaces.cli import app
for words in json.loads(sys.argv[1]):
    print(app.run(words), *sys.modules, file=sys.stderr)
"""
HEAVY = {
    "alembic", "cv2", "dbos", "fastapi", "imagecodecs", "jinja2", "numpy", "onnx", "onnxruntime", "PIL", "pydicom",
    "pynetdicom", "reportlab", "scipy", "starlette", "uvicorn", "yaml",
}  # fmt: skip
PACKAGES = {"PIL", "cv2", "imagecodecs", "numpy", "pydicom", "reportlab", "yaml"}
READING = (
    "analysis export measurements", "analysis logs", "analysis mappings", "analysis model", "analysis rejects",
    "analysis rejects --month 2026-10", "audit show", "audit verify", "backup {folder}", "deliveries list",
    "deliveries show 1", "erase list", "erase proof 1", "explain {uid}", "labels list", "migrate", "phantoms list",
    "phantoms log", "phantoms values", "ranges list", "ranges show 1", "retention holds", "retention plan", "silence",
    "rooms", "study list", "tune", "users list",
    "users token list", "worklist conflicts", "worklist list", "worklist list --saved nowhere", "worklist show 1.2",
    "worklist views",
)  # fmt: skip
"""Commands that read the database, or find nothing to do."""

COMPUTING = {
    "evaluate feedback": {"cv2", "numpy"},
    "fsck": {"PIL", "dbos", "imagecodecs", "numpy", "pydicom", "yaml"},
    "models certificate": PACKAGES,
    "models compare a b": PACKAGES,
    "models history": PACKAGES,
    "models list": PACKAGES,
    "study report none": {"numpy", "scipy"},
}
"""Commands that read as well, and need more: drawings and maps, jobs of the queue, packages of models, statistics."""

OTHERS = {
    "analysis import", "analysis remove-log", "analysis report", "audit export", "calibrate", "deliveries cancel",
    "deliveries hold", "deliveries release", "deliveries resend", "destinations plan", "destinations try", "doctor",
    "erase patient", "erase verify",
    "labels export", "labels import", "models activate", "models baseline", "models certify", "models rollback",
    "models shadow", "models sign", "phantoms change", "phantoms kind", "phantoms limits", "phantoms patient",
    "phantoms phantom", "phantoms sign", "ranges confirm", "ranges withdraw", "reassess",
    "restore", "retention clear", "retention confirm", "retention fetch",
    "retention hold", "run", "study collect", "study plan", "users add",
    "users disable", "users enable", "users link", "users reset-factor", "users role", "users token add",
    "users token revoke", "users token rotate", "worklist assign", "worklist claim", "worklist comment",
    "worklist correct", "worklist release", "worklist reopen", "worklist resolve", "worklist settle",
}  # fmt: skip
"""Commands that change something, make files, or try the machine."""


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The data directory of a node that has received an image."""
    folder = tmp_path_factory.mktemp("node")
    database, _ = open_store(load_settings(node={"data_dir": folder}))
    migrate(database)
    with database.begin() as transaction:
        instances.record(transaction, header(1), study(1), received(digest(1)), original_key(digest(1)))
    database.close()
    return folder


def test_a_command_that_reads_the_database_loads_nothing_heavy(node: Path, tmp_path: Path) -> None:
    """All in one process: the first that loads too much has loaded it for those behind it, too."""
    uid, folder = header(1).sop_instance_uid, tmp_path / "backup"
    commands = [[*one.format(uid=uid, folder=folder).split(), "--data-dir", str(node)] for one in READING]
    heavy = {name: modules & HEAVY for name, modules in zip(READING, loaded_by(*commands), strict=True)}
    assert {name: modules for name, modules in heavy.items() if modules} == {}


@pytest.mark.parametrize("command", in_gate(COMPUTING, 2))
def test_a_command_that_computes_loads_what_it_computes_with_and_no_server(command: str, node: Path) -> None:
    [modules] = loaded_by([*command.split(), "--data-dir", str(node)])
    heavy = modules & HEAVY
    assert heavy == COMPUTING[command]


def test_each_command_with_a_database_is_said_to_read_or_not() -> None:
    """A new command gets its line above; one that reads is then tried."""
    names = [
        path.strip()
        for path, command in commands_of("", get_command(app))
        if not getattr(command, "commands", None) and any("--data-dir" in one.opts for one in command.params)
    ]
    rows = {*READING, *COMPUTING, *OTHERS}
    unknown = [name for name in names if not any(f"{row} ".startswith(f"{name} ") for row in rows)]
    tell(f"tests/interfaces/cli/test_loading.py has no line for `{name}`" for name in unknown)


def test_the_commands_of_the_worklist_load_neither_images_nor_pages(node: Path) -> None:
    """One of them, in every run of the tests."""
    [modules] = loaded_by(["worklist", "list", "--data-dir", str(node)])
    assert not modules & HEAVY


def test_an_old_database_is_migrated_with_the_libraries_that_do_it(tmp_path: Path) -> None:
    """The table above would also pass if nothing migrated."""
    [modules] = loaded_by(["migrate", "--data-dir", str(tmp_path)])
    assert modules >= {"dbos"}


def test_a_page_about_an_image_needs_no_server(tmp_path: Path) -> None:
    assert "jinja2" in (loaded := modules_after("import miqa_node.interfaces.web.onepage.page"))
    assert not loaded & {"fastapi", "starlette", "uvicorn"}


def test_words_about_results_need_no_library_of_images() -> None:
    modules = "codes finding_codes headline measurement_codes narrative object_words phrases reason subject voice"
    loaded = modules_after(*(f"import miqa_node.core.words.{name}" for name in modules.split()))
    assert not loaded & {"cv2", "numpy", "pydicom", "reportlab", "PIL"}


def test_tables_of_the_database_need_no_library_of_images() -> None:
    assert not modules_after("import miqa_node.runtime.store.tables") & {"cv2", "numpy", "pydicom"}


def loaded_by(*commands: list[str]) -> list[set[str]]:
    """The modules loaded at the end of each command; that something was not found, or is lost, is no failure."""
    program = [sys.executable, "-c", PROGRAM, json.dumps(commands)]
    done = subprocess.run(program, capture_output=True, text=True, check=True)
    ends = [line.split() for line in done.stderr.splitlines() if re.match(r"\d+ sys builtins ", line)]
    assert {int(code) for code, *_ in ends} <= {Exit.OK, Exit.FAILED, Exit.NOT_FOUND}, done.stderr
    return [set(modules) for _, *modules in ends]


def modules_after(*statements: str) -> set[str]:
    program = "\n".join([*statements, "import sys", "print(*sys.modules)"])
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    return set(done.stdout.split())
