"""The data set for the loader, and the sampling weights."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset

from miqa_training.pneumonia.data import PneumoniaSample, Population

STRONG_WEIGHT = 2.0
"""Sampling weight of a radiologist's label relative to a mined one."""


class LabelledPictures(Dataset[tuple[Tensor, int]]):
    """Pictures with their labels as torch expects them: (1, rows, columns) uint8 and 0 or 1."""

    def __init__(self, pictures: NDArray[np.uint8], samples: Sequence[PneumoniaSample]) -> None:
        self._pictures = pictures
        self._labels = [int(sample.pneumonia) for sample in samples]

    def __len__(self) -> int:
        """Number of pictures."""
        return len(self._labels)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        """One of them."""
        return torch.from_numpy(np.array(self._pictures[index]))[None], self._labels[index]


def balanced_weights(samples: Sequence[PneumoniaSample]) -> list[float]:
    """Sampling weights that make the label independent of population and view.

    Each population is drawn equally often, within it each label, and within that each view: of NIH's weakly labelled
    images, the normal ones happen to be mostly AP and the others mostly PA. A radiologist's label counts
    :data:`STRONG_WEIGHT` times.
    """
    cells = [(sample.population, sample.pneumonia, sample.view) for sample in samples]
    views = {cell[:2]: len({other for other in cells if other[:2] == cell[:2]}) for cell in cells}
    worth = [STRONG_WEIGHT if sample.strong else 1.0 for sample in samples]
    total: dict[tuple[Population, bool, str], float] = {}
    for cell, value in zip(cells, worth, strict=True):
        total[cell] = total.get(cell, 0.0) + value
    return [value / total[cell] / views[cell[:2]] for cell, value in zip(cells, worth, strict=True)]
