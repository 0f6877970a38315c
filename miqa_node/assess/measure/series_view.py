"""A series as measurements see it: its slices one after the other, each with intermediates that are computed once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar, cast

import numpy as np
from numpy.typing import NDArray

from miqa_node.domain.image import Radiograph
from miqa_node.domain.instance import Header
from miqa_node.errors import DecodeError
from miqa_node.imaging.slices import Slice

T = TypeVar("T")
Values = NDArray[np.float32]
Mask = NDArray[np.bool_]
Decode = Callable[[Path, int], Radiograph]
"""Decodes the frame of a file, counted from 0; DecodeError gives the reason if it cannot."""


class SeriesView:
    """The slices of one stack in the order of space; ``unreadable`` counts those that could not be decoded."""

    def __init__(self, header: Header, slices: Sequence[Slice], decode: Decode) -> None:
        self.header = header
        self.slices = slices
        self.reason = ""
        """Why the first of the unreadable slices could not be decoded."""
        self._decode = decode
        self._bad: set[tuple[str, int]] = set()
        self._computed: dict[Callable[..., Any], Any] = {}

    @property
    def unreadable(self) -> int:
        """How many slices could not be decoded."""
        return len(self._bad)

    def once(self, compute: Callable[[SeriesView], T]) -> T:
        """What the function gives for this series; computed at the first call."""
        if compute not in self._computed:
            self._computed[compute] = compute(self)
        return cast("T", self._computed[compute])

    def read(self, one: Slice) -> Radiograph | None:
        """The decoded slice; None if it cannot be decoded or its size differs from its header."""
        if (one.digest, one.frame) in self._bad:
            return None
        try:
            radiograph = self._decode(one.path, one.frame)
        except DecodeError as error:
            self._bad.add((one.digest, one.frame))
            self.reason = self.reason or str(error)
            return None
        return radiograph if radiograph.shape == (one.rows, one.columns) else None

    def sample(self, count: int) -> list[Values]:
        """Values of the modality of up to ``count`` slices, spread over the stack."""
        if not self.slices:
            return []
        picked = [self.slices[i] for i in np.unique(np.linspace(0, len(self.slices) - 1, count).astype(int))]
        decoded = [(one, self.read(one)) for one in picked]
        return [one.values(radiograph.stored) for one, radiograph in decoded if radiograph is not None]


class SliceView:
    """One decoded slice.

    ``values`` are those of the modality (Hounsfield units in CT), float32 (rows, columns). ``valid`` is False where a
    pixel is padding, None if all are valid.
    """

    def __init__(self, series: SeriesView, index: int, radiograph: Radiograph) -> None:
        self.series = series
        self.index = index
        self.header = series.slices[index]
        self.values = self.header.values(radiograph.stored)
        self.valid = radiograph.valid
        self._computed: dict[Callable[..., Any], Any] = {}

    def once(self, compute: Callable[[SliceView], T]) -> T:
        """What the function gives for this slice; computed at the first call."""
        if compute not in self._computed:
            self._computed[compute] = compute(self)
        return cast("T", self._computed[compute])
