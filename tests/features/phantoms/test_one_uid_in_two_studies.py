"""Programs that copy studies may leave the UID of a series: each study's is listed and said of by itself."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pydicom
import pytest
from fastapi.testclient import TestClient
from pydicom.uid import UID

from miqa_node.core.settings import load_settings
from miqa_node.features.phantoms import statement
from miqa_node.features.phantoms.rows import log
from miqa_node.features.worklist.rows import overview
from miqa_node.interfaces.web.app import create_app
from miqa_node.interfaces.web.services import WebServices
from miqa_node.parts import PartContext
from miqa_node.runtime.workers.pool import WorkerPool
from tests.features.phantoms.test_phantoms import judge_queued, water
from tests.stages.measure.series import making
from tests.stages.units.test_series_way import Rig

pytestmark = pytest.mark.more

TWIN = "1.2.3.99"
SLICES = 5


@pytest.fixture
def rig(tmp_path: Path, pool: WorkerPool) -> Iterator[Rig]:
    rig = Rig(tmp_path, pool)
    rig.now = datetime.now(UTC) - timedelta(hours=1)
    yield rig
    rig.database.close()


@pytest.fixture
def client(rig: Rig, tmp_path: Path) -> TestClient:
    node = cast("PartContext", SimpleNamespace(queue=rig.jobs))
    services = WebServices(rig.database, rig.objects, load_settings(node={"data_dir": tmp_path}), list, node=node)
    return TestClient(create_app(services), base_url="http://localhost", client=("127.0.0.1", 1))


def judge(rig: Rig, folder: Path, study: str = "", *, is_phantom: bool = True) -> None:
    """A series with metal in it: flagged if it is a patient's."""

    def change(dataset: pydicom.Dataset) -> None:
        if study:
            dataset.StudyInstanceUID, dataset.PatientID = study, "ANOTHER"
            dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = UID(f"{dataset.SOPInstanceUID}.9")

    images = [water(number) if is_phantom else making.body_ct(seed=number) for number in range(SLICES)]
    images[2] = making.with_metal(images[2])
    rig.receive(*making.write_series(folder, images, "CT", change=change))
    for digest in rig.look(30.0):
        rig.pipeline.judge(digest)


def listed(client: TestClient) -> dict[str, bool]:
    """What the series of each study shows."""
    items = client.get("/api/v1/phantoms").json()["items"]
    return {one["study_instance_uid"]: one["is_phantom"] for one in items}


def flagged(client: TestClient) -> set[str]:
    items = client.get("/api/v1/worklist", params={"state": "OPEN"}).json()["items"]
    return {one["study_instance_uid"] for one in items}


def test_each_study_is_listed_and_said_of_by_itself(rig: Rig, client: TestClient, tmp_path: Path) -> None:
    judge(rig, tmp_path / "a")
    judge(rig, tmp_path / "b", TWIN)
    assert listed(client) == {making.STUDY: True, TWIN: True}
    token = client.get("/phantoms").text.split('name="csrf" value="')[1].split('"')[0]
    form = {"series_uid": making.SERIES, "study_uid": TWIN, "phantom": "false", "actor": "mara", "csrf": token}
    answer = client.post("/phantoms", data=form, headers={"origin": "http://localhost"}, follow_redirects=False)
    assert answer.status_code == 303
    judge_queued(rig)
    assert listed(client) == {making.STUDY: True, TWIN: False}
    assert flagged(client) == {TWIN}
    both = {"phantom": False, "actor": "mara"}
    assert client.post(f"/api/v1/phantoms/{making.SERIES}", json=both).status_code == 200
    judge_queued(rig)
    assert listed(client) == {making.STUDY: False, TWIN: False}
    assert flagged(client) == {making.STUDY, TWIN}
    elsewhere = both | {"study_instance_uid": "1.2.3.4"}
    assert client.post(f"/api/v1/phantoms/{making.SERIES}", json=elsewhere).status_code == 404


def test_what_is_said_of_one_study_hides_no_patient_of_another(rig: Rig, client: TestClient, tmp_path: Path) -> None:
    judge(rig, tmp_path / "a")
    statement = {"phantom": True, "actor": "mara", "study_instance_uid": making.STUDY}
    assert client.post(f"/api/v1/phantoms/{making.SERIES}", json=statement).status_code == 200
    judge(rig, tmp_path / "b", TWIN, is_phantom=False)
    assert listed(client) == {making.STUDY: True}
    assert flagged(client) == {TWIN}
    with rig.database.begin() as transaction:
        assert overview._phantom_slices(transaction, rig.now - timedelta(days=1)) == SLICES


def test_a_kind_that_is_named_without_a_study_is_that_of_each(rig: Rig, tmp_path: Path) -> None:
    for name, study in (("a", making.STUDY), ("b", TWIN)):
        judge(rig, tmp_path / name, study, is_phantom=False)
    with rig.database.begin() as transaction:
        statement.name_kind(transaction, rig.jobs, making.SERIES, "", "ct_water", "mara", rig.now)
    judge_queued(rig)
    with rig.database.begin() as transaction:
        [history] = log.all_of(transaction)
    kinds = {scan.key.study_instance_uid: history.kind for scan in history.scans}
    assert kinds == {making.STUDY: "ct_water", TWIN: "ct_water"}
