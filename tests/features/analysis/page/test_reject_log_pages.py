"""Reject logs on the page and over REST: preview first, then all or nothing."""

from __future__ import annotations

from fastapi.testclient import TestClient

from tests.features.analysis.page.test_analysis_rest import PERIOD, fill
from tests.features.analysis.test_reject_logs import GENERIC
from tests.web.staging import Stage

LOGS = "/api/v1/analysis/reject-logs"
IS_CSV = {"content-type": "text/csv"}


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
