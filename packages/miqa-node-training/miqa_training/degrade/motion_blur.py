"""Motion blur: the patient or the tube moved during the exposure."""

from __future__ import annotations

import math
from typing import cast

import cv2
import numpy as np
from numpy.typing import NDArray

from miqa_training.degrade.grain import lay, split
from miqa_training.degrade.physics import DonorMaterial, Image, Simulator, at_severity, display, exposure, path_kernel

MOTION_MM = (0.5, 1.0, 2.0, 4.0)


def motion_blur(image: Image, severity: float, rng: np.random.Generator, pitch_mm: float, _: DonorMaterial) -> Image:
    """Linear motion of 0.5, 1, 2, 4 mm during the exposure, in the detector plane, at a random angle.

    Uniform velocity, sinusoidal velocity (as in breathing and heartbeat) or two positions with a rest in each. The blur
    is computed in exposure, where superposition happens, and before the detector's noise, so the grain of the picture
    stays. Source: SCIENCE.md §1; motion PSFs after Potmesil and Chakravarty, SIGGRAPH 1983.
    """
    length_px = at_severity(severity, MOTION_MM) / pitch_mm
    angle = rng.uniform(0.0, math.pi)
    kind = rng.integers(3)
    share = rng.uniform(0.35, 0.65)
    time = (np.arange(96, dtype=np.float64) + 0.5) / 96.0
    along: NDArray[np.float64]
    if kind == 0:
        along = time - 0.5
    elif kind == 1:
        along = 0.5 * np.sin(math.pi * (time - 0.5))
    else:
        along = np.where(time < share, -0.5, 0.5)
    kernel = path_kernel(length_px * along * math.cos(angle), length_px * along * math.sin(angle), np.full(96, 1 / 96))
    signal, grain = split(image)
    blurred = cast("Image", cv2.filter2D(exposure(signal), cv2.CV_32F, kernel, borderType=cv2.BORDER_REFLECT))
    return lay(image, display(blurred), grain, rng)


MOTION_BLUR = Simulator(motion_blur, order=50)
