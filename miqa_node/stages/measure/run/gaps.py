"""Gaps in the time of a run: frames that were acquired, and are missing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from miqa_node.core.domain.assessment import Measurement
from miqa_node.core.language.phrase import Phrase
from miqa_node.dicom.bytes.numbers import all_numbers
from miqa_node.stages.measure.frames import elements
from miqa_node.stages.measure.run.repeats import run_measure
from miqa_node.stages.measure.series_view import SeriesView

WIDE = 1.5


def gaps(steps_ms: Sequence[float]) -> list[int]:
    """Frames, counted from 0, that come later than 1.5 times the usual step after the one before.

    A rate that the operator changed is no gap: three long steps in a row are another rate.

    >>> gaps([33.0, 33.0, 99.0, 33.0, 33.0]), gaps([33.0] * 4 + [66.0] * 4)
    ([3], [])
    """
    steps = np.asarray(steps_ms, float)
    if len(steps) < 3 or np.median(steps) <= 0:
        return []
    wide = steps > WIDE * np.median(steps)
    rate = np.zeros(len(steps), bool)
    for first in range(len(steps) - 2):
        rate[first : first + 3] |= wide[first : first + 3].all()
    return [int(place) + 1 for place in np.flatnonzero(wide & ~rate)]


def _count(series: SeriesView, _: Sequence[Any]) -> Measurement | None:
    steps_ms = all_numbers(series.once(elements), "FrameTimeVector")[1:]  # the first one is 0
    if len(steps_ms) < 3:
        return None
    late = gaps(steps_ms)
    count = str(series.header.number_of_frames)
    place = Phrase("frame {number} of {count}", number=str(late[0] + 1), count=count) if late else ""
    return Measurement("frame_gaps", float(len(late)), "1", place)


FRAME_GAPS = run_measure(
    name="frame_gaps",
    unit="1",
    report_unit="{gaps}",
    label="Gaps between frames",
    summary="Frames that come late after the one before.",
    definition="Steps of Frame Time Vector (0018,1065) above 1.5 times their median, if there are at most two in a "
    "row: more are another frame rate. The place is that of the first.",
    validity="Runs with the vector: Frame Time (0018,1063) alone says that all steps are equal.",
    tolerance="As exact as the vector in the header.",
    rank=761,
    least_frames=4,
    take=_count,
)
