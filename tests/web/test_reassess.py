"""Judging images again over REST and from the page of a study."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from fastapi.testclient import TestClient

from miqa_node.domain.instance import InstanceDigest
from miqa_node.domain.policy import Verdict
from miqa_node.reassessment import Reassessment
from miqa_node.store import reassessments
from miqa_node.web.app import create_app
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


@pytest.fixture
def jobs() -> list[InstanceDigest]:
    return []


@pytest.fixture
def admin(stage: Stage, jobs: list[InstanceDigest]) -> TestClient:
    """Somebody on the host of a node without accounts."""
    queue = Requests()
    queue.jobs = jobs
    service = Reassessment(stage.services.database, stage.services.objects, queue)
    app = create_app(dataclasses.replace(stage.services, reassess=service))
    return TestClient(app, base_url="http://localhost:8080", client=("127.0.0.1", 1))


def test_a_dry_run_changes_nothing_and_the_work_is_promised_once(
    admin: TestClient, stage: Stage, jobs: list[InstanceDigest]
) -> None:
    _, digest = stage.add(1)
    stage.add(2, Verdict.ACCEPT)
    stage.services.objects.put(f"instances/{digest[:2]}/{digest}.dcm", b"x")
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


@pytest.mark.slow
def test_the_page_of_a_study_shows_first_what_would_be_done(
    admin: TestClient, stage: Stage, jobs: list[InstanceDigest]
) -> None:
    uid, digest = stage.add(1)
    assert "Judge again" in admin.get(f"/studies/{uid}").text
    form = {"csrf": csrf(admin)}
    gone = admin.post(f"/studies/{uid}/reassess", data=form, headers=ORIGIN)
    assert "no longer kept here" in gone.text
    stage.services.objects.put(f"instances/{digest[:2]}/{digest}.dcm", b"x")
    assert "Judge 1 of 1 again?" in admin.post(f"/studies/{uid}/reassess", data=form, headers=ORIGIN).text
    assert jobs == []
    form |= {"sure": "true", "actor": "anna"}
    done = admin.post(f"/studies/{uid}/reassess", data=form, headers=ORIGIN, follow_redirects=False)
    assert (done.status_code, jobs) == (303, [digest])
