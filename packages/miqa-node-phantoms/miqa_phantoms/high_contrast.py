"""High-contrast resolution of the ACR MR phantoms: the smallest holes on slice 1 that can be told apart.

Each pair of arrays has holes of one diameter: rows of four in the upper left array, which tell the resolution from
left to right, columns of four in the lower right one, which tell it from top to bottom. They share a hole.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import cv2
import numpy as np

from miqa_node.core.language.phrase import Phrase
from miqa_node.features.phantoms.measure import ACR_MR, PhantomMeasure, PhantomQuantity
from miqa_node.features.phantoms.stack import PhantomStack
from miqa_node.features.phantoms.values import PhantomValue, Region
from miqa_node.libraries.phantom_shapes.acr import LARGE_MM, MEDIUM_MM, nominal_diameter_mm
from miqa_node.libraries.phantom_shapes.arrays import Array
from miqa_node.libraries.plain_statistics.robust import TO_SIGMA
from miqa_node.stages.measure.series_view import Values
from miqa_phantoms.acr import AcrSlice, slice_of

PAIRS = {
    LARGE_MM: {1.1: (-14.5, 38.0), 1.0: (8.4, 38.0), 0.9: (31.4, 38.0)},
    MEDIUM_MM: {1.1: (-16.4, 35.0), 1.0: (3.9, 35.0), 0.9: (23.2, 35.0), 0.8: (41.2, 35.0)},
}
"""Middle of each pair by its diameter: mm right of and below the centre, as read on the phantoms of six scanners."""
DIAMETERS_MM = (1.1, 1.0, 0.9, 0.8)
HOLES = 4
"""Of a row, and rows of an array."""
PITCH = 2.04
"""From hole to hole in diameters, as read on the phantoms: a hole and a space are equally wide."""
STAGGER_MM = 0.2
"""By which each row, or column, is displaced against the one before, so that pixels meet one of them well."""
SEARCH_MM = 3.0
MARGIN_MM = 1.5
AROUND_MM, INNER_SHARE = 12.0, 0.9
"""Where noise is read around the middle of a pair, and the phantom's signal in its radii."""
STEP_MM = 0.1
BLUR_MM = 0.55
"""Standard deviation of a hole in the picture with which a pair is searched."""
LEAST_LIKENESS = 0.55
"""Correlation of a pair with that picture; arrays without any resolved hole have .9."""
LEAST_CONTRAST = 0.05
"""By which the darkest hole of a row must exceed its brightest space, as a share of the holes' signal."""
LEAST_NOISE = 1.0
"""The same in standard deviations of noise. Where nothing is resolved, the lowest of four exceeds the highest of three
by so much in fewer than one of a hundred arrays."""
RAYLEIGH = 0.655
"""Standard deviation of a magnitude without signal, in those of the noise of its two parts."""
MOST_NOISE = 0.065
"""Standard deviation of noise as a share of the phantom's signal, as read beside the holes: 4 to 5 % of noise. From
there on noise that is added to scans of twenty series takes two arrays or more from many of them, or all."""
TOO_NOISY = Phrase("The slice is too noisy: noise alone hides holes that the scan resolves.")
NO_ARRAYS = Phrase("The arrays of holes were not found on slice 1.")
COARSE = Phrase("Not even the holes of 1.1 mm can be told apart.")
NO_PAIR = Phrase("This phantom has no holes of {size} mm.")
GROUP, CONTRASTS = "spatial_resolution_mm", "hole_contrast_percent"
UPPER_LEFT, LOWER_RIGHT = "upper_left", "lower_right"


class HoleArray(NamedTuple):
    """The row of an array whose holes stand out best, and by how much."""

    contrast: float
    """The darkest hole less the brightest space between two, as a share of the array's holes."""
    noise: float
    """Standard deviation of noise, as the same share."""
    ends: Array
    """First and last hole of the row, right and down of the centre of the phantom; (2, 2) in mm."""

    @property
    def is_resolved(self) -> bool:
        """Whether one level divides its holes from the spaces between them, and noise does not feign it."""
        return self.contrast >= max(LEAST_CONTRAST, LEAST_NOISE * self.noise)


