"""Measures the frames of one object, one at a time: a still, a loop, a run, a planar study of nuclear medicine."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from pydicom import Dataset

from miqa_node.core.domain.instance import Header, InstanceDigest
from miqa_node.core.language.phrase import Phrase
from miqa_node.dicom.bytes.head import read_head
from miqa_node.stages.measure.series_run import MeasuredSeries, measure_series
from miqa_node.stages.measure.series_view import SeriesView, SliceTools
from miqa_node.stages.measure.slices import Slice, read_slices

MAX_FRAMES = 400
"""Of longer runs parts of :data:`PART` neighbouring frames are read, from the first to the last one."""
PART = 8


def frames_numbers(header: Header, file: tuple[InstanceDigest, Path], tools: SliceTools) -> MeasuredSeries:
    """All measurements of the frames that cover the object, with what has no number."""
    frames = sorted(read_slices([file], tools.spread), key=lambda one: one.frame)
    chosen = [frames[index] for index in picked(len(frames))]
    return measure_series(SeriesView(header, chosen, tools, of_frames=True))


def picked(count: int) -> list[int]:
    """Indices of the frames that are read: neighbours stay together, for what is compared between them.

    >>> picked(3), len(picked(5000)), picked(5000)[:9], picked(5000)[-1]
    ([0, 1, 2], 400, [0, 1, 2, 3, 4, 5, 6, 7, 101], 4999)
    """
    if count <= MAX_FRAMES:
        return list(range(count))
    first = np.linspace(0, count - PART, MAX_FRAMES // PART).astype(int)
    return [int(index) for index in (first[:, None] + np.arange(PART)).ravel()]


def elements(series: SeriesView) -> Dataset:
    """The data set of the object, without its pixels; ``series.once(elements)`` reads it once."""
    return read_head(series.slices[0].path, force=True)


def place_of_frame(series: SeriesView, position: int) -> str:
    """The frame in words; empty for a still."""
    one: Slice = series.slices[position]
    count = max(series.header.number_of_frames, len(series.slices))
    return Phrase("frame {number} of {count}", number=str(one.frame + 1), count=str(count)) if count > 1 else ""


def usual(parts: Sequence[float]) -> float | None:
    """The median over the frames.

    >>> usual([4.0, 9.0, 5.0])
    5.0
    """
    return float(np.median(parts)) if parts else None


def usual_of(number: Callable[[Any], float | None]) -> Callable[[SeriesView, Sequence[Any]], float | None]:
    """Takes the median of a number of the frames' contributions; frames without it do not count.

    >>> usual_of(abs)(None, [-4.0, 9.0, 5.0])
    5.0
    """

    def take(_: SeriesView, parts: Sequence[Any]) -> float | None:
        return usual([value for one in parts if (value := number(one)) is not None])

    return take
