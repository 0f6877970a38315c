"""Health, readiness and metrics."""

from __future__ import annotations

import re
from dataclasses import replace

from fastapi.testclient import TestClient
from prometheus_client.parser import text_string_to_metric_families

from miqa_node.core.domain.verdict import Verdict
from miqa_node.core.keys.secret_files import identity_of
from miqa_node.interfaces.web.app import create_app
from tests.web.staging import Stage


def _samples(client: TestClient) -> dict[tuple[str, str], float]:
    families = text_string_to_metric_families(client.get("/metrics").text)
    return {
        (sample.name, sample.labels.get("destination", "")): sample.value
        for family in families
        for sample in family.samples
    }


def test_alive_even_when_not_ready(stage: Stage, client: TestClient) -> None:
    stage.not_ready.append("No GPU.")

    assert client.get("/healthz").json() == {"status": "ok"}


def test_ready(stage: Stage, client: TestClient) -> None:
    answer = client.get("/readyz")

    node = identity_of(stage.services.settings.node.data_dir)
    assert re.fullmatch("[0-9a-f]{16}", node)
    assert (answer.status_code, answer.json()) == (200, {"status": "ready", "reasons": [], "node": node})


def test_metrics_say_themselves_whether_the_node_is_ready(stage: Stage, client: TestClient) -> None:
    """A site may scrape nothing but metrics, and be alerted by them."""
    assert _samples(client)["miqa_ready", ""] == 1
    stage.not_ready.append("No GPU.")
    assert _samples(client)["miqa_ready", ""] == 0


def test_not_ready_with_reasons(stage: Stage, client: TestClient) -> None:
    stage.not_ready += ["No GPU.", "The disk is full."]

    answer = client.get("/readyz")
    early = TestClient(
        create_app(replace(stage.services, starting=lambda: True)), "http://localhost:8080", client=("127.0.0.1", 1)
    ).get("/readyz")

    assert answer.status_code == early.status_code == 503
    assert (answer.json()["status"], early.json()["status"]) == ("not ready", "starting")
    assert answer.json()["reasons"] == early.json()["reasons"] == ["No GPU.", "The disk is full."]


def test_gauges_come_from_the_database(stage: Stage, client: TestClient) -> None:
    stage.add(1)
    stage.add(2)
    stage.add(3, Verdict.ACCEPT)

    samples = _samples(client)

    assert samples["miqa_worklist_open", ""] == 2
    assert samples["miqa_jobs_waiting", ""] == 0
    assert samples["miqa_deliveries_waiting", "PACS"] == 3
    assert samples["miqa_deliveries_failed", "PACS"] == 0


def test_metrics_are_still_there_without_a_database(stage: Stage, client: TestClient) -> None:
    import sqlalchemy as sa

    with stage.services.database.engine.begin() as connection:
        connection.execute(sa.text("DROP TABLE worklist"))

    answer = client.get("/metrics")

    assert answer.status_code == 200
    assert "miqa_stage_seconds" in answer.text


def test_another_role_answers_for_health_and_metrics_only(stage: Stage) -> None:
    client = TestClient(create_app(stage.services, pages_and_api=False), base_url="http://localhost")

    assert [client.get(path).status_code for path in ("/healthz", "/readyz", "/metrics")] == [200, 200, 200]
    assert client.get("/api/v1/worklist").status_code == 404
    assert client.get("/").status_code == 404
