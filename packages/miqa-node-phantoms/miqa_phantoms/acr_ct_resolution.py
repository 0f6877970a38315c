"""Resolution of the ACR CT phantom: which patterns of bars of module 4 are resolved, and how their contrast falls."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from miqa_node.core.language.phrase import Phrase
from miqa_node.features.phantoms.measure import PhantomMeasure, PhantomQuantity
from miqa_node.features.phantoms.stack import PhantomStack
from miqa_node.features.phantoms.values import PhantomValue
from miqa_phantoms.acr_ct import ACR_CT, NO_MODULE, SOURCE, acr_ct_of
from miqa_phantoms.catphan_mtf import BELOW_ALL, crossing
from miqa_phantoms.modules import Module

PATTERNS = {4: -135.0, 5: 180.0, 6: 135.0, 7: 90.0, 8: 45.0, 9: 0.0, 10: -45.0, 12: -90.0}
"""Line pairs per cm: angle from right towards down."""
DISTANCE_MM, RADIUS_MM = 70.0, 6.5
DIRECTIONS = np.radians(np.arange(0.0, 180.0, 3.0))
LEAST_SIGMA = 4.0
LEAST_SHARE = 0.03
"""Of the contrast of the coarsest pattern, that of one that is resolved."""
PERCENT = (50, 10)
GROUP = "mtf_lp_per_mm_at_percent_module_4"
NO_BARS = Phrase("Not even the coarsest pattern of bars of module 4 is resolved.")


class Bars(NamedTuple):
    """A pattern: the amplitude at its frequency in the direction of its bars, and that of noise in others."""

    amplitude: float
    noise: float


def run(stack: PhantomStack, measure: PhantomMeasure) -> Sequence[PhantomValue]:
    """See ``MEASURE``."""
    view = acr_ct_of(stack)
    if view is None:
        return measure.none(NO_MODULE)
    module = view.bars()
    if isinstance(module, Phrase):
        return measure.none(module)
    # What is finer than two pixels shows false patterns.
    bars = {number: bars_of(module, number) for number in PATTERNS if number / 10.0 <= 0.5 / max(module.disc.spacing)}
    resolved = resolved_patterns(bars)
    if not resolved:
        return tuple(one.missing(measure.source, NO_BARS, module.read_on) for one in measure.values)
    circles = [module.circle(angle, DISTANCE_MM, RADIUS_MM, str(number)) for number, angle in PATTERNS.items()]
    values = [measure.values[0].read(resolved[-1], measure.source, module.read_on, circles)]
    relative = np.array([one.amplitude for one in bars.values()]) / bars[min(PATTERNS)].amplitude
    frequencies = np.array([one / 10.0 for one in bars])
    for percent, value in zip(PERCENT, measure.values[1:], strict=True):
        at = crossing(frequencies, relative, percent / 100.0)
        values.append(
            value.missing(measure.source, BELOW_ALL, module.read_on)
            if at is None
            else value.read(at, measure.source, module.read_on, circles)
        )
    return values


def bars_of(module: Module, number: int) -> Bars:
    """What a pattern has at its frequency, in the direction of its bars and across them."""
    frequency = number / 10.0
    column, row = module.centre(PATTERNS[number], DISTANCE_MM)
    down = (np.arange(module.image.shape[0]) - row)[:, None] * module.disc.spacing.rows
    right = (np.arange(module.image.shape[1]) - column)[None, :] * module.disc.spacing.columns
    away = np.hypot(down, right)
    inside = away <= RADIUS_MM
    weights = np.cos(np.pi / 2.0 * away[inside] / RADIUS_MM) ** 2
    values = module.image[inside].astype(np.float64)
    off = (values - (values * weights).sum() / weights.sum()) * weights
    right, down = np.broadcast_to(right, away.shape)[inside], np.broadcast_to(down, away.shape)[inside]
    along = np.cos(DIRECTIONS)[:, None] * right + np.sin(DIRECTIONS)[:, None] * down
    amplitudes = 2.0 * np.abs((off * np.exp(-2j * np.pi * frequency * along)).sum(axis=1)) / weights.sum()
    best = int(amplitudes.argmax())
    across = np.abs((np.arange(len(DIRECTIONS)) - best + len(DIRECTIONS) // 2) % len(DIRECTIONS) - len(DIRECTIONS) // 2)
    return Bars(float(amplitudes[best]), float(np.median(amplitudes[across > len(DIRECTIONS) // 4])))


def resolved_patterns(bars: dict[int, Bars]) -> list[int]:
    """From the coarsest on, up to the first that does not exceed noise."""
    resolved: list[int] = []
    coarsest = max((one.amplitude for one in bars.values()), default=0.0)
    for number, one in bars.items():
        if one.amplitude <= LEAST_SIGMA * one.noise or one.amplitude < LEAST_SHARE * coarsest:
            break
        resolved.append(number)
    return resolved


MEASURE = PhantomMeasure(
    name="acr_ct_resolution",
    order=27,
    kinds=ACR_CT,
    values=(
        PhantomQuantity(
            "resolution_lp_per_cm_module_4",
            "{lp}/cm",
            Phrase("The finest pattern of bars up to which all stand out from noise."),
        ),
        *(
            PhantomQuantity(
                f"{GROUP}.{percent}",
                "{lp}/mm",
                Phrase(
                    "Frequency at which the bars keep {percent} % (MTF): "
                    "their contrast over that of the coarsest, 0.4 lp/mm.",
                    percent=str(percent),
                ),
            )
            for percent in PERCENT
        ),
    ),
    formula="amplitude at the frequency of a pattern in the direction of its bars, over that of the coarsest; resolved "
    "from four times the amplitude across the bars on, and 3 % of the coarsest",
    source=SOURCE,
    tolerance="1 lp/cm",
    run=run,
)
