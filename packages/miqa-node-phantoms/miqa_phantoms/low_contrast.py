"""Low-contrast detectability of the ACR MR phantoms: complete spokes of discs on slices 8 to 11."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from typing import NamedTuple

import cv2
import numpy as np

from miqa_node.core.language.phrase import Phrase
from miqa_node.features.phantoms.measure import ACR_MR, PhantomMeasure, PhantomQuantity
from miqa_node.features.phantoms.stack import PhantomStack
from miqa_node.features.phantoms.values import PhantomValue, Region
from miqa_node.libraries.phantom_shapes.arrays import Array
from miqa_phantoms.acr import AcrSlice, acr_of, not_found
from miqa_phantoms.slice_thickness import sample

SLICES = (8, 9, 10, 11)
SPOKES = 10
DISC_RADII_MM = np.linspace(7.0, 1.5, SPOKES) / 2.0
"""Of the discs of each spoke, clockwise from the top."""
AWAY_MM = (12.5, 25.0, 38.0)
"""Distances of a spoke's discs from the middle of the insert; the same in both phantoms."""
BETWEEN_MM = (18.75, 31.5)
"""Distances of places without a disc, halfway between spokes: what is seen there is noise."""
TURN_DEG = 9.0
"""Of each slice against the one before; the first spoke of slice 8 is at the top."""
DOWN_SHARE = 5.0 / 95.0
"""Of the middle of the insert below that of the phantom, in its radii."""
REACH, FINE_REACH = 6.0, 1.5
"""Within which the insert is searched: mm to the right and down, degrees of turn."""
LARGER = 6
"""Spokes by which it is found."""
MOST_EXCESS = 0.1
"""More is the edge of the insert and no disc."""
COMPLETE = 2.0
"""Standard deviations of noise by which each disc of a visible spoke stands out."""
LEAST_FIT = 0.004
"""Share of the signal by which the larger discs stand out on the mean, where the insert was found."""
RIM_MM = (0.8, 2.0)
"""The ring around a disc with which it is compared, from its edge."""
MOST_NOISE = 0.006
"""Standard deviation of the smallest discs where the insert has none, as a share of the signal: that of 1.1 % of noise
in pixels of 1 mm. From there on noise that is added to scans of twenty series changes their total by more than two."""
_POINTS = 60

TOO_NOISY = Phrase("The slice is too noisy: noise alone hides more than two spokes.")
NO_INSERT = Phrase("The discs of low contrast were not found on slices 8 to 11: none stands out of the noise.")


class Pose(NamedTuple):
    """Middle of the insert from that of the phantom, and its turn clockwise."""

    right_mm: float
    down_mm: float
    turn_deg: float


def run(stack: PhantomStack, measure: PhantomMeasure) -> Sequence[PhantomValue]:
    """See ``MEASURE``."""
    view = acr_of(stack)
    if view is None:
        return measure.none(not_found(stack))
    slices = {number: one for number in SLICES if (one := view.number(number)) is not None}
    if not slices:
        return measure.none(view.lack(*SLICES))
    pose = find_pose(list(slices.values()))
    if pose is None:
        return measure.none(NO_INSERT)
    if noise_of(list(slices.values()), pose) > MOST_NOISE:
        return measure.none(TOO_NOISY)
    counts = {number: complete_spokes(one, pose) for number, one in slices.items()}
    values = [
        value.read(
            counts[number], measure.source, slices[number].read_on, _regions(slices[number], pose, counts[number])
        )
        if number in slices
        else value.missing(measure.source, view.lack(number))
        for value, number in zip(measure.values, SLICES, strict=False)
    ]
    total = measure.values[-1]
    if len(slices) < len(SLICES):
        return (*values, total.missing(measure.source, view.lack(*SLICES)))
    return (*values, total.read(sum(counts.values()), measure.source, slices[SLICES[-1]].read_on))


def complete_spokes(one: AcrSlice, pose: Pose) -> int:
    """How many spokes have all their discs visible, from the largest to the first that has not."""
    for spoke, radius in enumerate(DISC_RADII_MM):
        discs = excess(one, *_places(one, pose, AWAY_MM, np.array([float(spoke)])), radius)
        if discs.min() < COMPLETE * float(_between(one, pose, radius).std(ddof=1)):
            return spoke
    return SPOKES


def noise_of(slices: Sequence[AcrSlice], pose: Pose) -> float:
    """Standard deviation of the smallest discs where the insert has none, as a share of the signal."""
    return float(np.sqrt(np.mean([_between(one, pose, float(DISC_RADII_MM[-1])).var(ddof=1) for one in slices])))


def _between(one: AcrSlice, pose: Pose, radius_mm: float) -> Array:
    """What discs of this size show where the insert has none."""
    return excess(one, *_places(one, pose, BETWEEN_MM, np.arange(SPOKES, dtype=np.float64) + 0.5), radius_mm)


