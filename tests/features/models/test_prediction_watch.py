"""A certificate ends when the package's confidence drifts on images that it covers; nothing judged is taken back."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from fastapi.testclient import TestClient

from miqa_node.core.taxonomy.policy_file import parse_policy
from miqa_node.interfaces.web.app import create_app
from miqa_node.stages.assess.prediction_certificate import LASTS, certificate_path, write_certificate
from tests.interfaces.cli.conftest import data_dir, stage
from tests.stages.assess.certifying import certificate_for
from tests.stages.assess.classify.making import write_classifier
from tests.web.staging import Stage

__all__ = ["data_dir", "stage"]
NOW = datetime.now(UTC)


def test_operations_says_by_which_evidence_and_when_it_ends(stage: Stage, tmp_path: Path, data_dir: Path) -> None:
    write_classifier(tmp_path / "models/lungs-1.0.0")
    settings = stage.services.settings
    assess = settings.assess.model_copy(update={"shipped_packages": False, "models_dir": str(tmp_path / "models")})
    node = settings.node.model_copy(update={"site": "General"})
    policy = parse_policy({"version": "t", "scope": [{"name": "chest", "package": [{"name": "lungs"}]}]})
    services = replace(
        stage.services, settings=settings.model_copy(update={"assess": assess, "node": node}), policy=lambda: policy
    )
    with TestClient(create_app(services), "http://localhost:8080", client=("127.0.0.1", 50000)) as client:
        [plain] = client.get("/api/v1/operations").json()["predictions"]
        assert (plain["package"], plain["evidence"]) == ("lungs-1.0.0", "plain rule")
        assert "lungs-1.0.0 automates by</dt><dd>plain rule: " in client.get("/operations").text
        made = certificate_for(tmp_path / "models/lungs-1.0.0", made_at=NOW - LASTS + timedelta(days=29))
        write_certificate(certificate_path(data_dir, "lungs"), made)
        report = client.get("/api/v1/operations").json()
        assert report["predictions"][0]["evidence"] == "certificate"
        [alarm] = report["alarms"]
        assert alarm["subject"].startswith("The certificate for predictions of lungs-1.0.0 ends on ")
        assert "automates by</dt><dd>certificate: certificate of" in client.get("/operations").text
