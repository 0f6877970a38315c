# ruff: noqa: F401, F811 - fixtures of the quick suite are imported by name
"""Labels leave the node as files that name nobody, come in from tables, and are what training reads."""

from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Callable
from datetime import UTC, datetime
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest

from miqa_node.core.domain.instance import InstanceDigest
from miqa_node.core.domain.label import LabelOrigin, ReaderOpinion, RegionOutline
from miqa_node.core.domain.policy import Verdict
from miqa_node.core.domain.worklist import Resolution
from miqa_node.errors import SettingsError
from miqa_node.features.labels.command.calibrate import _decisions
from miqa_node.features.labels.export import GONE
from miqa_node.features.worklist.rows import worklist
from miqa_node.interfaces.cli.exits import Exit
from miqa_node.interfaces.cli.options import settings_of
from miqa_node.runtime.site_records import labels
from miqa_node.runtime.store.object_keys import original_key
from miqa_node.stages.assess.labels import ORIGINAL_GONE, read_labels
from tests.features.labels.command.test_calibrate import POLICY
from tests.features.labels.command.test_labels import NOW, config, labelled, table
from tests.interfaces.cli.conftest import Ran
from tests.pictures import picture_pixels
from tests.stages.assess.making import chest_dataset, write_package
from tests.web.staging import Stage


def test_what_retention_or_an_erasure_removed_is_left_out_and_its_label_stays(
    cli: Callable[..., Ran], config: Path, labelled: list[InstanceDigest], stage: Stage, tmp_path: Path
) -> None:
    for digest in labelled[:2]:
        stage.services.objects.local_path(original_key(digest)).unlink()
    for images in ("png", "dicom"):
        out = tmp_path / images
        done = cli("labels", "export", out, "--images", images, "--json", "--config", config)
        assert done.code == Exit.OK, done.out
        assert done.json == {"images": 2, "regions": 1, "judgements": 5, "left_out": {GONE: 2}}
        rows = table(out / "labels.csv")
        assert [(row["label"], bool(row["image"])) for row in rows] == [
            ("motion_blur", False),
            ("good", False),
            ("good", True),
            ("foreign_object", True),
        ]
        read = read_labels(out)
        assert ([len(one.findings or ()) for one in read.labels], read.left_out) == ([0, 1], ((ORIGINAL_GONE, 2),))
    decisions = _decisions(settings_of(config, None), None)
    assert (len(decisions.labels), decisions.left_out) == (2, ((ORIGINAL_GONE, 2),))


def test_images_can_go_out_as_deidentified_dicom(
    cli: Callable[..., Ran], config: Path, labelled: list[InstanceDigest], tmp_path: Path
) -> None:
    out = tmp_path / "dicom"
    done = cli("labels", "export", out, "--images", "dicom", "--json", "--config", config)
    assert done.code == Exit.OK, done.out
    assert done.json["images"] == 4
    rows = table(out / "labels.csv")
    written = [pydicom.dcmread(out / row["image"]) for row in rows]
    assert {ds.PatientIdentityRemoved for ds in written} == {"YES"}
    image = json.loads((out / "coco.json").read_text("utf-8"))["images"][0]
    assert (image["width"], image["height"]) == (written[0].Columns, written[0].Rows)
    assert [label.bad for label in read_labels(out / "labels.csv").labels] == [True, False, False, True]


@pytest.mark.long
@pytest.mark.timeout(900)
def test_from_decisions_of_people_to_a_calibration_and_a_package(
    cli: Callable[..., Ran], stage: Stage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Review and audit → export → calibrate → a few steps of training → a package that the node's own check accepts."""
    pytest.importorskip("torch")
    from tests.packages.training.hospital import write_data

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("miqa_training.quality.SAMPLES", 128)  # with 9000 it takes minutes
    monkeypatch.setattr("miqa_training.removable.SIMULATED_SAMPLES", 128)
    config = site_with_a_package(tmp_path, stage.services.settings.node.data_dir)
    for number in range(72):
        bad = number % 2 == 0
        study, digest = stage.add(number, Verdict.REJECT if bad else Verdict.ACCEPT)
        chest_dataset(number, 0.9 if bad else 0.1).save_as(tmp_path / "one.dcm")
        stage.services.objects.put(original_key(digest), (tmp_path / "one.dcm").read_bytes())
        with stage.services.database.begin() as transaction:
            if bad:
                worklist.resolve(transaction, study, Resolution.CONFIRMED, "mara", "", NOW)
            else:
                labels.add(
                    transaction, digest, ReaderOpinion("mara", LabelOrigin.SPOT_CHECK, bad=False, findings=()), NOW
                )

    exported = cli("labels", "export", "export", "--json", "--config", config)
    assert exported.json["images"] == 72, exported.err
    made = cli("calibrate", "export", "--alpha", "0.45", "--beta", "0.45", "--json", "--config", config)
    assert made.code == Exit.OK, made.out + made.err
    assert made.json["written"]
    assert made.json["labels"]["patients"] == 72
    assert [one["promise"] for one in made.json["certificate"]["guarantees"]] == ["accepted_bad", "bad_accepted"]

    data = write_data(tmp_path / "data")
    other = str(files("data_store") / "data" / "RG3_UNCR.dcm")
    words = ("train", "quality", "--data", data, "--labels", "export", "--out", "packages", "--version", "0.0.9")
    refused = cli(*words, "--steps", 2)
    assert (refused.code, "other body parts" in refused.err) == (Exit.USAGE, True), "before any hour of training"
    (data / "dicom_cases").mkdir()
    shutil.copy(other, data / "dicom_cases" / "x__RG3_UNCR.dcm")
    trained = cli(*words, "--steps", 2)
    assert trained.code == Exit.OK, trained.err
    [package] = (tmp_path / "packages").iterdir()
    assert "--labels EXPORT" in (package / "card.yaml").read_text("utf-8").replace("\n    ", " ")
    config.write_text(config.read_text().replace('/models"', '/packages"'))
    checked = cli("models", "check", "--json", "--config", config)
    assert checked.code == Exit.OK, checked.out
    assert checked.json["ok"]


def site_with_a_package(tmp_path: Path, data_dir: Any) -> Any:
    covered = {"modality": ["DX"], "body_part": ["CHEST"], "view": ["PA"]}
    write_package(tmp_path / "models" / "quality-1.0.0", "1.0.0", "quality", applicability=covered)
    (tmp_path / "policy.toml").write_text(POLICY.format(version="p1"))
    file = tmp_path / "site.toml"
    file.write_text(
        f'[node]\ndata_dir = "{data_dir}"\nsite = "General"\n'
        "[assess]\nshipped_packages = false\n"
        f'models_dir = "{tmp_path}/models"\n[policy]\nfile = "{tmp_path / "policy.toml"}"\n'
    )
    return file
