"""The ACR CT phantom is known by its modules, and gives the numbers with which it was drawn."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from miqa_node.features.phantoms.stack import PhantomStack
from miqa_node.libraries.phantom_shapes.acr_ct import find_acr_ct
from miqa_node.libraries.phantom_shapes.catphan_modules import find_catphan
from miqa_phantoms import acr_ct_contrast, acr_ct_hu, acr_ct_resolution, acr_ct_thickness, acr_ct_uniformity
from miqa_phantoms.catphan_mtf import BELOW_ALL
from miqa_phantoms.modules import NOT_COVERED
from tests.packages.phantoms.drawn_acr_ct import INSERTS, ROD_HU, DrawnAcrCt
from tests.packages.phantoms.drawn_catphan import DrawnCatphan

MEASURES = (acr_ct_hu, acr_ct_uniformity, acr_ct_contrast, acr_ct_thickness, acr_ct_resolution)
OF_MODULE = {2: ("cnr", "contrast"), 3: ("hu_uniformity", "noise"), 4: ("resolution", "mtf")}


def taken(stack: PhantomStack) -> dict[str, float | str]:
    values = [value for one in MEASURES for value in one.MEASURE.take(stack)]
    return {one.name: one.reason if one.value is None else one.value for one in values}


@pytest.mark.parametrize(
    "drawn",
    [
        DrawnAcrCt(),
        DrawnAcrCt(roll_deg=7.0, centre=(6.0, -4.0), increment=2.5),
        DrawnAcrCt(roll_deg=-12.0, field=250.0, noise=8.0, thickness=2.5, increment=5.0),
    ],
)
@pytest.mark.parametrize("turned", [False, True])
def test_values_are_those_of_the_drawing(drawn: DrawnAcrCt, *, turned: bool) -> None:
    stack = drawn.stack()
    if turned:
        slices = [replace(one, position_mm=(0.0, 0.0, -(one.place_mm or 0.0))) for one in stack.slices[::-1]]
        stack = PhantomStack(slices, [np.fliplr(one) for one in stack.images[::-1]], stack.header)
    values = taken(stack)
    for name, (_, named) in INSERTS.items():
        assert values[f"hu_module_1.{name}"] == pytest.approx(named, abs=5.0)
    assert values["hu_uniformity_module_3.Center"] == pytest.approx(0.0, abs=1.5)
    assert values["hu_uniformity_module_3.Top"] == pytest.approx(drawn.cupping, abs=1.5)
    assert values["hu_uniformity_module_3.largest_difference"] == pytest.approx(drawn.cupping, abs=1.5)
    assert values["noise_hu"] == pytest.approx(drawn.noise, rel=0.1)
    assert values["contrast_hu_module_2"] == pytest.approx(ROD_HU, abs=4.0 * drawn.noise / np.sqrt(250.0))
    assert values["slice_thickness_mm"] == pytest.approx(drawn.thickness, abs=0.5)
    # The finest pattern that is not finer than two pixels; the blur leaves a sixth of its contrast.
    assert values["resolution_lp_per_cm_module_4"] == np.floor(5.0 / drawn.spacing)
    # A Gaussian of the blur and of the pixels, over its value at 0.4 lp/mm.
    variance = drawn.blur**2 + drawn.spacing**2 / 12.0
    half = np.sqrt(0.4**2 + np.log(2.0) / (2.0 * np.pi**2 * variance))
    assert values["mtf_lp_per_mm_at_percent_module_4.50"] == pytest.approx(half, abs=0.05)
    assert values["cnr_module_2"] == pytest.approx(ROD_HU / drawn.noise, rel=0.1)


@pytest.mark.parametrize("number", [2, 3, 4])
def test_a_module_that_is_not_there_takes_only_its_own_values(number: int) -> None:
    for name, value in taken(DrawnAcrCt().stack(without=number)).items():
        is_its = name.startswith(OF_MODULE[number])
        # The pixels show no pattern that has lost nine tenths of its contrast.
        assert (value == NOT_COVERED) if is_its else isinstance(value, float) or value == BELOW_ALL, (name, value)


def test_a_stack_that_begins_within_the_inserts_has_all_values() -> None:
    values = taken(DrawnAcrCt(start=9.0).stack())
    assert values["hu_module_1.Bone"] == pytest.approx(955.0, abs=5.0)
    assert values["cnr_module_2"] == pytest.approx(ROD_HU / 4.0, rel=0.1)
    assert values["resolution_lp_per_cm_module_4"] == 8.0


def test_it_is_no_catphan_and_a_catphan_is_none() -> None:
    acr, catphan = DrawnAcrCt().stack(), DrawnCatphan(start=-10.0, end=10.0).stack()
    assert find_acr_ct(acr.images, acr.places_mm, acr.spacing_mm) is not None
    assert find_catphan(acr.images, acr.places_mm, acr.spacing_mm) is None
    assert find_acr_ct(catphan.images, catphan.places_mm, catphan.spacing_mm) is None
