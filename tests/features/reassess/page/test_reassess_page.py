"""Judging images again over REST and from the page of a study."""

from __future__ import annotations

import dataclasses
from io import BytesIO
from typing import Any

import pytest
import sqlalchemy as sa
from fastapi.testclient import TestClient
from pydicom import Dataset, dcmwrite
from pydicom.dataset import FileMetaDataset
from pydicom.uid import DigitalXRayImageStorageForPresentation, ExplicitVRLittleEndian

from miqa_node.core.domain.instance import InstanceDigest
from miqa_node.core.domain.verdict import Verdict
from miqa_node.features.reassess.page.again import reassessment_of
from miqa_node.features.reassess.reassessment import Reassessment
from miqa_node.interfaces.web.app import create_app
from miqa_node.runtime.store import damages, tables
from miqa_node.runtime.store.verification import Soundness, data_set_digest
from miqa_node.stages.units.rows import reassessments
from tests.parts import any_model
from tests.web.people import ORIGIN
from tests.web.staging import Stage, csrf

ADDRESS = "/api/v1/reassessments"


class Requests:
    def __init__(self) -> None:
        self.jobs: list[InstanceDigest] = []

    def enqueue_assess(self, connection: Any, digest: InstanceDigest, sender: str = "") -> None:
        raise NotImplementedError

    def enqueue_reassess(self, connection: Any, digest: InstanceDigest, generation: int) -> None:
        self.jobs.append(digest)


def keep_copy(stage: Stage, digest: InstanceDigest) -> None:
    """Store a file for an image of the stage, and its own digest."""
    key = f"instances/{digest[:2]}/{digest}.dcm"
    stage.services.objects.put(key, dicom_file())
    copied = data_set_digest(stage.services.objects.local_path(key))
    with stage.services.database.begin() as transaction:
        this = tables.instances.c.digest == digest
        transaction.execute(sa.update(tables.instances).where(this).values(copy_digest=copied))


def dicom_file() -> bytes:
    ds = Dataset()
    ds.SOPClassUID, ds.SOPInstanceUID = DigitalXRayImageStorageForPresentation, "1.2.3"
    file = BytesIO()
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dcmwrite(file, ds, enforce_file_format=True)
    return file.getvalue()


@pytest.fixture
def jobs() -> list[InstanceDigest]:
    return []


@pytest.fixture
def admin(stage: Stage, jobs: list[InstanceDigest]) -> TestClient:
    """Somebody on the host of a node without accounts."""
    queue = Requests()
    queue.jobs = jobs
    service = Reassessment(stage.services.database, stage.services.objects, queue, any_model)
    services = dataclasses.replace(stage.services)
    services.made[reassessment_of] = service
    app = create_app(services)
    return TestClient(app, base_url="http://localhost:8080", client=("127.0.0.1", 1))


def test_a_dry_run_changes_nothing_and_the_work_is_promised_once(
    admin: TestClient, stage: Stage, jobs: list[InstanceDigest]
) -> None:
    _, digest = stage.add(1)
    stage.add(2, Verdict.ACCEPT)
    keep_copy(stage, digest)
    body: dict[str, Any] = {"verdict": ["REJECT"], "actor": "anna"}
    planned = admin.post(ADDRESS, json=body).json()
    assert [one["digest"] for one in planned["candidates"]] == [digest]
    assert (planned["queued"], planned["dry_run"], jobs) == (0, True, [])
    done = admin.post(ADDRESS, json=body | {"dry_run": False}).json()
    assert (done["queued"], jobs) == (1, [digest])
    assert admin.post(ADDRESS, json=body | {"dry_run": False}).json()["queued"] == 0
    with stage.services.database.begin() as transaction:
        assert reassessments.count_waiting(transaction) == 1
    assert "miqa_reassessments_waiting 1.0" in admin.get("/metrics").text


def test_a_request_that_means_every_image_is_refused(admin: TestClient) -> None:
    answer = admin.post(ADDRESS, json={})
    assert answer.status_code == 409
    assert "Say which images" in answer.text


def test_a_model_that_cannot_be_used_keeps_images_from_being_judged_again(
    stage: Stage, jobs: list[InstanceDigest]
) -> None:
    _, digest = stage.add(1)
    keep_copy(stage, digest)
    queue = Requests()
    queue.jobs = jobs
    services = stage.services
    service = Reassessment(services.database, services.objects, queue, lambda *, series: "quality-9 is not there.")
    services.made[reassessment_of] = service
    app = create_app(services)
    client = TestClient(app, base_url="http://localhost:8080", client=("127.0.0.1", 1))
    [planned] = client.post(ADDRESS, json={"uids": [digest]}).json()["candidates"]
    assert planned["obstacle"] == "A model judged it, and none can be used now. quality-9 is not there."
    refused = client.post(ADDRESS, json={"uids": [digest], "dry_run": False, "actor": "anna"})
    assert (refused.status_code, jobs) == (409, [])
    assert "quality-9 is not there" in refused.text


def test_a_copy_with_other_bytes_is_not_judged_again(
    admin: TestClient, stage: Stage, jobs: list[InstanceDigest]
) -> None:
    for number in (1, 2):
        keep_copy(stage, stage.add(number)[1])
    _, digest = stage.add(3)
    stage.services.objects.put(f"instances/{digest[:2]}/{digest}.dcm", dicom_file())
    done = admin.post(ADDRESS, json={"verdict": ["REJECT"], "dry_run": False, "actor": "anna"}).json()
    assert [one["obstacle"] for one in done["candidates"]] == [
        "",
        "",
        "A stored original is damaged. Send the image again.",
    ]
    assert (done["queued"], len(jobs)) == (2, 2)
    with stage.services.database.begin() as transaction:
        assert damages.count(transaction)["original", Soundness.DAMAGED] == 1


@pytest.mark.more
def test_the_page_of_a_study_shows_first_what_would_be_done(
    admin: TestClient, stage: Stage, jobs: list[InstanceDigest]
) -> None:
    uid, digest = stage.add(1)
    assert "Judge again" in admin.get(f"/studies/{uid}").text
    form = {"csrf": csrf(admin)}
    gone = admin.post(f"/studies/{uid}/reassess", data=form, headers=ORIGIN)
    assert "no longer kept here" in gone.text
    keep_copy(stage, digest)
    assert "Judge 1 of 1 again?" in admin.post(f"/studies/{uid}/reassess", data=form, headers=ORIGIN).text
    assert jobs == []
    form |= {"sure": "true", "actor": "anna"}
    done = admin.post(f"/studies/{uid}/reassess", data=form, headers=ORIGIN, follow_redirects=False)
    assert (done.status_code, jobs) == (303, [digest])
