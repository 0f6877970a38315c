"""What people decide on a study's page, and what follows from it."""

from __future__ import annotations

from fastapi.testclient import TestClient

from miqa_node.core.domain.delivery import ResultKind
from miqa_node.features.worklist.rows import history
from tests.features.worklist.page.test_review import said, send
from tests.web.staging import Stage


def test_without_an_archive_the_decision_is_kept_and_nothing_sent(stage: Stage, client: TestClient) -> None:
    _, digest = stage.add(1)

    page = send(client, "confirmed", reason="111210")
    answer = send(client, "confirmed", reason="111210", sure="true")

    assert "No archive is notified" in page.text
    assert answer.status_code == 303
    with stage.services.database.begin() as transaction:
        kinds = [result.kind for result in history.of_instance(transaction, digest).results]
    assert kinds == [ResultKind("SR")]
    assert len(said(stage, digest)) == 1
