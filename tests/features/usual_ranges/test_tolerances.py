"""The measurements that have usual ranges."""

from __future__ import annotations

import pytest

from miqa_node.core.domain.measurand import MEASUREMENTS
from miqa_node.features.usual_ranges.tolerances import TOLERANCES


@pytest.mark.parametrize("name", TOLERANCES)
def test_each_is_a_measurement_with_a_tolerance_above_zero(name: str) -> None:
    assert name in MEASUREMENTS.all()
    assert TOLERANCES[name].around(1.0) > 0.0


def test_every_modality_with_measurements_of_its_own_takes_part() -> None:
    measured: dict[str, tuple[str, ...]] = {
        name: getattr(one, "modalities", ()) for name, one in MEASUREMENTS.all().items()
    }
    modalities = {modality for own in measured.values() for modality in own}
    taking_part = {modality for name in TOLERANCES for modality in measured[name]}
    general = {name for name in TOLERANCES if not measured[name]}
    assert general, "radiographs"
    assert modalities - taking_part == {"CR", "DX", "RG", "IVUS"}, "the general ones are for radiographs; IVUS has none"
