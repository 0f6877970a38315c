"""Draws training samples of any radiograph: rendering, defects, delivery.

The rendering varies far more than the few sources do, so that no source becomes a class; nothing in it is a defect.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F  # noqa: N812 - what every torch program calls it

from miqa_node.core.domain.finding import FindingName, GateClass
from miqa_training.any_part.blur import LEAST_MOTION_PX, LEAST_SIGMA_PX, MOTION_MM, SIGMA_MM
from miqa_training.any_part.masks import MaskBank
from miqa_training.any_part.pictures import coded, gaussian, low_pass, moved, noise_deviation, resized
from miqa_training.any_part.shot import Shot
from miqa_training.any_part.simulators import WAYS, simulate
from miqa_training.degrade import DonorMaterial, degrade, pitch_of
from miqa_training.degrade.physics import at_severity

CLASSES: tuple[str, ...] = (*(str(name) for name in sorted(WAYS)), str(GateClass.INVERTED), str(GateClass.BLANK))
COLUMN = {name: index for index, name in enumerate(CLASSES)}
CLEAN_SHARE, INVERTED_SHARE, BLANK_SHARE = 0.3, 0.04, 0.02
AS_FOUND_SHARE, OTHER_FAMILY_SHARE = 0.6, 0.5
"""Share of samples that keep the picture's own size, tone and processing; of defects made by :mod:`~.degrade`."""
MARKED = 0.25
CODED_SHARE = 0.4
LARGE_PX, NODE_PX, NODE_SHARE, WHOLE_SHARE, AS_FOUND_PX = 1100, 2048, 0.12, 0.03, (500.0, 1100.0)
"""Large pictures as found are mostly reduced before the defect: whole ones take a second each on a CPU."""
LEAST_CHANGE = 0.02
"""A defect that changes no pixel by more, as in a part of the picture that is black anyway, cannot be seen."""
HARD = frozenset({
    FindingName.MOTION_BLUR, FindingName.UNSHARP, FindingName.NOISE, FindingName.GRID_ARTIFACT,
    FindingName.DETECTOR_OVERLAY_ARTIFACT, FindingName.CONTRAST_PROCESSING,
})  # fmt: skip
UNDECIDED = {
    "underexposed": FindingName.UNDEREXPOSURE, "overexposed": FindingName.OVEREXPOSURE_SATURATION,
    "blurred": FindingName.UNSHARP, "streak": FindingName.GRID_ARTIFACT, "nois": FindingName.NOISE,
    "faint": FindingName.CONTRAST_PROCESSING,
}  # fmt: skip
"""A word in a manifest's notes leaves a finding undecided."""
UNDECIDED_BESIDE = {
    FindingName.UNDEREXPOSURE: frozenset({FindingName.NOISE, FindingName.CONTRAST_PROCESSING}),
    FindingName.OVEREXPOSURE_SATURATION: frozenset({FindingName.CONTRAST_PROCESSING}),
    FindingName.CONTRAST_PROCESSING: frozenset({FindingName.OVEREXPOSURE_SATURATION, FindingName.UNDEREXPOSURE}),
}
"""What a defect may bring with it."""
TORCH, DEGRADE = "any_part", "degrade"
"""The two families of simulators that training draws from."""
LEAST_NOISE_GAIN = 1.3
LEAST_MM_PX = {
    FindingName.MOTION_BLUR: (MOTION_MM, LEAST_MOTION_PX), FindingName.UNSHARP: (SIGMA_MM, LEAST_SIGMA_PX),
}  # fmt: skip
CPU = torch.device("cpu")


@dataclass(frozen=True, slots=True)
class Picture:
    """A decoded picture (8 bits), its name, source and weight, and findings it may really have."""

    pixels: Tensor
    name: str
    source: str
    weight: float
    undecided: frozenset[str]


