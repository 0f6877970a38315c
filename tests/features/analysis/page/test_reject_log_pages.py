"""Reject logs on the page and over REST: preview first, then all or nothing."""

from __future__ import annotations

import hashlib
import re

import pytest
from fastapi.testclient import TestClient

from miqa_node.features.analysis.rows import reject_logs
from tests.features.analysis.page.test_analysis_rest import PERIOD, fill
from tests.features.analysis.test_reject_logs import GENERIC
from tests.web.staging import Stage, csrf

LOGS = "/api/v1/analysis/reject-logs"
IS_CSV = {"content-type": "text/csv"}
PAGE = {"origin": "http://localhost:8080"}


def test_over_rest(stage: Stage, client: TestClient) -> None:
    fill(stage, flagged=3, decided=1)
    view = client.post(LOGS, content=GENERIC, headers=IS_CSV).json()
    assert (view["rejects"], view["log"], view["dropped"]) == (3, None, ["Patient name", "Patient ID"])
    assert client.get(LOGS).json() == []
    assert client.post(f"{LOGS}?keep=true", content=GENERIC, headers=IS_CSV).status_code == 422, "says nobody"

    result = client.post(f"{LOGS}?keep=true&actor=mara", content=GENERIC, headers=IS_CSV).json()
    assert (result["log"]["rejects"], result["log"]["imported_by"]) == (3, "mara")
    assert client.post(f"{LOGS}?keep=true&actor=mara", content=GENERIC, headers=IS_CSV).json()["known"] == 3
    [log] = client.get(LOGS).json()
    figures = client.get(f"/api/v1/analysis?{PERIOD}").json()
    assert figures["logs"][0]["room"] == "Thorax 1"
    assert len(figures["sources"]) == 3

    bad = client.post(f"{LOGS}?keep=true&actor=mara", content=GENERIC + "never,A,,,,,,Motion,,,,\n", headers=IS_CSV)
    assert bad.status_code == 400
    assert "line 5" in bad.json()["detail"]
    assert client.post(f"{LOGS}?mapping=nobody", content=GENERIC, headers=IS_CSV).status_code == 404
    assert client.post(LOGS, content=GENERIC, headers={"content-type": "text/plain"}).status_code == 415
    assert client.post(LOGS, content=b"x" * (17 << 20), headers=IS_CSV).status_code == 413
    assert {one["name"] for one in client.get("/api/v1/analysis/reject-log-mappings").json()} >= {"generic"}
    assert client.get("/api/v1/analysis/views/logged_rejects.csv").text.count("\n") == 4
    assert client.post(f"{LOGS}/{log['log_id']}/remove", json={"actor": "jo"}).json()["rejects"] == 3
    assert client.post(f"{LOGS}/{log['log_id']}/remove", json={"actor": "jo"}).status_code == 404


@pytest.mark.more
def test_on_the_page(stage: Stage, client: TestClient) -> None:
    fill(stage, flagged=3, decided=1)
    token = csrf(client, "/analysis/logs")
    upload = {"file": ("log.csv", GENERIC, "text/csv")}
    form = {"csrf": token, "actor": "mara"}

    bad = {"file": ("log.csv", GENERIC + "never,A,,,,,,Motion,,,,\n", "text/csv")}
    shown = client.post("/analysis/logs/preview", data=form, files=bad, headers=PAGE).text
    assert "Line 5" in shown
    assert "Import " not in shown
    shown = client.post("/analysis/logs/preview", data=form, files=upload, headers=PAGE).text
    assert "Not kept: Patient name, Patient ID" in shown
    assert "Pet in the room (1)" in shown
    assert "Muster" not in shown
    digest = re.search(r'name="sha256" value="(\w+)"', shown)
    assert digest is not None
    assert digest[1] == hashlib.sha256(GENERIC.encode()).hexdigest()
    assert "Choose another mapping" in client.post(
        "/analysis/logs/preview", data=form, files={"file": ("log.csv", "a,b\n", "text/csv")}, headers=PAGE
    ).text  # fmt: skip

    assert client.post("/analysis/logs", data=form, files=upload, headers=PAGE).status_code == 409, "not previewed"
    done = client.post("/analysis/logs", data={**form, "sha256": digest[1]}, files=upload, headers=PAGE)
    assert (done.status_code, done.headers["location"]) == (303, "/analysis/logs?imported=3")
    page = client.get(done.headers["location"]).text
    assert "3 rejects were imported" in page
    analysis = " ".join(client.get(f"/analysis?{PERIOD}").text.split())
    assert "imported reject log of Thorax 1, 2026-01-02 – 2026-01-03" in analysis
    with stage.services.database.begin() as transaction:
        [log] = reject_logs.listed(transaction)
    client.post(f"/analysis/logs/{log.log_id}/remove", data=form, headers=PAGE)
    assert "No reject log was imported yet" in client.get("/analysis/logs").text
