"""Who saw what is in the audit trail before it is on the screen: pages, REST and DICOMweb alike."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import sqlalchemy as sa
from fastapi.testclient import TestClient

from miqa_node.core.domain.access import Permission, Role
from miqa_node.core.domain.audit import AuditEvent, AuditFilter, AuditRecord
from miqa_node.runtime.people.audit import records
from tests.web.people import add_account, add_token, signed_in
from tests.web.staging import Stage

Connect = Callable[..., TestClient]


def trail(stage: Stage, **chosen: Any) -> list[AuditRecord]:
    """What was recorded, oldest first, without the sign-ins of the test itself and the node's own verdicts."""
    own = (AuditEvent.SIGNED_IN, AuditEvent.VERDICT, AuditEvent.ACCOUNT_CHANGED)
    with stage.services.database.begin() as transaction:
        rows = records.select(transaction, AuditFilter(**chosen))
    return [row for row in rows[::-1] if row.event not in own]


def test_a_viewer_opens_a_study(stage: Stage, connect: Connect) -> None:
    study, digest = stage.add(1)
    viewer = signed_in(stage, connect, "vera", Role.VIEWER)
    for _ in range(2):
        assert viewer.get(f"/studies/{study}").status_code == 200
        assert viewer.get(f"/previews/{digest}.png").status_code == 200
    assert viewer.get("/").status_code == 200
    assert viewer.get("/account").status_code == 200
    assert viewer.get("/analysis/rejects.csv").status_code == 200
    assert [(one.event, one.actor, one.means, one.peer, one.study, one.digest) for one in trail(stage)] == [
        (AuditEvent.STUDY_SEEN, "vera", "session", "10.0.0.7", study, ""),
        (AuditEvent.IMAGE_SEEN, "vera", "session", "10.0.0.7", "", digest),
        (AuditEvent.LIST_SEEN, "vera", "session", "10.0.0.7", "", ""),
        (AuditEvent.EXPORTED, "vera", "session", "10.0.0.7", "", ""),
    ]


def test_programs_read_by_rest_and_dicomweb(stage: Stage, connect: Connect) -> None:
    study, digest = stage.add(1)
    add_account(stage, "pacs", Role.SERVICE)
    token = add_token(stage, "pacs", Permission.READ)
    program = connect(client="10.0.0.9")
    for path in (
        f"/api/v1/worklist/{study}",
        f"/api/v1/instances/{digest}",
        "/api/dicom-web/studies",
        f"/api/v1/instances/{study}",
    ):
        assert program.get(path, headers=token).status_code in (200, 204), path
    rows = trail(stage)
    assert {(one.actor, one.means, one.peer) for one in rows} == {("pacs", "token", "10.0.0.9")}
    assert [one.event for one in rows] == [
        AuditEvent.STUDY_SEEN,
        AuditEvent.IMAGE_SEEN,
        AuditEvent.LIST_SEEN,
        AuditEvent.IMAGE_SEEN,
    ]
    assert [one.digest for one in rows] == ["", digest, "", digest]


def test_who_may_not_is_recorded_once_and_sees_nothing(stage: Stage, connect: Connect) -> None:
    study, _digest = stage.add(1)
    add_account(stage, "ada", Role.ADMIN)
    stranger = connect(client="10.0.0.66")
    for _ in range(3):
        stranger.get(f"/api/v1/worklist/{study}")
    viewer = signed_in(stage, connect, "vera", Role.VIEWER)
    assert viewer.get("/people").status_code == 403
    assert [(one.event, one.actor, one.peer, one.failed) for one in trail(stage)] == [
        (AuditEvent.REFUSED, "", "10.0.0.66", True),
        (AuditEvent.REFUSED, "vera", "10.0.0.7", True),
    ]
    assert json.loads(trail(stage)[1].detail) == {"reason": "403", "what": "GET /people"}


def test_what_cannot_be_recorded_is_not_shown(stage: Stage, connect: Connect) -> None:
    study, _digest = stage.add(1)
    viewer = signed_in(stage, connect, "vera", Role.VIEWER)
    with stage.services.database.begin() as transaction:
        transaction.execute(sa.text("ALTER TABLE audit_records RENAME TO away"))
    answer = viewer.get(f"/studies/{study}")
    assert answer.status_code == 503
    assert "Muster" not in answer.text


def test_the_page_of_an_administrator_shows_and_filters(stage: Stage, connect: Connect) -> None:
    study, _digest = stage.add(1)
    viewer = signed_in(stage, connect, "vera", Role.VIEWER)
    viewer.get(f"/studies/{study}")
    admin = signed_in(stage, connect, "ada", Role.ADMIN)
    assert viewer.get("/audit").status_code == 403
    page = admin.get("/audit?by=vera&event=study seen")
    assert page.status_code == 200
    assert page.text.count("<tr>") == 2
    assert study in page.text
    assert "No records" in admin.get("/audit?until=2020-01-01").text
    for wrong in ("event=dancing", "since=yesterday", "before=-1"):
        assert admin.get(f"/audit?{wrong}").status_code == 422
    assert admin.get("/audit?since=2026-02-31").status_code == 200
    assert [one.actor for one in trail(stage, event=AuditEvent.AUDIT_SEEN)] == ["ada"]
