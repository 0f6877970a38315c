"""Simulated defects that show what limits find on a site's own images; no network learns from them.

They are those of the figures of packages, too (``miqa_training.any_part.kept``), and share no code with the simulators
of training. Each takes a :class:`Plate` and returns the picture, or None where the defect cannot be seen in it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import cast

import cv2
import numpy as np
from numpy.typing import NDArray

from miqa_node.core.domain.finding import FindingName, GateClass

Picture = NDArray[np.float32]
DECADES = 1.8
"""Latitude of the display: other than that of the families of training."""
LEAST_MOTION_PX, LEAST_FOCUS_PX = 1.2, 1.8
LAPLACIAN_MEDIAN = 0.6745 * 20**0.5
"""Median of the magnitude of OpenCV's Laplacian (1, -4, 1) of white noise of deviation 1."""


@dataclass(frozen=True, slots=True)
class Plate:
    """A picture before its defect, another one, the severity, what is drawn from, and the size of a pixel."""

    image: Picture
    other: Picture
    severity: float
    rng: np.random.Generator
    pitch_mm: float

    def level(self, *values: float) -> float:
        """The value at .25, .5, .75 and 1, geometric between."""
        return float(np.exp(np.interp(self.severity, (0.25, 0.5, 0.75, 1.0), np.log(values))))

    def uniform(self, low: float = 0.0, high: float = 1.0) -> float:
        """A number between the two."""
        return float(self.rng.uniform(low, high))


Kept = Callable[[Plate], Picture | None]


def _light(image: Picture) -> Picture:
    return cast("Picture", np.float32(10.0) ** (-DECADES * image))


def _shown(light: Picture) -> Picture:
    return _clipped(-np.log10(np.maximum(light, 1e-5)) / DECADES)


def _clipped(values: NDArray[np.floating]) -> Picture:
    return np.asarray(np.clip(values, 0, 1), np.float32)


def _grain_of(plate: Plate, changed: Picture) -> Picture:
    """The grain that the picture had and the changed one lacks, anew: a detector adds it after the blur."""
    lost = _roughness(plate.image) ** 2 - _roughness(changed) ** 2
    deviation = np.sqrt(max(lost, 0.0)) / LAPLACIAN_MEDIAN
    return plate.rng.normal(0, deviation, changed.shape).astype(np.float32)


def steps_of_motion(plate: Plate) -> Picture | None:
    """A mean of few exposures, between which the part slides and turns about a joint at the edge."""
    length = plate.level(0.5, 1.0, 2.0, 4.0) / plate.pitch_mm
    if length < LEAST_MOTION_PX:
        return None
    rows, columns = plate.image.shape
    pivot = (plate.uniform(0, columns), float(plate.rng.choice((0.0, rows))))
    angle = plate.uniform(0, 2 * np.pi)
    degrees = np.rad2deg(0.5 * length / max(rows, columns)) * float(plate.rng.choice((-1, 1)))
    stops = np.sort(plate.rng.uniform(0, 1, int(plate.rng.integers(3, 9))))
    stops = (stops - stops[0]) / max(float(np.ptp(stops)), 1e-6)
    total = np.zeros_like(plate.image)
    for at in stops:
        matrix = cv2.getRotationMatrix2D(pivot, degrees * at, 1.0)
        matrix[:, 2] += length * at * np.array([np.cos(angle), np.sin(angle)])
        total += cv2.warpAffine(
            plate.image, matrix, (columns, rows), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE
        )
    smeared = total / np.float32(len(stops))
    return _clipped(smeared + _grain_of(plate, smeared))


def focal_spot(plate: Plate) -> Picture | None:
    """The shadow of a focal spot with two bright edges, at some distance: not round, the same everywhere."""
    width = 3.2 * plate.level(0.15, 0.3, 0.6, 1.0) / plate.pitch_mm
    if width < LEAST_FOCUS_PX:
        return None
    size = 2 * int(np.ceil(width / 2 + 1)) + 1
    x = np.arange(size) - size // 2
    inside = np.clip(width / 2 + 0.5 - np.abs(x), 0, 1)
    along = inside * (1 + plate.uniform(0, 1.5) * (np.abs(x) / (width / 2)) ** 2)
    across = np.clip(width * plate.uniform(0.7, 1.0) / 2 + 0.5 - np.abs(x), 0, 1)
    kernels = along / along.sum(), across / across.sum()
    soft = np.asarray(cv2.sepFilter2D(plate.image, -1, *kernels, borderType=cv2.BORDER_REPLICATE), np.float32)
    return _clipped(soft + plate.uniform() * _grain_of(plate, soft))


def _noise(plate: Plate, fraction: float) -> Picture:
    """Gamma-distributed light, smeared by a phosphor of two layers, with a pattern of columns."""
    light, rng = _light(plate.image), plate.rng
    relative = np.sqrt((1.0 / fraction - 1.0) / 18_860.0) / plate.pitch_mm * plate.uniform(0.8, 1.4)
    shape = np.maximum(light / np.median(light) / relative**2, 0.3).astype(np.float32)
    quanta = rng.standard_gamma(shape).astype(np.float32) / shape
    mottle = quanta - 1
    wide = cv2.blur(mottle, (3, 3))
    share = plate.uniform(0, 0.7)
    mottle = (1 - share) * mottle + share * wide * 2.0
    mottle += rng.normal(0, 0.15 * relative, (1, light.shape[1])).astype(np.float32)
    return _shown(light * np.maximum(1 + mottle, 0.02))


