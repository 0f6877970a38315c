"""Trains the network that reads side markers: which letter stands where, also in mirror writing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from miqa_node.stages.assess.landmarks.marker import LETTERS, MARKER_PICTURE
from miqa_training import weights
from miqa_training.degrade import Image
from miqa_training.landmarks.fit import LandmarkSchedule, TensorPair, fit_pairs
from miqa_training.landmarks.marker_render import inscription, paste, side_marker
from miqa_training.landmarks.network import separable
from miqa_training.presentation import tone

LONG_SIDE_PX = MARKER_PICTURE.rows
CROP_PX, STRIDE = 320, 8
LETTER_PX = (8.0, 52.0)
"""Height of a letter in an image whose longer side has 512 pixels."""
UPRIGHT_SHARE = 0.6
REAL_SHARE = 0.4
"""Share of samples with the real letters of their image."""
DRAWN = (0.25, 0.35, 0.4)
"""How often L, R and D are drawn. Real letters are mostly an L, often in a circle, and never a D."""
RARE_LOGIT = -4.0
"""Initial answer of every cell: letters are rare."""


@dataclass(frozen=True, slots=True)
class RealMarker:
    """A letter that a reader saw: its centre (x, y) in pixels of the image, and its class."""

    centre: tuple[float, float]
    label: int


@dataclass(frozen=True, slots=True)
class MarkerImage:
    """An image (rows, columns) of 0 to 1, longer side 512, its real markers, and a copy without any inscription."""

    image: Image
    clean: Image
    real: Sequence[RealMarker]


class MarkerNet(nn.Module):
    """Images (N, 1, rows, columns) of -1 to 1 to logits (N, 3, rows / 8, columns / 8) of a letter's centre."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            _halved(1, 16), _halved(16, 32), separable(32), _halved(32, 64),
            *(separable(64) for _ in range(4)), nn.Conv2d(64, len(LETTERS), 1),
        )  # fmt: skip
        last = cast("nn.Conv2d", self.layers[-1])
        nn.init.normal_(last.weight, std=0.01)
        nn.init.constant_(cast("Tensor", last.bias), RARE_LOGIT)

    def forward(self, images: Tensor) -> Tensor:
        """See the class."""
        logits: Tensor = self.layers(images)
        return logits


def _halved(inputs: int, outputs: int) -> nn.Sequential:
    convolution = nn.Conv2d(inputs, outputs, 3, stride=2, padding=1, bias=False)
    return nn.Sequential(convolution, nn.BatchNorm2d(outputs), nn.ReLU())


def draw(images: Sequence[MarkerImage], seed: int, index: int) -> TensorPair:
    """Training sample number ``index`` of a seed: a part of an image (1, 320, 320), and its target (3, 40, 40)."""
    rng = np.random.default_rng((seed, index))
    chosen = images[int(rng.integers(len(images)))]
    real = bool(chosen.real) and rng.uniform() < REAL_SHARE
    image = (chosen.image if real else chosen.clean).copy()
    letters: list[RealMarker] = list(chosen.real) if real else []
    if rng.uniform() < 0.5:
        image = np.ascontiguousarray(image[:, ::-1])
        width = image.shape[1]
        letters = [RealMarker((width - 1 - one.centre[0], one.centre[1]), one.label) for one in letters]
    image, letters = _resized(image, letters, rng)
    for _ in range(int(rng.integers(0, 3))):
        paste(image, inscription(rng), _place(image, rng), rng.uniform(*LETTER_PX), _angle(rng), rng,
              mirrored=bool(rng.uniform() < 0.5))  # fmt: skip
    for _ in range(int(rng.choice((0, 1, 1, 2)))):
        label = int(rng.choice(3, p=DRAWN))
        mirrored = bool(rng.uniform() < 0.5)
        centre = _place(image, rng)
        height = float(np.exp(rng.uniform(*np.log(LETTER_PX))))
        paste(image, side_marker(LETTERS[label], rng), centre, height, _angle(rng), rng, mirrored=mirrored)
        letters = [one for one in letters if np.hypot(*np.subtract(one.centre, centre)) > 2 * height]
        letters.append(RealMarker(centre, label))
    return _cropped(_presented(image, rng), letters, rng)


def _resized(image: Image, letters: Sequence[RealMarker], rng: np.random.Generator) -> tuple[Image, list[RealMarker]]:
    x, y = np.exp(rng.uniform(-0.3, 0.25) + rng.uniform(-0.1, 0.1, 2))
    rows, columns = image.shape
    size = (max(CROP_PX, round(columns * x)), max(CROP_PX, round(rows * y)))
    image = np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA if x < 1 else cv2.INTER_LINEAR), np.float32)
    x, y = size[0] / columns, size[1] / rows
    return image, [RealMarker((one.centre[0] * x, one.centre[1] * y), one.label) for one in letters]


