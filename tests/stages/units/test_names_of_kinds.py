"""What no model judges is called by its name."""

from __future__ import annotations

from dataclasses import replace

import pytest

from miqa_node.stages.units.kinds import experimental_reason, untried_reason
from tests.runtime.store.making import header

NAMES = {
    "OPM": "ophthalmology",
    "OPTENF": "ophthalmology",
    "OPTBSV": "ophthalmology",
    "OPT": "ophthalmology",
    "IVOCT": "intravascular optical coherence tomography",
    "IVUS": "intravascular ultrasound",
    "DMS": "dermoscopy",
    "BMD": "bone densitometry",
}


@pytest.mark.parametrize(("modality", "name"), NAMES.items())
def test_a_kind_has_its_name(modality: str, name: str) -> None:
    one = replace(header(1), modality=modality)
    assert f"no model for {name}" in experimental_reason(one, measured=False)
    assert f"limits for {name}" in untried_reason(one)
