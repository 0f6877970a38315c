"""The command line as a whole: it starts fast and fails without tracebacks."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from pydicom.data import get_testdata_file

import miqa_node.interfaces.cli.app
from miqa_node import __version__, plugins
from miqa_node.core.settings.files import share_dir
from miqa_node.interfaces.cli.exits import Exit
from tests.conftest import free_port
from tests.interfaces.cli.conftest import Ran
from tests.web.staging import Stage

HEAVY = ("numpy", "pydantic", "sqlalchemy", "fastapi", "onnxruntime", "cv2", "pydicom", "rich", "torch")


def test_help_loads_nothing_heavy() -> None:
    """What the shell waits for at every call."""
    code = f"import sys, miqa_node.interfaces.cli.app; print([name for name in {HEAVY} if name in sys.modules])"

    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert ran.stdout.strip() == "[]"


def test_version(cli: Callable[..., Ran]) -> None:
    assert cli("--version").out.strip() == f"miqa-node {__version__}"


@pytest.mark.parametrize(
    "words", [["nonsense"], ["run", "--nonsense"], ["run", "--dicom-port", "70000"], ["send", "."]]
)
def test_a_wrong_command_line(cli: Callable[..., Ran], words: list[str]) -> None:
    ran = cli(*words)

    assert ran.code == Exit.USAGE
    assert ran.err


@pytest.mark.parametrize(
    "text",
    ["[dicom]\nport = 'x'", "[dicom]\nprot = 1", "[nonsense]\na = 1", "not toml", "[log]\nlevel = 'loud'"],
)
def test_wrong_settings_are_explained(cli: Callable[..., Ran], tmp_path: Path, text: str) -> None:
    file = tmp_path / "site.toml"
    file.write_text(text)

    ran = cli("worklist", "list", "--config", file)

    assert ran.code == Exit.USAGE
    assert ran.err.startswith("miqa-node: ")


def test_a_settings_file_that_is_not_there(cli: Callable[..., Ran], tmp_path: Path) -> None:
    ran = cli("worklist", "list", "--config", tmp_path / "none.toml")

    assert ran.code == Exit.USAGE
    assert ran.err == f"miqa-node: {tmp_path / 'none.toml'} cannot be read: No such file or directory.\n"


@pytest.mark.parametrize("to", ["nonsense", "PACS@host", "PACS@host:port"])
def test_where_to_send_is_explained_by_the_option_that_was_given(
    cli: Callable[..., Ran], tmp_path: Path, to: str
) -> None:
    (tmp_path / "image.dcm").write_bytes(b"")

    ran = cli("send", tmp_path, "--to", to)

    assert ran.code == Exit.USAGE
    assert "AET@HOST:PORT" in ran.err
    assert "--to" in ran.err
    assert "--destination" not in ran.err


def test_a_peer_that_is_away_is_told_in_one_sentence(cli: Callable[..., Ran], tmp_path: Path) -> None:
    port = free_port()

    ran = cli("send", get_testdata_file("CT_small.dcm"), "--to", f"PACS@127.0.0.1:{port}")

    assert ran.code == Exit.FAILED
    assert "the connection was refused" in ran.out
    assert ran.err == "1 of 1 files could not be sent.\n"


def test_an_empty_table_says_so_to_people_and_gives_programs_its_headings(
    cli: Callable[..., Ran], stage: Stage, data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert cli("users", "list", "--data-dir", data_dir).out == "Name\tRole\tSigns in\tSince\n"
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    assert cli("users", "list", "--data-dir", data_dir).out == "None.\n"


def test_an_export_says_how_much_was_written_and_where_nothing_could_be(
    cli: Callable[..., Ran], stage: Stage, data_dir: Path, tmp_path: Path
) -> None:
    file = tmp_path / "images.csv"

    ran = cli("analysis", "export", "images", "--out", file, "--data-dir", data_dir)
    nowhere = cli("analysis", "export", "images", "--out", tmp_path / "none" / "images.csv", "--data-dir", data_dir)

    assert (ran.code, ran.out, ran.err) == (Exit.OK, "", f"{file}: 0 rows\n")
    assert file.read_text("utf-8").startswith("digest")
    assert nowhere.code == Exit.UNAVAILABLE
    assert nowhere.err == f"miqa-node: {tmp_path / 'none' / 'images.csv'}: No such file or directory.\n"


@pytest.mark.parametrize("option", ["--out", "--saliency-dir"])
def test_a_folder_that_cannot_be_made_is_named(
    cli: Callable[..., Ran], samples: Path, tmp_path: Path, option: str
) -> None:
    file = tmp_path / "file"
    file.touch()

    ran = cli("assess", samples / "RG3_UNCR.dcm", option, file / "results")

    assert ran.code == Exit.UNAVAILABLE
    assert ran.err == f"miqa-node: {file / 'results'}: Not a directory.\n"


@pytest.mark.parametrize(
    "words", ["explain {}", "worklist show {}", "worklist claim 1.2 --as {}", "phantoms patient {}", "reassess {}"]
)
def test_a_text_that_is_no_utf_8_is_refused(cli: Callable[..., Ran], data_dir: Path, words: str) -> None:
    """Python hands such bytes on as halves of surrogate pairs, which no database takes."""
    ran = cli(*words.format("a\udcff").split(), "--data-dir", data_dir)

    assert ran.code == Exit.USAGE
    assert "is not UTF-8" in ran.err


def test_ctrl_c_before_the_command_begins_is_no_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(group: str) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(plugins, "entries_beside", interrupted)
    assert miqa_node.interfaces.cli.app.run(["models", "list"]) == Exit.INTERRUPTED


INTERRUPTING = """
import os, runpy, signal, sys

