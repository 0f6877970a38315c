"""Paths of before the six storeys: the same module under both names, and one warning."""

from __future__ import annotations

import subprocess
import sys


def test_the_program_runs_as_a_module_by_its_old_name() -> None:
    process = subprocess.run(
        [sys.executable, "-m", "miqa_node.cli", "--help"], capture_output=True, text=True, check=False
    )
    assert process.returncode == 0, process.stderr
    assert "worklist" in process.stdout
