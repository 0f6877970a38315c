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
from miqa_node.core.domain.verdict import Verdict
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
from tests.interfaces.cli.conftest import Ran
from tests.pictures import picture_pixels
from tests.stages.assess.making import chest_dataset, write_package
from tests.web.staging import Stage

NOW = datetime(2026, 11, 20, 10, 0, tzinfo=UTC)


@pytest.fixture
def config(tmp_path: Path, data_dir: Path) -> Path:
    file = tmp_path / "site.toml"
    file.write_text(f'[node]\ndata_dir = "{data_dir}"\nsite = "General"\n')
    return file


@pytest.fixture
def labelled(stage: Stage, tmp_path: Path) -> list[InstanceDigest]:
    """Four images: one confirmed, one dismissed, one audited good, one with a drawn object."""
    digests = []
    for number in range(4):
        study, digest = stage.add(number, Verdict.REJECT if number < 2 else Verdict.ACCEPT)
        file = tmp_path / "one.dcm"
        chest_dataset(number, 0.5).save_as(file)
        stage.services.objects.put(original_key(digest), file.read_bytes())
        digests.append(digest)
        with stage.services.database.begin() as transaction:
            if number < 2:
                decided = Resolution.DISMISSED if number else Resolution.CONFIRMED
                worklist.resolve(transaction, study, decided, "Dr. Meier", "", NOW)
    region = RegionOutline(((0.25, 0.25), (0.5, 0.25), (0.5, 0.75)), "foreign_object")
    with stage.services.database.begin() as transaction:
        good = ReaderOpinion("Dr. Meier", LabelOrigin.SPOT_CHECK, bad=False, findings=(), sampled=0.1)
        labels.add(transaction, digests[2], good, NOW)
        drawn = ReaderOpinion(
            "berta", LabelOrigin.SPOT_CHECK, True, findings=("foreign_object",), regions=(region,), sampled=0.1
        )
        labels.add(transaction, digests[3], drawn, NOW)
        again = ReaderOpinion("carla", LabelOrigin.SECOND_READING, bad=False, findings=(), blind=True)
        labels.add(transaction, digests[0], again, NOW)
    return digests


