"""Names of findings: any well-formed word, and a clear error for everything else."""

from __future__ import annotations

import json
import pickle

import pytest
from pydantic import TypeAdapter, ValidationError

from miqa_node.core.domain.finding import FindingName, GateClass


def test_a_name_that_no_taxonomy_has_is_valid() -> None:
    name = FindingName("patient_motion")
    assert name == "patient_motion"
    assert {str(name): 1}["patient_motion"] == 1
    assert json.loads(json.dumps({name: [name]})) == {"patient_motion": ["patient_motion"]}
    assert isinstance(pickle.loads(pickle.dumps(name)), FindingName)
    assert TypeAdapter(dict[FindingName, float]).validate_python({"patient_motion": 0.5}) == {name: 0.5}


@pytest.mark.parametrize("text", ["", "Motion", "motion blur", "2_mm", "a" * 65, "motion-blur", "bewegung\n", "größe"])
@pytest.mark.parametrize("kind", [FindingName, GateClass])
def test_a_malformed_name_is_refused_with_the_rule(text: str, kind: type[FindingName | GateClass]) -> None:
    with pytest.raises(ValueError, match="64 lower-case letters"):
        kind(text)
    with pytest.raises(ValidationError):
        TypeAdapter(kind).validate_python(text)
