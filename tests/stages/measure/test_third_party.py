"""A measurement of another distribution is taken, coded, told and listed without another file being touched."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT

pytestmark = pytest.mark.more

MODULE = '''
"""Adds the share of dark pixels, and one that fails."""
from miqa_node.stages.measure.base import ImageMeasure

miqa_api = 1


def _dark(view):
    return 100.0 * float((view.display < 6554).mean())


def _broken(view):
    raise ValueError("no number: Muster^Erika")


DARK = ImageMeasure(
    name="dark_share",
    unit="%",
    label="Dark pixels",
    summary="Share of the pixels below a tenth of white.",
    code="DARK_SHARE",
    phrase="{value} % dark",
    section="Ours",
    take=_dark,
)
BROKEN = ImageMeasure(name="broken", unit="1", label="Broken", summary="Fails.", take=_broken)
'''
PROGRAM = """
import numpy as np
from miqa_node.stages.measure.projection import measure
from miqa_node.stages.measure.view import PICTURE_HEADER
from tools.measurements_page import measurements_page
from miqa_node.core.domain.image import Radiograph
from miqa_node.plugins import of_others
from miqa_node.core.words.measurement_codes import measurement_code
from miqa_node.core.words.phrases import messages

picture = np.tile(np.array([0, 65535], np.uint16), (40, 20))
taken = {m.name: m.value for m in measure(Radiograph(picture, picture, (0, 65535), None), PICTURE_HEADER)}
print(taken["dark_share"], "broken" in taken, len(taken) > 10)
print(measurement_code("dark_share").value, measurement_code("dark_share").meaning)
print("{value} % dark" in set(messages()), "`dark_share`" in measurements_page(""))
print([(one.name, one.unavailable) for one in of_others()])
"""


def test_it_is_found_everywhere(tmp_path: Path) -> None:
    info = tmp_path / "miqa_dark-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: miqa-dark\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(
        "[miqa.measurements]\ndark_share = miqa_dark:DARK\nbroken = miqa_dark:BROKEN\n"
    )
    (tmp_path / "miqa_dark.py").write_text(MODULE)
    environment = {**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{tmp_path}"}
    ran = subprocess.run(
        [sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=False, env=environment, cwd=tmp_path
    )
    assert ran.returncode == 0, ran.stderr
    values, code, words, plugins = ran.stdout.strip().splitlines()[-4:]
    assert values == "50.0 False True"
    assert "ValueError" in ran.stdout
    assert "Muster" not in ran.stdout + ran.stderr, "what a header holds may stand in it"
    assert code == "DARK_SHARE Dark pixels"
    assert words == "True True"
    assert "('dark_share', '')" in plugins
