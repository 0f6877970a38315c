# ruff: noqa: F401, F811 - fixtures of the quick suite are imported by name
"""``miqa-node models certify`` as it is typed: what is shown, what is refused, and what is written."""

from __future__ import annotations

import csv
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from pydicom.dataset import FileDataset

from miqa_node.core.domain.instance import InstanceDigest, ReceivedObject
from miqa_node.dicom.bytes.headers import read_header
from miqa_node.interfaces.cli.exits import Exit
from miqa_node.runtime.store.database import Database
from miqa_node.runtime.store.object_keys import original_key
from miqa_node.runtime.store.verification import data_set_digest
from miqa_node.stages.assess.prediction_certificate import certificate_path, write_certificate
from miqa_node.stages.units.rows import instances
from tests.features.models.command.test_certify import POLICY, certified, chest, config
from tests.interfaces.cli.conftest import Ran
from tests.interfaces.web.test_predict import quiet
from tests.stages.assess.certifying import certificate_for
from tests.stages.assess.classify.making import write_classifier
from tests.stages.assess.making import chest_dataset, write_package


def test_any_labelled_folder_shows_what_would_be(
    cli: Callable[..., Ran], config: Path, tmp_path: Path, data_dir: Path
) -> None:
    for name, bright in (("Pneumonia", True), ("Normal", False)):
        (tmp_path / "labels" / name).mkdir(parents=True)
        for number in range(2):
            chest(number + 10 * bright, bright).save_as(tmp_path / "labels" / name / f"{number}.dcm")
    shown = cli("models", "certify", "lungs", tmp_path / "labels", "--show", "--config", config)
    assert shown.code == Exit.OK, shown.err
    assert "lungs-1.0.0: 4 cases, one image of each patient" in shown.out
    assert "population\tall patients\t0.80\t4\t100.0%\t4\t0\t" in shown.out
    assert f"0.80 |{'#' * 50}| right 4, wrong 0, waiting 0" in shown.out
    assert f"0.99 |{'#' * 25}{'.' * 25}| right 2, wrong 0, waiting 2" in shown.out
    assert not certified(data_dir)
    rows = cli("models", "certify", "lungs", tmp_path / "labels", "--show", "--json", "--config", config).json
    assert (rows["cases"], rows["image_waits"], rows["left_out"]) == (4, 0, {})
    assert {row["level"] for row in rows["levels"]} == {0.8, 0.9, 0.95, 0.99}
    assert {row["by"] for row in rows["levels"]} == {"all", "label", "population", "station"}


def test_it_is_shown_and_revoked(cli: Callable[..., Ran], config: Path, tmp_path: Path, data_dir: Path) -> None:
    none = cli("models", "certificate", "lungs", "--config", config)
    assert "no certificate for predictions" in none.out
    assert cli("models", "certificate", "lungs", "--revoke", "--config", config).code == Exit.NOT_FOUND
    write_certificate(certificate_path(data_dir, "lungs"), certificate_for(tmp_path / "models/lungs-1.0.0"))
    beside = cli("models", "certificate", "--config", config)
    assert "quality-1.0.0" in beside.out
    assert "lungs-1.0.0 predictions: certificate of" in beside.out
    assert "adults\t18 to 90 years, unknown\tAP, PA\tPneumonia\t119\t120\t96.1 %\tautomated" in beside.out
    shown = cli("models", "certificate", "--json", "--config", config).json
    assert [one["in_force"] for one in shown["predictions"]] == [True]
    assert shown["package"] == "quality-1.0.0"

    assert cli("models", "certificate", "--revoke", "--config", config).code == Exit.USAGE
    revoked = cli("models", "certificate", "lungs", "--revoke", "--as", "mara", "--config", config)
    assert (revoked.code, "mara revoked it on" in revoked.out) == (Exit.OK, True)
    assert cli("models", "certificate", "lungs", "--revoke", "--config", config).code == Exit.CONFLICT
    one = cli("models", "certificate", "lungs-1.0.0", "--json", "--config", config).json
    assert (one["package"], one["predictions"][0]["in_force"]) == ("lungs-1.0.0", False)
