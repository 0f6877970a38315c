"""Measures a CT series in Hounsfield units: noise, its texture, metal, streaks, and a body cut off by the field."""

from __future__ import annotations

from collections.abc import Iterable

import cv2
import numpy as np
from numpy.typing import NDArray

from miqa_node.assess.volume.marks import Mark
from miqa_node.domain.assessment import Measurement
from miqa_node.imaging.slices import Slice

SOFT_TISSUE_HU = (0.0, 100.0)
BODY_HU = -300.0
METAL_HU = 3000.0
NOISE_WINDOW_MM = 6.0
NOISE_CLASS_HU = 0.5
MAX_NOISE_HU = 200.0
RING_MM = (5.0, 40.0)
"""Streaks are looked for in the air between these distances from the skin."""
PATCH = 32
"""Side, in pixels, of the soft-tissue patches whose spectrum is averaged."""
MAX_PATCHES_PER_SLICE = 8
EDGE_PX = 3
MIN_METAL_PX = 4

Image = NDArray[np.float32]
Mask = NDArray[np.bool_]


class CtMeasures:
    """Takes one slice after the other; ``result`` says what all of them together give."""

    def __init__(self) -> None:
        self.marks: list[Mark] = []
        self._noise = np.zeros(round(MAX_NOISE_HU / NOISE_CLASS_HU))
        self._air: list[float] = []
        self._streaks: list[float] = []
        self._truncated: list[float] = []
        self._body_px = self._metal_px = 0
        self._spectrum = np.zeros((PATCH, PATCH))
        self._patches = 0
        self._spacing_mm = 0.0
        self._doses: list[float] = []

    def add(self, index: int, one: Slice, hounsfield: Image, valid: Mask | None) -> None:
        """``hounsfield``: float32 (rows, columns). Padding is what is not ``valid``."""
        if one.ctdi_vol_mgy is not None:
            self._doses.append(one.ctdi_vol_mgy)
        if one.spacing_mm is None:
            return
        self._spacing_mm = spacing_mm = float(np.mean(one.spacing_mm))
        image = hounsfield if valid is None else np.where(valid, hounsfield, np.float32(-1000.0))
        body = find_body(image)
        if not body.any():
            return
        self._add_noise(image, body, spacing_mm)
        self._add_air(image, body, spacing_mm)
        metal = (image > METAL_HU) & body
        self._body_px += int(body.sum())
        self._metal_px += int(metal.sum())
        if metal.sum() >= MIN_METAL_PX:
            self.marks.append(Mark("metal_share", index, metal))
        share, cut = truncation(body)
        self._truncated.append(share)
        if cut.any():
            self.marks.append(Mark("truncation", index, cut))

    def result(self) -> Iterable[Measurement]:
        """What could be measured."""
        if self._noise.any():
            smooth = np.convolve(self._noise, np.ones(5) / 5, mode="same")
            yield Measurement("ct_noise", (float(smooth.argmax()) + 0.5) * NOISE_CLASS_HU, "[hnsf'U]")
        if self._patches:
            yield Measurement("nps_peak", self._peak_frequency(), "1/mm")
        if self._air:
            yield Measurement("air_noise", float(np.median(self._air)), "[hnsf'U]")
            yield Measurement("streak_index", float(np.max(self._streaks)), "[hnsf'U]")
        if self._body_px:
            yield Measurement("metal_share", 100.0 * self._metal_px / self._body_px, "%")
        if self._truncated:
            yield Measurement("truncation", float(np.max(self._truncated)), "%")
        if self._doses:
            yield Measurement("ctdi_vol", float(np.mean(self._doses)), "mGy")

    def _add_noise(self, image: Image, body: Mask, spacing_mm: float) -> None:
        side = max(3, round(NOISE_WINDOW_MM / spacing_mm) | 1)
        mean = cv2.blur(image, (side, side))
        square = cv2.blur(image * image, (side, side))
        count = side * side
        # The most frequent SD of n pixels lies below that of their population by √((n − 2) / n).
        deviation = np.sqrt(np.maximum(square - mean * mean, 0.0) * (count / (count - 2)))
        inner = cv2.erode(body.astype(np.uint8), np.ones((side, side), np.uint8)) > 0
        soft = inner & (mean > SOFT_TISSUE_HU[0]) & (mean < SOFT_TISSUE_HU[1])
        classes = np.minimum((deviation[soft] / NOISE_CLASS_HU).astype(int), len(self._noise) - 1)
        self._noise += np.bincount(classes, minlength=len(self._noise))
        self._add_patches(image, soft)

    def _add_patches(self, image: Image, soft: Mask) -> None:
        """Noise power spectrum of patches that are soft tissue throughout, their mean plane taken away (ICRU 87)."""
        share = cv2.blur(soft.astype(np.float32), (PATCH, PATCH))
        taken = 0
        for row in range(PATCH // 2, image.shape[0] - PATCH // 2, PATCH):
            for column in range(PATCH // 2, image.shape[1] - PATCH // 2, PATCH):
                if share[row, column] < 0.99 or taken == MAX_PATCHES_PER_SLICE:
                    continue
                top, left = row - PATCH // 2, column - PATCH // 2
                patch = _without_plane(image[top : top + PATCH, left : left + PATCH])
                self._spectrum += np.abs(np.fft.fft2(patch)) ** 2
                taken += 1
        self._patches += taken

    def _peak_frequency(self) -> float:
        """Radial average of the spectrum, its highest class (1/mm)."""
        frequency = np.fft.fftfreq(PATCH, self._spacing_mm)
        radius = np.hypot(*np.meshgrid(frequency, frequency))
        step = 1.0 / (PATCH * self._spacing_mm)
        classes = np.rint(radius / step).astype(int)
        wanted = (classes >= 1) & (classes <= PATCH // 2)
        power = np.bincount(classes[wanted], self._spectrum[wanted]) / np.maximum(np.bincount(classes[wanted]), 1)
        return float(power.argmax() * step)

    def _add_air(self, image: Image, body: Mask, spacing_mm: float) -> None:
        ring = _ring(body, spacing_mm) & (image < BODY_HU)
        if ring.sum() < 500:
            return
        side = max(3, round(NOISE_WINDOW_MM / spacing_mm) | 1)
        self._air.append(float(image[ring].std()))
        self._streaks.append(float(cv2.blur(image, (side, side))[ring].std()))


def find_body(image: Image) -> Mask:
    """The largest connected part denser than fat; holes such as lungs are not filled."""
    dense = cv2.morphologyEx((image > BODY_HU).astype(np.uint8), cv2.MORPH_OPEN, np.ones((3, 3), np.uint8))
    count, labels, statistics, _ = cv2.connectedComponentsWithStats(dense, connectivity=4)
    if count < 2:
        return np.zeros(image.shape, bool)
    largest = 1 + int(statistics[1:, cv2.CC_STAT_AREA].argmax())
    body: Mask = labels == largest
    return body if body.sum() > 0.01 * body.size else np.zeros(image.shape, bool)


def truncation(body: Mask) -> tuple[float, Mask]:
    """(share of the field's circle in percent where the body touches it, the touching pixels)."""
    rows, columns = body.shape
    y, x = np.ogrid[:rows, :columns]
    distance = np.hypot(y - (rows - 1) / 2, x - (columns - 1) / 2)
    radius = min(rows, columns) / 2
    rim = (distance >= radius - EDGE_PX) & (distance < radius)
    cut = body & rim
    return 100.0 * float(cut.sum()) / max(1, int(rim.sum())), cut


def _ring(body: Mask, spacing_mm: float) -> Mask:
    outside = cv2.distanceTransform((~body).astype(np.uint8), cv2.DIST_L2, 3) * spacing_mm
    rows, columns = body.shape
    y, x = np.ogrid[:rows, :columns]
    field = np.hypot(y - (rows - 1) / 2, x - (columns - 1) / 2) < min(rows, columns) / 2 - EDGE_PX
    ring: Mask = (outside > RING_MM[0]) & (outside < RING_MM[1]) & field
    return ring


def _without_plane(patch: Image) -> NDArray[np.float64]:
    rows, columns = patch.shape
    y, x = np.mgrid[:rows, :columns]
    design = np.column_stack([np.ones(patch.size), y.ravel(), x.ravel()])
    fit, *_ = np.linalg.lstsq(design, patch.ravel().astype(np.float64), rcond=None)
    rest: NDArray[np.float64] = (patch.ravel() - design @ fit).reshape(patch.shape)
    return rest
