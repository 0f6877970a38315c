"""Geometric accuracy of the ACR MR phantoms: diameters on slices 1 and 5."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from miqa_node.core.language.phrase import Phrase
from miqa_node.features.phantoms.measure import ACR_MR, PhantomMeasure, PhantomQuantity
from miqa_node.features.phantoms.stack import PhantomStack
from miqa_node.features.phantoms.values import PhantomValue, Region
from miqa_node.libraries.phantom_shapes.acr import nominal_diameter_mm
from miqa_node.libraries.phantom_shapes.disc import ANGLES, Disc
from miqa_phantoms.acr import NO_DISC, AcrSlice, AcrView, acr_of, not_found

BESIDE_DEG = 20
"""The edge is looked for so far on both sides of a direction, so that notches and air bubbles there are passed over."""
SMOOTH_DEG = 5
SLICE_1 = {"slice_1_horizontal": 0, "slice_1_vertical": 90}
SLICE_5 = {"slice_5_horizontal": 0, "slice_5_vertical": 90, "slice_5_diagonal_sw": -45, "slice_5_diagonal_se": 45}
GROUP = "geometric_accuracy_mm"


def run(stack: PhantomStack, measure: PhantomMeasure) -> Sequence[PhantomValue]:
    """See ``MEASURE``."""
    view = acr_of(stack)
    if view is None:
        return measure.none(not_found(stack))
    values, lengths = [], []
    for number, directions in ((1, SLICE_1), (5, SLICE_5)):
        one = view.number(number)
        for name, angle in directions.items():
            value = measure.value(f"{GROUP}.{name}")
            length = None if one is None else diameter_mm(one.disc, angle)
            if one is None or length is None:
                reason = view.lack(number) if one is None else NO_DISC
                values.append(value.missing(measure.source, reason, view.read_on(number)))
                continue
            lengths.append(length)
            values.append(value.read(length, measure.source, one.read_on, [_line(one, angle)]))
    return (*values, *_spread(measure, lengths, view))


def _spread(measure: PhantomMeasure, lengths: Sequence[float], view: AcrView) -> list[PhantomValue]:
    if len(lengths) < len(SLICE_1) + len(SLICE_5):
        return [one.missing(measure.source, view.lack(1, 5)) for one in measure.values[-3:]]
    off = np.array(lengths) - nominal_diameter_mm(view.protocol)
    figures = (off.mean(), np.abs(off).max(), 100.0 * np.std(lengths) / np.mean(lengths))
    return [
        one.read(float(figure), measure.source, None) for one, figure in zip(measure.values[-3:], figures, strict=True)
    ]


def diameter_mm(disc: Disc, angle_deg: int) -> float | None:
    """From the edge to the opposite one; None if one of them was not found.

    An edge is the outermost point in its direction, as a caliper finds it: notches do not count, a flat side does.
    """
    reach = [reach_mm(disc, angle) for angle in (angle_deg, angle_deg + 180)]
    return None if reach[0] is None or reach[1] is None else reach[0] + reach[1]


def reach_mm(disc: Disc, angle_deg: int) -> float | None:
    """From the centre to the edge in one direction."""
    off = np.arange(-BESIDE_DEG - SMOOTH_DEG // 2, BESIDE_DEG + SMOOTH_DEG // 2 + 1)
    edges = disc.edges_mm[(angle_deg + off) % ANGLES] * np.cos(np.radians(off))
    windows = np.lib.stride_tricks.sliding_window_view(edges, SMOOTH_DEG)
    whole = windows[np.isfinite(windows).all(axis=1)]
    return float(np.median(whole, axis=1).max()) if len(whole) else None


def _line(one: AcrSlice, angle_deg: int) -> Region:
    ends = []
    for angle in (angle_deg, angle_deg + 180):
        reach = reach_mm(one.disc, angle) or 0.0
        rows, columns = one.disc.points(np.radians([angle]), np.array([reach]))
        ends.append((float(columns[0]), float(rows[0])))
    return one.line(*ends)


def _length(name: str, words: Phrase) -> PhantomQuantity:
    return PhantomQuantity(f"{GROUP}.{name}", "mm", words)


MEASURE = PhantomMeasure(
    name="geometric_accuracy",
    order=4,
    kinds=ACR_MR,
    values=(
        _length("slice_1_horizontal", Phrase("Width of the phantom on slice 1.")),
        _length("slice_1_vertical", Phrase("Height of the phantom on slice 1.")),
        _length("slice_5_horizontal", Phrase("Width of the phantom on slice 5.")),
        _length("slice_5_vertical", Phrase("Height of the phantom on slice 5.")),
        _length("slice_5_diagonal_sw", Phrase("Diameter on slice 5 from bottom left to top right.")),
        _length("slice_5_diagonal_se", Phrase("Diameter on slice 5 from top left to bottom right.")),
        _length("mean_relative_error", Phrase("Mean of the six diameters less the phantom's own, in mm.")),
        _length("max_absolute_error", Phrase("Largest difference of one of the six diameters from the phantom's own.")),
        PhantomQuantity(
            f"{GROUP}.coefficient_of_variation_percent",
            "%",
            Phrase("Standard deviation of the six diameters as a share of their mean."),
        ),
    ),
    formula="distance of the outermost points at half of the signal inside, in and against each direction",
    source="ACR Large and Medium Phantom Test Guidance for the ACR MRI Accreditation Program, test 1; the last three "
    "values as in IPEM Report 112",
    tolerance="1.5 mm",
    run=run,
)
