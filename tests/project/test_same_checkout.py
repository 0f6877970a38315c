"""A checkout that is compared with itself differs in nothing, whenever it judges."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, datetime, timedelta
from importlib.resources import files
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tools.same_results import days_of

pytestmark = pytest.mark.more


@pytest.mark.long
def test_a_checkout_says_the_same_as_itself(samples: Path) -> None:
    images = [samples / "RG1_UNCR.dcm", Path(str(files("pydicom.data") / "test_files" / "CT_small.dcm"))]
    command = [sys.executable, "-m", "tools.same_results", str(ROOT), str(ROOT), *map(str, images)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    lines = done.stdout.splitlines()
    assert "assess --json: 2 before, 2 after, 2 the same (0 by bytes)" in lines
    assert any(line.startswith("assess SR: 2 before, 2 after, 2 the same") for line in lines)
    assert any(line.startswith("invented GSPS: ") and line.endswith(" by bytes)") for line in lines)


def test_the_days_of_a_run_are_those_of_every_time_zone() -> None:
    """Nine minutes after midnight in Greenwich an object of an image from Indianapolis is of the day before."""
    began = datetime(2026, 11, 29, 0, 9, tzinfo=UTC)
    assert days_of(began, began + timedelta(minutes=9)) == {"20261128", "20261129", "20261130"}
    assert "20261201" in days_of(began, began + timedelta(hours=24))
