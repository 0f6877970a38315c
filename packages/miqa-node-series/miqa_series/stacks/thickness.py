"""How much of the way from slice to slice the slices themselves cover."""

from __future__ import annotations

import numpy as np

from miqa_node.stages.measure.base import stack_measure
from miqa_node.stages.measure.series_view import SeriesView
from miqa_series.stacks.places import MIN_PLACES, series_places


def thickness_share(series: SeriesView) -> float | None:
    """In percent; None if the places or the thickness are not thicknesses.

    >>> from types import SimpleNamespace as Some
    >>> from miqa_series.stacks.places import places_of
    >>> of_four = Some(once=lambda _: places_of([0.0, 5.0, 10.0, 15.0]), slices=[Some(thickness_mm=1.25)] * 4)
    >>> thickness_share(of_four)
    25.0
    """
    places = series.once(series_places)
    thicknesses = [one.thickness_mm for one in series.slices if one.thickness_mm]
    if places is None or len(places.places_mm) < MIN_PLACES or len(thicknesses) < len(series.slices) / 2:
        return None
    return 100.0 * float(np.median(thicknesses)) / places.usual_mm


THICKNESS_SHARE = stack_measure(
    name="thickness_share",
    unit="%",
    label="Slice thickness per distance",
    summary="Slice Thickness per distance of neighbouring slices.",
    definition="Median Slice Thickness per median distance of neighbouring slices (`slice_distance`). Below 100 % no "
    "slice shows a part of the tissue; above, slices overlap.",
    validity="Stacks of four places or more, half of whose slices or more have a Slice Thickness.",
    tolerance="As exact as the header.",
    agreement=0.1,
    proof="Thickness and positions that were written.",
    decimals=0,
    rank=315,
    modalities=("CT", "MR"),
    take=lambda series, _: thickness_share(series),
    concern="Most of what lies between the slices is not seen, or the header gives a wrong thickness or position. "
    "Check the protocol.",
)
