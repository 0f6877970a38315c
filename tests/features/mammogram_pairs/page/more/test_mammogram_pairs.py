# ruff: noqa: F401, F811 - fixtures of the quick suite are imported by name
"""Pairs of mammograms on the page of their study and for programs, of DICOM files that were measured."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from miqa_node.interfaces.web.site_time import LANGUAGE_COOKIE
from tests.features.mammogram_pairs.page.test_mammogram_pairs import NOTE, REST, differences, four, words
from tests.features.mammogram_pairs.pairs_making import STUDY, VIEWS, mammogram_file, modifier, store
from tests.web.staging import Stage


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


@pytest.mark.usefixtures("four")
def test_images_of_several_patients_are_not_compared(stage: Stage, client: TestClient, four: Path) -> None:
    store(stage.services.database, mammogram_file(four, 12, "L MLO", PatientID="K2", PatientName="Other^Test"))
    assert client.get(REST).json()["pairs"] == []
    assert "images of several patients" in client.get(NOTE).text
