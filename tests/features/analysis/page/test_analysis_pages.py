"""Pages of the analysis show what was counted, and the second reader sees nothing of what others said."""

from __future__ import annotations

import re
from typing import Any

import pytest
from fastapi.testclient import TestClient

from miqa_node.core.domain.acquisition import AcquisitionRules
from miqa_node.core.domain.finding import FindingName
from miqa_node.core.domain.instance import InstanceDigest
from miqa_node.core.domain.judgement import Judgement
from miqa_node.core.domain.policy import Verdict
from miqa_node.core.domain.worklist import Resolution
from miqa_node.features.analysis.rows import acquisitions
from miqa_node.features.worklist.rows import worklist
from miqa_node.stages.units.rows import instances
from tests.web.staging import NOW, PATIENT_NAME, Stage

ROOMS = {"ROOM1": "Thorax 1", "ROOM2": "<b>Casualty</b>"}


@pytest.fixture
def hospital(stage: Stage) -> list[InstanceDigest]:
    """24 images of two rooms; of the six flagged ones four are confirmed and two dismissed."""
    rules = AcquisitionRules(key=b"k", rooms=ROOMS)
    made = []
    for number in range(24):
        flagged = number % 4 == 0
        finding = FindingName.FOREIGN_OBJECT if number % 8 == 0 else FindingName.MOTION_BLUR
        verdict = Verdict.REJECT if flagged else Verdict.ACCEPT
        study, digest = stage.add(number, verdict, finding, station="ROOM2" if number % 2 else "ROOM1")
        made.append(digest)
        with stage.services.database.begin() as transaction:
            instance = instances.load(transaction, digest)
            assessment = instances.load_assessment(transaction, digest)
            disposition = instances.load_disposition(transaction, digest)
            assert assessment is not None
            assert disposition is not None
            acquisitions.record(transaction, Judgement(instance, assessment, disposition), rules, NOW)
            if flagged:
                decided = Resolution.DISMISSED if number in {4, 12} else Resolution.CONFIRMED
                worklist.resolve(transaction, study, decided, "anna", "", NOW)
    return made


def text(page: str) -> str:
    return " ".join(re.sub(r"<[^>]+>", " ", page).split())


def test_the_reject_analysis_counts_what_people_rejected(hospital: list[Any], client: TestClient) -> None:
    page = client.get("/analysis").text
    words = text(page)
    assert "16.7 %" in words  # 4 of 24
    assert "4 of 24" in words
    assert "4 of 12" in words  # all in one room
    assert "Motion blur 111210" in words
    assert "Artifact(s) other than grid or detector artifact 111215" in words
    assert "<b>Casualty" not in page
    assert "&lt;b&gt;Casualty" in page
    assert PATIENT_NAME not in page
    assert "PID" not in page


@pytest.mark.parametrize("page", ["model", "labels"])
def test_figures_of_all_images_take_no_filter_that_they_would_ignore(client: TestClient, page: str) -> None:
    assert 'name="modality"' not in client.get(f"/analysis/{page}").text
    assert client.get(f"/api/v1/analysis/{page}?modality=DX").status_code == 422


def test_every_page_of_an_empty_node_can_be_opened(client: TestClient) -> None:
    for address in ("/analysis", "/analysis/model", "/analysis/labels", "/readings", "/analysis/rejects.csv"):
        assert client.get(address).status_code == 200, address
