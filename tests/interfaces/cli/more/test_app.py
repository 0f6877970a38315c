"""The command line as a whole: it starts fast and fails without tracebacks."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from miqa_node.core.settings.files import share_dir
from miqa_node.interfaces.cli.exits import Exit
from tests.interfaces.cli.conftest import Ran


def test_a_variable_of_no_table_is_found_by_doctor(cli: Callable[..., Ran], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MIQA_DICON__PORT", "1")

    (settings, *_) = cli("doctor", "--json").json["checks"]

    assert not settings["ok"]
    assert "MIQA_DICON__PORT" in settings["detail"]


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


def test_a_closed_output_is_no_fault(tmp_path: Path) -> None:
    ran = program(
        "models", "list", shell=">&- <&-", MIQA_ASSESS__SHIPPED_PACKAGES="false", MIQA_ASSESS__MODELS_DIR=str(tmp_path)
    )
    assert (ran.returncode, ran.stderr) == (Exit.OK, f"There are no model packages in {tmp_path}.\n".encode())


def test_a_package_that_is_not_there_is_not_found(cli: Callable[..., Ran], tmp_path: Path) -> None:
    (tmp_path / "image.dcm").touch()
    ran = cli("assess", tmp_path / "image.dcm", "--packages", "nix")
    assert ran.code == Exit.NOT_FOUND
    assert "There is no package nix" in ran.err


def test_a_disk_that_is_full_leaves_the_file_as_it_was(tmp_path: Path) -> None:
    """The limit of the shell stands for the disk: both refuse what is written."""
    [package] = share_dir("models").glob("quality-classical-*")
    new, old = tmp_path / "new.md", tmp_path / "old.md"
    old.write_text("as it was")
    for file in (new, old):
        ran = program("models", "card", package.name, "--out", file, before="ulimit -f 0; ")
        assert (ran.returncode, ran.stderr) == (Exit.UNAVAILABLE, f"miqa-node: {file}: File too large.\n".encode())
    assert [(file.name, file.read_text()) for file in tmp_path.iterdir()] == [("old.md", "as it was")]


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