def run(stack: PhantomStack, measure: PhantomMeasure) -> Sequence[PhantomValue]:
    """See ``MEASURE``."""
    answer = slice_of(stack, 1)
    if isinstance(answer, Phrase):
        return measure.none(answer)
    view, first = answer
    places = PAIRS[nominal_diameter_mm(view.protocol)]
    if noise_of(first, places.values()) > MOST_NOISE:
        return measure.none(TOO_NOISY)
    pairs = {size: find_pair(first, size, place) for size, place in places.items()}
    arrays = {size: pair for size, pair in pairs.items() if pair is not None}
    if len(arrays) < len(pairs):
        return measure.none(NO_ARRAYS)
    resolved = [[size for size, pair in arrays.items() if pair[side].is_resolved] for side in (0, 1)]
    both = [size for size in resolved[0] if size in resolved[1]]
    regions = [_line(first, pair[side]) for pair in arrays.values() for side in (0, 1) if pair[side].is_resolved]
    values = [
        one.read(min(sizes), measure.source, first.read_on, regions)
        if sizes
        else one.missing(measure.source, COARSE, first.read_on)
        for one, sizes in zip(measure.values, (*resolved, both), strict=False)
    ]
    for size in DIAMETERS_MM:
        for side, name in enumerate((UPPER_LEFT, LOWER_RIGHT)):
            value = measure.value(_contrast_name(name, size))
            if size not in arrays:
                values.append(value.missing(measure.source, Phrase(NO_PAIR, size=size)))
                continue
            array = arrays[size][side]
            line = [_line(first, array)]
            values.append(value.read(100.0 * array.contrast, measure.source, first.read_on, line))
    return values


def find_pair(one: AcrSlice, size: float, middle: tuple[float, float]) -> tuple[HoleArray, HoleArray] | None:
    """The upper left and the lower right array of this size near a place; None if nothing like them is there."""
    holes = hole_places(size)
    reach = STEP_MM * round((float(np.abs(holes).max()) + MARGIN_MM) / STEP_MM)  # so that 0 is one of the steps
    crop = around(one, middle, reach + SEARCH_MM)
    at = np.arange(-reach, reach + STEP_MM / 2.0, STEP_MM)
    away = np.square(at[None, :, None] - holes[:, 0]) + np.square(at[:, None, None] - holes[:, 1])
    picture = np.exp(-away / (2.0 * BLUR_MM**2)).sum(axis=2).astype(np.float32)
    likeness = cv2.matchTemplate(crop, picture, cv2.TM_CCOEFF_NORMED)
    row, column = np.unravel_index(int(likeness.argmax()), likeness.shape)
    if likeness[row, column] < LEAST_LIKENESS:
        return None
    shift = np.array([column, row]) * STEP_MM - SEARCH_MM
    noise = _noise(crop)
    lines = (holes + shift).reshape(2, HOLES, HOLES, 2)
    upper, lower = (_best(crop, array, noise, np.array(middle)) for array in lines)
    return upper, lower


def noise_of(one: AcrSlice, middles: Iterable[tuple[float, float]]) -> float:
    """Standard deviation of noise around the arrays, as a share of the phantom's signal."""
    signal = float(np.median(one.image[one.disc.within(one.image.shape, INNER_SHARE * one.disc.radius_mm)]))
    return float(np.median([_noise(around(one, middle, AROUND_MM)) for middle in middles])) / max(signal, 1e-9)


def hole_places(size: float) -> Array:
    """Holes of a pair, right and down of its middle in mm; (32, 2): rows of the one array, columns of the other."""
    pitch = PITCH * size
    along, line = np.meshgrid(np.arange(HOLES), np.arange(HOLES))
    rows = np.stack([along * pitch + line * STAGGER_MM, line * pitch], axis=2).reshape(-1, 2)
    both = np.concatenate([rows, rows[:, ::-1] + rows[-1]])
    return np.asarray(both - both.mean(axis=0), np.float64)


