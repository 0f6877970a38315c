"""Anti-scatter grid: its lines alias with the pixels, or it is misaligned and cuts off one side."""

from __future__ import annotations

import math

import numpy as np

from miqa_training.degrade.physics import DonorMaterial, Image, Simulator, at_severity, clip, display, exposure

LINE_AMPLITUDE = (0.005, 0.01, 0.02, 0.05)
CUTOFF_LOSS = (0.15, 0.30, 0.50, 0.75)
LINES_PER_MM = (4.0, 8.0)


def grid_artifact(image: Image, severity: float, rng: np.random.Generator, pitch_mm: float, _: DonorMaterial) -> Image:
    """Aliased grid lines in two of three draws, else lateral cut-off.

    Lines: a grid of 4 to 8 lp/mm sampled every ``pitch_mm``, amplitude 0.5, 1, 2, 5 % of the display range, tilted
    by up to 1.5° against the pixels. Cut-off: primary radiation lost towards one edge, 15, 30, 50, 75 % at the edge
    (decentred focused grid). Sources: SCIENCE.md §1; Lin et al., J Digit Imaging 19 (2006) 351 for the aliasing.
    """
    lines = rng.uniform() < 2 / 3
    frequency = _visible_alias(rng, pitch_mm)
    tilt = math.radians(rng.uniform(-1.5, 1.5))
    upright = rng.uniform() < 0.75
    phase = rng.uniform(0.0, 2.0 * math.pi)
    side = rng.integers(4)
    power = rng.uniform(1.0, 2.0)
    if lines:
        return _lines(image, at_severity(severity, LINE_AMPLITUDE), frequency, tilt, upright, phase)
    return _cut_off(image, at_severity(severity, CUTOFF_LOSS), int(side), power)


def _visible_alias(rng: np.random.Generator, pitch_mm: float) -> float:
    """Aliased frequency of a grid in cycles per pixel, in (0.04, 0.5), where the moiré looks like lines."""
    for _ in range(20):
        cycles = rng.uniform(*LINES_PER_MM) * pitch_mm
        alias = abs(cycles - round(cycles))
        if alias > 0.04:
            return float(alias)
    return 0.25


def _lines(image: Image, amplitude: float, frequency: float, tilt: float, upright: bool, phase: float) -> Image:
    """Lines fade where there is no exposure (white) and in the direct beam outside the body (clipped black)."""
    rows, columns = image.shape
    along = np.arange(columns if upright else rows, dtype=np.float32) * np.float32(2 * math.pi * frequency)
    across = np.arange(rows if upright else columns, dtype=np.float32)
    drift = across * np.float32(2 * math.pi * frequency * math.tan(tilt)) + np.float32(phase)
    # cos(a + b) from four vectors: no trigonometry on the whole image.
    wave = np.outer(np.cos(drift), np.cos(along)) - np.outer(np.sin(drift), np.sin(along))
    wave = wave if upright else wave.T
    strength = np.minimum(image * 8.0, 1.0) * np.minimum((1.0 - image) * 8.0, 1.0)
    return clip(image + np.float32(amplitude) * wave * strength)


def _cut_off(image: Image, loss: float, side: int, power: float) -> Image:
    rows, columns = image.shape
    ramp = np.linspace(0.0, 1.0, columns if side < 2 else rows, dtype=np.float32) ** np.float32(power)
    ramp = ramp if side % 2 == 0 else ramp[::-1]
    transmission = np.float32(1.0) - np.float32(loss) * ramp
    return display(exposure(image) * (transmission[None, :] if side < 2 else transmission[:, None]))


GRID_ARTIFACT = Simulator(grid_artifact, order=70)
