"""A certificate ends when the package's confidence drifts on images that it covers; nothing judged is taken back."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from fastapi.testclient import TestClient

from miqa_node.core.domain.prediction import Prediction
from miqa_node.core.domain.verdict import Verdict
from miqa_node.features.models.work import PredictionWatch
from miqa_node.interfaces.web.app import create_app
from miqa_node.stages.assess.prediction_certificate import LASTS, certificate_path, read_certificate, write_certificate
from tests.interfaces.cli.conftest import data_dir, stage
from tests.policies import ACCEPT, policy_of
from tests.stages.assess.certifying import certificate_for
from tests.stages.assess.classify.making import write_classifier
from tests.web.staging import Stage

__all__ = ["data_dir", "stage"]
NOW = datetime.now(UTC)


@pytest.fixture
def digest(tmp_path: Path, data_dir: Path) -> str:
    write_classifier(tmp_path / "models/lungs-1.0.0")
    made = certificate_for(tmp_path / "models/lungs-1.0.0", made_at=NOW - timedelta(days=1))
    return write_certificate(certificate_path(data_dir, "lungs"), made)


def judge(stage: Stage, digest: str, confidences: list[float], first: int) -> None:
    for number, confidence in enumerate(confidences, first):
        prediction = Prediction("lungs-1.0.0", "ab", "Pneumonia", confidence, {}, certificate=digest)
        at = NOW - timedelta(hours=2) + timedelta(seconds=number)
        stage.add(number, Verdict.ACCEPT, predictions=(prediction,), at=at, preview=b"p")


def cause(data_dir: Path) -> str:
    end = read_certificate(certificate_path(data_dir, "lungs")).end
    return "" if end is None else end.sentence


def test_operations_says_by_which_evidence_and_when_it_ends(stage: Stage, tmp_path: Path, data_dir: Path) -> None:
    write_classifier(tmp_path / "models/lungs-1.0.0")
    settings = stage.services.settings
    assess = settings.assess.model_copy(update={"shipped_packages": False, "models_dir": str(tmp_path / "models")})
    node = settings.node.model_copy(update={"site": "General"})
    policy = policy_of(ACCEPT, package=[{"name": "lungs"}])
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


@pytest.mark.more
def test_a_shift_ends_it_and_sound_confidence_does_not(stage: Stage, data_dir: Path, digest: str) -> None:
    watch = PredictionWatch(stage.services.database, data_dir)
    rng = np.random.default_rng(1)
    judge(stage, digest, list(0.9 + 0.05 * rng.uniform(-1, 1, 201)), 0)
    judge(stage, "another", [0.1] * 5, 300)
    watch.look()
    watch.look()
    assert cause(data_dir) == ""
    judge(stage, digest, [0.8] * 90, 400)
    watch.look()
    assert cause(data_dir) == "", "less than half of the last 200 images"
    judge(stage, digest, [0.8] * 30, 500)
    watch.look()
    assert "the package's confidence drifted by 0.0" in cause(data_dir)
    ended = read_certificate(certificate_path(data_dir, "lungs"))
    assert ended.sha256 == digest, "what was automated names it still"
    PredictionWatch(stage.services.database, data_dir).look()
    assert read_certificate(certificate_path(data_dir, "lungs")) == ended
