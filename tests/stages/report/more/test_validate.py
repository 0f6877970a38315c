"""The last look at an object before it leaves."""

from __future__ import annotations

import json
from collections.abc import Iterable
from importlib.resources import files

import pytest

from miqa_node.stages.report import seg
from miqa_node.stages.report.outputs import kos, sr
from miqa_node.stages.report.required import required


@pytest.mark.parametrize("sop_class", [sr.SOP_CLASS_UID, kos.SOP_CLASS_UID, seg.SOP_CLASS_UID])
def test_the_checks_know_every_required_element_of_the_modules_that_are_always_there(sop_class: str) -> None:
    """Against the tables of the standard that come with highdicom."""
    assert set(required(sop_class, 1)) >= set(mandatory(sop_class, "1")) - CHOICES
    assert set(required(sop_class, 1)) | set(required(sop_class, 2)) >= set(mandatory(sop_class, "2")) - CHOICES


# The content module lists what content items need, each for its own value type.
CHOICES = {
    *("ReferencedSOPSequence", "TemporalRangeType", "ConceptCodeSequence", "TabulatedValuesSequence", "GraphicData"),
    *("GraphicType", "ReferencedFrameOfReferenceUID", "MeasuredValueSequence"),
}


def mandatory(sop_class: str, kind: str) -> Iterable[str]:
    pytest.importorskip("highdicom")
    tables = files("highdicom") / "_standard"

    def table(name: str) -> dict[str, list[dict[str, str]]]:
        content: dict[str, list[dict[str, str]]] = json.loads((tables / name).read_text())
        return content

    iod = str(json.loads((tables / "sop_class_iod_map.json").read_text())[sop_class])
    attributes = table("module_attribute_map.json")
    for module in table("iod_module_map.json")[iod]:
        if module["usage"] == "M":
            yield from (a["keyword"] for a in attributes.get(module["key"], []) if not a["path"] and a["type"] == kind)
