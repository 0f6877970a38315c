"""A checkout that is compared with itself differs in nothing, whenever it judges."""

from __future__ import annotations

import subprocess
import sys
from importlib.resources import files
from pathlib import Path

from tests.conftest import ROOT


def test_a_checkout_says_the_same_as_itself(samples: Path) -> None:
    images = [samples / "RG1_UNCR.dcm", Path(str(files("pydicom.data") / "test_files" / "CT_small.dcm"))]
    command = [sys.executable, "-m", "tools.same_results", str(ROOT), str(ROOT), *map(str, images)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    lines = done.stdout.splitlines()
    assert "assess --json: 2 before, 2 after, 2 the same (0 by bytes)" in lines
    assert any(line.startswith("assess SR: 2 before, 2 after, 2 the same") for line in lines)
    assert any(line.startswith("invented GSPS: ") and line.endswith(" by bytes)") for line in lines)
