# ruff: noqa: F401, F811 - fixtures of another folder are imported by name
"""From 150 labelled images of the node to a certificate that its commands and its judgement know."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pydicom
import pytest
import yaml

from miqa_node.core.settings import load_settings
from miqa_node.features.backup.work.making import back_up
from miqa_node.features.backup.work.restoring import restore
from miqa_node.interfaces.cli.exits import Exit
from miqa_node.runtime.store.database import Database
from miqa_node.runtime.store.disk import DiskObjects
from miqa_node.runtime.workers.pool import WorkerPool
from miqa_node.stages.assess.classify.learned import LEARNED, mark_of, write_learned
from miqa_node.stages.assess.prediction_certificate import certificate_path, read_certificate
from tests.features.models.command.test_certify import certified, config, receive, write_table
from tests.interfaces.cli.conftest import Ran
from tests.stages.assess.making import sha256

pytestmark = pytest.mark.more


@pytest.mark.long
@pytest.mark.timeout(600)
def test_labels_of_the_nodes_images_make_a_certificate_that_judges_and_is_restored(
    cli: Callable[..., Ran], config: Path, tmp_path: Path, data_dir: Path
) -> None:
    labels = write_table(tmp_path / "labels", 80, 75)
    receive(data_dir, tmp_path / "labels")
    before = cli("assess", tmp_path / "labels/0.dcm", "--json", "--config", config).json["predictions"]
    made = cli("models", "certify", "lungs", labels, "--config", config)
    assert made.code == Exit.OK, made.err
    assert "certified Pneumonia in adults from 0.80 on: 80 of 80 right, at least 96.3 % (95 % confidence)" in made.out
    assert made.out.splitlines()[-1] == "written"
    assert "does not say which images it learned from" in made.err
    file = read_certificate(certificate_path(data_dir, "lungs"))
    assert (file.certificate.reader, file.certificate.stations) == ("Dr. Bell", ("ROOM1",))
    assert file.certificate.populations[0].ages_years == (45, 45)

    [after] = cli("assess", tmp_path / "labels/0.dcm", "--json", "--config", config).json["predictions"]
    assert after["status"] == "automated"
    assert after["automated_by"].startswith("Automated by the site's certificate of")
    assert [{key: value for key, value in after.items() if key != "automated_by"}] == before

    database = Database(f"sqlite:///{data_dir / 'miqa.sqlite'}")
    back_up(
        database, DiskObjects(load_settings(node={"data_dir": data_dir}).objects_dir), data_dir, tmp_path / "backup"
    )
    database.close()
    other = tmp_path / "other"
    other.mkdir()
    restore(tmp_path / "backup", other, DiskObjects(other / "objects"), with_database=True)
    assert read_certificate(certificate_path(other, "lungs")) == file

    for row in ("level", "0.99"), ("least-right", "0.97"):
        again = cli("models", "certify", "lungs", labels, f"--{row[0]}", row[1], "--json", "--config", config)
        assert again.json["written"] is (row[0] == "level")
        assert again.code == (Exit.OK if row[0] == "level" else Exit.FAILED)


@pytest.mark.timeout(600)
def test_a_patient_that_the_package_learned_from_is_no_case(
    cli: Callable[..., Ran], config: Path, tmp_path: Path, data_dir: Path
) -> None:
    labels = write_table(tmp_path / "labels", 3, 3)
    receive(data_dir, tmp_path / "labels")
    pool = WorkerPool(load_settings())
    mark = mark_of(pool.decode(tmp_path / "labels/2.dcm"))
    pool.close()
    package = tmp_path / "models/lungs-1.0.0"
    write_learned(package, [mark])
    card = yaml.safe_load((package / "card.yaml").read_text())
    card["files"][LEARNED] = sha256(package / LEARNED)
    (package / "card.yaml").write_text(yaml.safe_dump(card))
    copy = pydicom.dcmread(tmp_path / "labels/2.dcm")  # another header, the same pixels
    copy.PatientID, copy.StudyDate = "other", "20200101"
    copy.save_as(tmp_path / "labels/2.dcm")
    receive(data_dir, tmp_path / "labels")
    ran = cli("models", "certify", "lungs", labels, "--config", config)
    assert ran.code == Exit.USAGE
    assert "the package learned from images of 1 of the patients" in ran.err
    assert "learned from: the cases must be" not in ran.err
    assert not certified(data_dir)
