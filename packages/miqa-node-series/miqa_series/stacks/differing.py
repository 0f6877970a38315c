"""Slices whose header differs from the others in the stack: another pixel size, another scale of values."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import groupby
from typing import Any, NamedTuple

import numpy as np

from miqa_node.core.domain.assessment import Measurement
from miqa_node.core.language.phrase import Phrase
from miqa_node.dicom.nearly import same_values
from miqa_node.stages.measure.base import counted_slices
from miqa_node.stages.measure.series_view import SeriesView
from miqa_node.stages.measure.slices import Slice
from miqa_node.stages.measure.volumes import volumes
from miqa_node.stages.measure.where import place_of_slices

MIN_SLICES = 5
LEAST_SHARE = 0.75
"""A value that so many of the slices have is the usual one; where none has, the protocol changes it on purpose."""
LONGEST_RUN = 2
"""Thin slices through one part of the body and thick ones through another are a protocol; so few are none."""


class Attribute(NamedTuple):
    """A number of the header that is one for all slices of a volume; ``least`` is what rounding may change."""

    name: str
    of: Callable[[Slice], float | None]
    least: float = 0.0
    in_parts: bool = False
    """Whether protocols give parts of a stack another value."""
    is_scale: bool = False
    """Whether stored values may make up for it."""


ATTRIBUTES = (
    Attribute("Pixel Spacing", lambda one: one.spacing_mm and one.spacing_mm[0]),
    Attribute("Pixel Spacing", lambda one: one.spacing_mm and one.spacing_mm[1]),
    Attribute("Rescale Slope", lambda one: one.slope, is_scale=True),
    Attribute("Rescale Intercept", lambda one: one.intercept, 0.5, is_scale=True),
    Attribute("Slice Thickness", lambda one: one.thickness_mm, 0.02, in_parts=True),
    Attribute("KVP", lambda one: one.tube_kv, 0.5, in_parts=True),
)


def differing(values: Sequence[float | None], attribute: Attribute) -> list[int]:
    """Places in a volume whose value is not the usual one; none if no value is usual.

    >>> differing([0.7, 0.7, 0.9, 0.7, None, 0.7, 0.7, 0.7], ATTRIBUTES[0])
    [2, 4]
    >>> differing([1.25] * 12 + [5.0] * 4, ATTRIBUTES[4]), differing([1.25] * 12 + [5.0] + [1.25] * 3, ATTRIBUTES[4])
    ([], [12])
    """
    labels = same_values(values, least=attribute.least)
    names, counts = np.unique(labels, return_counts=True)
    usual = int(names[counts.argmax()])
    if usual == 0 or counts.max() < LEAST_SHARE * len(values):  # 0 are those that lack the number
        return []
    runs = [list(run) for _, run in groupby(range(len(labels)), key=lambda place: labels[place])]
    odd = [run for run in runs if labels[run[0]] != usual and not (attribute.in_parts and len(run) > LONGEST_RUN)]
    return [place for run in odd for place in run]


class Difference(NamedTuple):
    """Positions of the slices that differ, in order, and the names of what differs."""

    positions: list[int]
    names: list[str]


def differences(series: SeriesView) -> Difference | None:
    """None if no volume is long enough."""
    stacks = [volume for volume in volumes(series) if len(volume) >= MIN_SLICES]
    if not stacks:
        return None
    positions: set[int] = set()
    names: dict[str, None] = {}
    for volume in stacks:
        for attribute in ATTRIBUTES:
            odd = differing([attribute.of(series.slices[index]) for index in volume], attribute)
            if attribute.is_scale:
                odd = [place for place in odd if not _makes_up(series, volume, place, odd)]
            positions |= {volume[place] for place in odd}
            names |= dict.fromkeys([attribute.name] if odd else [])
    return Difference(sorted(positions), [*names])


def _makes_up(series: SeriesView, volume: Sequence[int], place: int, odd: Sequence[int]) -> bool:
    """Whether values go on from the nearest slice with the usual scale better by the slice's own scale than by that."""
    usual = min((other for other in range(len(volume)) if other not in odd), key=lambda other: abs(other - place))
    one, beside = series.slices[volume[place]], series.slices[volume[usual]]
    read, near = series.read(one), series.read(beside)
    if read is None or near is None or not (one.has_scale and beside.has_scale):
        return False
    values = beside.values(near.stored)
    own, other = (float(np.abs(scale.values(read.stored) - values).mean()) for scale in (one, beside))
    return own < other


def _differ(series: SeriesView, _: Sequence[Any]) -> Measurement | None:
    of = series.once(differences)
    if of is None:
        return None
    place = ""
    if of.positions:
        slices = place_of_slices(series, of.positions)
        place = Phrase("{names} of {slices}", names=", ".join(of.names), slices=slices)
    return Measurement("slices_differ", float(len(of.positions)), "1", place)


SLICES_DIFFER = counted_slices(
    name="slices_differ",
    label="Slices that differ from the others",
    summary="Slices whose header gives another scale or pixel size than the rest of the stack.",
    definition="Slices with another Pixel Spacing, Rescale Slope, Rescale Intercept, Slice Thickness or KVP than three "
    "quarters or more of their volume have, or without it. Thickness and voltage count only if at most two slices in a "
    "row have another: protocols change them for a part of the body. Another slope or intercept counts unless stored "
    "values make up for it: by it the mean difference from the nearest slice with the usual one is smaller than by the "
    "usual one. Own definition.",
    validity="Volumes of 5 slices or more. A number that fewer than three quarters of the slices agree in is left out.",
    tolerance="Exact. Numbers count as equal within a thousandth, a thickness within 0.02 mm, an intercept or voltage "
    "within 0.5.",
    agreement=0.5,
    proof="Slices of a drawn stack with another header, counted.",
    rank=348,
    modalities=("CT", "MR"),
    take=_differ,
    concern="Lengths or values are measured wrongly on these slices, or they belong to another series. Send the series "
    "again or check it at the scanner.",
)