def table(file: Any) -> list[dict[str, str]]:
    with file.open(newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


def test_an_export_holds_every_label_and_names_nobody(
    cli: Callable[..., Ran], config: Path, labelled: list[InstanceDigest], tmp_path: Path
) -> None:
    out = tmp_path / "export"
    done = cli("labels", "export", out, "--json", "--config", config)
    assert done.code == Exit.OK, done.out
    assert done.json == {"images": 4, "regions": 1, "judgements": 5, "left_out": {}}
    rows = table(out / "labels.csv")
    assert [row["label"] for row in rows] == ["motion_blur", "good", "good", "foreign_object"]
    assert [row["sampled"] for row in rows] == ["1.0", "1.0", "0.1", "0.1"]
    assert len({row["patient"] for row in rows}) == 4
    everything = table(out / "judgements.csv")
    assert [row["origin"] for row in everything] == ["decision", "decision", "audit", "audit", "second_reading"]
    assert {row["model"] for row in everything} == {"quality-0.9.3"}
    text = "".join(file.read_text("utf-8") for file in out.glob("*.*"))
    for secret in ("Meier", "Muster", "PID", "ACC1", *labelled):
        assert secret not in text
    picture = picture_pixels(out / rows[3]["image"])
    coco = json.loads((out / "coco.json").read_text("utf-8"))
    [annotation] = coco["annotations"]
    [image] = [image for image in coco["images"] if image["id"] == annotation["image_id"]]
    assert (image["height"], image["width"]) == picture.shape
    height, width = picture.shape
    assert annotation["bbox"] == [width / 4, height / 4, width / 4, height / 2]
    assert {c["id"]: c["name"] for c in coco["categories"]}[annotation["category_id"]] == "foreign_object"
    assert image["file_name"] == rows[3]["image"]


def test_the_export_is_what_calibrate_and_training_read(
    cli: Callable[..., Ran], config: Path, labelled: list[InstanceDigest], tmp_path: Path
) -> None:
    pytest.importorskip("torch")
    from miqa_training.presentation import BaseImage
    from miqa_training.samples import CLASSES, COLUMN, Sampler
    from miqa_training.site_labels import read_site_labels

    out = tmp_path / "export"
    assert cli("labels", "export", out, "--config", config).code == Exit.OK
    read = read_labels(out / "labels.csv")
    assert [label.bad for label in read.labels] == [True, False, False, True]
    assert read.patients_known
    records = read_site_labels(out)
    assert [record.findings for record in records] == [{"motion_blur"}, frozenset(), frozenset(), {"foreign_object"}]
    assert records[1].has_real_object is False
    assert records[3].boxes[0].box == (0.25, 0.25, 0.5, 0.75)
    sampler = object.__new__(Sampler)
    present, severity = sampler._labels(BaseImage(np.zeros((8, 8), np.float32), records[0].boxes, records[0]), {})
    assert [name for name in CLASSES if present[COLUMN[name]] == 1.0] == ["motion_blur"]
    assert severity[COLUMN["motion_blur"]] == -1.0
    with pytest.raises(SettingsError, match="labels export"):
        read_site_labels(tmp_path)


def test_labels_alone_and_what_cannot_be_decoded(
    cli: Callable[..., Ran], config: Path, labelled: list[InstanceDigest], stage: Stage, tmp_path: Path
) -> None:
    with stage.services.database.begin() as transaction:
        enough = ReaderOpinion("anna", LabelOrigin.DECISION, bad=False, findings=None)
        labels.add(transaction, labelled[1], enough, NOW)
    alone = cli("labels", "export", tmp_path / "alone", "--images", "none", "--json", "--config", config)
    assert alone.json["images"] == 3
    assert [row["judgement"] for row in table(tmp_path / "alone" / "judgements.csv")][-1] == "acceptable"
    assert not (tmp_path / "alone" / "images").exists()
    stage.services.objects.local_path(original_key(labelled[0])).write_bytes(b"broken")
    some = cli("labels", "export", tmp_path / "some", "--json", "--config", config)
    assert some.code == Exit.OK
    assert some.json["images"] == 2
    assert sum(some.json["left_out"].values()) == 2


def test_an_export_of_what_is_all_gone_is_its_table(
    cli: Callable[..., Ran], config: Path, labelled: list[InstanceDigest], stage: Stage, tmp_path: Path
) -> None:
    for digest in labelled:
        stage.services.objects.local_path(original_key(digest)).unlink()
    done = cli("labels", "export", tmp_path / "out", "--json", "--config", config)
    assert (done.code, done.json["images"], done.json["left_out"]) == (Exit.OK, 0, {GONE: 4})
    assert len(table(tmp_path / "out" / "labels.csv")) == 4


def test_labels_are_counted_and_brought_in_all_or_none(
    cli: Callable[..., Ran], config: Path, labelled: list[InstanceDigest], tmp_path: Path
) -> None:
    file = tmp_path / "audit.csv"
    file.write_text(f"digest,label,sampled\n{labelled[2]},motion_blur;unsharp,0.5\n{'f' * 64},good,1\n")
    assert cli("labels", "import", file, "--as", "anna", "--config", config).code == Exit.NOT_FOUND
    file.write_text(f"digest,label,sampled\n{labelled[2]},motion_blur;unsharp,0.5\n1.2.3.4.5.3,bad,0.5\n")
    done = cli("labels", "import", file, "--as", "anna", "--config", config)
    assert done.code == Exit.OK, done.out
    assert done.out == "Labels taken in: 2.\n"
    counted = cli("labels", "list", "--json", "--config", config).json
    assert counted["labels"]["import"] == {"labels": 2, "bad": 2}
    assert counted["labels"]["decision"] == {"labels": 2, "bad": 1}
    assert counted["requests"]["audit"] == {"asked": 0, "answered": 0}
    assert "decision" in cli("labels", "list", "--config", config).out


def test_an_export_without_audited_images_promises_nothing_of_accepted_ones(
    cli: Callable[..., Ran], config: Path, labelled: list[InstanceDigest], tmp_path: Path
) -> None:
    out = tmp_path / "export"
    assert cli("labels", "export", out, "--config", config).code == Exit.OK
    assert read_labels(out).covers_accepted
    head, *rows = (out / "labels.csv").read_text("utf-8").splitlines(keepends=True)
    (out / "labels.csv").write_text("".join([head, *(row for row in rows if ",audit," not in row)]), "utf-8")
    assert not read_labels(out).covers_accepted


@pytest.mark.more
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


@pytest.mark.more
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


@pytest.mark.more
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
