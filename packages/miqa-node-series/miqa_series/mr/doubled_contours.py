"""Doubled contours of an MR series: the patient moved while a volume was taken, so two pictures lie in one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from miqa_node.libraries.plain_statistics.scales import POSITIVE
from miqa_node.stages.measure.outlines import find_patient
from miqa_node.stages.measure.series_view import Mask, SeriesView, SliceView, Values
from miqa_series.mr.patient import magnitude, mr_measure, outside_of, threshold
from miqa_series.mr.raw_lines import energies
from miqa_series.stacks.square import square
from miqa_series.stacks.whole import is_sampled

Numbers = NDArray[np.float64]

PATCH_PX = 64
PATCHES_A_SIDE = 12
"""Patches overlap by half in pictures of up to 384 pixels a side, and less in larger ones."""
SHOWN_SHARE = 0.4
"""Of the pixels of a patch that show the patient."""
LEAST_SLICES, LEAST_PATCHES = 12, 6
"""Of fewer slices, which show nearly the same anatomy, it has chance copies of up to 12 %."""
LEAST_SIDE_PX = 128
REACH_PX = 10
SHIFT_PX = (2.7, 7.5)
"""Displacements that are searched, root mean square over the patches; smaller ones are blur."""
TURNS = np.deg2rad(np.arange(-4.0, 4.01, 0.5))
SHIFTS = np.stack(np.meshgrid(np.arange(-6.0, 6.01, 0.5), np.arange(0.0, 6.01, 0.5), indexing="ij"), -1).reshape(-1, 2)
"""Of pixels, down and right: the half that is left is the same motion back."""
BIN_PX = 0.5
"""Motions whose displacements differ by less are compared with each other."""
PASSED, ROLL_OFF = 0.9, 0.1
"""Of the band: what is used, and over how much it fades in."""
BAND_SLICES = 5
ABOVE_NOISE = 1.0
"""Nepers above the least energy: where a spectrum is flat, or was filled with zeros, nothing of the patient is left."""
SMOOTHED_LINES = 5


class PatchEchoes(NamedTuple):
    """Of one slice the patches that show the patient, by number, and the cepstrum of each around its middle."""

    numbers: NDArray[np.intp]
    cepstra: Values
    shape: tuple[int, int]


def occupied(lines: Numbers) -> float:
    """Up to which frequency, in cycles a pixel, a spectrum from its middle on lies above noise.

    >>> occupied(np.maximum(np.linspace(20.0, 0.0, 100), 5.0)) < 0.4
    True
    """
    longer = np.pad(lines, SMOOTHED_LINES // 2, "edge")
    smooth = np.convolve(longer, np.full(SMOOTHED_LINES, 1.0 / SMOOTHED_LINES), "valid")
    above = np.flatnonzero(smooth > np.percentile(smooth, 2) + ABOVE_NOISE)
    return 0.5 * float(above[-1] + 1) / len(lines) if len(above) else 0.5


def band(series: SeriesView) -> tuple[float, float]:
    """Up to which frequency rows and columns have something of the patient, in cycles a pixel."""
    spacing_mm = series.slices[0].spacing_mm if series.slices else None
    images = [square(np.maximum(image, 0.0), spacing_mm) for image in series.sample(BAND_SLICES)]
    ends = [_ends(image) for image in images if min(image.shape) >= PATCH_PX]
    rows, columns = np.median(ends, axis=0) if ends else (0.5, 0.5)
    return float(rows), float(columns)


def _ends(image: Values) -> tuple[float, float]:
    power = np.abs(np.fft.fftshift(np.fft.fft2(image * _window(*image.shape)))) ** 2
    return occupied(energies(power)), occupied(energies(power.T))


@lru_cache(maxsize=8)
def _window(rows: int, columns: int) -> Values:
    return np.outer(np.hanning(rows), np.hanning(columns)).astype(np.float32)


def corners(shape: tuple[int, int]) -> NDArray[np.intp]:
    """Top and left of each patch, (patches, 2)."""
    steps = [max(PATCH_PX // 2, side // PATCHES_A_SIDE) for side in shape]
    starts = [np.arange(0, side - PATCH_PX + 1, step) for side, step in zip(shape, steps, strict=True)]
    return np.stack(np.meshgrid(*starts, indexing="ij"), -1).reshape(-1, 2)


def patch_cepstra(image: Values, tops: NDArray[np.intp], limits: tuple[float, float]) -> Values:
    """Power cepstrum of each patch without what all directions share, (patches, 21, 21); 1 for a copy as strong.

    >>> texture = np.random.default_rng(0).normal(size=(64, 64)).astype(np.float32)
    >>> cepstra = patch_cepstra(texture + 0.5 * np.roll(texture, 4, 1), corners((64, 64)), (0.5, 0.5))
    >>> bool(abs(cepstra[0, 10, 14] - 0.5) < 0.15)
    True
    """
    rings, sizes, used = _rings(limits)
    window, near = _window(PATCH_PX, PATCH_PX), np.arange(-REACH_PX, REACH_PX + 1)
    patches = np.stack([image[top : top + PATCH_PX, left : left + PATCH_PX] for top, left in tops])
    means = (patches * window).sum((1, 2), keepdims=True) / window.sum()
    power = np.abs(np.fft.rfft2((patches - means) * window)) ** 2
    logs = np.log(power + 1e-9 * power.max((1, 2), keepdims=True) + 1e-30)
    usual = np.stack([np.bincount(rings.ravel(), one.ravel()) / sizes for one in logs])
    cepstra = np.fft.irfft2((logs - usual[:, rings]) * used, s=(PATCH_PX, PATCH_PX))
    return np.asarray(cepstra[:, near[:, None], near[None]] / used.mean(), np.float32)


@lru_cache(maxsize=8)
def _rings(limits: tuple[float, float]) -> tuple[NDArray[np.intp], NDArray[np.intp], Numbers]:
    """Of a half spectrum the ring of each frequency, their sizes, and how much of it is used."""
    rows, columns = np.fft.fftfreq(PATCH_PX) / limits[0], np.fft.rfftfreq(PATCH_PX) / limits[1]
    share = np.hypot(rows[:, None], columns[None])
    rings = (share * PATCH_PX / 2).astype(np.intp)
    return rings, np.maximum(np.bincount(rings.ravel()), 1), np.clip((PASSED - share) / ROLL_OFF, 0.0, 1.0)


def _echoes(view: SliceView) -> PatchEchoes | None:
    if not is_sampled(view):
        return None
    image = square(view.once(magnitude), view.header.spacing_mm)
    tops = corners((image.shape[0], image.shape[1]))
    patient, outside = find_patient(image, view.series.once(threshold)), outside_of(view, image.shape)
    shown = [_share(patient, *top) >= SHOWN_SHARE and not _share(outside, *top) for top in tops]
    numbers = np.flatnonzero(shown)
    if not len(numbers):
        return None
    cepstra = patch_cepstra(image, tops[numbers], view.series.once(band))
    return PatchEchoes(numbers, cepstra, (image.shape[0], image.shape[1]))


def _share(mask: Mask, top: int, left: int) -> float:
    return float(mask[top : top + PATCH_PX, left : left + PATCH_PX].mean())


def copy_strength(cepstra: Values, places: Numbers, slices: Numbers) -> float:
    """Strength of a copy that a turn and a shift of the whole patient explain, against other motions as large.

    ``cepstra`` are means over as many ``slices``, of patches whose middles lie at ``places``, (patches, 2). Patches
    count the more the less their cepstra vary: at the edge of a head skin, bone and brain lie side by side as copies.
    """
    middle = np.hypot(*np.mgrid[-REACH_PX : REACH_PX + 1, -REACH_PX : REACH_PX + 1])
    variance = (cepstra[:, middle >= SHIFT_PX[0]] ** 2).mean(axis=1)
    weights = 1.0 / np.maximum(variance, 1e-12)
    pairs = [(weights @ values / weights.sum(), distances) for values, distances in _motions(cepstra, places, slices)]
    strengths, distances = (np.concatenate(one) for one in zip(*pairs, strict=True))
    first = np.floor((distances - SHIFT_PX[0]) / BIN_PX).astype(np.intp)
    inside = (distances >= SHIFT_PX[0]) & (distances <= SHIFT_PX[1])
    above = [float(np.ptp([np.median(one), one.max()])) for one in _grouped(strengths[inside], first[inside])]
    return max(above, default=0.0)


def _grouped(values: Numbers, numbers: NDArray[np.intp]) -> Iterator[Numbers]:
    for number in np.unique(numbers):
        yield values[numbers == number]


def _motions(cepstra: Values, places: Numbers, slices: Numbers) -> Iterator[tuple[Numbers, Numbers]]:
    """For each turn, of each shift: cepstra where each patch would have its copy, and the usual displacement."""
    share = slices / slices.sum()
    for turn in TURNS:
        down, right = places[:, 0], places[:, 1]
        turns = np.stack([right * np.sin(turn), -down * np.sin(turn)], 1) + places * (np.cos(turn) - 1.0)
        shifts = (turns - share @ turns)[:, None] + SHIFTS[None]
        yield _between(cepstra, shifts + REACH_PX), np.sqrt(share @ (shifts**2).sum(-1))


def _between(tables: Values, at: Numbers) -> Numbers:
    """Of each table the values between its rows and columns, linearly; those beyond its end are of the end."""
    inside = np.clip(at, 0.0, tables.shape[1] - 1.001)
    low = inside.astype(np.intp)
    part, number = inside - low, np.arange(len(tables))[:, None]
    (y, x), (down, right) = (low[..., 0], low[..., 1]), (part[..., 0], part[..., 1])
    above = tables[number, y, x] * (1.0 - right) + tables[number, y, x + 1] * right
    below = tables[number, y + 1, x] * (1.0 - right) + tables[number, y + 1, x + 1] * right
    return np.asarray(above * (1.0 - down) + below * down)


def _strongest(_: SeriesView | None, parts: Sequence[PatchEchoes]) -> float | None:
    if not parts:
        return None
    tops = corners(parts[0].shape)
    sums = np.zeros((len(tops), 2 * REACH_PX + 1, 2 * REACH_PX + 1))
    slices = np.zeros(len(tops))
    for part in parts:
        sums[part.numbers] += part.cepstra
        slices[part.numbers] += 1.0
    enough = slices >= LEAST_SLICES
    if np.count_nonzero(enough) < LEAST_PATCHES:
        return None
    means = (sums[enough] / slices[enough, None, None]).astype(np.float32)
    places = tops[enough] + (PATCH_PX - np.array(parts[0].shape)) / 2.0
    return 100.0 * copy_strength(means, places, slices[enough])


MR_DOUBLED_CONTOURS = mr_measure(
    name="mr_doubled_contours",
    unit="%",
    least_spread=1.0,
    scale=POSITIVE,
    label="Doubled contours",
    code="MR_CONTOURS",
    summary="Strength of a copy of the patient that is turned or moved by a few pixels, all slices together.",
    definition="Power cepstra (Bogert, Healy and Tukey, 1963) of patches of 64 × 64 pixels that show the patient, "
    "without the mean of each frequency, over 90 % of the band in which rows and columns lie above noise; each the "
    "mean of some 40 slices. A turn by up to 4° and a shift by up to 6 pixels say where the copy of each patch lies: "
    "the mean there, weighted by one over the variance of each cepstrum, less the median of motions as large; the "
    "largest of displacements of 2.7 to 7.5 pixels. Own definition.",
    validity="Volumes of twelve slices or more, 128 pixels a side or more. Motion out of the plane of the slices, of a "
    "part of the patient or in a part of the slices, and moves of less than 2.7 pixels are not seen; nor are copies "
    "far off, which `mr_ghost` sees. Pixels that are no squares are made squares of their shorter side first.",
    tolerance="Within a fifth of the strength of a copy of drawn texture. If the raw data after a moment are of a head "
    "that moved by 3 pixels, structural volumes of 6 scanners give 9 to 70 %, unaltered ones 3 to 7 %, and parts of 12 "
    "slices up to 8 %.",
    agreement_share=0.2,
    proof="White texture and a moved copy of it: the series of ln(1 + a·e^iφ).",
    decimals=1,
    rank=549,
    least_side_px=LEAST_SIDE_PX,
    each=_echoes,
    shared=(threshold, band),
    take=_strongest,
    concern="Edges are seen twice in all slices: the patient moved while the volume was taken. Small structures may be "
    "doubled or hidden. Repeat the series if the region matters.",
)
