"""Doubled contours on a CT: the patient moved between two parts of a rotation, or two slices lie in one."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from miqa_node.core.domain.assessment import Measurement
from miqa_node.libraries.plain_statistics.scales import POSITIVE
from miqa_node.stages.measure.series_view import Mask, SeriesView, SliceView, Values
from miqa_node.stages.measure.where import place_of_slices
from miqa_series.ct.body import ct_measure, ct_slice
from miqa_series.stacks.square import square
from miqa_series.stacks.whole import is_sampled

SIDE_PX = 512
TISSUE_HU = (-200.0, 300.0)
SHIFT_PX = (2.7, 12.0)
"""Distances of the second contour that are searched; nearer ones are blur."""
PASSED = 0.4
"""Cycles per pixel: kernels for soft tissue leave only rounding above."""
ROLL_OFF = 0.05
SHARE = 1 / 3
"""Of the slices are taken together, as their median: single slices have chance peaks twice as high."""
LEAST_SLICES = 5


class SliceEchoes(NamedTuple):
    """The slice's position in the series, and its cepstrum up to ``SHIFT_PX`` around the middle."""

    position: int
    echoes: Values


class _Rings(NamedTuple):
    """Of a half spectrum: the ring of each frequency, their sizes, and how much of it is used."""

    numbers: NDArray[np.intp]
    counts: NDArray[np.intp]
    used: NDArray[np.float64]


@lru_cache(maxsize=4)
def _rings(rows: int, columns: int) -> _Rings:
    frequency = np.hypot(np.fft.fftfreq(rows)[:, None], np.fft.rfftfreq(columns)[None])
    numbers = (frequency * min(rows, columns) / 2).astype(np.intp)
    return _Rings(numbers, np.bincount(numbers.ravel()), np.clip((PASSED - frequency) / ROLL_OFF, 0.0, 1.0))


def echoes(image: Values) -> Values:
    """Cepstrum of a picture without what all directions share, for shifts of up to 12 pixels, (25, 25).

    A copy of strength a that lies (dy, dx) off gives a peak of less than a / 2 there and opposite.

    >>> picture = np.random.default_rng(0).normal(size=(256, 256)).astype(np.float32)
    >>> round(float(echoes(picture + 0.5 * np.roll(picture, (0, 3), (0, 1)))[12, 15]), 1)
    0.2
    """
    window = np.outer(np.hanning(image.shape[0]), np.hanning(image.shape[1])).astype(np.float32)
    power = np.abs(np.fft.rfft2((image - image.mean()) * window)) ** 2
    logs = np.log(power + 1e-12 * power.max() + 1e-30)
    rings = _rings(*image.shape)
    means = np.bincount(rings.numbers.ravel(), logs.ravel()) / rings.counts
    cepstrum = np.fft.irfft2((logs - means[rings.numbers]) * rings.used, s=image.shape)
    reach = int(SHIFT_PX[1])
    near = np.arange(-reach, reach + 1)
    return np.asarray(cepstrum[np.ix_(near, near)], np.float32)


def _searched() -> Mask:
    reach = int(SHIFT_PX[1])
    y, x = np.mgrid[-reach : reach + 1, -reach : reach + 1]
    distance = np.hypot(y, x)
    return np.asarray((distance >= SHIFT_PX[0]) & (distance <= SHIFT_PX[1]))


SEARCHED = _searched()


def _echoes(view: SliceView) -> SliceEchoes | None:
    plane = view.once(ct_slice) if is_sampled(view) else None
    if plane is None:
        return None
    image = square(plane.image, view.header.spacing_mm)
    top, left = (max(0, (side - SIDE_PX) // 2) for side in image.shape)
    piece = np.clip(image[top : top + SIDE_PX, left : left + SIDE_PX], *TISSUE_HU)
    return SliceEchoes(view.index, echoes(piece))


def _strongest(series: SeriesView, parts: Sequence[SliceEchoes]) -> Measurement | None:
    if len(parts) < LEAST_SLICES:
        return None
    ordered = sorted(parts, key=lambda part: part.position)
    count = max(LEAST_SLICES, round(SHARE * len(ordered)))
    groups = [ordered[first : first + count] for first in range(len(ordered) - count + 1)]
    strengths = [100.0 * float(np.median([part.echoes for part in group], axis=0)[SEARCHED].max()) for group in groups]
    worst = int(np.argmax(strengths))
    place = place_of_slices(series, [part.position for part in groups[worst]])
    return Measurement("doubled_contours", strengths[worst], "%", place)


DOUBLED_CONTOURS = ct_measure(
    name="doubled_contours",
    unit="%",
    least_spread=1.0,
    scale=POSITIVE,
    label="Doubled contours",
    summary="Strength of a copy of the anatomy that lies a few pixels off, where it is strongest.",
    definition="Highest peak of the power cepstrum (Bogert, Healy and Tukey, 1963), 2.7 to 12 pixels off its middle. "
    "From the logarithm of the power its mean at each frequency is taken, which is the kernel's; above 0.4 cycles per "
    "pixel it is left out. Of the middle 512 × 512 pixels, made squares if they are none, −200 to 300 HU, of some 40 "
    "slices; the largest median of a third of these, one after the other. Own definition.",
    validity="Five slices or more of tissue with structure. Smooth pictures, as those of most heads, show no copy: "
    "there it says nothing; drawn bodies, which have nothing but edges, give up to 8 %.",
    tolerance="On chests of 4 scanners copies of half the strength, 3 pixels off on all slices, give 7 to 15 %, "
    "unaltered ones 2 to 6 %; on heads both give 4 to 6 %.",
    agreement_share=0.1,
    proof="White texture and a copy of it: the series of ln(1 + a·e^iφ), over the frequencies that are used.",
    decimals=1,
    rank=462,
    each=_echoes,
    take=_strongest,
    concern="Edges are seen twice: the patient moved, or slices were mixed. Small structures may be doubled or hidden. "
    "Repeat the scan if the region matters.",
)
