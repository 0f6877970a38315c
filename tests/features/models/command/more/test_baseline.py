# ruff: noqa: F401, F811 - fixtures of the quick suite are imported by name
"""``models baseline``: a site's own images become what anomaly percentiles refer to."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import cv2
import numpy as np
import pytest
import sqlalchemy as sa
from fastapi.testclient import TestClient

from miqa_node.core.domain.anomaly import AnomalyScore
from miqa_node.core.domain.assessment import Assessment, ModelIdentity
from miqa_node.core.domain.policy import Verdict
from miqa_node.interfaces.cli.exits import Exit
from miqa_node.interfaces.web.app import create_app
from miqa_node.runtime.store.database import Database
from miqa_node.runtime.store.documents import dump_assessment
from miqa_node.runtime.store.tables import assessments
from miqa_node.stages.assess.anomaly.baseline import baseline_path, read_baseline
from miqa_node.stages.units.rows import instances
from tests.features.models.command.test_baseline import PACKAGE, config, models
from tests.interfaces.cli.conftest import Ran
from tests.runtime.store.making import digest, header, received, study
from tests.stages.assess.anomaly.making import odd_pixels, pixels, taught_package
from tests.web.staging import Stage


def put_assessments(data_dir: Path, sha256: str, scores: list[float | None]) -> None:
    """What the node keeps of images that it assessed, the last score the newest."""
    database = Database(f"sqlite:///{(data_dir / 'miqa.sqlite').absolute()}", pool_size=1)
    database.migrate()
    begin = datetime(2026, 11, 1, tzinfo=UTC)
    with database.begin() as transaction:
        for number, score in enumerate(scores):
            name = digest(number)
            instances.record(transaction, header(number), study(), received(name), "key")
            made = Assessment(
                name,
                header(number),
                begin + timedelta(minutes=number),
                anomaly=None if score is None else AnomalyScore(score, 50.0),
                model=ModelIdentity("tiny", "1.0.0", sha256),
            )
            instances.save_assessment(transaction, made)
            other = digest(f"other {number}")
            instances.record(transaction, header(10_000 + number), study(), received(other), "key")
            instances.save_assessment(
                transaction,
                replace(
                    made, digest=other, anomaly=AnomalyScore(0.99, 99.0), model=ModelIdentity("old", "1.0.0", "ef" * 32)
                ),
            )
    database.close()


def test_the_newest_assessed_images_of_this_model_are_the_baseline(
    cli: Callable[..., Ran], config: Path, data_dir: Path, models: Path
) -> None:
    from miqa_node.stages.assess.package_checks import sha256_of

    sha256 = sha256_of(models / PACKAGE / "model.onnx")
    put_assessments(data_dir, sha256, [0.9] * 5 + [None] * 5 + [0.30 + 0.001 * n for n in range(210)])

    ran = cli("models", "baseline", "--limit", 210, "--json", "--config", config)

    assert ran.code == Exit.OK
    assert ran.json["images"] == 210
    baseline = read_baseline(baseline_path(data_dir, PACKAGE))
    assert baseline.scores == pytest.approx([0.30 + 0.001 * n for n in range(210)])
    assert "200 are needed" in cli("models", "baseline", "--limit", 190, "--config", config).err
