"""A package brings a finding that no taxonomy has: it goes the whole way in the words of its card."""

from __future__ import annotations

import io
from pathlib import Path

import httpx2
import numpy as np
import pydicom
import pytest

from miqa_node.core.domain.finding import FindingName
from miqa_node.core.domain.verdict import Verdict
from miqa_node.core.settings import load_settings
from miqa_node.features.worklist.rows import worklist
from miqa_node.node import Node
from tests.report_texts import texts
from tests.sending import judged
from tests.stages.assess.making import chest_dataset
from tests.stages.assess.plain import write_plain

pytestmark = pytest.mark.more

WORDS = {
    "en": {"title": "Patient moved", "hint": "Ask the patient to hold still."},
    "de": {"title": "Patient hat sich bewegt", "hint": "Den Patienten bitten, still zu halten."},
}
LIMIT_S = 60.0


def own_package(folder: Path) -> None:
    write_plain(folder, names=("foreign_object", "patient_motion"), words={"patient_motion": WORDS})


def test_an_image_gets_a_verdict_and_every_result_in_the_words_of_the_card(tmp_path: Path) -> None:
    own_package(tmp_path / "models/own-1.0.0")
    image = chest_dataset(1)
    image.PixelData = np.zeros((image.Rows, image.Columns), np.uint16).tobytes()  # black speaks for the second class
    (tmp_path / "policy.toml").write_text(
        'version = "1"\n[[rule]]\nfinding = "all"\nthen = "ACCEPT"\nevidence = "card"\n'
    )
    settings = load_settings(
        node={"data_dir": tmp_path / "node", "name": "t", "accelerator": "cpu"},
        dicom={"port": 0, "host": "127.0.0.1"},
        web={"port": 0},
        work={"processes": 1},
        assess={"shipped_packages": False, "models_dir": str(tmp_path / "models"), "quality_package": "own-1.0.0"},
        policy={"file": str(tmp_path / "policy.toml")},
    )
    with Node(settings) as node:
        verdict = judged(node, image, LIMIT_S)
        sr = next(one for one in verdict.results if one.kind == "SR")
        report = pydicom.dcmread(io.BytesIO(node.objects.get(sr.object_key)))
        with node.database.begin() as transaction:
            [entry] = worklist.select(transaction, worklist.WorklistFilter(), limit=10)
        with httpx2.Client(base_url=f"http://127.0.0.1:{node.web_port}", timeout=30) as client:
            page = client.get(f"/studies/{image.StudyInstanceUID}").text
            rest = client.get(f"/api/v1/instances/{image.SOPInstanceUID}").json()

    assert verdict.assessment is not None
    assert verdict.disposition is not None
    finding = verdict.assessment.finding(FindingName("patient_motion"))
    assert finding is not None
    assert finding.present
    assert verdict.disposition.verdict is Verdict.REVIEW
    assert "Patient moved" in verdict.disposition.reasons[0].text
    assert entry.images[0].reasons
    meanings = {str(element.value) for element in report.iterall() if element.keyword == "CodeMeaning"}
    assert {"Patient moved", "Certainty of Patient moved"} <= meanings
    [narrative] = texts(report, "111412")
    assert "Patient moved: " in narrative
    assert "Ask the patient to hold still." in narrative
    assert "Patient moved" in page
    assert "patient_motion" in {one["name"] for one in rest["instances"][0]["assessment"]["findings"]}
