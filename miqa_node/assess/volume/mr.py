"""Measures an MR series after the formulas of MRIQC (Esteban et al., PLoS ONE 2017), without tissue masks."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from miqa_node.assess.volume.marks import Mark
from miqa_node.domain.assessment import Measurement
from miqa_node.imaging.slices import Slice

DIETRICH_FACTOR = math.sqrt((4.0 - math.pi) / 2.0)
"""Rayleigh noise of air in magnitude images (Dietrich et al., JMRI 26, 2007)."""
EDGE_PX = 3
MIN_FOREGROUND_SHARE = 0.02
SAMPLES_PER_SLICE = 20_000
"""Medians are of so many evenly spread pixels of each slice."""
AIR_MM_FACTOR = 0.03
"""Air begins this share of the image's side away from the patient."""

Image = NDArray[np.float32]
Mask = NDArray[np.bool_]


class MrMeasures:
    """Takes one slice after the other; ``threshold`` separates the patient from air in values of the modality."""

    def __init__(self, threshold: float) -> None:
        self.marks: list[Mark] = []
        self._threshold = threshold
        self._foreground: list[Image] = []
        self._air: list[Image] = []
        self._means: list[float] = []
        self._wrap: list[float] = []
        self._ghosts: list[float] = []
        self._sum = self._square = self._logarithm = 0.0
        self._pixels = 0

    def add(self, index: int, one: Slice, image: Image, valid: Mask | None) -> None:
        """``image``: float32 (rows, columns)."""
        values = np.maximum(image, 0.0) if valid is None else np.where(valid, np.maximum(image, 0.0), np.float32(0.0))
        self._add_entropy(values)
        self._means.append(float(values.mean()))
        patient = find_patient(values, self._threshold)
        if patient.mean() < MIN_FOREGROUND_SHARE:
            return
        margin = max(2, round(AIR_MM_FACTOR * max(values.shape)))
        near = cv2.dilate(patient.astype(np.uint8), np.ones((2 * margin + 1, 2 * margin + 1), np.uint8)) > 0
        self._foreground.append(_spread(values[patient]))
        if (~near).any():
            self._air.append(_spread(values[~near]))
        if one.phase_columns is not None:
            self._add_phase(index, values, patient, near, along_columns=one.phase_columns)

    def result(self) -> Iterable[Measurement]:
        """What could be measured."""
        if self._square > 0.0:
            yield Measurement("mr_efc", self._entropy_focus(), "1")
            if len(self._means) > 2:
                yield Measurement("slice_jump", largest_jump(self._means), "%")
        if not self._foreground:
            return
        patient = np.concatenate(self._foreground).astype(np.float64)
        middle, deviation, count = float(np.median(patient)), float(patient.std()), len(patient)
        if deviation > 0.0 and count > 1:
            yield Measurement("mr_snr", middle / (deviation * math.sqrt(count / (count - 1))), "1")
        air = np.concatenate(self._air).astype(np.float64) if self._air else np.zeros(0)
        if len(air) > 1 and np.median(air) > 0.0:  # scanners that blank the air leave nothing to compare with
            yield Measurement("mr_snr_dietrich", DIETRICH_FACTOR * middle / float(air.std()), "1")
            yield Measurement("mr_fber", float(np.median(patient**2) / np.median(air**2)), "1")
            if self._ghosts:
                yield Measurement("mr_ghost", 100.0 * float(np.max(self._ghosts)) / middle, "%")
        if self._wrap:
            yield Measurement("mr_wrap", float(np.max(self._wrap)), "%")

    def _add_entropy(self, values: Image) -> None:
        exact = values.astype(np.float64)
        self._sum += float(exact.sum())
        self._square += float((exact * exact).sum())
        self._logarithm += float((exact * np.log(exact + 1e-16)).sum())
        self._pixels += values.size

    def _entropy_focus(self) -> float:
        """Entropy focus criterion (Atkinson et al., IEEE TMI 16, 1997), over its greatest value as in MRIQC."""
        largest = math.sqrt(self._square)
        entropy = (self._logarithm - math.log(largest) * self._sum) / largest
        root = 1.0 / math.sqrt(self._pixels)
        return entropy / (self._pixels * root * math.log(root))

    def _add_phase(self, index: int, values: Image, patient: Mask, near: Mask, *, along_columns: bool) -> None:
        axis = 0 if along_columns else 1
        # Phase runs along the axis: its two ends are where the patient folds over, half a field away are the ghosts.
        border = np.zeros(patient.shape, bool)
        ends = (slice(0, EDGE_PX), slice(-EDGE_PX, None))
        for end in ends:
            border[(end, slice(None)) if axis == 0 else (slice(None), end)] = True
        cut = patient & border
        self._wrap.append(100.0 * float(cut.sum()) / float(border.sum()))
        if cut.any():
            self.marks.append(Mark("mr_wrap", index, cut))
        ghost = np.roll(patient, patient.shape[axis] // 2, axis=axis) & ~near
        rest = ~near & ~ghost
        if ghost.sum() > 100 and rest.sum() > 100:
            self._ghosts.append(float(values[ghost].mean() - values[rest].mean()))


def find_threshold(images: Sequence[Image]) -> float:
    """Otsu's threshold over all pixels of some slices (IEEE TSMC 9, 1979)."""
    values = np.concatenate([_spread(np.maximum(image, 0.0).ravel()) for image in images])
    top = float(np.percentile(values, 99.5))
    if top <= 0.0:
        return 0.0
    scaled = np.clip(values / top * 255.0, 0, 255).astype(np.uint8).reshape(-1, 1)
    level, _ = cv2.threshold(scaled, 0, 255, cv2.THRESH_OTSU)
    return float(level) / 255.0 * top


def find_patient(image: Image, threshold: float) -> Mask:
    """What is brighter than the threshold, without single pixels."""
    bright = (image > threshold).astype(np.uint8)
    patient: Mask = cv2.morphologyEx(bright, cv2.MORPH_OPEN, np.ones((3, 3), np.uint8)) > 0
    return patient


def largest_jump(means: Sequence[float]) -> float:
    """How far a slice's mean lies from that of its two neighbours at most, in percent of the median."""
    values = np.array(means)
    expected = (values[:-2] + values[2:]) / 2.0
    return 100.0 * float(np.abs(values[1:-1] - expected).max() / np.median(values))


def _spread(values: Image) -> Image:
    flat = values.ravel()
    return flat[:: max(1, len(flat) // SAMPLES_PER_SLICE)]