def quantum_mottle(plate: Plate) -> Picture | None:
    """A fraction of the dose."""
    noisy = _noise(plate, plate.level(1 / 2, 1 / 4, 1 / 8, 1 / 16))
    return noisy if _roughness(noisy) > 1.3 * _roughness(plate.image) else None


def _roughness(image: Picture) -> float:
    return float(np.median(np.abs(cv2.Laplacian(image, cv2.CV_32F))[4:-4, 4:-4])) + 1e-4


def too_little(plate: Plate) -> Picture | None:
    """Brighter, flat towards white, and noisy."""
    fraction = plate.level(1 / 2, 1 / 4, 1 / 8, 1 / 16)
    noisy = _noise(plate, fraction**0.6)
    lift = -np.log10(fraction) * plate.uniform(0.18, 0.35)
    raised = noisy + lift
    knee = plate.uniform(0.75, 0.95)
    high = raised > knee
    raised[high] = knee + (1 - knee) * np.tanh((raised[high] - knee) / (1 - knee))
    return _clipped(raised)


def too_much(plate: Plate) -> Picture | None:
    """The detector's converter is full: everything darker than a limit inside the body has one value."""
    body = plate.image[(plate.image > 0.06) & (plate.image < 0.97)]
    if body.size < 400:
        return None
    limit = float(np.quantile(body, plate.level(0.01, 0.03, 0.08, 0.20)))
    cut = np.maximum(plate.image, limit) - limit
    top = float(np.quantile(plate.image, 0.999)) - limit
    return _clipped(cut / max(top, 0.1) * plate.uniform(0.8, 1.0))


def moire(plate: Plate) -> Picture | None:
    """Lamellae finer than the pixels, integrated over each pixel: what is left is their beat."""
    per_mm, contrast = plate.uniform(3.2, 8.0), plate.level(0.015, 0.03, 0.06, 0.15)
    rows, columns = plate.image.shape
    turned = plate.rng.uniform() < 0.5
    length, others = (rows, columns) if turned else (columns, rows)
    tilt = float(np.tan(np.deg2rad(plate.rng.uniform(-1.5, 1.5))))
    cycles = min(plate.pitch_mm, 0.6) * per_mm
    at = np.arange(length)[None, :] + tilt * np.arange(others)[:, None]
    parts = 8
    covered = [((at + part / parts) * cycles % 1.0 < 0.2).astype(np.float32) for part in range(parts)]
    lamella = np.mean(covered, axis=0) - np.mean(covered)
    beat = float(lamella.std())
    if beat < 1e-4:
        return None
    pattern = (lamella / beat * contrast).astype(np.float32)
    pattern = np.ascontiguousarray(pattern.T) if turned else pattern
    return _shown(_light(plate.image) * np.clip(1 - pattern, 0.1, 2))


def off_focus(plate: Plate) -> Picture | None:
    """A focused grid out of its place: loss in proportion to the distance from where it is still right, and noise."""
    rows, columns = plate.image.shape
    loss = plate.level(0.15, 0.3, 0.5, 0.75)
    x = np.linspace(-1, 1, columns, dtype=np.float32)[None]
    passed = np.clip(1 - loss * np.abs(x - plate.uniform(-0.9, 0.9)) / 1.4, 0.04, 1) * np.ones((rows, 1), np.float32)
    shown = _shown(_light(plate.image) * passed.astype(np.float32))
    noise = plate.rng.normal(0, 0.004, plate.image.shape) * (1 / np.sqrt(passed) - 1)
    return _clipped(shown + noise)


def grid(plate: Plate) -> Picture | None:
    """Beats or loss."""
    way = moire if plate.rng.uniform() < 0.65 else off_focus
    return way(plate)


def readout(plate: Plate) -> Picture | None:
    """Missing lines, a dead chip, a ghost of the exposure before, clusters, or writing over the body."""
    way = (_missing_lines, _dead_chip, _ghost, _clusters, _writing)[int(plate.rng.integers(5))]
    return _clipped(way(plate))


def _missing_lines(plate: Plate) -> Picture:
    changed, columns = plate.image.copy(), plate.image.shape[1]
    for _ in range(int(plate.level(1, 2, 4, 8))):
        column, width = int(plate.rng.integers(2, columns - 3)), int(plate.rng.integers(1, 4))
        changed[:, column : column + width] = float(plate.rng.choice((0.0, 1.0, 0.5)))
    return changed


