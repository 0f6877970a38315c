"""The measurements that have usual ranges."""

from __future__ import annotations

import pytest

from miqa_node.core.domain.measurand import MEASUREMENTS, Measurand
from miqa_node.features.usual_ranges.baseline import ranged

RANGED = [name for name, one in MEASUREMENTS.all().items() if one.has_usual_range]


@pytest.mark.parametrize("name", RANGED)
def test_each_is_a_measurement_with_a_tolerance_above_zero(name: str) -> None:
    assert ranged(name) is MEASUREMENTS.all()[name]
    assert MEASUREMENTS.all()[name].spread_around(1.0) > 0.0


def test_what_a_patient_decides_and_what_nobody_knows_has_no_usual_range() -> None:
    assert [ranged(name) for name in ("metal_share", "slice_count", "of_another_version")] == [None] * 3
    assert len(RANGED) == 64


def test_the_larger_of_both_spreads_counts() -> None:
    one = Measurand(name="n", unit="HU", label="N", summary="N.", least_spread=0.5, least_spread_share=0.1)
    assert [one.spread_around(median) for median in (0.0, 2.0, -20.0)] == [0.5, 0.5, 2.0]


def test_every_modality_with_measurements_of_its_own_takes_part() -> None:
    measured: dict[str, tuple[str, ...]] = {
        name: getattr(one, "modalities", ()) for name, one in MEASUREMENTS.all().items()
    }
    modalities = {modality for own in measured.values() for modality in own}
    taking_part = {modality for name in RANGED for modality in measured[name]}
    general = {name for name in RANGED if not measured[name]}
    assert general, "radiographs"
    assert modalities - taking_part == {"CR", "DX", "RG", "IVUS"}, "the general ones are for radiographs; IVUS has none"
