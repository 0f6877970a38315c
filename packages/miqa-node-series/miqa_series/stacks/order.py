"""Slices of a stack that are out of order, or there twice, by their content: neighbours look alike."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import NamedTuple
from zlib import crc32

import cv2
import numpy as np
from numpy.typing import NDArray

from miqa_node.core.domain.assessment import Measurement
from miqa_node.dicom.nearly import same_places
from miqa_node.stages.measure.base import STACKS, SeriesMeasure
from miqa_node.stages.measure.series_view import SeriesView, SliceView
from miqa_node.stages.measure.volumes import by_volume, volumes, volumes_of
from miqa_node.stages.measure.where import place_of_slice

THUMBNAIL_PX = 64
MIN_SLICES = 5
SEGMENTS = (2, 3)
"""Lengths of parts of a stack that may have been turned round."""
USUAL = 1.3
"""An order is odd from so many times the ratio that is usual in the series."""
AT_END = 1.05
"""A ratio in which the first or the last slice takes part counts less by so much: a head ends within one slice, and no
slice beyond shows how. Slices that are exchanged there give 1.13 or more in six of seven real stacks."""
IN_ORDER = 1.0
"""Above it a slice stands in a wrong place."""
LEAST = 1e-6
CHECKED_ROWS = 4
"""Each fourth row tells whether pixels are equal: noise differs in all of them."""
LEAST_CONTRAST = 0.1
"""Slices with less than this share of the usual deviation show air, and air in front of air has no order."""
REPEATED = 0.1
"""Slices that differ by less than this share of the usual difference of neighbours show the same."""
Rows = NDArray[np.float32]


class SliceLook(NamedTuple):
    """The slice's position in the series, a small copy without its brightness and contrast, and a sum of its pixels.

    ``checksum`` is equal for equal pixels.
    """

    position: int
    small: NDArray[np.float16]
    checksum: int
    deviation: float
    """Of the small copy, before its contrast was removed."""


def slice_look(view: SliceView) -> SliceLook | None:
    """None if the slice is blank."""
    small = cv2.resize(view.values, (THUMBNAIL_PX, THUMBNAIL_PX), interpolation=cv2.INTER_AREA)
    deviation = float(small.std())
    if deviation == 0.0:
        return None
    plain = ((small - small.mean()) / deviation).ravel().astype(np.float16)
    return SliceLook(view.index, plain, crc32(view.values[::CHECKED_ROWS].tobytes()), deviation)


def _look(view: SliceView) -> SliceLook | None:
    return view.once(slice_look)


def distances(looks: Rows, step: int) -> NDArray[np.float64]:
    """How far each slice and the one ``step`` behind it differ."""
    return np.sqrt(np.mean((looks[step:] - looks[:-step]) ** 2, axis=1, dtype=np.float64))


def disorder(looks: Rows) -> NDArray[np.float64]:
    """For each slice: how much longer the way through its neighbours is than without it, or with a part turned round.

    Below 1 in order: the way over a slice is a detour around what lies beside it. ``looks`` has one row a slice, no two
    neighbours equal.

    >>> walk = np.cumsum(np.random.default_rng(0).normal(size=(9, 50)), axis=0).astype(np.float32)
    >>> bool(disorder(walk).max() < 1.0 < disorder(walk[[0, 1, 2, 4, 3, 5, 6, 7, 8]]).max())
    True
    """
    score = np.zeros(len(looks))
    near = distances(looks, 1)
    score[1:-1] = _less_at_ends((near[:-1] + near[1:]) / np.maximum(2.0 * distances(looks, 2), LEAST))
    for length in SEGMENTS:
        if len(looks) < length + 2:
            continue
        across = distances(looks, length)
        turned = _less_at_ends((near[:-length] + near[length:]) / np.maximum(across[:-1] + across[1:], LEAST))
        first = slice(1, 1 + len(turned))
        score[first] = np.maximum(score[first], turned)
    return score


def _less_at_ends(ratios: NDArray[np.float64]) -> NDArray[np.float64]:
    ratios[[0, -1]] /= AT_END
    return ratios


def _most_disordered(series: SeriesView, parts: Sequence[SliceLook]) -> tuple[float, int] | None:
    """The disorder of the series, and the position of the slice that has it."""
    usual_contrast = float(np.median([part.deviation for part in parts])) if parts else 0.0
    looks = {part.position: part.small for part in parts if part.deviation >= LEAST_CONTRAST * usual_contrast}
    worst: tuple[float, int] | None = None
    for indices in volumes(series):
        read = _without_repeats([index for index in indices if index in looks], looks)
        if len(read) < MIN_SLICES:
            continue
        score = disorder(np.stack([looks[index] for index in read]).astype(np.float32))
        usual = float(np.median(score[1:-1]))
        score = np.minimum(score, score / (USUAL * usual))
        top = int(score.argmax())
        if worst is None or score[top] > worst[0]:
            worst = float(score[top]), read[top]
    return worst


def _series_disorder(series: SeriesView, parts: Sequence[SliceLook]) -> Measurement | None:
    worst = _most_disordered(series, parts)
    return None if worst is None else Measurement("slice_disorder", worst[0], "1", place_of_slice(series, worst[1]))


def _misplaced(series: SeriesView, parts: Sequence[SliceLook]) -> list[int]:
    worst = _most_disordered(series, parts)
    return [] if worst is None or worst[0] <= IN_ORDER else [worst[1]]


def _without_repeats(indices: list[int], looks: dict[int, NDArray[np.float16]]) -> list[int]:
    if len(indices) < 2:
        return indices
    near = distances(np.stack([looks[index] for index in indices]).astype(np.float32), 1)
    return [
        indices[0],
        *(index for index, far in zip(indices[1:], near > REPEATED * np.median(near), strict=True) if far),
    ]


def repeats(looks: Rows) -> NDArray[np.intp]:
    """Slices that show the same as the one before them.

    >>> walk = np.cumsum(np.random.default_rng(0).normal(size=(6, 50)), axis=0).astype(np.float32)
    >>> repeats(walk).tolist(), repeats(walk[[0, 1, 2, 2, 3, 4, 5]]).tolist()
    ([], [3])
    """
    near = distances(looks, 1)
    return 1 + np.flatnonzero(near < REPEATED * np.median(near))


def _copies(series: SeriesView, parts: Sequence[SliceLook]) -> list[int] | None:
    """Positions of the repeated slices; None if no volume is long enough and none was sent twice."""
    stacks = [read for read in by_volume(series, parts) if len(read) >= MIN_SLICES]
    copies = _sent_twice(series, parts)
    if not stacks and not copies:
        return None
    for read in stacks:
        places = repeats(np.stack([part.small for part in read]).astype(np.float32))
        copies.update(read[place].position for place in places)
    return sorted(copies)


def _repeats(series: SeriesView, parts: Sequence[SliceLook]) -> Measurement | None:
    copies = _copies(series, parts)
    if copies is None:
        return None
    place = place_of_slice(series, copies[0]) if copies else ""
    return Measurement("slices_repeated", float(len(copies)), "1", place)


def _sent_twice(series: SeriesView, parts: Sequence[SliceLook]) -> set[int]:
    """Slices with the pixels of another one at their place, of the same contrast: the object came under two UIDs."""
    keys: set[object] = set()
    copies: set[int] = set()
    if any(one.place_mm is None for one in series.slices):
        return copies
    places = same_places([one.place_mm or 0.0 for one in series.slices])
    groups = {index: number for number, group in enumerate(series.once(volumes_of).told) for index in group}
    for part in parts:
        key = (part.checksum, int(places[part.position]), groups[part.position])
        if key in keys:
            copies.add(part.position)
        keys.add(key)
    return copies


_measure = partial(SeriesMeasure, section=STACKS, unit="1", needs="pixels", each=_look)
SLICE_DISORDER = _measure(
    name="slice_disorder",
    label="Disorder of slices",
    summary="How much shorter the way through the slices would be in another order.",
    definition="Slices are compared as copies of 64 × 64 pixels without brightness and contrast. Largest of (d(a,b) + "
    "d(b,c)) / (2 d(a,c)) of three neighbours and of (d(a,b) + d(c,d)) / (d(a,c) + d(b,d)), where b…c are two or three "
    "slices that may have been turned round; d is the root mean square difference. Ratios with the first or the last "
    "slice count less by a factor of 1.05; slices with less than a tenth of the usual contrast take no part. Where "
    "neighbours hardly look more alike than slices further apart, the ratio is taken per 1.3 times its median in the "
    "series. Above 1 a slice stands in a wrong place, or another body was among them. Own definition, after "
    "seriation: the shortest way through all slices is their order.",
    validity="As `slice_jump`, within volumes of 5 slices or more.",
    tolerance="Below .9 in ordered stacks; repeated with other noise within 0.02 on a drawn body.",
    agreement=0.02,
    proof="Its ratio of distances, written apart, on a drawn stack with two slices exchanged.",
    decimals=2,
    rank=345,
    take=_series_disorder,
    outliers=_misplaced,
    concern="A slice shows what belongs to another place: reconstructions in other planes, volumes and what is "
    "measured across slices are wrong, and a lesion may be reported at the wrong level. Send the series again or "
    "rebuild it at the scanner.",
)
SLICES_REPEATED = _measure(
    name="slices_repeated",
    report_unit="{slices}",
    label="Repeated slices",
    summary="Slices that show the same as the one before, or as another at their place.",
    definition="Slices whose copy of 64 × 64 pixels differs from that of the slice before it by less than a tenth of "
    "what neighbours usually differ by (root mean square; the median over the volume), within volumes, as "
    "`slice_jump`; and slices whose pixels equal those of another one at their place, of the same b-value, echo, phase "
    "and component.",
    validity="Volumes of 5 slices or more; equal pixels at one place in stacks of any size.",
    tolerance="Found in all 6 stacks with repeated pixels of the "
    "[trial](../explanation/series.md#how-well-faults-are-found), and in none without.",
    agreement=0.5,
    proof="Pixels repeated in a drawn stack, counted.",
    decimals=0,
    rank=346,
    take=_repeats,
    outliers=_copies,
    concern="One slice came twice, perhaps in the place of another: what should be there is not seen. Compare with "
    "the series at the scanner.",
)
