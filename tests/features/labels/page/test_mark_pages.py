"""Objects are marked on any image of a study, on its page and over REST; nothing is judged by that."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
import sqlalchemy as sa
from fastapi.testclient import TestClient

from miqa_node.core.domain.access import Role
from miqa_node.core.domain.instance import InstanceDigest
from miqa_node.core.domain.label import ImageMarks, ObjectKind, RegionOutline
from miqa_node.core.domain.verdict import Verdict
from miqa_node.core.domain.worklist import Resolution
from miqa_node.features.labels.rows import reviews
from miqa_node.features.worklist.rows import worklist
from miqa_node.runtime.site_records import labels, marks
from tests.web.people import ORIGIN, signed_in
from tests.web.staging import NOW, Stage, csrf

SQUARE = [[0.1, 0.2], [0.3, 0.2], [0.3, 0.5], [0.1, 0.5]]
SNAP = {"points": SQUARE, "kind": "snap"}


def kept(stage: Stage, digest: InstanceDigest) -> ImageMarks | None:
    with stage.services.database.begin() as transaction:
        return marks.of_images(transaction, [digest]).get(digest)


def save(client: TestClient, study: str, digest: str, objects: object) -> int:
    form = {"csrf": csrf(client, study), "digest": digest, "objects": json.dumps(objects), "shown": "1"}
    answer = client.post(f"{study}/marks", data=form, headers=ORIGIN, follow_redirects=False)
    assert answer.status_code != 303 or answer.headers["location"] == f"{study}#image-1"
    return answer.status_code


@pytest.mark.parametrize("role", [Role.REVIEWER, Role.ADMIN])
def test_an_accepted_image_is_marked_on_the_page_of_its_study(
    stage: Stage, connect: Callable[..., TestClient], role: Role
) -> None:
    _, digest = stage.add(1, Verdict.ACCEPT)
    client = signed_in(stage, connect, "mara", role)
    assert f'data-marking="{digest}"' in client.get("/studies/1.2.3.1").text
    assert save(client, "/studies/1.2.3.1", digest, [SNAP, {"points": SQUARE, "kind": "implant"}]) == 303
    first = kept(stage, digest)
    assert first is not None
    assert [(one.kind, one.finding) for one in first.regions] == [
        ("snap", "foreign_object"), ("implant", "device_in_view"),
    ]  # fmt: skip
    page = client.get("/studies/1.2.3.1").text
    assert "2 objects." in page
    assert "snap" in page.split("data-marked=")[1].split(">")[0], "what was marked is drawn again"
    assert save(client, "/studies/1.2.3.1", digest, []) == 303
    assert kept(stage, digest) != first, "the newest marks count"
    with stage.services.database.begin() as transaction:
        assert labels.of_images(transaction, [digest]) == [], "marks are no opinion of the image"


def test_a_flagged_image_is_marked_with_its_decision_and_afterwards_without(
    stage: Stage, connect: Callable[..., TestClient]
) -> None:
    study, digest = stage.add(1)
    stage.add(2, Verdict.ACCEPT, study=1)
    client = signed_in(stage, connect, "mara", Role.REVIEWER)
    page = client.get("/studies/1.2.3.1").text
    assert (page.count('data-draw="decision"'), page.count("data-marking=")) == (1, 1)
    with stage.services.database.begin() as transaction:
        worklist.resolve(transaction, study, Resolution.DISMISSED, "mara", "", NOW)
    page = client.get("/studies/1.2.3.1").text
    assert (page.count('data-draw="decision"'), page.count("data-marking=")) == (0, 2)
    assert save(client, "/studies/1.2.3.1", digest, [SNAP]) == 303


def test_who_only_looks_cannot_mark(stage: Stage, connect: Callable[..., TestClient]) -> None:
    _, digest = stage.add(1, Verdict.ACCEPT)
    client = signed_in(stage, connect, "mara", Role.VIEWER)
    page = client.get("/studies/1.2.3.1").text
    assert "data-draw" not in page
    assert "marking" not in page, "nor is its script loaded"
    assert save(client, "/studies/1.2.3.1", digest, [SNAP]) == 403
    assert kept(stage, digest) is None


@pytest.mark.parametrize("objects", [[{"points": SQUARE}], [{"points": SQUARE[:2], "kind": "snap"}],
                                     [{"points": SQUARE, "kind": "unsharp"}], [SNAP] * 51, {}])  # fmt: skip
def test_what_is_no_object_is_refused(stage: Stage, connect: Callable[..., TestClient], objects: object) -> None:
    _, digest = stage.add(1, Verdict.ACCEPT)
    client = signed_in(stage, connect, "mara", Role.REVIEWER)
    assert save(client, "/studies/1.2.3.1", digest, objects) == 422
    assert kept(stage, digest) is None


def test_programs_mark_and_read_marks(stage: Stage, client: TestClient) -> None:
    _, digest = stage.add(1, Verdict.ACCEPT)
    path = f"/api/v1/instances/{digest}/marks"
    assert client.get(path).json() is None
    answer = client.post(path, json={"actor": "anna", "objects": [SNAP]})
    assert answer.status_code == 200, answer.text
    assert client.get(path).json() == answer.json()
    [region] = answer.json()["regions"]
    assert (region["kind"], region["finding"], region["points"]) == ("snap", "foreign_object", SQUARE)
    assert client.post(path, json={"actor": "anna", "objects": [{"points": SQUARE}]}).status_code == 422
    missing = client.post(f"/api/v1/instances/{'0' * 64}/marks", json={"actor": "anna", "objects": []})
    assert missing.status_code == 404


def test_marks_of_all_images_are_one_question_on_the_page_and_in_an_export(
    stage: Stage, connect: Callable[..., TestClient]
) -> None:
    client = signed_in(stage, connect, "mara", Role.REVIEWER)
    statements: list[str] = []
    sa.event.listen(
        stage.services.database.engine, "checkout", lambda one, *_: one.set_trace_callback(statements.append)
    )
    snap, counts = RegionOutline(((0.1, 0.2), (0.3, 0.2), (0.3, 0.5)), kind=ObjectKind.SNAP), []
    for number in (1, 2, 3):
        _, digest = stage.add(number, Verdict.ACCEPT, study=1, patient=f"patient {number}")
        with stage.services.database.begin() as transaction:
            marks.add(transaction, digest, "mara", [snap], NOW)
            begin = len(statements)
            exported = reviews.for_export(transaction)
            counts.append(len(statements) - begin)
        assert [one.patient.partition("\\")[0] for one in exported] == [f"patient {n}" for n in range(1, number + 1)]
    assert len(set(counts)) == 1, counts
    statements.clear()
    client.get("/studies/1.2.3.1")
    assert sum("object_marks" in one for one in statements) == 1
