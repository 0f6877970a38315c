# ruff: noqa: F401, F811 - fixtures of the quick suite are imported by name
"""Contrast as it is displayed: windows that do not fit are found and flagged, whatever the model says."""

from __future__ import annotations

import tomllib
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from miqa_node.core.domain.codes import Code
from miqa_node.core.domain.finding import Finding, FindingName
from miqa_node.core.domain.image import Radiograph
from miqa_node.core.settings import share_dir
from miqa_node.core.taxonomy.policy_file import parse_policy
from miqa_node.dicom.pixels.frame import decode_frame
from miqa_node.stages.assess import displayed as limits_of
from miqa_node.stages.assess.appearance import Appearance, appearance_of
from miqa_node.stages.assess.displayed import (
    USUAL_CONTRAST,
    displayed_defect,
    unusual_contrast,
    with_displayed_contrast,
)
from miqa_node.stages.measure.projection import measure
from miqa_node.stages.measure.view import view_of
from tests.stages.assess.test_displayed import chest, defect
from tests.stages.measure.phantoms import header


def displayed(image: np.ndarray, window: str, share: float) -> np.ndarray:
    """As an 8-bit viewer shows it: WIDE leaves ``share`` of the grey scale, the others cut ``share`` of the pixels."""
    if window == "wide":
        shown = 0.4 + share * image
    else:
        ends = {"narrow": (share / 2, 1 - share / 2), "bright": (0.0, 1 - share), "dark": (share, 1.0)}[window]
        low, high = np.quantile(image, ends)
        shown = (image - low) / (high - low)
    return np.asarray(np.rint(np.clip(shown, 0, 1) * 255) / 255, np.float32)


@pytest.mark.parametrize(
    ("window", "shares"),
    [("wide", (0.3, 0.2, 0.1, 0.04)), *((w, (0.1, 0.2, 0.35, 0.5)) for w in ("narrow", "bright", "dark"))],
)
def test_wrong_windows_are_found_and_the_worse_the_surer(
    chest: np.ndarray, window: str, shares: tuple[float, ...]
) -> None:
    series = [defect(displayed(chest, window, share)) for share in shares]
    assert [p for p, _ in series] == sorted(p for p, _ in series)
    assert [s for _, s in series] == sorted(s for _, s in series)
    assert series[2][0] > 0.8
    assert series[3][1] > 0.5
