"""Motion and unsharpness of any radiograph, in torch."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from miqa_training.any_part.pictures import (
    Spectrum,
    display,
    exposure,
    gaussian,
    moved,
    noise_deviation,
    resized,
    split,
)
from miqa_training.any_part.shot import Result, Shot
from miqa_training.degrade.physics import at_severity

MOTION_MM = (0.5, 1.0, 2.0, 4.0)
SIGMA_MM = (0.15, 0.3, 0.6, 1.0)
LEAST_MOTION_PX, LEAST_SIGMA_PX = 1.2, 0.5
"""What is less cannot be seen."""


def _through(shot: Shot, blur: Callable[[Tensor], Tensor]) -> Tensor:
    """A blur in exposure: mostly of the signal alone, since the detector adds its grain later; else of everything."""
    if shot.uniform() < 0.35:
        return display(blur(exposure(shot.image)))
    signal, grain = split(shot.image)
    whole = (display(blur(exposure(signal))) + grain).clamp(0.0, 1.0)
    lost = (noise_deviation(shot.image) ** 2 - noise_deviation(whole) ** 2).clamp_min(0.0).sqrt()
    return (whole + lost * shot.normal()).clamp(0.0, 1.0)


def _blob(shot: Shot) -> Tensor:
    """A soft region of a quarter to two thirds of the picture."""
    y, x = shot.coordinates()
    at = shot.uniform(0.25, 0.75), shot.uniform(0.25, 0.75)
    reach = shot.uniform(0.18, 0.45), shot.uniform(0.18, 0.45)
    distance = ((y - at[0]) / reach[0]) ** 2 + ((x - at[1]) / reach[1]) ** 2
    return torch.sigmoid((1.0 - distance) * shot.uniform(2.0, 8.0))


def _path_blur(shot: Shot, x_px: np.ndarray, y_px: np.ndarray, weights: np.ndarray) -> Callable[[Tensor], Tensor]:
    device = shot.image.device
    path = [torch.tensor(v, dtype=torch.float32, device=device) for v in (x_px, y_px, weights / weights.sum())]

    def blur(light: Tensor) -> Tensor:
        spectrum = Spectrum(light)
        return spectrum.filtered(spectrum.along_path(*path)).clamp_min(1e-6)

    return blur


def _smear(shot: Shot, length_px: float) -> Callable[[Tensor], Tensor]:
    """Accelerated motion on a bent path."""
    t = np.linspace(-0.5, 0.5, 40)
    along = t + shot.uniform(-0.6, 0.6) * (t * t - 1 / 12)
    along *= 1.0 / np.ptp(along)
    aside = shot.uniform(-0.6, 0.6) * (t * t - 1 / 12)
    angle = shot.uniform(0, math.pi)
    x = length_px * (along * math.cos(angle) - aside * math.sin(angle))
    y = length_px * (along * math.sin(angle) + aside * math.cos(angle))
    return _path_blur(shot, x, y, 1.0 + shot.uniform(-0.8, 0.8) * 2 * t)


def _tremor(shot: Shot, length_px: float) -> Callable[[Tensor], Tensor]:
    t = np.linspace(0, 2 * math.pi * shot.uniform(0.6, 2.5), 60)
    angle, round_ = shot.uniform(0, math.pi), shot.uniform(0.0, 0.5)
    a, b = 0.5 * length_px * np.sin(t), 0.5 * length_px * round_ * np.cos(t)
    return _path_blur(
        shot, a * math.cos(angle) - b * math.sin(angle), a * math.sin(angle) + b * math.cos(angle), np.ones_like(t)
    )


def motion_smear(shot: Shot, severity: float) -> Result:
    """The whole part moves."""
    length = at_severity(severity, MOTION_MM) / shot.pitch_mm
    blur = _smear(shot, length) if shot.uniform() < 0.65 else _tremor(shot, length)
    return _through(shot, blur), length >= LEAST_MOTION_PX


def motion_two(shot: Shot, severity: float) -> Result:
    """Two positions, the second slightly turned."""
    length = at_severity(severity, MOTION_MM) / shot.pitch_mm
    angle, share = shot.uniform(0, 2 * math.pi), shot.uniform(0.3, 0.7)
    degrees = shot.uniform(-0.4, 0.4) * severity

    def blur(light: Tensor) -> Tensor:
        second = moved(light, length * math.cos(angle), length * math.sin(angle), degrees)
        return (1.0 - share) * light + share * second

    return _through(shot, blur), length >= LEAST_MOTION_PX


def motion_local(shot: Shot, severity: float) -> Result:
    """A part of the picture moves: a finger, the diaphragm."""
    length = at_severity(severity, MOTION_MM) / shot.pitch_mm
    region = _blob(shot)
    changed = _through(shot, _smear(shot, length))
    return shot.image + region * (changed - shot.image), length >= 1.5 * LEAST_MOTION_PX


def unsharp_soft(shot: Shot, severity: float) -> Result:
    """Gaussian, disc of a focal spot, or the long tails of a phosphor."""
    sigma = at_severity(severity, SIGMA_MM) / shot.pitch_mm
    kind, ratio = int(shot.rng.integers(3)), shot.uniform(0.8, 1.25)

    def blur(light: Tensor) -> Tensor:
        spectrum = Spectrum(light)
        radius = torch.sqrt((spectrum.down * ratio) ** 2 + (spectrum.across / ratio) ** 2)
        if kind == 0:
            transfer = torch.exp(-2.0 * (math.pi * sigma * radius) ** 2)
        elif kind == 1:
            argument = (4.0 * math.pi * sigma * radius).clamp_min(1e-4)
            transfer = 2.0 * torch.special.bessel_j1(argument) / argument
        else:
            transfer = torch.exp(-radius * 3.7 * sigma)
        return spectrum.filtered(transfer).clamp_min(1e-6)

    return _through(shot, blur), sigma >= LEAST_SIGMA_PX


def unsharp_pixels(shot: Shot, severity: float) -> Result:
    """Too few pixels: reduced and enlarged again."""
    sigma = at_severity(severity, SIGMA_MM) / shot.pitch_mm
    factor = 1.0 + 1.6 * sigma
    rows, columns = shot.image.shape
    small = resized(shot.image, (max(16, round(rows / factor)), max(16, round(columns / factor))))
    mode = "bicubic" if shot.uniform() < 0.5 else "bilinear"
    back = torch.nn.functional.interpolate(small[None, None], (rows, columns), mode=mode, align_corners=False)[0, 0]
    if shot.uniform() < 0.5:
        back = back + shot.normal() * noise_deviation(shot.image) * shot.uniform(0.4, 1.0)
    return back.clamp(0.0, 1.0), factor > 1.5


def unsharp_sloped(shot: Shot, severity: float) -> Result:
    """Sharper at one side than at the other: a part that is not parallel to the detector."""
    sigma = at_severity(severity, SIGMA_MM) / shot.pitch_mm
    y, x = shot.coordinates()
    angle = shot.uniform(0, 2 * math.pi)
    share = (0.5 + (y - 0.5) * math.sin(angle) + (x - 0.5) * math.cos(angle)).clamp(0.15, 1.0)
    blurred = _through(shot, lambda light: gaussian(light, 1.3 * sigma).clamp_min(1e-6))
    return shot.image + share * (blurred - shot.image), sigma >= 1.2 * LEAST_SIGMA_PX
