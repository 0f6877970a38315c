# ruff: noqa: F401, F811 - fixtures of the quick suite are imported by name
"""Simulators: seeded, nothing at severity 0, more at higher severity, images stay images; no torch needed."""

from __future__ import annotations

import importlib
import subprocess
import sys

import cv2
import numpy as np
import pytest

from miqa_node.core.domain.finding import FindingName
from miqa_node.core.taxonomy.lookup import defect_names
from miqa_training.degrade import (
    FAMILIES,
    DonorMaterial,
    degrade,
    device_in_view,
    gate,
    grain,
    pitch_of,
    shapes,
    simulators,
    solids,
)
from miqa_training.degrade.contrast_processing import KINDS, contrast_processing
from miqa_training.degrade.cutouts import cut_out
from miqa_training.degrade.physics import at_severity, display, exposure, gaussian_blur, path_kernel
from tests.packages.training.test_degrade import SEEDS, _difference, chest


def test_every_seed_of_every_finding_changes_something(chest: np.ndarray) -> None:
    for finding in defect_names():
        changed = [_difference(chest, finding, 1.0, seed) for seed in SEEDS]
        assert min(changed) > 0, finding


def test_importing_the_simulators_needs_no_torch() -> None:
    code = "import sys; sys.modules['torch'] = None; import miqa_training.degrade"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


@pytest.mark.parametrize("finding", defect_names())
def test_difference_grows_with_severity(chest: np.ndarray, finding: FindingName) -> None:
    """For every seed, and strictly on average; a mirror image differs as much at 1 as at 0.5."""
    levels = (0.1, 0.25, 0.5, 0.75, 1.0)
    table = np.array([[_difference(chest, finding, severity, seed) for severity in levels] for seed in SEEDS])
    slack = 0.05 if finding in {FindingName.CLIPPED_ANATOMY, FindingName.ROTATION_ORIENTATION} else 0.003
    assert np.all(np.diff(table, axis=1) > -slack)
    assert np.all(np.diff(table.mean(0)) > 0)
