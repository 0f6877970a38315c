"""Radiographs of a kind that a tiny package is taught to find ordinary, and the package that it was taught to."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import cast

import numpy as np
from numpy.typing import NDArray

from miqa_node.core.domain.image import Radiograph
from miqa_training.corpus import QualityData
from miqa_training.datasets import DatasetRecord, ImageCache
from tests.stages.assess.making import write_package

TAPS = ["maps"]
"""The class maps of the tiny graph serve as the output that features are taken from."""


def pixels(seed: int) -> NDArray[np.uint8]:
    """An ordinary image: a bright spine between dark lungs, somewhat different each time."""
    rng = np.random.default_rng(seed)
    across = np.abs(np.linspace(-1, 1, 96) + rng.normal(scale=0.03))
    lungs = 0.25 + 0.5 * np.exp(-((across / 0.2) ** 2)) + 0.4 * (across > 0.85)
    down = np.linspace(0.8, 1.1, 120)[:, None] * rng.normal(1.0, 0.03)
    image = down * lungs + 0.02 * rng.normal(size=(120, 96))
    return (np.clip(image, 0, 1) * 255).astype(np.uint8)


def odd_pixels(seed: int) -> NDArray[np.uint8]:
    """The same with a bright plate at the lower left."""
    image = pixels(seed)
    image[72:116, 4:40] = 255
    return image


def radiograph(values: NDArray[np.uint8]) -> Radiograph:
    """8-bit pixels as a decoded image."""
    display = values.astype(np.uint16) * np.uint16(257)
    return Radiograph(display, display, (0, 65535), (0.4, 0.4), decoder="made")


@dataclass
class Images:
    """Stands for the cache of decoded images; the number of the image is its name."""

    def __getitem__(self, path: Path) -> NDArray[np.uint8]:
        return pixels(int(path.name))


def corpus(fitting: int = 60, held_out: int = 40) -> QualityData:
    """Ordinary images, one of each patient."""
    records = [DatasetRecord(Path(str(n)), "made", "", str(n), "PA", "") for n in range(fitting + held_out)]
    return QualityData(records[:fitting], records[fitting:], [], cast("ImageCache", Images()), [])


def taught_package(folder: Path) -> Path:
    """A tiny package that was taught what is ordinary, as ``miqa-node train anomaly`` does it."""
    from miqa_node.stages.assess.card import read_card
    from miqa_training.anomaly import write
    from miqa_training.ordinary import ImageLooker, learn

    write_package(folder, saliency={"maps": "maps", "method": "mean", "taps": TAPS})
    learnt = learn(ImageLooker(folder, read_card(folder)), corpus(), seed=1)
    return write(folder, learnt.model.section, learnt.model, learnt.forest)
