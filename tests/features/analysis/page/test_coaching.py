"""Coaching stands on the page of a study and in the analysis, on a room's display where asked for, on no list."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from miqa_node.core.domain.acquisition import AcquisitionRules
from miqa_node.core.domain.assessment import Measurement
from miqa_node.core.domain.judgement import Judgement
from miqa_node.core.domain.verdict import Verdict
from miqa_node.features.analysis.report import make_report
from miqa_node.features.analysis.rows import acquisitions
from miqa_node.features.analysis.rows.positionings import ENOUGH
from miqa_node.stages.units.rows import instances
from tests.web.staging import Stage

NOW = datetime.now(UTC)
RULES = AcquisitionRules(key=b"k", rooms={"ROOM1": "Thorax 1"})
ROTATED = "rotated to the left, 24 %"


def positioned(stage: Stage, number: int, rotation: float) -> str:
    """A counted chest that is accepted; its study."""
    measured = (Measurement("rotation_percent", rotation, "%"),)
    study, it = stage.add(number, Verdict.ACCEPT, at=NOW, measured=measured)
    with stage.services.database.begin() as transaction:
        instance, assessment = instances.load(transaction, it), instances.load_assessment(transaction, it)
        disposition = instances.load_disposition(transaction, it)
        assert assessment is not None
        assert disposition is not None
        acquisitions.record(transaction, Judgement(instance, assessment, disposition), RULES, datetime.now(UTC))
    return study


def test_the_study_says_it_and_no_list_does(client: TestClient, stage: Stage) -> None:
    study, straight = positioned(stage, 1, 24.0), positioned(stage, 2, 4.0)
    page = client.get(f"/studies/{study}").text
    assert f"<li>{ROTATED}</li>" in page
    assert "it flags nothing" in page
    for address in ("/", "/?state=all", "/images", f"/studies/{straight}"):
        assert "rotated to the" not in client.get(address).text


def test_the_usual_of_the_room_stands_beside_it(client: TestClient, stage: Stage) -> None:
    for number in range(ENOUGH):
        positioned(stage, 10 + number, 9.0)
    assert f"{ROTATED}; usual here 9 %" in client.get(f"/studies/{positioned(stage, 1, 24.0)}").text


@pytest.mark.parametrize("wish", [False, True])
def test_a_room_is_coached_only_where_the_site_asks_for_it(
    app: FastAPI, client: TestClient, stage: Stage, *, wish: bool
) -> None:
    positioned(stage, 1, 24.0)
    settings = stage.services.settings
    assert not settings.web.display_coaching
    web = settings.web.model_copy(update={"display_coaching": wish})
    app.state.services = replace(stage.services, settings=settings.model_copy(update={"web": web}))
    assert (ROTATED in client.get("/rooms/ROOM1/now").text) == wish


def test_the_analysis_and_the_monthly_report_say_it_by_room_and_month(client: TestClient, stage: Stage) -> None:
    assert "Positioning by room" not in client.get("/analysis").text
    for number, rotation in enumerate((24.0, 4.0, -2.0, 6.0)):
        positioned(stage, number, rotation)
    page = client.get("/analysis").text
    assert "Positioning by room and month" in page
    assert "25 % (9 %)" in page
    for same, other in (("body_part=CHEST", "body_part=KNEE"), ("room=Thorax 1&body_part=Thorax", "room=Elsewhere")):
        assert "25 % (9 %)" in client.get(f"/analysis?{same}").text, "as all figures of the page, by any spelling"
        assert "25 % (9 %)" not in client.get(f"/analysis?{other}").text
    with stage.services.database.begin() as transaction:
        html = make_report(transaction, f"{NOW:%Y-%m}", stage.services.settings).html
    assert "Positioning by room and month" in html
    assert "25 % (9 %)" in html
