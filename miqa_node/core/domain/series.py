"""The subject of an assessment of a CT or MR series: its slices, and what measurements give of single ones."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from miqa_node.core.domain.instance import InstanceDigest


@dataclass(frozen=True, slots=True)
class MeasurementMask:
    """The region of one slice used by a measurement.

    ``measurement`` is its name, ``index`` counts the slices of the snapshot from 0. A series has many masks, so each is
    kept as bits (``np.packbits``) and its shape (rows, columns).
    """

    measurement: str
    index: int
    bits: NDArray[np.uint8]
    shape: tuple[int, int]

    @classmethod
    def of(cls, measurement: str, index: int, mask: NDArray[np.bool_]) -> Self:
        """``mask`` has the slice's shape."""
        rows, columns = mask.shape
        return cls(measurement, index, np.packbits(mask), (rows, columns))

    @property
    def mask(self) -> NDArray[np.bool_]:
        """A bool array of the slice's shape; a new one on each call."""
        rows, columns = self.shape
        return np.unpackbits(self.bits, count=rows * columns).astype(bool).reshape(self.shape)

    @property
    def is_whole(self) -> bool:
        """Whether it marks the slice itself, as one that does not belong to the rest, rather than a region of it."""
        return bool(self.mask.all())


@dataclass(frozen=True, slots=True)
class SliceProfile:
    """A measurement along a series: float32, one number in ``unit`` for each slice of the snapshot.

    NaN where the slice has none: it could not be decoded, shows no body, or was not sampled.
    """

    measurement: str
    unit: str
    values: NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class SeriesSnapshot:
    """The slices that a series had when it was assessed, in order, as (digest, frame), and what was seen on them."""

    slices: tuple[tuple[InstanceDigest, int], ...]
    masks: tuple[MeasurementMask, ...] = ()
    profiles: tuple[SliceProfile, ...] = ()