def interrupt():
    os.kill(os.getpid(), signal.SIGINT)
    for _ in range(1000):
        pass  # the handler runs between two instructions

signal.signal(signal.SIGINT, signal.default_int_handler)  # as at a terminal: what runs in the background ignores it

class Dying:
    def __del__(self):
        interrupt()

class Finder:
    def find_spec(self, name, path=None, target=None):
        if name == "typer":
            {what}

sys.meta_path.insert(0, Finder())
sys.argv = ["miqa-node", "worklist", "list"]
runpy.run_module("miqa_node.interfaces.cli", run_name="__main__", alter_sys=True)
"""


@pytest.mark.parametrize("what", ["interrupt()", "Dying()"], ids=["in an import", "where Python ignores exceptions"])
def test_ctrl_c_while_the_program_loads_prints_nothing(what: str) -> None:
    command = [sys.executable, "-c", INTERRUPTING.format(what=what)]
    ran = subprocess.run(command, check=False, capture_output=True, text=True)
    assert (ran.returncode, ran.stdout, ran.stderr) == (Exit.INTERRUPTED, "", "")


def test_what_is_no_file_is_refused_before_it_is_read(cli: Callable[..., Ran], tmp_path: Path) -> None:
    ran = cli("assess", "/dev/zero")
    assert ran.code == Exit.USAGE
    assert "/dev/zero is a pipe or a device" in ran.err


@pytest.mark.more
def test_a_variable_of_no_table_is_found_by_doctor(cli: Callable[..., Ran], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MIQA_DICON__PORT", "1")

    (settings, *_) = cli("doctor", "--json").json["checks"]

    assert not settings["ok"]
    assert "MIQA_DICON__PORT" in settings["detail"]


@pytest.mark.more
@pytest.mark.parametrize("encoding", ["utf-8:strict", "latin-1"])
def test_a_name_that_the_terminal_cannot_show_is_printed(tmp_path: Path, encoding: str) -> None:
    """A share may have names in the encoding of another system."""
    folder = tmp_path / "in"
    folder.mkdir()
    (folder / os.fsdecode(b"R\xf6ntgen \xff.dcm")).write_text("no image")

    ran = program("deidentify", folder, tmp_path / "out", "--key", tmp_path / "key", "--json", encoding=encoding)

    assert (ran.returncode, ran.stderr) == (Exit.FAILED, b"")
    [refused] = json.loads(ran.stdout)["refused"]
    assert refused["file"].endswith("R\udcf6ntgen \udcff.dcm")


@pytest.mark.more
def test_a_closed_output_is_no_fault(tmp_path: Path) -> None:
    ran = program(
        "models", "list", shell=">&- <&-", MIQA_ASSESS__SHIPPED_PACKAGES="false", MIQA_ASSESS__MODELS_DIR=str(tmp_path)
    )
    assert (ran.returncode, ran.stderr) == (Exit.OK, f"There are no model packages in {tmp_path}.\n".encode())


@pytest.mark.more
def test_a_package_that_is_not_there_is_not_found(cli: Callable[..., Ran], tmp_path: Path) -> None:
    (tmp_path / "image.dcm").touch()
    ran = cli("assess", tmp_path / "image.dcm", "--packages", "nix")
    assert ran.code == Exit.NOT_FOUND
    assert "There is no package nix" in ran.err


@pytest.mark.more
def test_a_disk_that_is_full_leaves_the_file_as_it_was(tmp_path: Path) -> None:
    """The limit of the shell stands for the disk: both refuse what is written."""
    [package] = share_dir("models").glob("quality-classical-*")
    new, old = tmp_path / "new.md", tmp_path / "old.md"
    old.write_text("as it was")
    for file in (new, old):
        ran = program("models", "card", package.name, "--out", file, before="ulimit -f 0; ")
        assert (ran.returncode, ran.stderr) == (Exit.UNAVAILABLE, f"miqa-node: {file}: File too large.\n".encode())
    assert [(file.name, file.read_text()) for file in tmp_path.iterdir()] == [("old.md", "as it was")]


@pytest.mark.more
def test_files_are_written_through_links_with_the_rights_that_they_had(tmp_path: Path) -> None:
    [package] = share_dir("models").glob("quality-classical-*")
    file, link = tmp_path / "card.md", tmp_path / "link.md"
    file.touch(0o600)
    link.symlink_to(file)
    assert program("models", "card", package.name, "--out", link).returncode == Exit.OK
    assert (link.is_symlink(), oct(file.stat().st_mode & 0o777)) == (True, "0o600")
    assert file.read_text().startswith("# ")
    printed = program("models", "card", package.name, "--out", "/dev/stdout", shell="| cat")
    assert printed.stdout.decode() == file.read_text()


def program(
    *words: object, before: str = "", shell: str = "", encoding: str = "utf-8", **environment: str
) -> subprocess.CompletedProcess[bytes]:
    """Run the program as a shell does, in a process of its own."""
    main = [sys.executable, "-c", "from miqa_node.interfaces.cli.app import main; main()", *map(str, words)]
    return subprocess.run(
        ["sh", "-c", f'{before}exec "$@" {shell}', "sh", *main],
        capture_output=True,
        check=False,
        env={**os.environ, "PYTHONIOENCODING": encoding, **environment},
    )