@dataclass(frozen=True, slots=True)
class PartSample:
    """A drawn image as display values, and its truth: per class 1, 0, or -1 where nobody knows."""

    image: Tensor
    picture: Picture
    present: NDArray[np.float32]
    severity: NDArray[np.float32]
    family: str


class PartSampler:
    """Draws samples; the same seed gives the same ones."""

    def __init__(self, pictures: Sequence[Picture], seed: int) -> None:
        self._pictures = pictures
        self._rng = np.random.default_rng(seed)
        torch.manual_seed(seed)
        weight = np.array([picture.weight for picture in pictures])
        self._share = weight / weight.sum()
        self._masks = MaskBank(CPU)

    @torch.no_grad()
    def __call__(self, clean: float = CLEAN_SHARE) -> PartSample:
        """One sample; a share of ``clean`` is without a defect."""
        picture, kind = self._draw(), self._rng.uniform()
        present, severity = np.zeros(len(CLASSES), np.float32), np.zeros(len(CLASSES), np.float32)
        for name in picture.undecided & COLUMN.keys():
            present[COLUMN[name]] = severity[COLUMN[name]] = -1.0
        family = ""
        if kind < BLANK_SHARE:
            image = self._blank()
            present[:], severity[:] = -1.0, -1.0
            present[-2:] = severity[-2:] = (0.0, 1.0)
        else:
            as_found = self._rng.uniform() < AS_FOUND_SHARE
            image = self._as_found(picture) if as_found else self._rendered(picture)
            if kind < BLANK_SHARE + INVERTED_SHARE:
                image = self._inverted(image)
                present[-2], severity[-2] = 1.0, 1.0
            elif kind < 1.0 - clean:
                family = str(self._rng.choice((TORCH, DEGRADE), p=(1.0 - OTHER_FAMILY_SHARE, OTHER_FAMILY_SHARE)))
                image = self._defects(image, present, severity, family)
            image = self._stored(image) if as_found else self._delivered(image)
        return PartSample(image, picture, present, severity, family)

    def _draw(self) -> Picture:
        return self._pictures[int(self._rng.choice(len(self._pictures), p=self._share))]

    def _as_found(self, picture: Picture) -> Tensor:
        image = picture.pixels.float() / 255.0
        kind, longest = self._rng.uniform(), float(self._rng.uniform(*AS_FOUND_PX))
        scale = (NODE_PX if kind > 1.0 - NODE_SHARE else longest) / max(image.shape)
        if scale >= 1.0 or kind < WHOLE_SHARE:
            return image
        return resized(image, (round(image.shape[0] * scale), round(image.shape[1] * scale)))

    def _stored(self, image: Tensor) -> Tensor:
        """Rounded, and compressed again or not, whether there is a defect or not."""
        image = torch.round(image * 255.0) / 255.0
        return coded(image, self._rng.uniform(75, 97)) if self._rng.uniform() < CODED_SHARE else image

    def _rendered(self, picture: Picture) -> Tensor:
        """The picture as another hospital might have made it."""
        rng, image = self._rng, picture.pixels.float() / 255.0
        if rng.uniform() < 0.6:
            share = rng.uniform(0.55, 1.0, 2)
            rows, columns = (max(160, int(n * s)) for n, s in zip(image.shape, share, strict=True))
            top = int(rng.integers(max(1, image.shape[0] - rows + 1)))
            left = int(rng.integers(max(1, image.shape[1] - columns + 1)))
            image = image[top : top + rows, left : left + columns]
        image = torch.rot90(image, int(rng.integers(4))) if rng.uniform() < 0.4 else image
        image = image.flip(1) if rng.uniform() < 0.5 else image
        image = self._sized(image)
        if rng.uniform() < 0.12:
            image = moved(image, 0.0, 0.0, rng.uniform(-8, 8), "border")
        image = self._toned(image)
        if rng.uniform() < 0.4:
            size, amount = np.exp(rng.uniform(np.log(3.0), np.log(80.0))), rng.uniform(-0.2, 0.8)
            image = (image + amount * (image - low_pass(image, size))).clamp(0.0, 1.0)
        if rng.uniform() < 0.3:
            soft = gaussian(image, rng.uniform(0.6, 2.0))
            image = (image + rng.uniform(0.1, 0.9) * (image - soft)).clamp(0.0, 1.0)
        image = self._framed(image)
        return coded(image, rng.uniform(80, 97)) if rng.uniform() < 0.4 else image

    def _sized(self, image: Tensor) -> Tensor:
        rng, longest = self._rng, max(image.shape)
        least = min(330.0, longest)
        if longest > LARGE_PX:  # whole pictures of a modern detector take a second each on a CPU
            target = (
                float(longest) if rng.uniform() < 0.05 else math.exp(rng.uniform(math.log(350.0), math.log(LARGE_PX)))
            )
        elif longest > 700 and rng.uniform() < 0.55:
            target = float(longest)
        else:
            target = math.exp(rng.uniform(math.log(least), math.log(longest)))
        if rng.uniform() < 0.06:
            target = longest * rng.uniform(1.0, 1.15)
        aspect = rng.uniform(-0.08, 0.08) if rng.uniform() < 0.25 else 0.0
        scale = target / longest
        rows, columns = round(image.shape[0] * scale * (1 + aspect)), round(image.shape[1] * scale * (1 - aspect))
        shape = (max(96, rows), max(96, columns))
        if shape == tuple(image.shape):
            return image
        if scale < 1.0 and rng.uniform() < 0.5:
            mode = "bicubic" if rng.uniform() < 0.5 else "bilinear"
            return F.interpolate(image[None, None], shape, mode=mode, antialias=True)[0, 0].clamp(0.0, 1.0)
        return resized(image, shape)

    def _toned(self, image: Tensor) -> Tensor:
        rng = self._rng
        image = image.clamp_min(1e-4) ** math.exp(rng.uniform(-0.45, 0.45))
        bend = rng.uniform(-0.35, 0.35)
        image = image + bend * torch.sin(2 * math.pi * image) / (2 * math.pi)
        low, high = rng.uniform(0.0, 0.12), rng.uniform(0.72, 1.0)
        return low + (high - low) * image

    def _framed(self, image: Tensor) -> Tensor:
        """Collimation, also oblique, and letters where they belong."""
        rng = self._rng
        rows, columns = image.shape
        if rng.uniform() < 0.25:
            y = torch.linspace(-1, 1, rows, device=image.device)[:, None]
            x = torch.linspace(-1, 1, columns, device=image.device)[None]
            angle = math.radians(rng.uniform(-12, 12)) if rng.uniform() < 0.4 else 0.0
            u, v = x * math.cos(angle) + y * math.sin(angle), y * math.cos(angle) - x * math.sin(angle)
            left, right, top, bottom = rng.uniform(0.75, 1.25, 4)
            outside = (u < -left) | (u > right) | (v < -top) | (v > bottom)
            image = torch.where(outside, float(rng.choice((0.0, 0.0, 0.0, 0.02, 1.0))), image)
        for _ in range(int(rng.integers(1, 3)) if rng.uniform() < 0.45 else 0):
            near = [
                float(rng.choice((rng.uniform(0.01, 0.15), rng.uniform(0.82, 0.93)))),
                float(rng.uniform(0.02, 0.9)),
            ]
            rng.shuffle(near)
            kind = "letter" if rng.uniform() < 0.7 else "words"
            long_px = max(12.0, max(rows, columns) * rng.uniform(0.02, 0.07))
            ink = self._masks.placed(kind, (rows, columns), near[0], near[1], long_px, rng)
            image = torch.maximum(image, ink * rng.uniform(0.75, 1.0))
        return image

    def _defects(
        self, image: Tensor, present: NDArray[np.float32], severity: NDArray[np.float32], family: str
    ) -> Tensor:
        """One to three defects, all of one family of simulators."""
        rng, names = self._rng, list(WAYS)
        count = int(rng.choice((1, 2, 3), p=(0.78, 0.17, 0.05)))
        weight = np.array([2.0 if name in HARD else 1.0 for name in names])
        chosen = {names[i] for i in rng.choice(len(names), count, replace=False, p=weight / weight.sum())}
        for name in (name for name in names if name in chosen):
            level, before = float(rng.uniform(MARKED, 1.0)), image
            image, visible = self._one_defect(image, name, level, family)
            visible = visible and float((image - before).abs().max()) > LEAST_CHANGE
            column = COLUMN[name]
            present[column], severity[column] = (1.0, level) if visible else (-1.0, -1.0)
        for name, others in UNDECIDED_BESIDE.items():
            if name in chosen:
                for other in others - chosen:
                    present[COLUMN[other]] = severity[COLUMN[other]] = -1.0
        return image

    def _one_defect(self, image: Tensor, name: FindingName, level: float, family: str) -> tuple[Tensor, bool]:
        other = self._draw().pixels.float() / 255.0
        if family == TORCH:
            return simulate(Shot(image, self._rng, self._masks, other), name, level)
        display = np.ascontiguousarray(image.numpy())
        pitch_mm = pitch_of(display)
        changed = torch.from_numpy(
            degrade(display, name, level, self._rng, pitch_mm, DonorMaterial(other=other.numpy()))
        )
        if name == FindingName.NOISE:
            return changed, bool(noise_deviation(changed) > LEAST_NOISE_GAIN * noise_deviation(image))
        if name in LEAST_MM_PX:
            table, least_px = LEAST_MM_PX[name]
            return changed, at_severity(level, table) / pitch_mm >= least_px
        return changed, True

    def _inverted(self, image: Tensor) -> Tensor:
        inverted = 1.0 - image
        if self._rng.uniform() < 0.3:  # a black frame that was laid on afterwards
            inverted = self._framed(inverted)
        return inverted

    def _blank(self) -> Tensor:
        rng = self._rng
        shape = (int(rng.integers(350, 1400)), int(rng.integers(350, 1400)))
        y = torch.linspace(-1, 1, shape[0], device=CPU)[:, None]
        x = torch.linspace(-1, 1, shape[1], device=CPU)[None]
        image = rng.uniform(0.0, 1.0) + rng.uniform(-0.3, 0.3) * x + rng.uniform(-0.3, 0.3) * y + 0.0 * x * y
        image = image + rng.uniform(-0.2, 0.2) * (x * x + y * y)
        image = (image + 10 ** rng.uniform(-3.5, -1.2) * torch.randn(shape, device=CPU)).clamp(0.0, 1.0)
        return self._framed(image)

    def _delivered(self, image: Tensor) -> Tensor:
        """The last steps of every picture, with a defect or without: noise, processing, rounding, compression."""
        rng = self._rng
        if rng.uniform() < 0.35:
            noise = torch.randn(image.shape, device=image.device)
            noise = gaussian(noise, rng.uniform(0.2, 0.8)) if rng.uniform() < 0.5 else noise
            image = image + rng.uniform(0.0, 0.5) * (0.003 + noise_deviation(image)) * noise
        if rng.uniform() < 0.15:
            image = image + rng.uniform(0.1, 0.45) * (gaussian(image, 0.8) - image)
        elif rng.uniform() < 0.2:
            image = image + rng.uniform(0.1, 0.6) * (image - gaussian(image, rng.uniform(0.6, 2.0)))
        image = image.clamp(0.0, 1.0)
        levels = 255.0 if rng.uniform() < 0.8 else float(rng.choice((1023.0, 4095.0)))
        image = torch.round(image * levels) / levels
        return coded(image, rng.uniform(74, 98)) if levels == 255.0 and rng.uniform() < 0.5 else image
