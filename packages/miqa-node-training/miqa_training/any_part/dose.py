"""Noise, too little and too much exposure of any radiograph, in torch."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from miqa_training.any_part.pictures import (
    Spectrum,
    display,
    exposure,
    gaussian,
    noise_deviation,
    quantile,
)
from miqa_training.any_part.shot import Result, Shot
from miqa_training.degrade.physics import at_severity

DOSE = (1 / 2, 1 / 4, 1 / 8, 1 / 16)
QUANTA_PER_MM2 = 18_860.0
"""Detected quanta at the median of a usual exposure."""
LEAST_NOISE, LEAST_RATIO = 0.004, 0.7
"""Noise below this, or below this share of the picture's own grain, cannot be seen."""


def _noise_level(shot: Shot, fraction: float) -> float:
    """Standard deviation in display values at the median."""
    quantum = math.sqrt((1.0 / fraction - 1.0) / QUANTA_PER_MM2) / shot.pitch_mm
    return min(0.43 * quantum * shot.uniform(0.7, 1.5), 0.25)


def _seen(shot: Shot, level: float) -> bool:
    return level >= max(LEAST_NOISE, LEAST_RATIO * float(noise_deviation(shot.image)))


def noise_quantum(shot: Shot, severity: float, fraction: float = 0.0) -> Result:
    """More variance where less arrives; white, or coloured by a detector's response."""
    level = _noise_level(shot, fraction or at_severity(severity, DOSE, nothing=1.0))
    light = exposure(shot.image)
    strength = (light.median() / light).sqrt().clamp(0.2, 4.0) ** shot.uniform(0.4, 1.0)
    return (shot.image + level * strength * _grain(shot)).clamp(0.0, 1.0), _seen(shot, level)


def _grain(shot: Shot) -> Tensor:
    """Noise of unit deviation: white, coloured, of a power law, or with rows and columns of its own."""
    white, kind = shot.normal(), shot.uniform()
    if kind < 0.3:
        return white
    if kind < 0.85:
        spectrum = Spectrum(white)
        if kind < 0.62:
            transfer = torch.exp(-2.0 * (math.pi * shot.uniform(0.3, 1.3) * spectrum.radius) ** 2)
        else:
            transfer = (spectrum.radius + 0.03) ** -shot.uniform(0.2, 0.9)
        coloured = spectrum.filtered(transfer)
        return coloured / coloured.std().clamp_min(1e-6)
    rows, columns = shot.image.shape
    lines = torch.randn((rows, 1), device=white.device) + torch.randn((1, columns), device=white.device)
    share = shot.uniform(0.1, 0.45)
    return math.sqrt(1.0 - share) * white + math.sqrt(share / 2.0) * lines


def noise_counted(shot: Shot, severity: float) -> Result:
    """Quanta counted pixel by pixel (Poisson), then shown after the usual enhancement of detail."""
    level = _noise_level(shot, at_severity(severity, DOSE, nothing=1.0))
    light = exposure(shot.image)
    mean = light / light.median() * (0.43 / level) ** 2
    counted = torch.poisson(mean) / mean.clamp_min(0.02)
    noisy = (shot.image - 0.43 * (counted.clamp(0.05, 4.0) - 1.0)).clamp(0.0, 1.0)
    return noisy, _seen(shot, level)


def noise_enhanced(shot: Shot, severity: float) -> Result:
    """Noise that was smoothed or sharpened after it arose."""
    level = _noise_level(shot, at_severity(severity, DOSE, nothing=1.0))
    white = shot.normal()
    soft = gaussian(white, shot.uniform(0.5, 1.6))
    made = white + shot.uniform(0.2, 1.5) * (white - soft) if shot.uniform() < 0.5 else soft
    made = made / made.std().clamp_min(1e-6)
    body = 0.5 + 0.5 * torch.sigmoid((shot.image - 0.08) * 40.0)
    return (shot.image + level * body * made).clamp(0.0, 1.0), _seen(shot, level)


def under_lifted(shot: Shot, severity: float) -> Result:
    """Too bright, and white where the range ends, with noise."""
    fraction = at_severity(severity, DOSE, nothing=1.0)
    noisy, _ = noise_quantum(shot, severity, math.sqrt(fraction))
    lift = shot.uniform(0.35, 0.8) * math.log10(1.0 / fraction) / 2.0
    return (noisy + lift).clamp(0.0, 1.0), lift > 0.06


def under_starved(shot: Shot, severity: float) -> Result:
    """The thickest parts receive nothing but read-out noise."""
    light = exposure(shot.image)
    floor = at_severity(severity, (0.02, 0.05, 0.1, 0.2)) * light.median()
    starved = light * (1.0 - at_severity(severity, (0.15, 0.3, 0.5, 0.65))) - floor * shot.uniform(0.2, 0.6)
    noise = floor * shot.uniform(0.15, 0.5) * shot.normal()
    return display(starved.clamp_min(0.0) + noise), severity > 0.2


def over_clipped(shot: Shot, severity: float) -> Result:
    """The darkest part of the body at the detector's limit; the range spread again or not."""
    share = at_severity(severity, (0.01, 0.03, 0.08, 0.20))
    dark, bright = quantile(shot.image, (0.002, 0.998))
    inside = shot.image[(shot.image > dark + 0.04) & (shot.image < bright)]
    if inside.numel() < 500:
        return shot.image, False
    limit = quantile(inside[None], (share,))[0]
    cut = torch.maximum(shot.image, shot.image.new_tensor(limit)) - limit
    if shot.uniform() < 0.5:  # a soft shoulder, as film and some processing have
        width = shot.uniform(0.01, 0.04)
        cut = torch.nn.functional.softplus((shot.image - limit) / width) * width
    stretch = (bright - dark) / max(bright - limit, 0.05) if shot.uniform() < 0.6 else 1.0
    return (dark + cut * stretch).clamp(0.0, 1.0), True


def over_dark(shot: Shot, severity: float) -> Result:
    """Everything darker, without ranging: soft tissue disappears."""
    drop = at_severity(severity, (0.08, 0.18, 0.3, 0.42))
    return (shot.image - drop).clamp(0.0, 1.0), severity > 0.2
