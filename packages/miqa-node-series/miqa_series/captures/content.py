"""Content of a secondary capture: nothing, or something with edges that can be read."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import cv2
import numpy as np
from numpy.typing import NDArray

from miqa_node.stages.measure.base import FramesMeasure
from miqa_node.stages.measure.frames import usual
from miqa_node.stages.measure.series_view import SeriesView, SliceView

CAPTURES = "1.2.840.10008.5.1.4.1.1.7"
"""Root of the SOP classes (PS3.4 B.5)."""
NEAR = 2.0
LEAST_SIDE_PX = 16
Levels = NDArray[np.float32]


def levels(view: SliceView) -> Levels:
    """Luminance for display, 255 is white."""
    return view.radiograph.display.astype(np.float32) / np.float32(257)


def even_share(shown: Levels) -> float:
    """Share of the pixels within two levels of the most frequent one, in percent.

    >>> even_share(np.array([[0, 0, 0, 200]], np.float32))
    75.0
    """
    most = float(np.bincount(np.rint(shown).astype(np.int64).ravel()).argmax())
    return 100.0 * float((np.abs(shown - most) <= NEAR).mean())


def detail(shown: Levels) -> float | None:
    """The step that the hardest hundredth of the pixels makes, in percent of black to white; None if it is too small.

    >>> picture = np.zeros((32, 32), np.float32)
    >>> picture[:, ::4] = 255
    >>> detail(picture), detail(np.zeros((32, 32), np.float32))
    (100.0, 0.0)
    """
    if min(shown.shape) < LEAST_SIDE_PX:
        return None
    across = np.abs(np.diff(shown, axis=1))[:-1]
    down = np.abs(np.diff(shown, axis=0))[:, :-1]
    return float(np.quantile(cv2.max(across, down), 0.99)) / 2.55


def _even(view: SliceView) -> float:
    return even_share(view.once(levels))


def _detail(view: SliceView) -> float | None:
    return detail(view.once(levels))


def _usual(_: SeriesView, parts: Sequence[float]) -> float | None:
    return usual(parts)


_measure = partial(FramesMeasure, unit="%", section="Secondary captures", family=CAPTURES, needs="pixels", take=_usual)
CAPTURE_EVEN_SHARE = _measure(
    name="capture_even_share",
    label="Even part of the capture",
    code="CAPTURE_EVEN",
    summary="Share of the pixels that have nearly the same brightness.",
    definition="Pixels within two of 255 levels of the most frequent brightness. 100: the capture is blank. White "
    "paper and black screens with little text reach 95 %.",
    validity="Secondary captures. White paper and black screens with little text reach 95 %.",
    tolerance="Pixels are counted, so it is exact.",
    rank=900,
    each=_even,
)
CAPTURE_DETAIL = _measure(
    name="capture_detail",
    label="Hardest edges of the capture",
    summary="Step between neighbours that the hardest hundredth of the pixels makes.",
    definition="99th percentile of the larger step of each pixel to its neighbours at the right and below, in percent "
    "of black to white.",
    validity="Secondary captures with text. Photographs and digitised films have few hard edges without a fault.",
    tolerance="Crisp text has steps above 20 %; blurred text about 10 %, and so have compressed captures that can "
    "still be read: no limit tells them apart.",
    rank=901,
    each=_detail,
)
