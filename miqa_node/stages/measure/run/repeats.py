"""Frames of a run that show the same as the one before: a frozen clip, or frames that were stored twice."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from itertools import pairwise
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from miqa_node.core.domain.assessment import Measurement
from miqa_node.stages.measure.base import FramesMeasure
from miqa_node.stages.measure.frames import place_of_frame
from miqa_node.stages.measure.series_view import SeriesView, SliceView

run_measure = partial(FramesMeasure, section="Runs of frames", modalities=("US", "IVUS", "XA", "RF"))
THUMBNAIL_PX = 64
SAME = 0.01
"""Levels of 255 by which two small copies of one frame differ at most, on average; compression makes a difference."""
Small = NDArray[np.float16]


class FrameLook(NamedTuple):
    """The position of a frame among those that are read, its number in the run, and a small copy in levels of 255."""

    position: int
    number: int
    small: Small


def _look(view: SliceView) -> FrameLook:
    shown = view.radiograph.display.astype(np.float32) / np.float32(257)
    small = cv2.resize(shown, (THUMBNAIL_PX, THUMBNAIL_PX), interpolation=cv2.INTER_AREA)
    return FrameLook(view.index, view.header.frame, small.astype(np.float16))


def repeated(looks: Sequence[FrameLook]) -> tuple[list[int], int]:
    """Positions of frames that show the same as the neighbour before them, and how many have such a neighbour.

    >>> first, second = np.zeros((2, 2), np.float16), np.ones((2, 2), np.float16)
    >>> repeated([FrameLook(n, n, one) for n, one in enumerate((first, second, second))])
    ([2], 2)
    """
    pairs = [(one, other) for one, other in pairwise(looks) if other.number == one.number + 1]
    same = [
        other.position
        for one, other in pairs
        if float(np.mean(np.abs(other.small.astype(np.float32) - one.small.astype(np.float32)))) <= SAME
    ]
    return same, len(pairs)


def _share(series: SeriesView, parts: Sequence[FrameLook]) -> Measurement | None:
    same, pairs = repeated(parts)
    if not pairs:
        return None
    place = place_of_frame(series, same[0]) if same else ""
    return Measurement("frames_repeated", 100.0 * len(same) / pairs, "%", place)


FRAMES_REPEATED = run_measure(
    name="frames_repeated",
    unit="%",
    label="Repeated frames",
    summary="Share of the frames that show the same as the one before.",
    definition="Frames whose copy of 64 × 64 pixels differs from that of the frame before by 0.01 of 255 levels or "
    "less on average, in percent of the frames that have one. The place is that of the first.",
    validity="Runs of two frames or more. A clip that a person froze, and a run without movement, have repeated frames "
    "without a fault.",
    tolerance="Frames are counted. Unaltered clips of SonoSite Turbo have 6 and 7 %; frozen after 8 of 30 frames, one "
    "has 72 %.",
    rank=760,
    least_frames=2,
    needs="pixels",
    each=_look,
    take=_share,
)
