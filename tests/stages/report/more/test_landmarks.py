# ruff: noqa: F401, F811 - fixtures of the quick suite are imported by name
"""Anatomical points in the report: a region of one point for each, with the side of the patient."""

from __future__ import annotations

import io
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from miqa_node.core.domain.assessment import Assessment, Measurement
from miqa_node.core.domain.delivery import ResultKind
from miqa_node.core.domain.image import SaliencyMaps
from miqa_node.core.domain.landmarks import Landmarks, Outline
from miqa_node.core.domain.policy import Verdict
from miqa_node.stages.report.image import ReportedImage
from miqa_node.stages.report.made import MadeObject
from miqa_node.stages.report.make import make_objects
from tests.stages.assess.landmarks.making import LUNG_BOXES, STRAIGHT
from tests.stages.report import making
from tests.stages.report.test_landmarks import LUNGS, lung_seg, report, source


@pytest.mark.peers
@pytest.mark.parametrize("kind", ["SR", "SEG_LUNGS"])
def test_objects_with_lungs_are_valid(source: Path, tmp_path: Path, kind: str) -> None:
    path = tmp_path / "object.dcm"
    path.write_bytes((report(source, STRAIGHT, LUNGS) if kind == "SR" else lung_seg(source, LUNGS)).data)
    run = subprocess.run(["dciodvfy", str(path)], capture_output=True, text=True, check=False)
    assert "Error" not in run.stderr + run.stdout


@pytest.mark.peers
def test_the_report_with_points_is_valid(source: Path, tmp_path: Path) -> None:
    path = tmp_path / "report.dcm"
    path.write_bytes(report(source, STRAIGHT).data)
    run = subprocess.run(["dciodvfy", str(path)], capture_output=True, text=True, check=False)
    assert "Error" not in run.stderr + run.stdout
