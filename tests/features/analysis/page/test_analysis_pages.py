"""Pages of the analysis show what was counted, and the second reader sees nothing of what others said."""

from __future__ import annotations

import csv
import io
import re
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest
from fastapi.testclient import TestClient

from miqa_node.core.domain.acquisition import AcquisitionRules
from miqa_node.core.domain.finding import FindingName
from miqa_node.core.domain.image import SaliencyMap, SaliencyMaps
from miqa_node.core.domain.instance import InstanceDigest
from miqa_node.core.domain.judgement import Judgement
from miqa_node.core.domain.label import LabelOrigin, ReaderOpinion, RegionOutline
from miqa_node.core.domain.verdict import Verdict
from miqa_node.core.domain.worklist import Resolution
from miqa_node.features.analysis.rows import acquisitions, measurement_weeks
from miqa_node.features.worklist.rows import worklist
from miqa_node.runtime.site_records import label_requests, labels
from miqa_node.runtime.store.artifacts import Artifacts
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


@pytest.mark.more
def test_the_model_watch_counts_decisions_made_after_the_newest_image(
    hospital: list[Any], client: TestClient, stage: Stage
) -> None:
    later = NOW + timedelta(days=3)
    with stage.services.database.begin() as transaction:
        labels.add(
            transaction, hospital[1], ReaderOpinion("clara", LabelOrigin.SPOT_CHECK, bad=True, findings=()), later
        )

    assert f'name="until" value="{later:%Y-%m-%d}"' in client.get("/analysis/model").text
    assert client.get("/api/v1/analysis/model").json()["missed"]["total"] == 1


@pytest.mark.more
def test_a_room_and_days_can_be_chosen(hospital: list[Any], client: TestClient) -> None:
    words = text(client.get("/analysis?room=Thorax+1&since=2026-11-20&until=2026-11-20").text)
    assert "4 of 12" in words
    assert "No images in this period" in text(client.get("/analysis?since=2020-01-01&until=2020-02-01").text)
    # Days in the wrong order are one period all the same.
    assert "4 of 24" in text(client.get("/analysis?since=2026-11-21&until=2026-11-01").text)
    assert client.get("/analysis?since=yesterday").status_code == 422


@pytest.mark.more
def test_the_csv_says_the_same_and_holds_no_formula(hospital: list[Any], client: TestClient, stage: Stage) -> None:
    answer = client.get("/analysis/rejects.csv")
    assert answer.headers["content-disposition"].startswith('attachment; filename="rejects-')
    rows = list(csv.DictReader(io.StringIO(answer.text)))
    assert rows[0]["dimension"] == "all"
    assert (rows[0]["images"], rows[0]["rejected"]) == ("24", "4")
    assert {row["value"]: row["rejected"] for row in rows if row["dimension"] == "room"} == {
        "Thorax 1": "4", "<b>Casualty</b>": "0",
    }  # fmt: skip


@pytest.mark.more
def test_the_labels_page_counts_decisions(hospital: list[Any], client: TestClient) -> None:
    words = text(client.get("/analysis/labels?since=2026-11-01&until=2026-11-30").text)
    assert "labels 6" in words
    assert "say bad 4" in words
    assert "anna 6 4" in words


@pytest.mark.more
def test_the_labels_of_today_are_shown_also_when_they_are_about_images_of_years_ago(
    hospital: list[Any], client: TestClient, stage: Stage
) -> None:
    later = NOW + timedelta(days=2000)
    with stage.services.database.begin() as transaction:
        labels.add(transaction, hospital[0], ReaderOpinion("clara", LabelOrigin.DECISION, bad=True, findings=()), later)

    page = client.get("/analysis/labels").text

    assert "clara 1 1" in text(page)
    assert f'name="until" value="{later:%Y-%m-%d}"' in page


@pytest.mark.more
def test_the_reference_of_the_model_watch_ends_before_its_period(
    hospital: list[Any], client: TestClient, stage: Stage
) -> None:
    with stage.services.database.begin() as transaction:  # a node counts them beside its pages
        measurement_weeks.count(transaction, limit=len(hospital))
    words = text(client.get("/analysis/model?since=2026-11-02&until=2026-11-30").text)  # a Monday
    assert "against the 12 weeks before it (2026-08-10 to 2026-11-01)" in words


@pytest.mark.more
def test_figures_carry_no_style_that_the_policy_forbids_and_say_what_they_show(
    hospital: list[Any], client: TestClient
) -> None:
    page = client.get("/analysis").text
    drawn = re.findall(r"<svg class=\"figure\".*?</svg>", page, re.DOTALL)
    assert len(drawn) >= 5
    assert all(re.search('role="(img|group)" aria-label="[^"]', one) for one in drawn), (
        "those that lead on are no pictures"
    )
    assert "style=" not in page


