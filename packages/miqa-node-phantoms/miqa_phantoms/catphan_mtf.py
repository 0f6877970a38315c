"""Relative modulation transfer of a Catphan 504: contrast of the groups of line pairs of module CTP528."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from miqa_node.core.domain.phantom import PhantomKind
from miqa_node.core.language.phrase import Phrase
from miqa_node.features.phantoms.measure import PhantomMeasure, PhantomQuantity
from miqa_node.features.phantoms.stack import PhantomStack
from miqa_node.features.phantoms.values import PhantomValue
from miqa_node.libraries.phantom_shapes.arrays import Array
from miqa_node.libraries.phantom_shapes.catphan import LINE_PAIRS_MM, LINE_PAIRS_RADIUS_MM
from miqa_node.libraries.phantom_shapes.sampling import peaks, smooth
from miqa_phantoms.catphan import NO_MODULE, NOT_COVERED, Module, catphan_of

GROUP = "mtf_lp_per_mm_at_percent_ctp528"
PERCENT = (95, 90, 80, 70, 60, 50)
WIDTH_MM = np.linspace(-0.94, 0.94, 9)
"""Of the ring that is averaged, about the radius of the line pairs."""
SAMPLES = 4096
SMOOTH = 0.001
"""Of the whole turn."""


class LinePairs(NamedTuple):
    """Line pairs of one frequency; ``start`` and ``end`` are shares of a turn from the left, against the clock."""

    start: float
    end: float
    bars: int
    spacing: float
    """Least distance between bars."""
    lp_per_mm: float


GROUPS = (
    LinePairs(0.0, 0.12, 2, 0.021, 0.2),
    LinePairs(0.10, 0.183, 3, 0.01, 0.4),
    LinePairs(0.183, 0.245, 4, 0.006, 0.6),
    LinePairs(0.245, 0.288, 4, 0.00557, 0.8),
    LinePairs(0.288, 0.3367, 4, 0.004777, 1.0),
    LinePairs(0.3367, 0.3885, 5, 0.00398, 1.2),
    LinePairs(0.3885, 0.4355, 5, 0.00358, 1.4),
    LinePairs(0.4355, 0.4801, 5, 0.0027866, 1.6),
)
"""Where they are, by the drawing of module CTP528 as pylinac reads it."""
NO_BARS = Phrase("The coarsest line pairs of module CTP528 were not found.")
BELOW_ALL = Phrase("The finest line pairs that were found have more contrast than this.")


def run(stack: PhantomStack, measure: PhantomMeasure) -> Sequence[PhantomValue]:
    """See ``MEASURE``."""
    view = catphan_of(stack)
    if view is None:
        return measure.none(NO_MODULE)
    module = view.module("ctp528", LINE_PAIRS_MM, highest=True)
    if module is None:
        return measure.none(NOT_COVERED)
    contrasts = group_contrasts(ring_profile(module))
    if len(contrasts) < 2:
        return measure.none(NO_BARS)
    relative = np.array(contrasts) / contrasts[0]
    frequencies = np.array([one.lp_per_mm for one in GROUPS[: len(relative)]])
    ring = module.circle(0.0, 0.0, LINE_PAIRS_RADIUS_MM)
    values = []
    for percent, value in zip(PERCENT, measure.values, strict=True):
        at = crossing(frequencies, relative, percent / 100.0)
        if at is None:
            values.append(value.missing(measure.source, BELOW_ALL, module.read_on))
        else:
            values.append(value.read(at, measure.source, module.read_on, [ring]))
    return values


def ring_profile(module: Module) -> Array:
    """The ring of the line pairs from the left against the clock, its lowest value 0."""
    angles = np.array([module.pose.angle(180.0 - 360.0 * share) for share in np.arange(SAMPLES) / SAMPLES])
    ring = module.disc.polar(module.image, LINE_PAIRS_RADIUS_MM + WIDTH_MM, angles).mean(axis=0)
    profile = smooth(ring, SMOOTH * SAMPLES, closed=True)
    return np.asarray(profile - profile.min(), np.float64)


def group_contrasts(profile: Array) -> list[float]:
    """(bars − gaps) / (bars + gaps) of each group, up to the first whose bars are not all found."""
    contrasts = []
    for group in GROUPS:
        first, last = round(group.start * SAMPLES), round(group.end * SAMPLES)
        part = profile[first:last]
        tops = peaks(part, max(1, round(group.spacing * SAMPLES)))
        if len(tops) < group.bars:
            break
        highest = np.sort(tops[np.argsort(part[tops])[-group.bars :]])
        gaps = [part[left : right + 1].min() for left, right in pairwise(highest)]
        bars = float(part[highest].mean())
        low = float(np.mean(gaps))
        contrasts.append((bars - low) / max(bars + low, 1e-9))
    return contrasts


def crossing(frequencies: Array, relative: Array, share: float) -> float | None:
    """The lowest frequency at which the contrast falls to a share, by straight lines; None if it does not."""
    below = np.flatnonzero(relative < share)
    if not len(below) or below[0] == 0:
        return None
    place = int(below[0])
    high, low = relative[place - 1], relative[place]
    part = (high - share) / max(high - low, 1e-9)
    return float(frequencies[place - 1] + part * (frequencies[place] - frequencies[place - 1]))


MEASURE = PhantomMeasure(
    name="catphan_mtf",
    order=12,
    kinds=frozenset({PhantomKind.CATPHAN_504}),
    values=tuple(
        PhantomQuantity(
            f"{GROUP}.{percent}",
            "{lp}/mm",
            Phrase(
                "Frequency at which line pairs keep {percent} % (MTF): "
                "their contrast over that of the coarsest, 0.2 lp/mm.",
                percent=str(percent),
            ),
        )
        for percent in PERCENT
    ),
    formula="(bars − gaps) / (bars + gaps) of each group over that of the first, in a ring of 47 mm of the highest "
    "value of three slices; straight lines between the groups",
    source="The Phantom Laboratory: Catphan 500 and 600 Manual, CTP528; relative modulation after Droege and Morin, "
    "Med. Phys. 9 (1982) 758",
    tolerance="0.1 lp/mm",
    run=run,
)
