"""What the denoiser learns from: patches of radiographs, unchanged and with the quantum noise of a lower dose."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import cv2
import numpy as np
from numpy.typing import NDArray

from miqa_node.core.domain.finding import FindingName
from miqa_training.datasets import DatasetRecord, ImageCache
from miqa_training.degrade import Image, degrade
from miqa_training.degrade.physics import clip

PATCH_PX, PATCHES_PER_IMAGE = 64, 8
REGION_PX = 352
"""Pixels of the window on which noise is simulated and from which the patches are cut."""
PITCH_MM = (0.12, 0.9)
"""Drawn regardless of the image's own pitch, so every texture occurs with the noise of fine and of coarse pixels."""
CLEAN_SHARE, PHANTOM_SHARE = 0.10, 0.06
"""Shares of unchanged images and of smooth phantoms: the denoiser must not change what needs no change."""
SMALLER_SHARE, LEAST_SCALE, LEAST_SIDE_PX = 0.7, 0.3, 160
"""Images are also used at reduced size, which makes them sharper and less noisy than any detector's."""
OBJECT_SHARE, OBJECT_PITCH_MM = 0.4, (0.12, 0.6)
"""Windows with wires, tubes and buttons: their edges and lines are finer than any anatomy, and must be preserved."""
LARGE_PX = 700

Patches = NDArray[np.float32]


class NoisePairs:
    """Draws pairs; pair ``index`` of a seed is always the same."""

    def __init__(self, records: Sequence[DatasetRecord], cache: ImageCache, *, seed: int) -> None:
        self._records, self._cache, self._seed = records, cache, seed
        weight = np.array([2.5 if max(cache[r.path].shape) > LARGE_PX else 1.0 for r in records])
        self._weight = weight / weight.sum()

    def __call__(self, index: int) -> tuple[Patches, Patches]:
        """(noisy, original), each (8, 1, 64, 64), display values in [0, 1]."""
        rng = np.random.default_rng((self._seed, index))
        if rng.uniform() < PHANTOM_SHARE:
            original = smooth_phantom(REGION_PX, rng)
        else:
            record = self._records[int(rng.choice(len(self._records), p=self._weight))]
            original = _window(self._cache[record.path], rng)
        if rng.uniform() < OBJECT_SHARE:
            size, scale_mm = float(rng.uniform(0.2, 1.0)), float(np.exp(rng.uniform(*np.log(OBJECT_PITCH_MM))))
            original = degrade(original, FindingName.FOREIGN_OBJECT, size, rng, scale_mm)
        severity = 0.0 if rng.uniform() < CLEAN_SHARE else float(rng.uniform(0.05, 1.0))
        pitch_mm = float(np.exp(rng.uniform(*np.log(PITCH_MM))))
        noisy = degrade(original, FindingName.NOISE, severity, rng, pitch_mm)
        return _cut(noisy, original, rng)


def smooth_phantom(side_px: int, rng: np.random.Generator) -> Image:
    """A uniform or slowly varying exposure without any structure."""
    coarse = rng.uniform(0.1, 0.9) + rng.uniform(0.0, 0.2) * rng.standard_normal((3, 3))
    return clip(cast("Image", cv2.resize(coarse.astype(np.float32), (side_px, side_px), interpolation=cv2.INTER_CUBIC)))


def _window(pixels: NDArray[np.uint8], rng: np.random.Generator) -> Image:
    """A window of the image, rotated, mirrored, sometimes downscaled, with random brightness and contrast."""
    least = max(LEAST_SCALE, LEAST_SIDE_PX / min(pixels.shape))
    scale = float(rng.uniform(least, 1.0)) if least < 1.0 and rng.uniform() < SMALLER_SHARE else 1.0
    side = min(round(REGION_PX / scale), *pixels.shape)
    top, left = (int(rng.integers(0, length - side + 1)) for length in pixels.shape)
    region = pixels[top : top + side, left : left + side].astype(np.float32) / np.float32(255)
    if scale < 1.0:
        small = round(side * scale)
        region = cast("Image", cv2.resize(region, (small, small), interpolation=cv2.INTER_AREA))
    region = np.rot90(region, int(rng.integers(4)))
    if rng.uniform() < 0.5:
        region = region[:, ::-1]
    contrast = np.float32(rng.uniform(0.6, 1.15))
    middle = np.float32(region.mean())
    return clip(np.ascontiguousarray((region - middle) * contrast + middle + np.float32(rng.uniform(-0.08, 0.08))))


def _cut(noisy: Image, original: Image, rng: np.random.Generator) -> tuple[Patches, Patches]:
    tops = rng.integers(0, noisy.shape[0] - PATCH_PX + 1, PATCHES_PER_IMAGE)
    lefts = rng.integers(0, noisy.shape[1] - PATCH_PX + 1, PATCHES_PER_IMAGE)

    def stack(image: Image) -> Patches:
        return np.stack([image[None, y : y + PATCH_PX, x : x + PATCH_PX] for y, x in zip(tops, lefts, strict=True)])

    return stack(noisy), stack(original)
