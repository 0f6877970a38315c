"""A public chest radiograph, small, and the noise of lower doses."""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from pathlib import Path

import numpy as np
import pydicom
from numpy.typing import NDArray

from miqa_node.core.domain.finding import FindingName
from miqa_training.degrade import degrade
from miqa_training.degrade.sheet import sample_chest

SAMPLES = Path(str(files("data_store") / "data"))
CHEST = SAMPLES / "RG1_UNCR.dcm"
PITCH_MM = 0.2


@cache
def whole_chest() -> NDArray[np.float32]:
    """Display values of the sample."""
    return sample_chest(pydicom.dcmread(CHEST).pixel_array)


def chest(side: int = 128) -> NDArray[np.float32]:
    """A part of the lung with ribs and vessels."""
    image = whole_chest()
    top, left = image.shape[0] // 3, image.shape[1] // 5
    return np.ascontiguousarray(image[top : top + side, left : left + side])


def at_dose(image: NDArray[np.float32], severity: float, seed: int = 1) -> NDArray[np.float32]:
    """The image with the noise of 1/2, 1/4, 1/8 of the dose for a severity of 0.25, 0.5, 0.75."""
    return degrade(image, FindingName.NOISE, severity, np.random.default_rng(seed), PITCH_MM)
