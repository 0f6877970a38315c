"""Relative modulation transfer of a Catphan: contrast of the groups of line pairs of module CTP528."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from miqa_node.core.language.phrase import Phrase
from miqa_node.features.phantoms.measure import PhantomMeasure, PhantomQuantity
from miqa_node.features.phantoms.stack import PhantomStack
from miqa_node.features.phantoms.values import PhantomValue
from miqa_node.libraries.phantom_shapes.arrays import Array
from miqa_node.libraries.phantom_shapes.catphan_modules import LINE_PAIRS_RADIUS_MM, Model
from miqa_node.libraries.phantom_shapes.sampling import peaks, smooth
from miqa_phantoms.catphan import CATPHAN, NO_MODULE, catphan_of
from miqa_phantoms.modules import Module

GROUP = "mtf_lp_per_mm_at_percent_ctp528"
PERCENT = (95, 90, 80, 70, 60, 50)
WIDTH_MM = np.linspace(-0.94, 0.94, 9)
"""Of the ring that is averaged, about the radius of the line pairs."""
SAMPLES = 4096
SMOOTH = 0.001
"""Of the whole turn."""


class LinePairs(NamedTuple):
    """Line pairs of one frequency."""

    bars: int
    spacing: float
    """Least distance between bars, as a share of the turn."""
    lp_per_mm: float


GROUPS = (
    LinePairs(2, 0.021, 0.1),
    LinePairs(3, 0.01, 0.2),
    LinePairs(4, 0.006, 0.3),
    LinePairs(4, 0.00557, 0.4),
    LinePairs(4, 0.004777, 0.5),
    LinePairs(5, 0.00398, 0.6),
    LinePairs(5, 0.00358, 0.7),
    LinePairs(5, 0.0027866, 0.8),
)


class Drawing(NamedTuple):
    """Where the groups are in a module CTP528: ``ends`` are shares of a turn from ``start_deg`` on."""

    start_deg: float
    """From right towards down, with the insert of air up that has Teflon beside it."""
    turn: int
    """-1 against the clock."""
    starts: tuple[float, ...]
    ends: tuple[float, ...]

    def profile(self, module: Module) -> Array:
        """The ring of the line pairs, its lowest value 0."""
        degrees = self.start_deg + self.turn * 360.0 * np.arange(SAMPLES) / SAMPLES
        angles = np.array([module.pose.angle(one) for one in degrees])
        ring = module.disc.polar(module.image, LINE_PAIRS_RADIUS_MM + WIDTH_MM, angles).mean(axis=0)
        profile = smooth(ring, SMOOTH * SAMPLES, closed=True)
        return np.asarray(profile - profile.min(), np.float64)

    def part(self, number: int) -> slice:
        """The samples of a group."""
        return slice(round(self.starts[number] * SAMPLES), round(self.ends[number] * SAMPLES))


_ENDS = (0.12, 0.183, 0.245, 0.288, 0.3367, 0.3885, 0.4355, 0.4801)
_ENDS_600 = (0.127, 0.195, 0.255, 0.304, 0.354, 0.405, 0.453, 0.496)
USUAL = Drawing(180.0, -1, (0.0, 0.1, *_ENDS[1:-1]), _ENDS)
OF_600 = Drawing(-5.73, 1, (0.0, *_ENDS_600[:-1]), _ENDS_600)
"""By the drawings of module CTP528 as pylinac reads them."""
DRAWINGS = {Model.CATPHAN_504: (USUAL,), Model.CATPHAN_600: (OF_600, USUAL), Model.CATPHAN_604: (USUAL,)}
NO_BARS = Phrase("The coarsest line pairs of module CTP528 were not found.")
BELOW_ALL = Phrase("The finest line pairs that were found have more contrast than this.")


def run(stack: PhantomStack, measure: PhantomMeasure) -> Sequence[PhantomValue]:
    """See ``MEASURE``."""
    view = catphan_of(stack)
    if view is None:
        return measure.none(NO_MODULE)
    module = view.ctp528()
    if isinstance(module, Phrase):
        return measure.none(module)
    drawing = drawing_of(module, view.phantom.model)
    contrasts = group_contrasts(drawing.profile(module), drawing)
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


def drawing_of(module: Module, model: Model) -> Drawing:
    """The one whose coarsest groups have their frequencies in the image."""

    def likeness(drawing: Drawing) -> float:
        profile = drawing.profile(module)
        return sum(_share_of_frequency(profile[drawing.part(one)], GROUPS[one].lp_per_mm) for one in (1, 2))

    return max(DRAWINGS[model], key=likeness)


def _share_of_frequency(part: Array, lp_per_mm: float) -> float:
    off = part - part.mean()
    along_mm = np.arange(len(part)) / SAMPLES * 2.0 * np.pi * LINE_PAIRS_RADIUS_MM
    wave = np.exp(-2j * np.pi * lp_per_mm * along_mm)
    return float(abs((off * wave).sum()) ** 2 / max(len(part) * float((off**2).sum()), 1e-9))


def group_contrasts(profile: Array, drawing: Drawing) -> list[float]:
    """(bars − gaps) / (bars + gaps) of each group, up to the first whose bars are not all found."""
    contrasts = []
    for number, group in enumerate(GROUPS):
        part = profile[drawing.part(number)]
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
    kinds=CATPHAN,
    values=tuple(
        PhantomQuantity(
            f"{GROUP}.{percent}",
            "{lp}/mm",
            Phrase(
                "Frequency at which line pairs keep {percent} % (MTF): "
                "their contrast over that of the coarsest, 0.1 lp/mm.",
                percent=str(percent),
            ),
        )
        for percent in PERCENT
    ),
    formula="(bars − gaps) / (bars + gaps) of each group over that of the first, in a ring of 47 mm of the highest "
    "value of three slices 2.5 mm apart; straight lines between the groups",
    source="The Phantom Laboratory: Catphan 500 and 600 Manual, CTP528; relative modulation after Droege and Morin, "
    "Med. Phys. 9 (1982) 758",
    tolerance="0.1 lp/mm",
    run=run,
)
