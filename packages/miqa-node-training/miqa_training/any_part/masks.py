"""Drawn things as masks: letters, words, scratches, clusters. They are drawn once, since drawing needs the CPU."""

from __future__ import annotations

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812 - what every torch program calls it

SIDE = 256
FONTS = (
    cv2.FONT_HERSHEY_PLAIN, cv2.FONT_HERSHEY_DUPLEX, cv2.FONT_HERSHEY_COMPLEX, cv2.FONT_HERSHEY_TRIPLEX,
    cv2.FONT_HERSHEY_COMPLEX_SMALL,
)  # fmt: skip
LETTERS = ("L", "R", "D", "I", "S", "LT", "RT", "li", "re", "L", "R")
WORDS = (
    "KNEE", "ANKLE AP", "STANDING", "14.03.2019", "09:41", "WEIGHT BEARING", "0042-117", "Fuji", "55 kV", "3.2 mAs",
    "EXI 1820", "FOOT OBL", "ID 99031", "W 2000 L 900", "CROSS TABLE", "PORT", "TECH MK", "SID 110", "DFOV",
)  # fmt: skip


class MaskBank:
    """Masks (h, w) in [0, 1] by kind, on the device of the pictures."""

    def __init__(self, device: torch.device, seed: int = 0, count: int = 40) -> None:
        rng = np.random.default_rng(seed)
        makers = {"letter": _letter, "words": _words, "scratch": _scratch, "cluster": _cluster, "roller": _roller}
        self._masks = {
            kind: [torch.from_numpy(make(rng).astype(np.float32) / 255.0).to(device) for _ in range(count)]
            for kind, make in makers.items()
        }

    def placed(
        self, kind: str, shape: tuple[int, int], top: float, left: float, long_px: float, rng: np.random.Generator
    ) -> Tensor:
        """A mask of this size with its upper left corner at these shares of a picture of ``shape``; 0 elsewhere."""
        mask = self._masks[kind][int(rng.integers(len(self._masks[kind])))]
        scale = long_px / max(mask.shape)
        size = (max(2, round(mask.shape[0] * scale)), max(2, round(mask.shape[1] * scale)))
        small = F.interpolate(mask[None, None], size, mode="bilinear", align_corners=False, antialias=True)[0, 0]
        whole = torch.zeros(shape, device=mask.device)
        y, x = round(top * shape[0]), round(left * shape[1])
        part = small[: max(0, shape[0] - y), : max(0, shape[1] - x)]
        whole[y : y + part.shape[0], x : x + part.shape[1]] = part
        return whole


def _written(text: str, rng: np.random.Generator) -> np.ndarray:
    font, thick = int(rng.choice(FONTS)), int(rng.integers(2, 7))
    (width, height), base = cv2.getTextSize(text, font, 3.0, thick)
    mask = np.zeros((height + base + 12, width + 12), np.uint8)
    cv2.putText(mask, text, (6, height + 6), font, 3.0, 255, thick, cv2.LINE_AA)
    return mask


def _letter(rng: np.random.Generator) -> np.ndarray:
    mask = _written(str(rng.choice(LETTERS)), rng)
    if rng.uniform() < 0.3:
        cv2.rectangle(mask, (1, 1), (mask.shape[1] - 2, mask.shape[0] - 2), 255, 2)
    return mask


def _words(rng: np.random.Generator) -> np.ndarray:
    lines = [_written(str(rng.choice(WORDS)), rng) for _ in range(int(rng.integers(1, 4)))]
    wide = max(line.shape[1] for line in lines)
    return np.concatenate([np.pad(line, ((0, 0), (0, wide - line.shape[1]))) for line in lines])


def _scratch(rng: np.random.Generator) -> np.ndarray:
    mask = np.zeros((4 * SIDE, 4 * SIDE), np.uint8)
    for _ in range(int(rng.integers(1, 4))):
        steps = rng.normal(0, 60, 2) + np.cumsum(rng.normal(0, 12, (12, 2)), 0)
        points = (
            np.rint(rng.uniform(200, 800, 2) + np.cumsum(np.clip(steps, -70, 70), 0)).astype(np.int32).reshape(-1, 1, 2)
        )
        cv2.polylines(mask, [points], False, 255, int(rng.integers(2, 7)), cv2.LINE_AA)
    return mask


def _cluster(rng: np.random.Generator) -> np.ndarray:
    mask = np.zeros((SIDE, SIDE), np.uint8)
    for _ in range(int(rng.integers(3, 40))):
        x, y = (int(v) for v in rng.normal(SIDE / 2, SIDE / 5, 2))
        axes, angle = (int(rng.integers(1, 7)), int(rng.integers(1, 7))), float(rng.uniform(0, 180))
        cv2.ellipse(mask, (x, y), axes, angle, 0, 360, int(rng.integers(120, 256)), -1, cv2.LINE_AA)
    return mask


def _roller(rng: np.random.Generator) -> np.ndarray:
    """Marks at equal distances, as the rollers of a plate reader leave them."""
    mask = np.zeros((SIDE, SIDE), np.uint8)
    step, thick = int(rng.integers(10, 40)), int(rng.integers(1, 5))
    for row in range(0, SIDE, step):
        cv2.line(mask, (0, row), (SIDE, row + int(rng.integers(-1, 2))), 255, thick, cv2.LINE_AA)
    return mask
