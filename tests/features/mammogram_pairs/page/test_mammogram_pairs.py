"""Pairs of mammograms on the page of their study and for programs, of DICOM files that were measured."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from miqa_node.interfaces.web.site_time import LANGUAGE_COOKIE
from tests.features.mammogram_pairs.pairs_making import STUDY, VIEWS, mammogram_file, modifier, store
from tests.web.staging import Stage

NOTE, REST = f"/mammograms/{STUDY}", f"/api/v1/mammograms/{STUDY}"


@pytest.fixture
def four(stage: Stage, tmp_path: Path) -> Path:
    """The four standard views: a thinner left breast, whose craniocaudal view lacks 20 mm and more."""
    folder = tmp_path / "files"
    folder.mkdir()
    for number, view in enumerate(VIEWS):
        elements: dict[str, Any] = {"BodyPartThickness": "45"} if view.startswith("L") else {}
        store(stage.services.database, mammogram_file(folder, number, view, 160 if view == "L CC" else 250, **elements))
    return folder


def differences(answer: dict[str, Any], first: str, second: str) -> dict[str, dict[str, Any]]:
    pair = next(one for one in answer["pairs"] if (one["first"], one["second"]) == (first, second))
    return {one["measurement"]: one for one in pair["differences"]}


def words(text: str) -> str:
    return " ".join(text.split())


@pytest.mark.usefixtures("four")
def test_four_views_are_compared(client: TestClient) -> None:
    assert f'hx-get="{NOTE}"' in client.get(f"/studies/{STUDY}").text
    answer = client.get(REST).json()
    assert {one["view"]: len(one["digests"]) for one in answer["views"]} == dict.fromkeys(VIEWS, 1)
    sides = differences(answer, "R CC", "L CC")
    assert sides["mg_compressed_thickness"]["difference"] == 7.0
    assert (sides["mg_compression_force"]["difference"], sides["mg_compression_force"]["unit"]) == (0.0, "N")
    assert sides["mg_glandular_dose"]["first"] == pytest.approx(1.32)
    assert abs(differences(answer, "R MLO", "L MLO")["mg_pectoral_length"]["difference"]) < 1.0
    right = differences(answer, "R CC", "R MLO")["mg_nipple_line"]
    left = differences(answer, "L CC", "L MLO")["mg_nipple_line"]
    assert (right["is_within"], left["is_within"], left["most"]) == (True, False, 10.0)
    assert left["difference"] == pytest.approx(right["difference"] - 90 * 0.4, abs=3)
    note = words(client.get(NOTE).text)
    assert "within 10 mm, as the field expects" in note
    assert "the field expects at most 10 mm: worth a look" in note
    assert "Measurements, not a verdict." in note
    assert "missing" not in note


def test_a_missing_view_and_a_bare_header(stage: Stage, client: TestClient, tmp_path: Path) -> None:
    database = stage.services.database
    store(database, mammogram_file(tmp_path, 0, "R CC", CompressionForce=None))
    store(database, mammogram_file(tmp_path, 1, "L CC"))
    store(database, mammogram_file(tmp_path, 2, "R MLO", ImagerPixelSpacing=None))
    note = words(client.get(NOTE).text)
    assert "<dt>L MLO</dt><dd><strong>missing</strong>" in note
    assert "L CC – L MLO: There is no L MLO." in note
    assert "The header of R CC has no Compression Force (0018,11A2)." in note
    assert "It was not found in the pixels of R MLO, or their pitch is unknown." in note
    client.cookies.set(LANGUAGE_COOKIE, "de")
    note = words(client.get(NOTE).text)
    assert "<strong>fehlt</strong>" in note
    assert "Im Header von R CC fehlt Compression Force (0018,11A2)." in note


def test_other_studies_have_no_pairs(stage: Stage, client: TestClient) -> None:
    study, _ = stage.add(1)
    assert 'hx-get="/mammograms/' not in client.get(f"/studies/{study}").text
    assert client.get(f"/mammograms/{study}").text == ""
    assert client.get(f"/api/v1/mammograms/{study}").status_code == 404
    assert client.get("/api/v1/mammograms/x%20y").status_code == 422


@pytest.mark.more
@pytest.mark.usefixtures("four")
def test_two_of_one_view_and_a_spot_view(stage: Stage, client: TestClient, four: Path) -> None:
    store(stage.services.database, mammogram_file(four, 10, "R CC", 240, BodyPartThickness="50"))
    spot = modifier("399055006", "Spot Compression")
    store(stage.services.database, mammogram_file(four, 11, "R CC", 240, ViewCodeSequence=spot))
    answer = client.get(REST).json()
    assert {one["view"]: len(one["digests"]) for one in answer["views"]}["R CC"] == 2
    assert differences(answer, "R CC", "L CC")["mg_compressed_thickness"]["difference"] == 5.0
    assert [one["reason"] for one in answer["others"]] == ["R CC with Spot compression"]
    note = words(client.get(NOTE).text)
    assert "2 images" in note
    assert "Not counted as standard views: R CC with Spot compression" in note


@pytest.mark.more
@pytest.mark.usefixtures("four")
def test_images_of_several_patients_are_not_compared(stage: Stage, client: TestClient, four: Path) -> None:
    store(stage.services.database, mammogram_file(four, 12, "L MLO", PatientID="K2", PatientName="Other^Test"))
    assert client.get(REST).json()["pairs"] == []
    assert "images of several patients" in client.get(NOTE).text
