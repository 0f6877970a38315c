"""A series as measurements use it: its slices, each with intermediates that are computed once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from miqa_node.core.domain.image import Radiograph
from miqa_node.core.domain.instance import Header
from miqa_node.core.domain.memory import Memory, Results
from miqa_node.core.domain.slice_kind import UNKNOWN, kind_of_all
from miqa_node.errors import DecodeError, DecodeLimitError
from miqa_node.runtime.workers.spread import Spread
from miqa_node.stages.measure.slices import Slice

T = TypeVar("T")
Values = NDArray[np.float32]
Mask = NDArray[np.bool_]
Decode = Callable[[Path, int], Radiograph]
"""Decodes a frame, counted from 0, of a file; DecodeError gives the reason if that fails."""


@dataclass(frozen=True, slots=True)
class SliceTools:
    """``decode`` decodes in this process; ``there`` decodes in the processes where ``spread`` measures slices."""

    decode: Decode
    spread: Spread = field(default_factory=Spread)
    there: Decode | None = None


class SeriesView(Memory):
    """The slices of one stack in spatial order; ``unreadable`` counts those that could not be decoded."""

    def __init__(
        self,
        header: Header,
        slices: Sequence[Slice],
        tools: SliceTools,
        results: Results | None = None,
        others: Sequence[Slice] = (),
        *,
        of_frames: bool = False,
    ) -> None:
        """``results`` of :meth:`once` are there already; ``others`` have another size and fill only places.

        With ``of_frames`` the slices are the frames of one object.
        """
        super().__init__(results)
        self.header = header
        self.slices = slices
        self.others = others
        self.of_frames = of_frames
        self.kind = UNKNOWN if of_frames else kind_of_all({one.kind for one in slices})
        """What the slices of the stack are together."""
        self.reason = ""
        """Why the first of the unreadable slices could not be decoded."""
        self._tools = tools
        self._bad: dict[tuple[str, int], str] = {}

    @property
    def unreadable(self) -> int:
        """How many slices could not be decoded."""
        return len(self._bad)

    def read(self, one: Slice) -> Radiograph | None:
        """The decoded slice; None if it cannot be decoded or its size differs from its header."""
        if (one.digest, one.frame) in self._bad:
            return None
        try:
            radiograph = self._tools.decode(one.path, one.frame)
        except DecodeError as error:
            self.note(one, str(error))
            return None
        return radiograph if radiograph.shape == (one.rows, one.columns) else None

    def note(self, one: Slice, reason: str) -> None:
        """Record that the slice cannot be decoded."""
        self._bad[one.digest, one.frame] = reason
        self.reason = self.reason or reason

    def reason_of(self, one: Slice) -> str | None:
        """Why the slice cannot be decoded; None if it can."""
        return self._bad.get((one.digest, one.frame))

    def each(self, function: Callable[[int, SeriesView], T], indices: Sequence[int]) -> list[T | DecodeLimitError]:
        """Results of the function for each of these slices of the series, see :meth:`Spread.each`."""
        tools = SliceTools(self._tools.there or self._tools.decode)
        view = SeriesView(self.header, self.slices, tools, self._results, of_frames=self.of_frames)
        return self._tools.spread.each(function, indices, view)

    def sample(self, count: int) -> list[Values]:
        """Values of the modality of up to ``count`` slices, spread over the stack."""
        if not self.slices:
            return []
        picked = [self.slices[i] for i in np.unique(np.linspace(0, len(self.slices) - 1, count).astype(int))]
        decoded = [(one, self.read(one)) for one in picked]
        return [one.values(radiograph.stored) for one, radiograph in decoded if radiograph is not None]


class SliceView(Memory):
    """One decoded slice.

    ``values`` are those of the modality (Hounsfield units in CT), float32 (rows, columns). ``valid`` is False where a
    pixel is padding, None if all are valid. ``radiograph`` has the values for display, and colours.
    """

    def __init__(self, series: SeriesView, index: int, radiograph: Radiograph) -> None:
        super().__init__()
        self.series = series
        self.index = index
        self.header = series.slices[index]
        self.values = self.header.values(radiograph.stored)
        self.valid = radiograph.valid
        self.radiograph = radiograph

    @cached_property
    def has_pixels(self) -> bool:
        """Whether a pixel is valid."""
        return bool(self.values.size) if self.valid is None else bool(self.valid.any())

    @cached_property
    def varies(self) -> bool:
        """Whether the valid pixels have different values."""
        if not self.has_pixels:
            return False
        values = self.values if self.valid is None else self.values[self.valid]
        return bool(values.min() < values.max())

    @cached_property
    def saturated_share(self) -> float:
        """Share of the pixels that have the highest value of the range that the image can store."""
        stored = self.radiograph.stored
        return float(np.count_nonzero(stored >= self.radiograph.stored_range[1])) / max(stored.size, 1)