def _dead_chip(plate: Plate) -> Picture:
    changed, (rows, columns) = plate.image.copy(), plate.image.shape
    height, width = int(rows * plate.uniform(0.08, 0.3)), int(columns * plate.uniform(0.08, 0.3))
    top, left = int(plate.rng.integers(rows - height)), int(plate.rng.integers(columns - width))
    strength = plate.level(0.1, 0.25, 0.5, 0.9)
    chip = changed[top : top + height, left : left + width]
    chip *= 1 - 0.7 * strength
    chip += 0.35 * strength * plate.uniform()
    return changed


def _ghost(plate: Plate) -> Picture:
    rows, columns = plate.image.shape
    before = cv2.resize(cv2.flip(plate.other, 1), (columns, rows), interpolation=cv2.INTER_AREA)
    soft = np.asarray(cv2.GaussianBlur(before, (0, 0), 2), np.float32)
    left = (_light(soft) > 0.25).astype(np.float32)
    light = _light(plate.image)
    return _shown(light + 0.25 * plate.level(0.1, 0.25, 0.5, 0.9) * left * light.mean())


def _clusters(plate: Plate) -> Picture:
    changed, (rows, columns) = plate.image.copy(), plate.image.shape
    for _ in range(int(plate.level(3, 8, 20, 50))):
        centre = (int(plate.rng.integers(columns)), int(plate.rng.integers(rows)))
        axes = (int(plate.rng.integers(1, 4)), int(plate.rng.integers(1, 3 + int(0.01 * rows))))
        cv2.ellipse(changed, centre, axes, plate.uniform(0, 180), 0, 360, float(plate.rng.choice((0.0, 1.0))), -1)
    return changed


def _writing(plate: Plate) -> Picture:
    rows, columns = plate.image.shape
    ink, size = np.zeros(plate.image.shape, np.uint8), max(rows, columns) / 700
    for _ in range(int(plate.level(1, 2, 3, 5))):
        place = (int(columns * plate.uniform(0.1, 0.5)), int(rows * plate.uniform(0.3, 0.8)))
        text = "".join(plate.rng.choice(list("ABCDEFGHKLMNPRSTUVXZ0123456789"), int(plate.rng.integers(4, 12))))
        cv2.putText(ink, text, place, cv2.FONT_HERSHEY_COMPLEX, size, 255, max(1, rows // 500))
    return np.maximum(plate.image, ink / np.float32(255))


def both_exposures(plate: Plate) -> Picture | None:
    """Absorption of two exposures of one detector: the same part after a move, or another one."""
    share = plate.level(0.1, 0.2, 0.35, 0.5)
    rows, columns = plate.image.shape
    if plate.rng.uniform() < 0.5:
        shift = plate.rng.uniform(5, 50) / plate.pitch_mm
        angle = plate.rng.uniform(0, 2 * np.pi)
        matrix = np.array([[1, 0, shift * np.cos(angle)], [0, 1, shift * np.sin(angle)]])
        second = cv2.warpAffine(plate.image, matrix, (columns, rows), borderMode=cv2.BORDER_REPLICATE)
    else:
        second = cv2.resize(plate.other, (columns, rows), interpolation=cv2.INTER_AREA)
    return _shown((1 - share) * _light(plate.image) + share * _light(np.asarray(second, np.float32)))


def wrong_look(plate: Plate) -> Picture | None:
    """A wrong table, too narrow a window, equalised tiles, a blocky file."""
    kind = int(plate.rng.integers(4))
    if kind == 0:
        span = plate.level(0.5, 0.36, 0.25, 0.15)
        return (plate.uniform(0, 1 - span) + span * plate.image).astype(np.float32)
    if kind == 1:
        body = plate.image[plate.image > 0.05]
        centre = float(np.median(body)) if body.size else 0.5
        return _clipped(0.5 + plate.level(2, 3, 5, 9) * (plate.image - centre))
    if kind == 2:
        tiles = cv2.createCLAHE(plate.level(4, 8, 16, 40), (8, 8)).apply(np.rint(plate.image * 255).astype(np.uint8))
        return (tiles / np.float32(255)).astype(np.float32)
    quality = int(plate.level(40, 22, 12, 6))
    _, data = cv2.imencode(".jpg", np.rint(plate.image * 255).astype(np.uint8), [cv2.IMWRITE_JPEG_QUALITY, quality])
    return np.asarray(cv2.imdecode(data, cv2.IMREAD_GRAYSCALE), np.float32) / np.float32(255)


def negative(plate: Plate) -> Picture | None:
    """Black for white."""
    return (1 - plate.image).astype(np.float32)


KEPT: Mapping[str, Kept] = {
    FindingName.MOTION_BLUR: steps_of_motion, FindingName.UNSHARP: focal_spot, FindingName.NOISE: quantum_mottle,
    FindingName.UNDEREXPOSURE: too_little, FindingName.OVEREXPOSURE_SATURATION: too_much,
    FindingName.GRID_ARTIFACT: grid, FindingName.DETECTOR_OVERLAY_ARTIFACT: readout,
    FindingName.DOUBLE_EXPOSURE: both_exposures, FindingName.CONTRAST_PROCESSING: wrong_look,
    GateClass.INVERTED: negative,
}  # fmt: skip
"""One way, of several kinds, for each finding."""