def find_pose(slices: Sequence[AcrSlice]) -> Pose | None:
    """Where the insert lies so that its larger discs stand out most; None if they do not."""
    maps = [_excess_map(one) for one in slices]
    pose, fit = Pose(0.0, DOWN_SHARE * slices[0].disc.radius_mm, 0.0), 0.0
    for reach in (REACH, FINE_REACH):
        offs = np.linspace(-reach, reach, 9)
        tried = [Pose(*(np.add(pose, off).tolist())) for off in product(offs, offs, offs)]
        fits = _fits(maps, slices, tried)
        best = int(fits.argmax())
        pose, fit = tried[best], float(fits[best])
    return pose if fit > LEAST_FIT else None


def _fits(maps: Sequence[Array], slices: Sequence[AcrSlice], poses: Sequence[Pose]) -> Array:
    """Mean excess of the larger discs in each pose; none counts more than a disc can have."""
    right, down, turn = np.array(poses).T[:, :, None]
    spokes, away = (one.ravel() for one in np.meshgrid(np.arange(LARGER), np.array(AWAY_MM[:2])))
    total = np.zeros(len(poses))
    for one, excesses in zip(slices, maps, strict=True):
        angles = np.radians(turn + _turn_deg(one, spokes)[None, :])
        discs = sample(one, right + away * np.sin(angles), down - away * np.cos(angles), excesses)
        total += np.clip(discs, -MOST_EXCESS, MOST_EXCESS).mean(axis=1)
    return np.asarray(total / len(slices))


def _excess_map(one: AcrSlice) -> Array:
    """At each pixel, how much brighter a disc of the middle size is than the ring around it, as a share."""
    radius = float(DISC_RADII_MM[LARGER // 2])
    reach = int(np.ceil((radius + RIM_MM[1]) / min(one.disc.spacing)))
    steps = np.arange(-reach, reach + 1)
    near = np.hypot(steps[:, None] * one.disc.spacing.rows, steps[None, :] * one.disc.spacing.columns)
    inside, around = near <= radius, (near >= radius + RIM_MM[0]) & (near <= radius + RIM_MM[1])
    image = one.image.astype(np.float64)
    disc = cv2.filter2D(image, -1, inside / inside.sum())
    ring = cv2.filter2D(image, -1, around / around.sum())
    return np.asarray((disc - ring) / np.maximum(ring, 1e-9), np.float64)


def excess(one: AcrSlice, right_mm: Array, down_mm: Array, radius_mm: float) -> Array:
    """How much brighter discs are than the rings around them, as a share of their signal."""
    inside, around = _rings(radius_mm)
    disc = sample(one, right_mm[:, None] + inside[0], down_mm[:, None] + inside[1]).mean(axis=1)
    ring = sample(one, right_mm[:, None] + around[0], down_mm[:, None] + around[1]).mean(axis=1)
    return np.asarray((disc - ring) / np.maximum(ring, 1e-9))


def _rings(radius_mm: float) -> tuple[Array, Array]:
    """Points evenly over a disc and over the ring around it, right and down of its middle."""
    shares, golden = (np.arange(_POINTS) + 0.5) / _POINTS, np.pi * (3.0 - np.sqrt(5.0)) * np.arange(_POINTS)
    direction = np.stack([np.cos(golden), np.sin(golden)])
    low, high = radius_mm + RIM_MM[0], radius_mm + RIM_MM[1]
    return 0.9 * radius_mm * np.sqrt(shares) * direction, np.sqrt(low**2 + shares * (high**2 - low**2)) * direction


def _places(one: AcrSlice, pose: Pose, away_mm: Sequence[float], spokes: Array) -> tuple[Array, Array]:
    """Right and down of the phantom's middle, of each spoke at each distance."""
    angle, away = np.meshgrid(np.radians(pose.turn_deg + _turn_deg(one, spokes)), np.asarray(away_mm))
    return (pose.right_mm + away * np.sin(angle)).ravel(), (pose.down_mm - away * np.cos(angle)).ravel()


def _turn_deg(one: AcrSlice, spokes: Array) -> Array:
    return np.asarray(TURN_DEG * (one.number - SLICES[0]) + 360.0 / SPOKES * spokes)


def _regions(one: AcrSlice, pose: Pose, count: int) -> list[Region]:
    if not count:
        return []
    right, down = _places(one, pose, (AWAY_MM[0] - 5.0, AWAY_MM[-1] + 5.0), np.arange(count, dtype=np.float64))
    ends = [one.point(x, y) for x, y in zip(right, down, strict=True)]
    return [one.line(ends[spoke], ends[count + spoke]) for spoke in range(count)]


MEASURE = PhantomMeasure(
    name="low_contrast",
    order=8,
    kinds=ACR_MR,
    values=(
        *(
            PhantomQuantity(
                f"low_contrast_spokes.slice_{number}",
                "1",
                Phrase("Complete spokes of discs of low contrast on slice {number}, of ten.", number=number),
            )
            for number in SLICES
        ),
        PhantomQuantity(
            "low_contrast_spokes.total",
            "1",
            Phrase("Complete spokes of discs of low contrast on slices 8 to 11, of forty."),
        ),
    ),
    formula=(
        "spokes, from the largest to the first incomplete one, whose three discs each exceed the ring around them by "
        "2 SD of what equal discs give where the insert has none"
    ),
    source="ACR Large and Medium Phantom Test Guidance for the ACR MRI Accreditation Program, test 7",
    tolerance="6 spokes of 40",
    run=run,
)
