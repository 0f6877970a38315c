"""The command line as a whole: it starts fast and fails without tracebacks."""

from __future__ import annotations

import subprocess
import sys

import pytest

from miqa_node import __version__
from miqa_node.cli.exits import Exit

HEAVY = ("numpy", "pydantic", "sqlalchemy", "fastapi", "onnxruntime", "cv2", "pydicom", "rich", "torch")


def test_help_loads_nothing_heavy() -> None:
    """What the shell waits for at every call."""
    code = f"import sys, miqa_node.cli.app; print([name for name in {HEAVY} if name in sys.modules])"

    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert ran.stdout.strip() == "[]"


def test_version(cli) -> None:
    assert cli("--version").out.strip() == f"miqa-node {__version__}"


@pytest.mark.parametrize(
    "words", [["nonsense"], ["run", "--nonsense"], ["run", "--dicom-port", "70000"], ["send", "."]]
)
def test_a_wrong_command_line(cli, words: list[str]) -> None:
    ran = cli(*words)

    assert ran.code == Exit.USAGE
    assert ran.err


@pytest.mark.parametrize(
    "text",
    ["[dicom]\nport = 'x'", "[dicom]\nprot = 1", "[nonsense]\na = 1", "not toml", "[log]\nlevel = 'loud'"],
)
def test_wrong_settings_are_explained(cli, tmp_path, text: str) -> None:
    file = tmp_path / "site.toml"
    file.write_text(text)

    ran = cli("worklist", "list", "--config", file)

    assert ran.code == Exit.USAGE
    assert ran.err.startswith("miqa-node: ")


def test_a_variable_of_no_table_is_found_by_doctor(cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MIQA_DICON__PORT", "1")

    (settings, *_) = cli("doctor", "--json").json["checks"]

    assert not settings["ok"]
    assert "MIQA_DICON__PORT" in settings["detail"]
