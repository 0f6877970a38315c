"""A Catphan is measured by what its slices show and where they lie; a missing module takes only its own values."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from miqa_node.features.phantoms.measure import PhantomMeasure
from miqa_node.features.phantoms.stack import PhantomStack
from miqa_node.libraries.phantom_shapes.catphan_modules import Model, find_catphan
from miqa_phantoms import catphan_geometry, catphan_hu, catphan_low_contrast, catphan_mtf, catphan_uniformity
from miqa_phantoms.catphan_wires import NO_WIRES, OTHER_PLACES, TOO_THIN
from miqa_phantoms.modules import NOT_COVERED
from tests.packages.phantoms.drawn_catphan import DrawnCatphan

MEASURES = (catphan_hu, catphan_geometry, catphan_mtf, catphan_uniformity, catphan_low_contrast)
NAMED = {"Air": -1000, "PMP": -200, "LDPE": -100, "Poly": -35, "Acrylic": 120, "Delrin": 340, "Teflon": 990}
REACH = {"504": (-75.0, 40.0), "600": (-20.0, 170.0), "604": (-90.0, 50.0)}
MTF_50 = 0.33
"""lp/mm, of a blur of 0.56 mm: 0.5 mm, and the pixels."""
DENSITY = (
    [-2000, -1000, -200, -100, -35, 0, 120, 340, 990, 3000],
    [-2000, -1000, -170, -80, -25, 0, 80, 162, 468, 1200],
)


def taken(stack: PhantomStack, *measures: PhantomMeasure) -> dict[str, float | str]:
    every = measures or tuple(one.MEASURE for one in MEASURES)
    values = [value for one in every for value in one.take(stack)]
    return {one.name: one.reason if one.value is None else one.value for one in values}


def thickness(drawn: DrawnCatphan) -> float | str:
    return taken(drawn.stack(), catphan_geometry.MEASURE)["slice_thickness_mm"]


def whole(model: str) -> DrawnCatphan:
    start, end = REACH[model]
    return DrawnCatphan(model, start=start, end=end)


@pytest.mark.parametrize(
    ("thick", "increment"), [(2.5, 2.5), (2.5, 1.25), (2.5, 0.625), (5.0, 2.5), (2.5, 5.0), (1.25, 0.625)]
)
def test_a_slice_is_as_thick_at_every_increment(thick: float, increment: float) -> None:
    assert thickness(DrawnCatphan(thickness=thick, increment=increment)) == pytest.approx(thick, abs=0.3)


@settings(max_examples=15, deadline=None, derandomize=True)
@given(
    thick=st.sampled_from([0.625, 1.25, 2.5, 5.0]),
    share=st.sampled_from([0.25, 0.5, 1.0, 1.5, 2.0]),
    roll=st.floats(-25.0, 25.0),
    centre=st.tuples(st.floats(-8.0, 8.0), st.floats(-8.0, 8.0)),
    field=st.sampled_from([220.0, 250.0, 350.0]),
    blur=st.sampled_from([0.4, 0.8]),
)
def test_thickness_has_its_truth_or_a_reason(
    thick: float, share: float, roll: float, centre: tuple[float, float], field: float, blur: float
) -> None:
    increment = max(0.6, thick * share)
    drawn = DrawnCatphan(
        thickness=thick, increment=increment, roll_deg=roll, centre=centre, field=field, blur=blur, start=-7.5, end=7.5
    )
    measured = thickness(drawn)
    if measured == TOO_THIN:
        assert thick < 1.5
    elif measured == NO_WIRES:
        assert increment > 5.0  # of slices so far apart, none need be near the middle
    else:
        assert measured == pytest.approx(thick, abs=0.3)


@pytest.mark.parametrize("steps", [0.5, 2.0])
def test_positions_that_the_wires_contradict_are_a_reason(steps: float) -> None:
    assert thickness(DrawnCatphan(increment=1.25, steps=steps)) == OTHER_PLACES


@pytest.mark.parametrize("model", ["504", "600", "604"])
@pytest.mark.parametrize("reverse", [False, True])
def test_each_model_has_its_order_and_its_values(model: str, *, reverse: bool) -> None:
    drawn = whole(model).stack()
    if reverse:
        slices = [replace(one, position_mm=(0.0, 0.0, -(one.place_mm or 0.0))) for one in drawn.slices[::-1]]
        drawn = PhantomStack(slices, drawn.images[::-1], drawn.header)
    phantom = find_catphan(drawn.images, drawn.places_mm, drawn.spacing_mm)
    assert phantom is not None
    assert phantom.model is Model[f"CATPHAN_{model}"]
    values = taken(drawn)
    assert not [one for one in values.values() if isinstance(one, str)]
    for name, named in NAMED.items():
        assert values[f"hu_ctp404.{name}"] == pytest.approx(named, abs=4.0)
    assert values["hu_uniformity_ctp486.Center"] == pytest.approx(10.0, abs=1.5)
    assert values["noise_hu"] == pytest.approx(6.0, rel=0.15)
    assert values["mtf_lp_per_mm_at_percent_ctp528.50"] == pytest.approx(MTF_50, abs=0.04)
    assert values["roll_deg"] == pytest.approx(0.0, abs=0.3)


@pytest.mark.parametrize(
    ("missing", "prefixes"),
    [
        ("528", ("mtf",)),
        ("515", ("low_contrast",)),
        ("486", ("hu_uniformity", "noise_hu")),
    ],
)
@pytest.mark.parametrize("model", ["504", "600", "604"])
def test_a_module_that_is_not_there_takes_only_its_own_values(
    model: str, missing: str, prefixes: tuple[str, ...]
) -> None:
    values = taken(replace(whole(model), missing=missing).stack())
    for name, value in values.items():
        assert (value == NOT_COVERED) if name.startswith(prefixes) else isinstance(value, float), (name, value)


@pytest.mark.parametrize(("start", "end"), [(2.0, 40.0), (-75.0, 1.0)])
def test_a_stack_that_ends_within_the_inserts_has_what_it_shows(start: float, end: float) -> None:
    values = taken(DrawnCatphan(start=start, end=end).stack())
    assert values["hu_ctp404.Teflon"] == pytest.approx(990.0, abs=4.0)
    assert values["slice_thickness_mm"] == pytest.approx(2.5, abs=0.3)
    for name, expected, is_there in (
        ("mtf_lp_per_mm_at_percent_ctp528.50", MTF_50, end > 30.0),
        ("hu_uniformity_ctp486.Center", 10.0, start < -65.0),
    ):
        assert values[name] == (pytest.approx(expected, rel=0.15) if is_there else NOT_COVERED)


def test_teflon_is_the_brightest_whatever_its_units() -> None:
    drawn = whole("504").stack()
    images = [np.interp(one, *DENSITY).astype(np.float32) for one in drawn.images]
    values = taken(PhantomStack(drawn.slices, images, drawn.header))
    assert values["hu_ctp404.Teflon"] == pytest.approx(468.0, abs=4.0)
    assert values["hu_ctp404.Delrin"] == pytest.approx(162.0, abs=4.0)
    assert not [one for one in values.values() if isinstance(one, str)]
