"""What every request must be, whoever sends it, and what browsers are told."""

from __future__ import annotations

from collections.abc import Callable

from fastapi.testclient import TestClient

from tests.interfaces.web.test_security import CLAIM, MARA
from tests.web.staging import Stage


def test_without_accounts_other_hosts_see_nothing(stage: Stage, connect: Callable[..., TestClient]) -> None:
    stage.add(1)
    other = connect(client="10.0.0.7")

    for path in ("/", "/studies/1.2.3.1", "/api/v1/worklist", "/account"):
        refused = other.get(path)
        assert refused.status_code == 403, path
        assert "set-up link" in refused.json()["detail"]
    assert other.post(CLAIM, json=MARA).status_code == 403
    assert [other.get(path).status_code for path in ("/healthz", "/readyz", "/metrics")] == [200] * 3
    assert connect().get("/api/v1/worklist/1.2.3.1").json()["state"] == "OPEN"
