"""The texture branch of the quality network: local energies of small filters on crops at native pitch.

Blur, noise, grid lines and compression change the spectrum of an image long before they change its visible shapes. They
are separated by the logarithm of local energies, which a convolutional net hardly learns in a few thousand steps; here
it is built in, over fixed filters.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 - what every torch program calls it

SIZE = 7
ORIENTATIONS = 8
FREQUENCIES = (0.22, 0.4)
"""Cycles per pixel of the oriented filters: motion removes high frequencies along its direction."""
COSINES = ((0, 4), (4, 0), (0, 6), (6, 0), (2, 2), (4, 4), (6, 6), (3, 5), (5, 3), (5, 5))
"""Orders (row, column) of the separable cosine filters."""
CELL_PX = 8
"""Side of the cells for local energies, in pixels of the crop."""
LEAST_ENERGY = 1e-5
OCTAVES = 2


class TextureNet(nn.Module):
    """Maps crops to the mean of a few features over cells, computed from log-energies in two octaves."""

    filters: Tensor

    def __init__(self, features: int = 64) -> None:
        super().__init__()
        bank = torch.from_numpy(filter_bank())
        self.register_buffer("filters", bank)
        channels = OCTAVES * len(bank) + 1
        self.scale = nn.BatchNorm2d(channels)
        self.mix = nn.Conv2d(channels, features, 1)
        self.deepen = nn.Conv2d(features, features, 1)

    def forward(self, crops: Tensor) -> Tensor:
        """(N, features) from (N, 1, h, w); h and w must be multiples of the cell."""
        with torch.autocast(crops.device.type, enabled=False):
            return F.relu(self.deepen(F.relu(self.mix(self.scale(self.energies(crops)))))).mean((2, 3))

    def energies(self, crops: Tensor) -> Tensor:
        """(N, 2 B + 1, h/8, w/8): log-energies of the B filters in both octaves, and the mean of each cell.

        In single precision: bf16 has too few digits for squared differences of neighbours.
        """
        fine = crops.float()
        octaves = (self._energy(fine, CELL_PX), self._energy(F.avg_pool2d(fine, 2), CELL_PX // 2))
        return torch.cat([*octaves, F.avg_pool2d(fine, CELL_PX)], 1)

    def _energy(self, image: Tensor, cell_px: int) -> Tensor:
        answer = F.conv2d(image, self.filters, padding=SIZE // 2)
        return F.avg_pool2d(answer * answer, cell_px).clamp_min(LEAST_ENERGY).log()


def filter_bank() -> NDArray[np.float32]:
    """(B, 1, SIZE, SIZE): oriented (Gabor) and cosine filters without mean, each of unit energy."""
    reach = np.arange(SIZE) - SIZE // 2
    rows, columns = np.meshgrid(reach, reach, indexing="ij")
    window = np.exp(-(rows**2 + columns**2) / (2 * 1.8**2))
    filters = []
    for frequency in FREQUENCIES:
        for step in range(ORIENTATIONS):
            angle = math.pi * step / ORIENTATIONS
            along = columns * math.cos(angle) + rows * math.sin(angle)
            filters.append(window * np.cos(2 * math.pi * frequency * along))
    for order_row, order_column in COSINES:
        filters.append(np.outer(_cosine(order_row), _cosine(order_column)))
    centred = [kernel - kernel.mean() for kernel in filters]
    return np.stack([kernel / np.sqrt((kernel**2).sum()) for kernel in centred]).astype(np.float32)[:, None]


def _cosine(order: int) -> NDArray[np.float64]:
    return np.asarray(np.cos(math.pi * order * (np.arange(SIZE) + 0.5) / SIZE), np.float64)
