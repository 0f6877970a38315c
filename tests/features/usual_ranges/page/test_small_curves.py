"""Beside a number in the panel of an image stands how it went on this machine, if its history is known."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime

import pytest
import sqlalchemy as sa
from fastapi.testclient import TestClient

from miqa_node.core.domain.decision import decide
from miqa_node.core.domain.instance import InstanceDigest
from miqa_node.core.drawing import Box, Dot, Line
from miqa_node.core.settings.policy import read_policy
from miqa_node.features.usual_ranges.page.small_curve import MOST_SERIES, drawing_of
from miqa_node.features.usual_ranges.rows import baselines, points
from miqa_node.interfaces.web.app import create_app
from miqa_node.runtime.store.database import Database
from miqa_node.runtime.store.tables import dispositions
from miqa_node.stages.units.rows import instances
from tests.conftest import ROOT
from tests.features.usual_ranges.ranges_making import fill, look, measure, noises
from tests.features.usual_ranges.test_history import NOW
from tests.web.staging import Stage

POLICY = read_policy(ROOT / "config" / "policy.toml")
CURVE = re.compile(r'<a class="small-curve" href="/ranges/(\w+)" title="([^"]+)">')
NOISE = "ct_noise", "[hnsf'U]"


@pytest.fixture
def client(stage: Stage) -> TestClient:
    services = replace(stage.services, policy=lambda: POLICY)
    return TestClient(create_app(services), "http://localhost:8080", client=("127.0.0.1", 50000))


def judge(database: Database, digest: InstanceDigest) -> None:
    """Decide by the shipped policy what was measured."""
    with database.begin() as transaction:
        assessment = instances.load_assessment(transaction, digest)
        assert assessment is not None
        study = assessment.header.study_instance_uid
        transaction.execute(sa.delete(dispositions).where(dispositions.c.digest == digest))
        now = datetime.now(UTC)
        instances.save_disposition(transaction, digest, study, decide(assessment, POLICY), now)


def test_the_number_of_a_machine_with_a_history_has_its_curve(stage: Stage, client: TestClient) -> None:
    database = stage.services.database
    at = fill(database, noises(45))
    noisy = measure(database, 100, at, {"ct_noise": 80.0, "hu_air": -998.0})
    judge(database, noisy)
    assert CURVE.findall(client.get("/studies/1.2.8.100").text) == [], "it is not read yet"
    look(database)
    page = client.get("/studies/1.2.8.100").text
    titles = {title.partition(":")[0]: title for _, title in CURVE.findall(page)}
    assert re.fullmatch(r"Noise in soft tissue: the last 40 series of this machine, usual \S+ to \S+ HU",
                        titles["Noise in soft tissue"])  # fmt: skip
    heads = re.findall(r'<table class="limits">\s*<thead>(.*?)</thead>', page, re.DOTALL)
    assert [re.findall(r"<th[^>]*>([^<]+)<", one) for one in heads] == [["What", "Value", "Limit"]], (
        "no further columns"
    )
    assert re.search(r'<td class="number">80.0 HU\s*<a class="small-curve"', page), "it stands under its value"
    assert '<link rel="stylesheet" href="/static/usual_curve/small_curve.css">' in page
    [baseline] = {one for one, _ in CURVE.findall(page)}
    assert client.get(f"/ranges/{baseline}").status_code == 200
    assert client.get("/static/usual_curve/small_curve.css").status_code == 200
    german = client.get("/studies/1.2.8.100", headers={"cookie": "miqa_language=de"}).text
    assert "die letzten 40 Serien dieses Geräts, üblich" in german


def test_a_machine_without_a_history_has_no_curve(stage: Stage, client: TestClient) -> None:
    database = stage.services.database
    at = fill(database, noises(2))
    alone = measure(database, 100, at, {"ct_noise": 80.0}, station_name="CT9")
    judge(database, alone)
    look(database)
    page = client.get("/studies/1.2.8.100").text
    assert "80" in page
    assert CURVE.findall(page) == []


def test_a_curve_ends_with_its_image_and_marks_what_is_unusual(stage: Stage) -> None:
    database = stage.services.database
    at = fill(database, noises(60))
    measure(database, 100, at, {"ct_noise": 80.0})
    look(database)
    with database.begin() as transaction:
        [one] = baselines.page(transaction, NOW, limit=9)
        all_of_it = points.newest_points(transaction, one.baseline)
        newest = points.newest_points(transaction, one.baseline, MOST_SERIES, until=all_of_it[49].at)
    assert newest == all_of_it[10:50]
    usual = next(of for of in one.ranges if of.measurement == "ct_noise")
    for shown, ink in ((newest, "data"), (all_of_it[-MOST_SERIES:], "bad")):
        drawing = drawing_of(NOISE, shown, usual)
        [line] = [of for of in drawing.shapes if isinstance(of, Line)]
        [dot] = [of for of in drawing.shapes if isinstance(of, Dot)]
        [band] = [of for of in drawing.shapes if isinstance(of, Box)]
        assert (len(line.points), line.points[-1], dot.ink) == (MOST_SERIES, (dot.x, dot.y), ink)
        assert (band.y <= dot.y <= band.y + band.height) is (ink == "data")
    without = drawing_of(NOISE, newest, None)
    assert not any(isinstance(of, Box) for of in without.shapes)