def form(client: TestClient, page: str, **values: str) -> dict[str, str]:
    match = re.search(r'name="csrf" value="([^"]+)"', page)
    return {**values, **({"csrf": match[1]} if match else {})}


@pytest.mark.more
def test_the_second_reader_judges_without_knowing_and_kappa_is_shown(
    hospital: list[Any], client: TestClient, stage: Stage
) -> None:
    with stage.services.database.begin() as transaction:
        for number in (0, 4):
            kind = LabelOrigin.SECOND_READING
            label_requests.ask(transaction, hospital[number], kind, 1.0, NOW + timedelta(minutes=number), "anna")
    headers = {"origin": "http://localhost:8080"}
    page = client.get("/readings").text
    assert hospital[0] in page
    assert "DX · Chest · PA" in page
    for secret in ("REJECT", "anna", "0.97", "PID0", "checked"):
        assert secret not in page
    own = client.post(f"/readings/{hospital[0]}", data=form(client, page, answer="bad", actor="anna"), headers=headers)
    assert own.status_code == 409  # the first reader is no second one
    data = form(client, page, answer="bad", actor="berta", finding="foreign_object")
    assert client.post(f"/readings/{hospital[0]}", data=data, headers=headers).status_code == 303
    assert client.post(f"/readings/{hospital[0]}", data=data, headers=headers).status_code == 409
    assert client.post(f"/readings/{hospital[1]}", data=data, headers=headers).status_code == 404
    page = client.get("/readings").text
    assert hospital[4] in page
    data = form(client, page, answer="good", actor="berta")
    assert client.post(f"/readings/{hospital[4]}", data=data, headers=headers).status_code == 303
    with stage.services.database.begin() as transaction:
        opinions = [label.judgement for label in labels.of_images(transaction, hospital) if label.judgement.blind]
    assert [(one.actor, one.bad, one.findings) for one in opinions] == [
        ("berta", True, ("foreign_object",)), ("berta", False, ()),
    ]  # fmt: skip
    today = datetime.now(UTC).date()
    words = text(client.get(f"/analysis/labels?since=2026-11-01&until={max(today, NOW.date())}").text)
    assert "2 images were read twice; both said the same of 100.0 %" in words


@pytest.mark.more
def test_what_people_drew_stands_beside_where_the_node_looked(
    hospital: list[Any], client: TestClient, stage: Stage
) -> None:
    values = np.zeros((32, 32), np.float32)
    values[:16, :16] = 1.0
    corner = RegionOutline(((0.0, 0.0), (0.5, 0.0), (0.5, 0.5), (0.0, 0.5)), "foreign_object")
    opinion = ReaderOpinion("anna", LabelOrigin.DECISION, bad=True, findings=("foreign_object",), regions=(corner,))
    with stage.services.database.begin() as transaction:
        labels.add(transaction, hospital[0], opinion, NOW)
    maps = SaliencyMaps({FindingName.FOREIGN_OBJECT: SaliencyMap(values, "test")})
    Artifacts(stage.services.objects).keep_maps(hospital[0], maps)
    words = text(client.get("/analysis/labels").text)
    assert "Agreement of model and people" in words
    drawn = re.search(r"Foreign object 1 1 (\d\.\d+) (\d\.\d+) 0\.25\d", words)
    assert drawn is not None, words
    assert float(drawn[1]) > 0.95


@pytest.mark.more
def test_the_model_watch_shows_precision_by_room_and_what_audits_found(
    hospital: list[Any], client: TestClient, stage: Stage
) -> None:
    now = datetime.now(UTC)
    with stage.services.database.begin() as transaction:
        for digest, bad in ((hospital[1], False), (hospital[3], True)):
            opinion = ReaderOpinion("anna", LabelOrigin.SPOT_CHECK, bad=bad, findings=(), sampled=0.5)
            labels.add(transaction, digest, opinion, NOW + timedelta(hours=1))
    period = f"since=2026-11-01&until={now:%Y-%m-%d}" if now > NOW else "since=2026-11-01&until=2026-11-30"
    words = text(client.get(f"/analysis/model?{period}").text)
    assert "66.7 %" in words  # 4 of the 6 flagged were confirmed
    assert "4 of 6" in words
    assert "1 of 2" in words  # audited, and bad though accepted
    assert "Thorax 1" in words
    assert "Motion blur" in words
