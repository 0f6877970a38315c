"""Whoever starts something for the first time sees at once what it does, and again each ten seconds."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType

import pytest

from demo.progress import doing
from tests.conftest import ROOT
from tests.waiting import wait_until

SCRIPT = ROOT / ".ci" / "install.py"


@pytest.fixture(scope="module")
def install() -> ModuleType:
    spec = spec_from_file_location("install_of_make", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_a_log_says_what_pip_does_and_how_far_it_has_come(install: ModuleType, tmp_path: Path) -> None:
    (tmp_path / "pip-1.dist-info").mkdir()
    installation = install.Installation(tmp_path)
    installation.read(["Collecting numpy (from miqa-node)\n", "  Requirement already satisfied: pip\n"])
    assert installation.doing() == "Collecting numpy"
    installation.read(["Installing collected packages: numpy, rich, typer\n"])
    assert installation.doing() == "installing package 1 of 3"
    (tmp_path / "numpy-2.dist-info").mkdir()
    assert installation.doing() == "installing package 2 of 3"


def test_a_line_comes_again_and_again_and_a_failure_shows_all(
    install: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The program ends when the lines have reached the log."""
    (tmp_path / "slow_module.py").write_text(
        "import sys\nprint('Downloading numpy-2.whl', flush=True)\nopen(sys.argv[1]).close()\nsys.exit('no room')\n"
    )
    os.mkfifo(tmp_path / "enough")
    log = io.StringIO()
    write = log.write

    def count(text: str) -> int:
        if log.getvalue().count("Downloading") == 2:
            (tmp_path / "enough").open("w").close()
        return write(text)

    monkeypatch.setattr(log, "write", count)
    monkeypatch.setattr(install, "EVERY_S", 0.01)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setattr(sys, "stdout", log)
    monkeypatch.setattr(sys, "argv", ["install.py", "slow_module", str(tmp_path / "enough")])
    assert install.main() == 1
    assert log.getvalue().splitlines()[-2:] == ["Downloading numpy-2.whl", "no room"]


def test_what_goes_well_needs_no_words() -> None:
    done = subprocess.run([sys.executable, SCRIPT, "pip", "--version"], capture_output=True, text=True, check=True)
    assert done.stdout + done.stderr == ""


def test_the_demonstration_says_at_once_what_it_does_and_again(monkeypatch: pytest.MonkeyPatch) -> None:
    log = io.StringIO()
    monkeypatch.setattr(sys, "stdout", log)
    with doing("Loading", every_s=0.01):
        assert log.getvalue().startswith("Loading …\n")
        wait_until(lambda: "s: still at it" in log.getvalue(), what="a reminder")
    before = log.getvalue()
    with pytest.raises(ValueError, match="broken"), doing("Waiting"):
        raise ValueError("broken")
    assert log.getvalue() == before + "Waiting …\n"