def _place(image: Image, rng: np.random.Generator) -> tuple[float, float]:
    """Anywhere, rather near the sides."""
    rows, columns = image.shape
    x = (
        rng.uniform(0.02, 0.98)
        if rng.uniform() < 0.4
        else float(rng.choice((rng.uniform(0.02, 0.25), rng.uniform(0.75, 0.98))))
    )
    return float(x * columns), float(rng.uniform(0.02, 0.98) * rows)


def _angle(rng: np.random.Generator) -> float:
    return float(rng.normal(0.0, 10.0) if rng.uniform() < UPRIGHT_SHARE else rng.uniform(-180.0, 180.0))


def _presented(image: Image, rng: np.random.Generator) -> Image:
    image = tone(np.clip(image, 0.0, 1.0), rng)
    if rng.uniform() < 0.3:
        image = np.asarray(cv2.GaussianBlur(image, (0, 0), rng.uniform(0.3, 1.2)), np.float32)
    if rng.uniform() < 0.4:
        image = image + np.float32(rng.uniform(0, 0.03)) * rng.standard_normal(image.shape, np.float32)
    return np.clip(image, 0.0, 1.0)


def _cropped(image: Image, letters: Sequence[RealMarker], rng: np.random.Generator) -> TensorPair:
    rows, columns = image.shape
    left, top = int(rng.integers(0, columns - CROP_PX + 1)), int(rng.integers(0, rows - CROP_PX + 1))
    if letters and rng.uniform() < 0.7:
        x, y = letters[int(rng.integers(len(letters)))].centre
        left = int(np.clip(x - rng.uniform(0.05, 0.95) * CROP_PX, 0, columns - CROP_PX))
        top = int(np.clip(y - rng.uniform(0.05, 0.95) * CROP_PX, 0, rows - CROP_PX))
    part = image[top : top + CROP_PX, left : left + CROP_PX]
    cells = CROP_PX // STRIDE
    target = np.zeros((len(LETTERS), cells, cells), np.float32)
    r, c = np.indices((cells, cells))
    for one in letters:
        x, y = (one.centre[0] - left) / STRIDE - 0.5, (one.centre[1] - top) / STRIDE - 0.5
        spot = np.exp(-((r - y) ** 2 + (c - x) ** 2) / (2 * 0.8**2))
        target[one.label] = np.maximum(target[one.label], spot / max(float(spot.max()), 0.3))
    return torch.from_numpy(np.ascontiguousarray(part[None]) * 2 - 1), torch.from_numpy(target)


def loss_of(logits: Tensor, target: Tensor) -> tuple[Tensor, dict[str, float]]:
    """Focal loss of centres, lighter beside them (Law and Deng 2018, arXiv 1808.01244, equation 1)."""
    chance = torch.sigmoid(logits).clamp(1e-5, 1 - 1e-5)
    centre = (target > 0.95).float()
    missed = -((1 - chance) ** 2) * chance.log() * centre
    rest = -(chance**2) * (1 - chance).log() * (1 - target) ** 4 * (1 - centre)
    loss = (missed.sum() + rest.sum()) / centre.sum().clamp_min(1.0)
    return loss, {
        "missed": float(missed.detach().sum() / centre.sum().clamp_min(1.0)),
        "rest": float(rest.detach().sum()),
    }


def fit_markers(images: Sequence[MarkerImage], schedule: LandmarkSchedule) -> MarkerNet:
    """The network fitted to samples of these images."""

    def sample(index: int) -> TensorPair:
        return draw(images, schedule.seed, index)

    return fit_pairs(lambda: weights.in_format(MarkerNet(), torch.channels_last), sample, loss_of, schedule)


def levelled(pixels: NDArray[np.uint8]) -> Image:
    """The image of 0 to 1 between its percentiles, its longer side 512 pixels."""
    scale = LONG_SIDE_PX / max(pixels.shape)
    rows, columns = (max(1, round(side * scale)) for side in pixels.shape)
    small = cv2.resize(pixels, (columns, rows), interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR)
    low, high = np.percentile(small, (0.5, 99.5))
    return np.asarray(np.clip((small.astype(np.float32) - low) / max(high - low, 1.0), 0, 1), np.float32)


def without_inscriptions(image: Image, boxes: Sequence[tuple[float, float, float, float]]) -> Image:
    """The image with the boxes (fractions) filled from around them."""
    rows, columns = image.shape
    mask = np.zeros(image.shape, np.uint8)
    for x0, y0, x1, y1 in boxes:
        mask[max(0, int(y0 * rows) - 3) : int(y1 * rows) + 4, max(0, int(x0 * columns) - 3) : int(x1 * columns) + 4] = 1
    filled = cv2.inpaint(np.rint(image * 255).astype(np.uint8), mask, 3, cv2.INPAINT_TELEA)
    return np.where(mask > 0, filled.astype(np.float32) / np.float32(255), image).astype(np.float32)
