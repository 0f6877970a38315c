"""What readers marked, as lines of the format that training reads."""

from __future__ import annotations

from typing import Any

import pytest

from miqa_node.core.domain.label import LabelOrigin, ObjectKind, ReaderOpinion, RegionOutline
from miqa_node.features.labels.annotations import annotation
from miqa_node.stages.assess.labels import GOOD, label_of

CORNERS = ((0.25, 0.5), (0.5, 0.5), (0.5, 0.75), (0.25, 0.75))


def mark(kind: ObjectKind) -> RegionOutline:
    return RegionOutline(CORNERS, kind.finding, kind)


def opinion(*regions: RegionOutline, findings: tuple[str, ...] | None = None, **more: Any) -> ReaderOpinion:
    return ReaderOpinion("anna", more.pop("origin", LabelOrigin.DECISION), more.pop("bad", True), findings=findings,
                         regions=regions, **more)  # fmt: skip


def line(answer: ReaderOpinion) -> dict[str, Any] | None:
    return annotation(answer, good=label_of(answer) == GOOD)


@pytest.mark.parametrize(
    ("kind", "written", "what"),
    [(ObjectKind.NECK, "external_object", "neck"), (ObjectKind.CLOTHES, "external_object", "clothes"),
     (ObjectKind.SNAP, "external_object", "snap"), (ObjectKind.REMOVABLE, "external_object", None),
     (ObjectKind.MONITORING, "monitoring", None), (ObjectKind.IMPLANT, "implant", None),
     (ObjectKind.TUBE_LINE, "tube_line", None)],
)  # fmt: skip
def test_each_kind_is_one_of_the_format(kind: ObjectKind, written: str, what: str | None) -> None:
    made = line(opinion(mark(kind), findings=("motion_blur", kind.finding)))
    assert made is not None
    [drawn] = made["objects"]
    assert drawn.pop("what", None) == what
    assert drawn == {"box": [0.25, 0.5, 0.5, 0.75], "kind": written, "sure": True}
    assert made["class"] == ("external" if written == "external_object" else "devices_only")
    assert made["boxes"].startswith("external_object boxes complete")


def test_regions_of_earlier_versions_are_objects_without_a_kind() -> None:
    worn, device = RegionOutline(CORNERS, "foreign_object"), RegionOutline(CORNERS, "device_in_view")
    made = line(opinion(worn, device, findings=("foreign_object", "device_in_view")))
    assert made is not None
    assert [one["kind"] for one in made["objects"]] == ["external_object", "equipment"]
    only = line(opinion(RegionOutline(CORNERS), findings=("foreign_object",)))
    assert only is not None
    assert only["class"] == "external", "a region without a name is of the only finding"


def test_what_is_known_to_show_nothing_that_can_be_taken_off() -> None:
    answer = line(opinion(bad=False, findings=()))
    assert answer == {
        "objects": [],
        "class": "no_external",
        "boxes": "no boxes drawn; class by eye only",
        "comment": "",
    }
    named = opinion(findings=("motion_blur",), origin=LabelOrigin.IMPORT)
    assert line(named) == answer
    assert line(opinion(RegionOutline(CORNERS, "motion_blur"), findings=("motion_blur",))) == answer


@pytest.mark.parametrize(
    "answer",
    [opinion(findings=("motion_blur",)), opinion(), opinion(bad=False), opinion(findings=("foreign_object",)),
     opinion(mark(ObjectKind.IMPLANT), findings=("foreign_object", "device_in_view")),
     opinion(findings=("not_frontal_chest",), origin=LabelOrigin.IMPORT)],
    ids=["reason of the flag", "bad", "good enough", "object without a box", "only its device drawn", "no chest"],
)  # fmt: skip
def test_nothing_is_written_where_a_reader_left_it_open(answer: ReaderOpinion) -> None:
    assert line(answer) is None
