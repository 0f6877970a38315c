"""A bank of shadows that are put on pictures in training."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

SIDE = 256
"""Pixels of a piece's square; the object lies in its middle."""


class PieceKind(IntEnum):
    """What a piece shows: the index of its map, or nothing that any map is to find."""

    REMOVABLE = 0
    DEVICE = 1
    MARKER = 3


@dataclass(frozen=True, slots=True)
class PieceBank:
    """N pieces in arrays.

    ``shadows`` (N, SIDE, SIDE) uint8, 255 is a rise of one display range; ``extent`` (N, 2) width and height of the
    object as shares of the square; ``share`` (N,) the square's side as a share of the picture's longer side; ``kind``
    (N,) PieceKind; ``real`` (N,); ``place`` (N, 2) usual centre as shares of the picture, NaN: anywhere.
    """

    shadows: NDArray[np.uint8]
    extent: NDArray[np.float32]
    share: NDArray[np.float32]
    kind: NDArray[np.int64]
    real: NDArray[np.bool_]
    place: NDArray[np.float32]

    def save(self, path: Path) -> None:
        """Write the bank to one file."""
        np.savez_compressed(path, **{name: getattr(self, name) for name in self.__slots__})

    @classmethod
    def load(cls, path: Path) -> PieceBank:
        """Read it."""
        with np.load(path) as arrays:
            return cls(**{name: arrays[name] for name in arrays.files})
