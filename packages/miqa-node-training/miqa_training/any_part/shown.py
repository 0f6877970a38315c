"""Contrast as displayed and double exposure of any radiograph, in torch."""

from __future__ import annotations

import math

import torch

from miqa_training.any_part.pictures import (
    coded,
    display,
    exposure,
    low_pass,
    moved,
    quantile,
)
from miqa_training.any_part.shot import Result, Shot
from miqa_training.degrade.physics import at_severity


def contrast_flat(shot: Shot, severity: float) -> Result:
    """A part of the display range only, or a veil of scattered radiation."""
    if shot.uniform() < 0.5:
        span = at_severity(severity, (0.5, 0.36, 0.25, 0.15))
        low = shot.uniform(0.0, 1.0 - span)
        dark, bright = quantile(shot.image, (0.01, 0.99))
        return low + span * ((shot.image - dark) / max(bright - dark, 0.05)).clamp(0.0, 1.0), True
    veil = at_severity(severity, (0.25, 0.45, 0.65, 0.8))
    light = exposure(shot.image)
    spread = low_pass(light, shot.uniform(0.1, 0.5) * max(light.shape))
    return display((1.0 - veil) * light + veil * spread), True


def contrast_detail(shot: Shot, severity: float) -> Result:
    """Detail smoothed away, or far too much of it."""
    low = low_pass(shot.image, shot.uniform(6.0, 20.0) / shot.pitch_mm)
    if shot.uniform() < 0.65:
        contrast = at_severity(severity, (0.75, 0.55, 0.38, 0.22), nothing=1.0)
    else:
        contrast = at_severity(severity, (2.4, 3.4, 5.0, 7.0), nothing=1.0)
    return (low + contrast * (shot.image - low)).clamp(0.0, 1.0), severity > 0.2


def contrast_window(shot: Shot, severity: float) -> Result:
    """A window that is too narrow or lies wrong: much of the body is pure white or black."""
    share = at_severity(severity, (0.08, 0.18, 0.32, 0.5))
    low, high = share * shot.uniform(), 0.0
    high = share - low
    dark, bright = quantile(shot.image, (0.004, 0.996))
    inside = shot.image[(shot.image > dark + 0.04) & (shot.image < bright - 0.01)]
    if inside.numel() < 500:
        return shot.image, False
    bottom, top = quantile(inside[None], (low, 1.0 - high))
    return ((shot.image - bottom) / max(top - bottom, 0.04)).clamp(0.0, 1.0), True


def contrast_coarse(shot: Shot, severity: float) -> Result:
    """Compressed too much, or too few grey levels."""
    severity = max(severity, 0.25)
    if shot.uniform() < 0.6:
        return coded(shot.image, at_severity(severity, (45, 25, 14, 7))), True
    steps = 2.0 ** at_severity(severity, (5.6, 4.8, 4.0, 3.2))
    return torch.floor(shot.image * steps).clamp(max=steps - 1) / (steps - 1), True


def double_same(shot: Shot, severity: float) -> Result:
    """The same part again: moved, turned, nearer."""
    share, distance = at_severity(severity, (0.1, 0.2, 0.35, 0.5)), shot.uniform(5.0, 60.0) / shot.pitch_mm
    angle = shot.uniform(0, 2 * math.pi)
    second = moved(shot.image, distance * math.cos(angle), distance * math.sin(angle), shot.uniform(-12, 12), "border")
    if shot.uniform() < 0.25:
        second = second.flip(1)
    return display((1 - share) * exposure(shot.image) + share * exposure(second)), severity > 0.2


def double_other(shot: Shot, severity: float) -> Result:
    """Another part over it, in exposure; or in a half of the plate only, turned by a right angle."""
    rows, columns = shot.image.shape
    share = at_severity(severity, (0.12, 0.22, 0.36, 0.5))
    turned = torch.rot90(shot.other, int(shot.rng.integers(4)))
    second = torch.nn.functional.interpolate(
        turned[None, None], (rows, columns), mode="bilinear", align_corners=False, antialias=True
    )[0, 0]
    mixed = display((1 - share) * exposure(shot.image) + share * exposure(second))
    if shot.uniform() < 0.3:
        y, x = shot.coordinates()
        side = torch.sigmoid(((x if shot.uniform() < 0.5 else y) - shot.uniform(0.3, 0.6)) * 400)
        mixed = shot.image + side * (mixed - shot.image)
    return mixed, severity > 0.2
