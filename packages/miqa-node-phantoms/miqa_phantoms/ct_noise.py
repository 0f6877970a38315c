"""Hounsfield units, uniformity, noise and rings of a uniform cylinder in CT."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from miqa_node.core.domain.phantom import PhantomKind
from miqa_node.core.language.phrase import Phrase
from miqa_node.features.phantoms.measure import PhantomMeasure, PhantomQuantity
from miqa_node.features.phantoms.stack import PhantomStack
from miqa_node.features.phantoms.values import PhantomValue, Region
from miqa_node.libraries.phantom_shapes.arrays import Array
from miqa_node.libraries.phantom_shapes.sampling import smooth
from miqa_node.stages.measure.series_view import Values
from miqa_phantoms.ct_disc import NO_DISC, CtDisc, discs_of

CENTRE_SHARE = 0.2
"""Radius of the region in the middle, as a share of the disc's: its diameter is a fifth of the disc's."""
EDGE_SHARE, EDGE_RADIUS_SHARE = 0.8, 0.1
SIDES = {"Left": 180.0, "Right": 0.0, "Top": -90.0, "Bottom": 90.0}
ANGLES = np.radians(np.arange(0.0, 360.0, 0.5))
RING_SMOOTH_MM = 4.0
RING_FROM_MM = 3.0
"""Nearer to the centre a circle has too few pixels."""
GROUP = "hu_uniformity"


def run(stack: PhantomStack, measure: PhantomMeasure) -> Sequence[PhantomValue]:
    """See ``MEASURE``."""
    discs = discs_of(stack)
    if not discs:
        return measure.none(NO_DISC)
    images = [stack.images[one.place] for one in discs]
    middle = discs[len(discs) // 2]
    read_on, disc = stack.read_on(middle.place), middle.disc
    centre = [one.disc.within(image.shape, CENTRE_SHARE * one.disc.radius_mm) for one, image in _both(discs, images)]
    means = [float(image[inside].mean()) for image, inside in zip(images, centre, strict=True)]
    noise = [float(image[inside].std(ddof=1)) for image, inside in zip(images, centre, strict=True)]
    circle = _circle(middle, 0.0, 0.0, CENTRE_SHARE)
    water = float(np.mean(means))
    values = [
        measure.value("mean_hu").read(water, measure.source, read_on, [circle]),
        measure.value("noise_sd_hu").read(float(np.mean(noise)), measure.source, read_on, [circle]),
    ]
    off = []
    for side, angle in SIDES.items():
        level = float(np.mean([_edge_mean(image, one, angle) for one, image in _both(discs, images)]))
        off.append(level - water)
        region = _circle(middle, angle, EDGE_SHARE, EDGE_RADIUS_SHARE, side)
        values.append(measure.value(f"{GROUP}.{side}").read(level, measure.source, read_on, [region]))
    most = max(off, key=abs)
    values.append(measure.value(f"{GROUP}.largest_difference").read(most, measure.source, read_on))
    together = np.mean(images, axis=0) if _are_aligned(discs) else images[len(images) // 2]
    rings = ring_hu(np.asarray(together, np.float32), middle)
    outline = Region(
        "CIRCLE", ((disc.column, disc.row), (disc.column + disc.radius_mm / disc.spacing.columns, disc.row))
    )
    values.append(measure.value("ring_hu").read(rings, measure.source, read_on, [outline]))
    return values


def _both(discs: Sequence[CtDisc], images: Sequence[Values]) -> list[tuple[CtDisc, Values]]:
    return list(zip(discs, images, strict=True))


def _are_aligned(discs: Sequence[CtDisc]) -> bool:
    """Whether the discs lie on each other to half a pixel, so that slices can be averaged."""
    columns, rows = [one.disc.column for one in discs], [one.disc.row for one in discs]
    return max(columns) - min(columns) <= 0.5 and max(rows) - min(rows) <= 0.5


def _edge_mean(image: Values, one: CtDisc, angle_deg: float) -> float:
    disc = one.disc
    rows, columns = disc.points(np.radians([angle_deg]), np.array([EDGE_SHARE * disc.radius_mm]))
    down = (np.arange(image.shape[0]) - rows[0])[:, None] * disc.spacing.rows
    right = (np.arange(image.shape[1]) - columns[0])[None, :] * disc.spacing.columns
    return float(image[np.hypot(down, right) <= EDGE_RADIUS_SHARE * disc.radius_mm].mean())


def _circle(one: CtDisc, angle_deg: float, away: float, radius: float, label: str = "") -> Region:
    disc = one.disc
    rows, columns = disc.points(np.radians([angle_deg]), np.array([away * disc.radius_mm]))
    x, y = float(columns[0]), float(rows[0])
    return Region("CIRCLE", ((x, y), (x + radius * disc.radius_mm / disc.spacing.columns, y)), label)


def ring_hu(image: Values, one: CtDisc) -> float:
    """How far the mean over a circle departs from those beside it, beyond what noise explains; 0 without rings."""
    disc = one.disc
    step = max(disc.spacing) / 2.0
    radii = np.arange(RING_FROM_MM, 0.9 * disc.radius_mm, step)
    polar = disc.polar(image, radii, ANGLES)
    profile = polar.mean(axis=1)
    off: Array = profile - smooth(profile, RING_SMOOTH_MM / step)
    # Quarters of the turn share no pixels: their differences show what noise alone leaves of a mean.
    quarters = np.stack([one.mean(axis=1) for one in np.array_split(polar, 4, axis=1)])
    quarters -= smooth(quarters, RING_SMOOTH_MM / step)
    noise = float(np.sqrt(np.mean(quarters.var(axis=0, ddof=1)) / 4.0))
    total = float(np.sqrt(np.mean(off**2)))
    return float(np.sqrt(max(total**2 - noise**2, 0.0)))


MEASURE = PhantomMeasure(
    name="ct_noise",
    order=15,
    kinds=frozenset({PhantomKind.CT_WATER, PhantomKind.LCD_CT}),
    values=(
        PhantomQuantity(
            "mean_hu", "[hnsf'U]", Phrase("Mean of a circle of a fifth of the diameter in the middle, of all slices.")
        ),
        PhantomQuantity("noise_sd_hu", "[hnsf'U]", Phrase("Standard deviation in that circle, mean of all slices.")),
        PhantomQuantity(f"{GROUP}.Left", "[hnsf'U]", Phrase("Mean of a circle at the left edge.")),
        PhantomQuantity(f"{GROUP}.Right", "[hnsf'U]", Phrase("Mean of a circle at the right edge.")),
        PhantomQuantity(f"{GROUP}.Top", "[hnsf'U]", Phrase("Mean of a circle at the upper edge.")),
        PhantomQuantity(f"{GROUP}.Bottom", "[hnsf'U]", Phrase("Mean of a circle at the lower edge.")),
        PhantomQuantity(
            f"{GROUP}.largest_difference",
            "[hnsf'U]",
            Phrase("The largest difference of an edge from the middle."),
        ),
        PhantomQuantity(
            "ring_hu", "[hnsf'U]", Phrase("Root mean square of rings about the middle, without the share of noise.")
        ),
    ),
    formula="means and standard deviations over circles; rings: mean over a circle less its smoothed course, squared, "
    "less what the differences of quarters of the turn give for noise",
    source="IEC 61223-3-5:2019 (mean, noise, uniformity)",
    tolerance="1 HU (means), 5 % (noise)",
    run=run,
)
