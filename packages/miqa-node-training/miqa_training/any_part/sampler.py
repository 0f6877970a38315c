"""Draws training samples of any radiograph on the device that trains: rendering, defects, delivery, inputs.

The rendering varies far more than the few sources do, so that no source becomes a class; nothing in it is a defect.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812 - what every torch program calls it

from miqa_node.core.domain.finding import FindingName, GateClass
from miqa_training.any_part.masks import MaskBank
from miqa_training.any_part.pictures import coded, gaussian, low_pass, moved, noise_deviation, quantile, resized
from miqa_training.any_part.shot import Shot
from miqa_training.any_part.simulators import WAYS, simulate
from miqa_training.losses import TargetBatch

CLASSES: tuple[str, ...] = (*(str(name) for name in sorted(WAYS)), str(GateClass.INVERTED), str(GateClass.BLANK))
COLUMN = {name: index for index, name in enumerate(CLASSES)}
VIEW_PX, CROP_PX, LONG_PX, PER_SIDE = 320, 320, 2048, 4
"""Side of the view and of a crop, longer side of the picture that crops are cut from, most crops along a side."""
MAP_PX = VIEW_PX // 8
CROPS = 8
"""Crops of a training sample; all of them when the node judges."""
CLEAN_SHARE, INVERTED_SHARE, BLANK_SHARE = 0.3, 0.05, 0.02
MARKED = 0.12
LARGE_PX = 1500
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


@dataclass(frozen=True, slots=True)
class Picture:
    """A decoded picture (8 bits, on the device), its source, its weight, and findings it may really have."""

    pixels: Tensor
    source: str
    weight: float
    undecided: frozenset[str]


@dataclass(frozen=True, slots=True)
class PartBatch:
    """Inputs and targets of N samples: view (N, 1, H, W), crops (N, K, 1, h, w), numbers (N, 4)."""

    view: Tensor
    crops: Tensor
    numbers: Tensor
    targets: TargetBatch
    sources: tuple[str, ...]


class PartSampler:
    """Draws batches; the same seed gives the same ones on the same device."""

    def __init__(self, pictures: Sequence[Picture], seed: int, device: torch.device) -> None:
        self._pictures, self._device = pictures, device
        self._rng = np.random.default_rng(seed)
        torch.manual_seed(seed)
        weight = np.array([picture.weight for picture in pictures])
        self._share = weight / weight.sum()
        self._masks = MaskBank(device)

    @torch.no_grad()
    def batch(self, size: int, clean: float = CLEAN_SHARE) -> PartBatch:
        """``size`` samples, of which ``clean`` are without a defect."""
        samples = [self._sample(clean) for _ in range(size)]
        views, crops, numbers, present, severity, cells, sources = zip(*samples, strict=True)
        device = self._device
        truth = torch.tensor(np.stack(present), device=device), torch.tensor(np.stack(severity), device=device)
        planes = torch.stack(cells)[:, None]
        targets = TargetBatch(*truth, planes, torch.zeros_like(planes, dtype=torch.int16))
        return PartBatch(
            torch.stack(views)[:, None], torch.stack(crops)[:, :, None],
            torch.tensor(np.stack(numbers), device=device), targets, tuple(sources),
        )  # fmt: skip

    def _draw(self) -> Picture:
        return self._pictures[int(self._rng.choice(len(self._pictures), p=self._share))]

    def _sample(self, clean: float) -> tuple[Tensor, Tensor, np.ndarray, np.ndarray, np.ndarray, Tensor, str]:
        picture, kind = self._draw(), self._rng.uniform()
        present, severity = np.zeros(len(CLASSES), np.float32), np.zeros(len(CLASSES), np.float32)
        for name in picture.undecided & COLUMN.keys():
            present[COLUMN[name]] = severity[COLUMN[name]] = -1.0
        cells = torch.zeros((MAP_PX, MAP_PX), device=self._device)
        if kind < BLANK_SHARE:
            image = self._blank()
            present[:], severity[:] = -1.0, -1.0
            present[-2:] = severity[-2:] = (0.0, 1.0)
        else:
            image = self._rendered(picture)
            if kind < BLANK_SHARE + INVERTED_SHARE:
                image = self._inverted(image)
                present[-2], severity[-2] = 1.0, 1.0
            elif kind < 1.0 - clean:
                image, cells = self._defects(image, present, severity)
        return *self._inputs(self._delivered(image)), present, severity, cells, picture.source

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
                float(longest) if rng.uniform() < 0.12 else math.exp(rng.uniform(math.log(350.0), math.log(LARGE_PX)))
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

    def _defects(self, image: Tensor, present: np.ndarray, severity: np.ndarray) -> tuple[Tensor, Tensor]:
        """One to three defects; the places of what the detector or the overlay did."""
        rng, names = self._rng, list(WAYS)
        count = int(rng.choice((1, 2, 3), p=(0.65, 0.27, 0.08)))
        weight = np.array([2.0 if name in HARD else 1.0 for name in names])
        chosen = {names[i] for i in rng.choice(len(names), count, replace=False, p=weight / weight.sum())}
        cells = torch.zeros((MAP_PX, MAP_PX), device=image.device)
        for name in (name for name in names if name in chosen):
            level = float(rng.uniform(MARKED, 1.0))
            before = image
            image, visible = simulate(Shot(image, rng, self._masks, self._draw().pixels.float() / 255.0), name, level)
            visible = visible and float((image - before).abs().max()) > LEAST_CHANGE
            column = COLUMN[name]
            present[column], severity[column] = (1.0, level) if visible else (-1.0, -1.0)
            if name == FindingName.DETECTOR_OVERLAY_ARTIFACT:
                touched = resized((image - before).abs(), (MAP_PX, MAP_PX))
                peak = touched.max().clamp_min(0.004)
                cells = torch.where(touched > 0.15 * peak, 1.0, torch.where(touched > 0.02 * peak, -1.0, 0.0))
        if FindingName.UNDEREXPOSURE in chosen and FindingName.NOISE not in chosen:
            present[COLUMN[FindingName.NOISE]] = severity[COLUMN[FindingName.NOISE]] = -1.0
        if FindingName.OVEREXPOSURE_SATURATION in chosen and FindingName.CONTRAST_PROCESSING not in chosen:
            present[COLUMN[FindingName.CONTRAST_PROCESSING]] = severity[COLUMN[FindingName.CONTRAST_PROCESSING]] = -1.0
        if FindingName.CONTRAST_PROCESSING in chosen:
            for name in (FindingName.OVEREXPOSURE_SATURATION, FindingName.UNDEREXPOSURE):
                if name not in chosen:
                    present[COLUMN[name]] = severity[COLUMN[name]] = -1.0
        if FindingName.DOUBLE_EXPOSURE in chosen or FindingName.MOTION_BLUR in chosen:
            cells = torch.full_like(cells, -1.0)
        return image, cells

    def _inverted(self, image: Tensor) -> Tensor:
        inverted = 1.0 - image
        if self._rng.uniform() < 0.3:  # a black frame that was laid on afterwards
            inverted = self._framed(inverted)
        return inverted

    def _blank(self) -> Tensor:
        rng = self._rng
        shape = (int(rng.integers(350, 1400)), int(rng.integers(350, 1400)))
        y = torch.linspace(-1, 1, shape[0], device=self._device)[:, None]
        x = torch.linspace(-1, 1, shape[1], device=self._device)[None]
        image = rng.uniform(0.0, 1.0) + rng.uniform(-0.3, 0.3) * x + rng.uniform(-0.3, 0.3) * y + 0.0 * x * y
        image = image + rng.uniform(-0.2, 0.2) * (x * x + y * y)
        image = (image + 10 ** rng.uniform(-3.5, -1.2) * torch.randn(shape, device=self._device)).clamp(0.0, 1.0)
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

    def _inputs(self, image: Tensor) -> tuple[Tensor, Tensor, np.ndarray]:
        """The package's own preprocessing (``stages/assess/preprocess.py``); a few of the crops stand for all."""
        working = working_picture(image)
        low, high = quantile(working, (0.005, 0.995))
        span = max(high - low, 0.02)
        mean = float(working.mean())
        working = (((working - low) / span).clamp(0.0, 1.0) - 0.5) * 4.0
        view = resized(working, (VIEW_PX, VIEW_PX))
        places = [(y, x) for y in _spread(working.shape[0]) for x in _spread(working.shape[1])]
        chosen = [places[i] for i in self._rng.permutation(len(places))[:CROPS]]
        while len(chosen) < CROPS:
            chosen.append(places[int(self._rng.integers(len(places)))])
        moves = self._rng.integers(-24, 25, (CROPS, 2))
        crops = []
        for (y, x), (down, right) in zip(chosen, moves, strict=True):
            top = min(max(0, y + int(down)), working.shape[0] - CROP_PX)
            left = min(max(0, x + int(right)), working.shape[1] - CROP_PX)
            crops.append(working[top : top + CROP_PX, left : left + CROP_PX])
        numbers = np.array([math.log10(max(high - low, 0.001)), mean, 1.0, 1.0], np.float32)
        return view, torch.stack(crops), numbers


def working_picture(image: Tensor) -> Tensor:
    """The picture at the pitch of the crops."""
    scale = min(1.0, LONG_PX / max(image.shape))
    scale = max(scale, CROP_PX / min(image.shape))
    if scale == 1.0:
        return image
    return resized(image, (max(CROP_PX, round(image.shape[0] * scale)), max(CROP_PX, round(image.shape[1] * scale))))


def _spread(length: int) -> list[int]:
    count = min(PER_SIDE, max(1, math.ceil(length / CROP_PX)))
    if count == 1:
        return [(length - CROP_PX) // 2]
    return [int(v) for v in np.rint(np.linspace(0, length - CROP_PX, count))]


__all__ = ["CLASSES", "COLUMN", "PartBatch", "PartSampler", "Picture", "working_picture"]