def around(one: AcrSlice, middle: tuple[float, float], reach: float) -> Values:
    """A square of the slice in steps of ``STEP_MM``, upright, from ``reach`` above and left of a place."""
    at = np.arange(-reach, reach + STEP_MM / 2.0, STEP_MM)
    right, down = np.meshgrid(middle[0] + at, middle[1] + at)
    cos, sin = np.cos(one.tilt), np.sin(one.tilt)
    columns = one.disc.column + (right * cos - down * sin) / one.disc.spacing.columns
    rows = one.disc.row + (right * sin + down * cos) / one.disc.spacing.rows
    # Holes are two pixels apart: straight lines between pixels would take most of their contrast.
    image = one.image.astype(np.float32)
    crop = cv2.remap(image, columns.astype(np.float32), rows.astype(np.float32), cv2.INTER_LANCZOS4)
    return np.asarray(crop, np.float32)


def _best(crop: Values, lines: Array, noise: float, middle: Array) -> HoleArray:
    """Of the four rows (or columns) of an array; ``lines`` are places of holes, (4, 4, 2) from the crop's middle."""
    holes, spaces = _signals(crop, lines), _signals(crop, (lines[:, 1:] + lines[:, :-1]) / 2.0)
    level = max(float(holes.mean()), 1e-9)
    contrasts = (holes.min(axis=1) - spaces.max(axis=1)) / level
    best = int(contrasts.argmax())
    return HoleArray(float(contrasts[best]), noise / level, lines[best, [0, -1]] + middle)


def _noise(crop: Values) -> float:
    """Standard deviation of noise, from the plastic around the holes: most of the crop, and it has no signal."""
    # Second differences at about the distance of pixels leave out the slope of ringing.
    apart = crop[::10, ::10].astype(np.float64)
    bends = np.abs(apart[:, :-2] - 2.0 * apart[:, 1:-1] + apart[:, 2:]) / np.sqrt(6.0)
    return TO_SIGMA * float(np.median(bends)) / RAYLEIGH


def _signals(crop: Values, places: Array) -> Array:
    indices = np.rint(places / STEP_MM).astype(int) + crop.shape[0] // 2
    return np.asarray(crop[indices[..., 1], indices[..., 0]], np.float64)


def _line(one: AcrSlice, array: HoleArray) -> Region:
    return one.line(*(one.point(float(right), float(down)) for right, down in array.ends))


def _contrast_name(side: str, size: float) -> str:
    return f"{CONTRASTS}.{side}_{round(10 * size):02d}"


def _contrast(side: str, size: float) -> PhantomQuantity:
    words = (
        Phrase("Darkest of four holes of {size} mm over the brightest space between them, in the best row.", size=size)
        if side == UPPER_LEFT
        else Phrase(
            "Darkest of four holes of {size} mm over the brightest space between them, in the best column.", size=size
        )
    )
    return PhantomQuantity(_contrast_name(side, size), "%", words)


MEASURE = PhantomMeasure(
    name="high_contrast",
    order=7,
    kinds=ACR_MR,
    values=(
        PhantomQuantity(
            f"{GROUP}.{UPPER_LEFT}",
            "mm",
            Phrase("Diameter of the smallest holes of which a row of four can be told apart from left to right."),
        ),
        PhantomQuantity(
            f"{GROUP}.{LOWER_RIGHT}",
            "mm",
            Phrase("Diameter of the smallest holes of which a column of four can be told apart from top to bottom."),
        ),
        PhantomQuantity(
            f"{GROUP}.best", "mm", Phrase("Diameter of the smallest holes that can be told apart both ways.")
        ),
        *(_contrast(side, size) for size in DIAMETERS_MM for side in (UPPER_LEFT, LOWER_RIGHT)),
    ),
    formula=(
        "a row is resolved if one level divides its four holes from the three spaces between them: (lowest hole − "
        "highest space) / mean of the array's holes ≥ 5 %, and ≥ 1 SD of noise"
    ),
    source=(
        "our own reading of the ACR's rule (test 2: all four holes of one row, at one window and level, brighter than "
        "the spaces between them) as hazen 2.0.0 quotes it in acr_spatial_resolution.py; the level of 5 % is ours"
    ),
    tolerance="0.1 mm, one array",
    run=run,
)
