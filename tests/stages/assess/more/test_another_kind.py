"""An image of another kind keeps its reason and what needs no anatomy, and contradicts a header that names a part."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from pydicom import Dataset, dcmread

from miqa_node.core.domain.policy import Verdict
from miqa_node.core.settings import load_settings
from miqa_node.core.taxonomy.lookup import finding_names, is_of_any_part
from miqa_node.interfaces.cli.assess_json import document
from miqa_node.local import LocalAssessor
from miqa_node.stages.report.made import ReportSettings


def test_a_hand_that_its_header_calls_a_chest(samples: Path, tmp_path: Path) -> None:
    hand = dcmread(samples / "RG3_UNCR.dcm")
    hand.BodyPartExamined, hand.ViewPosition = "CHEST", "PA"
    for keyword in ("AnatomicRegionSequence", "ViewCodeSequence"):
        hand.pop(keyword, None)
    hand.save_as(tmp_path / "hand.dcm")
    settings = load_settings(None, node={"data_dir": tmp_path / "node", "accelerator": "cpu"})
    with LocalAssessor(settings, reports=ReportSettings.of(settings)) as assessor:
        result = assessor.assess_file(tmp_path / "hand.dcm")
    assert result.disposition.verdict is Verdict.REVIEW
    assert "pixels_contradict_body_part" in [reason.name for reason in result.disposition.reasons]
    line = document("hand.dcm", result, 1.0)
    assert (line["score"], line["predictions"], line["anomaly"]) == (None, [], None)
    assert not {one["name"] for one in line["findings"]} - {name for name in finding_names() if is_of_any_part(name)}
    [report] = [dcmread(io.BytesIO(made.data)) for made in result.objects or () if made.kind == "SR"]
    assert not [text for text in contents(report) if "repeat" in text.lower() or "lung field" in text.lower()]


def contents(item: Dataset) -> list[str]:
    """Every text of a report."""
    own = [str(item.TextValue)] if "TextValue" in item else []
    return own + [text for child in item.get("ContentSequence", ()) for text in contents(child)]


@pytest.mark.long
@pytest.mark.shared
def test_real_images_of_other_parts_are_recognised_and_no_chest_is_refused(shared_data: Path, tmp_path: Path) -> None:
    """The figures of docs/explanation/quality.md, on every third image."""
    settings = load_settings(None, node={"data_dir": tmp_path, "accelerator": "cpu"})
    with LocalAssessor(settings) as assessor:

        def kinds(folder: str) -> list[bool]:
            files = sorted(one for one in (shared_data / folder).iterdir() if one.suffix in {".jpg", ".png"})[::3]
            judged = [assessor.assess_file(file, body_part="", view="").assessment for file in files]
            return [one.is_of_another_kind or bool(one.experimental) for one in judged]

        others, chests = kinds("other_parts"), kinds("cxr_eval")
    assert sum(others) >= 0.9 * len(others)
    assert not any(chests)
