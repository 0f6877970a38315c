"""Noise power spectrum of a uniform disc in CT."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from miqa_node.core.domain.phantom import PhantomKind
from miqa_node.core.language.phrase import Phrase
from miqa_node.features.phantoms.measure import PhantomMeasure, PhantomQuantity
from miqa_node.features.phantoms.stack import PhantomStack
from miqa_node.features.phantoms.values import PhantomValue, Region, SliceRead, polyline
from miqa_node.libraries.phantom_shapes.arrays import Array
from miqa_node.libraries.phantom_shapes.disc import Disc
from miqa_node.stages.measure.series_view import Values
from miqa_phantoms.catphan import CATPHAN, catphan_of
from miqa_phantoms.ct_disc import NO_DISC, discs_of

SIDE_SHARE = 0.28
"""Side of a region, as a share of the disc's diameter."""
RING_SHARE = 0.45
"""Distance of the eight outer regions from the centre, as a share of the radius."""
LEAST_PIXELS = 24
BINS = 40
TOO_SMALL = Phrase("The disc has too few pixels for a spectrum of its noise.")
CATPHAN_INSIDE = 0.7
"""The module inside of the Catphan's housing, as a share of its radius."""


class Spectrum(NamedTuple):
    """Radial noise power (HU² mm²) at frequencies (1/mm), and the SD that its sum gives."""

    frequencies: Array
    power: Array
    sd_hu: float


def run(stack: PhantomStack, measure: PhantomMeasure) -> Sequence[PhantomValue]:
    """See ``MEASURE``."""
    catphan = catphan_of(stack)
    read_on: SliceRead
    if catphan is not None:
        module = catphan.ctp486(single=True)
        if isinstance(module, Phrase):
            return measure.none(module)
        planes, read_on, disc, share = [(module.image, module.disc)], module.read_on, module.disc, CATPHAN_INSIDE
    else:
        discs = discs_of(stack)
        if not discs:
            return measure.none(NO_DISC)
        planes = [(stack.images[one.place], one.disc) for one in discs]
        middle = discs[len(discs) // 2]
        read_on, disc, share = stack.read_on(middle.place), middle.disc, 1.0
    spectrum = spectrum_of(planes, share)
    if spectrum is None:
        return measure.none(TOO_SMALL)
    mean = float((spectrum.frequencies * spectrum.power).sum() / spectrum.power.sum())
    peak = float(spectrum.frequencies[spectrum.power.argmax()])
    regions = [_outline(disc, *centre, _side_mm(disc, share)) for centre in _centres(disc, share)]
    figures = (mean, peak)
    return tuple(
        one.read(figure, measure.source, read_on, regions) for one, figure in zip(measure.values, figures, strict=True)
    )


def spectrum_of(planes: Sequence[tuple[Values, Disc]], share: float = 1.0) -> Spectrum | None:
    """Mean over nine regions of each slice, each without the curved surface that fits it best."""
    parts = []
    for image, disc in planes:
        side = round(_side_mm(disc, share) / max(disc.spacing)) // 2 * 2
        if side < LEAST_PIXELS:
            return None
        for right_mm, down_mm in _centres(disc, share):
            row = round(disc.row + down_mm / disc.spacing.rows - side / 2)
            column = round(disc.column + right_mm / disc.spacing.columns - side / 2)
            part = image[row : row + side, column : column + side]
            if part.shape == (side, side):
                parts.append(_without_surface(part.astype(np.float64)))
    if not parts:
        return None
    side, spacing = parts[0].shape[0], planes[0][1].spacing
    same = [one for one in parts if one.shape[0] == side]
    area = spacing.rows * spacing.columns
    power = np.mean([np.abs(np.fft.fft2(one)) ** 2 for one in same], axis=0) * area / side**2
    rows, columns = np.fft.fftfreq(side, spacing.rows), np.fft.fftfreq(side, spacing.columns)
    radial = np.hypot(rows[:, None], columns[None, :])
    top = 0.5 / max(spacing)
    edges = np.linspace(0.0, top, min(BINS, side // 2) + 1)
    places = np.digitize(radial.ravel(), edges) - 1
    inside = places < len(edges) - 1
    counts = np.bincount(places[inside], minlength=len(edges) - 1)
    sums = np.bincount(places[inside], weights=power.ravel()[inside], minlength=len(edges) - 1)
    used = counts > 0
    used[0] = False  # the level, which the surface took away
    frequencies = (edges[:-1] + edges[1:]) / 2.0
    sd = float(np.sqrt(np.mean([one.var() for one in same])))
    return Spectrum(frequencies[used], sums[used] / counts[used], sd)


def _side_mm(disc: Disc, share: float) -> float:
    return SIDE_SHARE * share * 2.0 * disc.radius_mm


def _centres(disc: Disc, share: float) -> list[tuple[float, float]]:
    away = RING_SHARE * share * disc.radius_mm
    angles = np.arange(8) * np.pi / 4.0
    return [(0.0, 0.0), *((float(away * np.cos(one)), float(away * np.sin(one))) for one in angles)]


def _outline(disc: Disc, right_mm: float, down_mm: float, side_mm: float) -> Region:
    half = side_mm / 2.0
    corners = ((-half, -half), (half, -half), (half, half), (-half, half), (-half, -half))
    return polyline(
        (disc.column + (right_mm + x) / disc.spacing.columns, disc.row + (down_mm + y) / disc.spacing.rows)
        for x, y in corners
    )


def _without_surface(part: Array) -> Array:
    side = part.shape[0]
    y, x = np.mgrid[0:side, 0:side] / (side - 1.0) - 0.5
    terms = np.stack([np.ones_like(x), x, y, x * x, x * y, y * y], axis=-1).reshape(-1, 6)
    fit, *_rest = np.linalg.lstsq(terms, part.ravel(), rcond=None)
    return np.asarray(part - (terms @ fit).reshape(part.shape), np.float64)


MEASURE = PhantomMeasure(
    name="noise_power",
    order=17,
    kinds=CATPHAN | {PhantomKind.CT_WATER, PhantomKind.LCD_CT},
    values=(
        PhantomQuantity(
            "nps_mean_frequency_per_mm", "/mm", Phrase("Mean frequency of the noise, weighted by its power.")
        ),
        PhantomQuantity(
            "nps_peak_frequency_per_mm", "/mm", Phrase("Frequency at which the noise has its highest power.")
        ),
    ),
    formula="mean of |FFT|² · pixel area / number of pixels over nine squares, each less a surface of second order; "
    "averaged over all directions",
    source="ICRU Report 87 (2012), section 4.3; AAPM TG-233 (2019)",
    tolerance="0.02 /mm",
    run=run,
)
