"""``models baseline``: a site's own images become what anomaly percentiles refer to."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import sqlalchemy as sa
from fastapi.testclient import TestClient

from miqa_node.core.domain.anomaly import AnomalyScore
from miqa_node.core.domain.verdict import Verdict
from miqa_node.interfaces.cli.exits import Exit
from miqa_node.interfaces.web.app import create_app
from miqa_node.runtime.store.documents import dump_assessment
from miqa_node.runtime.store.tables import assessments
from miqa_node.stages.assess.anomaly.baseline import baseline_path
from miqa_node.stages.units.rows import instances
from tests.interfaces.cli.conftest import Ran
from tests.web.staging import Stage

pytest.importorskip("sklearn")
from datetime import UTC, datetime, timedelta

from miqa_node.core.domain.assessment import Assessment, ModelIdentity
from miqa_node.runtime.store.database import Database
from miqa_node.stages.assess.anomaly.baseline import read_baseline
from tests.runtime.store.making import digest, header, received, study
from tests.stages.assess.anomaly.making import odd_pixels, pixels, taught_package

PACKAGE = "tiny-1.0.0"
CHEST = ("--modality", "CR", "--body-part", "CHEST", "--view", "PA")


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    taught_package(folder / PACKAGE)
    return folder


@pytest.fixture
def config(tmp_path: Path, data_dir: Path, models: Path) -> Path:
    file = tmp_path / "site.toml"
    file.write_text(
        f'[node]\ndata_dir = "{data_dir}"\n[assess]\nshipped_packages = false\n'
        f'models_dir = "{models}"\nquality_package = "{PACKAGE}"\n'
    )
    return file


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


def test_too_few_images_write_nothing(cli: Callable[..., Ran], config: Path, data_dir: Path, tmp_path: Path) -> None:
    for number in range(2):
        assert cv2.imwrite(str(tmp_path / f"{number}.png"), pixels(number))

    ran = cli("models", "baseline", tmp_path / "0.png", tmp_path / "1.png", *CHEST, "--config", config)

    assert ran.code == Exit.USAGE
    assert "2 images are too few for a baseline: 200 are needed" in ran.err
    assert not baseline_path(data_dir, PACKAGE).exists()


def test_assess_tells_score_percentile_and_baseline(cli: Callable[..., Ran], config: Path, tmp_path: Path) -> None:
    for name, values in (("usual", pixels(8)), ("odd", odd_pixels(4))):
        assert cv2.imwrite(str(tmp_path / f"{name}.png"), values)

    ran = cli("assess", tmp_path / "usual.png", tmp_path / "odd.png", *CHEST, "--json",
              "--saliency-dir", tmp_path / "maps", "--config", config)  # fmt: skip

    usual, odd = (line["anomaly"] for line in ran.lines)
    assert usual["score"] < odd["score"]
    assert usual["percentile"] < 95 < odd["percentile"]
    assert odd["baseline"] == "training"
    assert [path.name for path in (tmp_path / "maps").glob("*.anomaly.npy")] == ["odd.anomaly.npy"]
    values = np.load(tmp_path / "maps" / "odd.anomaly.npy")
    assert values.shape == odd_pixels(4).shape
    assert values.max() > 0.9


def test_explain_and_the_page_tell_how_unusual_an_image_is(
    cli: Callable[..., Ran], stage: Stage, tmp_path: Path
) -> None:
    study_uid, name = stage.add(1, Verdict.ACCEPT)
    with stage.services.database.begin() as transaction:
        assessment = instances.load_assessment(transaction, name)
        assert assessment is not None
        document = dump_assessment(replace(assessment, anomaly=AnomalyScore(0.5123, 80.0, 99.6)))
        transaction.execute(sa.update(assessments).where(assessments.c.digest == name).values(document=document))

    output = cli("explain", study_uid, "--data-dir", stage.services.settings.node.data_dir).out
    browser = TestClient(create_app(stage.services), base_url="http://localhost:8080", client=("127.0.0.1", 1))
    page = browser.get(f"/studies/{study_uid}").text

    assert "score 0.512, percentile 99.6 among this site's images" in output
    assert "More unusual than 99.6 % of the images of this site." in page


@pytest.mark.more
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
