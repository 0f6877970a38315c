"""The low-contrast phantom in CT: contrast to noise of its four discs, noise of pairs, and noise against dose."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import combinations

import numpy as np

from miqa_node.core.domain.phantom import PhantomKind
from miqa_node.core.language.phrase import Phrase
from miqa_node.features.phantoms.measure import PhantomMeasure, PhantomQuantity
from miqa_node.features.phantoms.stack import PhantomStack
from miqa_node.features.phantoms.values import PhantomValue, Region, SliceRead
from miqa_node.stages.assess.phantom_words import header_texts
from miqa_node.stages.measure.series_view import Mask, Values
from miqa_phantoms.ct_disc import NO_DISC, CtDisc, discs_of
from miqa_phantoms.ct_noise import CENTRE_SHARE

INSERTS = {
    "3_mm_14_hu": (-45.0, 3.0),
    "5_mm_7_hu": (-135.0, 5.0),
    "7_mm_5_hu": (135.0, 7.0),
    "10_mm_3_hu": (45.0, 10.0),
}
"""Angle from right towards down, and the diameter in mm, of a phantom of 200 mm."""
DISTANCE_SHARE = 0.4
"""Of the radius, from the centre to each insert."""
READ_SHARE = 0.9
"""Of an insert's radius that is read."""
BESIDE_MM = (3.0, 9.0)
"""The ring that an insert is compared with, from its edge."""
CONTRAST, RATIO = "contrast_hu", "cnr"
_KEYWORDS = ("SeriesDescription", "StudyDescription")
_DOSE = re.compile(r"dose[ _-]?0*(\d{1,3})(?!\d)|(\d{1,3}) ?% dose", re.IGNORECASE)
ONE_SLICE = Phrase("The series has one slice: pairs of slices need two.")
NO_DOSE = Phrase("The header names no dose: neither CTDIvol nor a share in its descriptions.")


def run(stack: PhantomStack, measure: PhantomMeasure) -> Sequence[PhantomValue]:
    """See ``MEASURE``."""
    discs = discs_of(stack)
    if not discs:
        return measure.none(NO_DISC)
    images = [stack.images[one.place] for one in discs]
    middle = discs[len(discs) // 2]
    read_on = stack.read_on(middle.place)
    inside = middle.disc.within(images[0].shape, CENTRE_SHARE * middle.disc.radius_mm)
    noise = float(np.mean([image[inside].std(ddof=1) for image in images]))
    values = [_pairs(images, inside, measure, read_on), _at_full_dose(stack, noise, measure, read_on)]
    together = np.mean(images, axis=0)
    for name, (angle, diameter) in INSERTS.items():
        contrast, region = _contrast(np.asarray(together, np.float32), middle, angle, diameter / 2.0)
        for group, figure in ((CONTRAST, contrast), (RATIO, contrast / max(noise, 1e-9))):
            values.append(measure.value(f"{group}.{name}").read(figure, measure.source, read_on, [region]))
    return values


def _pairs(images: Sequence[Values], inside: Mask, measure: PhantomMeasure, read_on: SliceRead) -> PhantomValue:
    value = measure.value("noise_sd_hu_from_pairs")
    if len(images) < 2:
        return value.missing(measure.source, ONE_SLICE, read_on)
    spreads = [(one - other)[inside].std(ddof=1) / np.sqrt(2.0) for one, other in combinations(images, 2)]
    return value.read(float(np.mean(spreads)), measure.source, read_on)


def _at_full_dose(stack: PhantomStack, noise: float, measure: PhantomMeasure, read_on: SliceRead) -> PhantomValue:
    value = measure.value("noise_sqrt_dose_hu")
    dose = dose_of(stack)
    if dose is None:
        return value.missing(measure.source, NO_DOSE, read_on)
    return value.read(noise * float(np.sqrt(dose)), measure.source, read_on)


def dose_of(stack: PhantomStack) -> float | None:
    """CTDIvol in mGy, else the share of the full dose that a description names."""
    one = stack.slices[0]
    if one.ctdi_vol_mgy:
        return one.ctdi_vol_mgy
    for text in header_texts(one.path, _KEYWORDS).values():
        match = _DOSE.search(text)
        if match is not None:
            share = float(match.group(1) or match.group(2)) / 100.0
            return share or None
    return None


def _contrast(image: Values, one: CtDisc, angle_deg: float, radius_mm: float) -> tuple[float, Region]:
    disc = one.disc
    away = DISTANCE_SHARE * disc.radius_mm
    rows, columns = disc.points(np.radians([angle_deg]), np.array([away]))
    down = (np.arange(image.shape[0]) - rows[0])[:, None] * disc.spacing.rows
    right = (np.arange(image.shape[1]) - columns[0])[None, :] * disc.spacing.columns
    distance = np.hypot(down, right)
    insert = image[distance <= READ_SHARE * radius_mm]
    beside = image[(distance >= radius_mm + BESIDE_MM[0]) & (distance <= radius_mm + BESIDE_MM[1])]
    x, y = float(columns[0]), float(rows[0])
    region = Region("CIRCLE", ((x, y), (x + radius_mm / disc.spacing.columns, y)))
    return float(insert.mean() - beside.mean()), region


def _discs(group: str, unit: str, words: str) -> tuple[PhantomQuantity, ...]:
    return tuple(
        PhantomQuantity(f"{group}.{name}", unit, Phrase(words, name=name.replace("_", " ").replace("hu", "HU")))
        for name in INSERTS
    )


MEASURE = PhantomMeasure(
    name="lcd_ct",
    order=16,
    kinds=frozenset({PhantomKind.LCD_CT}),
    values=(
        PhantomQuantity(
            "noise_sd_hu_from_pairs",
            "[hnsf'U]",
            Phrase("Standard deviation of the difference of two slices over the square root of 2, mean of all pairs."),
        ),
        PhantomQuantity(
            "noise_sqrt_dose_hu",
            "[hnsf'U]",
            Phrase("Noise times the square root of the dose: equal at all doses if only quanta make the noise."),
        ),
        *_discs(CONTRAST, "[hnsf'U]", "Mean of the disc of {name} less that of the ring around it, of all slices."),
        *_discs(RATIO, "1", "Contrast of the disc of {name} over the noise of one slice."),
    ),
    formula="mean over a disc less that over a ring of 3 to 9 mm around it, in the mean of all slices; over the noise",
    source="NEMA/MITA CT IQ-2017 (phantom); Vaishnav et al., Med. Phys. 41 (2014) 071904",
    tolerance="5 % (noise)",
    run=run,
)
