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
from miqa_node.interfaces.cli.room_file import FlaggedImages, LearnedLimit, RoomFile
from miqa_node.runtime.store.database import Database
from miqa_node.runtime.store.object_keys import original_key
from miqa_node.runtime.store.verification import data_set_digest
from miqa_node.stages.assess.prediction_certificate import certificate_path, write_certificate
from miqa_node.stages.units.rows import instances
from tests.interfaces.cli.conftest import Ran
from tests.interfaces.web.test_predict import quiet
from tests.stages.assess.certifying import certificate_for
from tests.stages.assess.classify.making import write_classifier
from tests.stages.assess.making import chest_dataset, write_package

POLICY = """
version = "p1"
[[rule]]
finding = "all"
then = "ACCEPT"
evidence = "card"
[[package]]
name = "lungs"
min_confidence = 0.8
"""


@pytest.fixture
def config(tmp_path: Path, data_dir: Path) -> Path:
    write_package(tmp_path / "models/quality-1.0.0", "1.0.0", "quality", **quiet())
    write_classifier(tmp_path / "models/lungs-1.0.0")
    (tmp_path / "policy.toml").write_text(POLICY)
    file = tmp_path / "site.toml"
    file.write_text(
        f'[node]\ndata_dir = "{data_dir}"\nsite = "General"\n[assess]\nshipped_packages = false\n'
        f'models_dir = "{tmp_path / "models"}"\n[policy]\nfile = "{tmp_path / "policy.toml"}"\n'
    )
    return file


def chest(number: int, bright: bool) -> FileDataset:
    """A chest that the package is sure of: pneumonia if it is bright."""
    ds = chest_dataset(number, 0.95 if bright else 0.02)
    ds.StationName, ds.PatientAge = "ROOM1", "045Y"
    ds.WindowCenter, ds.WindowWidth = 2048, 4096
    return ds


def write_table(folder: Path, pneumonia: int, normal: int, **columns: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    extra = {"reader": "Dr. Bell", "population": "adults"} | columns
    with (folder / "labels.csv").open("w", newline="") as stream:
        writer = csv.DictWriter(stream, ("file", "label", *extra))
        writer.writeheader()
        for number in range(pneumonia + normal):
            is_ill = number < pneumonia
            chest(number, is_ill).save_as(folder / f"{number}.dcm")
            writer.writerow({"file": f"{number}.dcm", "label": "Pneumonia" if is_ill else "Normal"} | extra)
    return folder / "labels.csv"


def receive(data_dir: Path, folder: Path) -> None:
    """Let the node know the images of a folder."""
    now = datetime.now(UTC)
    database = Database(f"sqlite:///{data_dir / 'miqa.sqlite'}")
    database.migrate()
    with database.begin() as transaction:
        for path in sorted(folder.glob("*.dcm")):
            digest = InstanceDigest(data_set_digest(path))
            header, study = read_header(path)
            received = ReceivedObject("unused", digest, 1, "MODALITY", "MIQA", "10.0.0.7", now)
            instances.record(transaction, header, study, received, original_key(digest))
    database.close()


def certified(data_dir: Path) -> bool:
    return certificate_path(data_dir, "lungs").exists()


def test_what_waits_for_its_quality_is_said(cli: Callable[..., Ran], config: Path, tmp_path: Path) -> None:
    rule = '[[rule]]\nmeasurement = "entropy"\nabove = 0.0\nthen = "REVIEW"\nreason = "unsharp"\nevidence = "site"\n'
    (tmp_path / "policy.toml").write_text(POLICY + rule)
    ran = cli("models", "certify", "lungs", write_table(tmp_path / "labels", 2, 2), "--show", "--config", config)
    assert "4 wait whatever the answer: their quality comes first" in ran.out
    assert f"0.80 |{'.' * 50}| right 0, wrong 0, waiting 4" in ran.out


def test_limits_of_a_folder_decide_what_waits_for_its_quality(
    cli: Callable[..., Ran], config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MIQA_POLICY__LEARN_IMAGES", "50")
    rule = '[[rule]]\nmeasurement = "entropy"\nabove = 0.0\nsevere = 99\nthen = "REVIEW"\nreason = "unsharp"\n'
    (tmp_path / "policy.toml").write_text(f'{POLICY}{rule}evidence = "site"\n')
    room = RoomFile(
        policy="p1", package="quality", version="1.0.0", state="provisional", images=60, budget=0.02, found=0.9,
        flagged=FlaggedImages(images=60, always=0, before=60, after=1),
        limit=(LearnedLimit(what="entropy", limit=50.0, kind="measurement"),),
    )  # fmt: skip
    (tmp_path / "limits.toml").write_text(room.text)
    labels = write_table(tmp_path / "labels", 2, 2)

    def waits(*words: object) -> int:
        ran = cli("models", "certify", "lungs", labels, "--show", "--json", "--config", config, *words)
        return int(ran.json["image_waits"])

    assert waits() == 4
    assert waits("--limits", "learning") == 4
    assert waits("--limits", tmp_path / "limits.toml") == 0


def test_too_little_is_refused_with_what_is_missing(
    cli: Callable[..., Ran], config: Path, tmp_path: Path, data_dir: Path
) -> None:
    labels = write_table(tmp_path / "labels", 3, 0, reader="")
    receive(data_dir, tmp_path / "none")
    ran = cli("models", "certify", "lungs", labels, "--config", config)
    assert ran.code == Exit.USAGE
    assert ran.err.splitlines()[-1] == (
        "miqa-node: There is no certificate from these labels: 3 cases of different patients are few, 150 are needed; "
        "they have one label, two are needed; 3 of them have no reader; 3 images are unknown to the node."
    )
    assert not certified(data_dir)


@pytest.mark.parametrize(
    ("table", "says"),
    [
        ("file,label\n0.dcm,Tumour\n", "lungs-1.0.0 does not know Tumour; its labels are Normal, Pneumonia."),
        ("file,label,sampled\n0.dcm,Normal,0.5\n", "labels.csv, line 2: sampled is the number of cases that a line"),
        ("file,label\nother.dcm,Normal\n", "labels.csv, line 2: there is no file 'other.dcm'."),
        ("file,label\n0.dcm,\n", "labels.csv, line 2: the label is empty."),
        ("file\n0.dcm\n", "labels.csv has no column label."),
        ("file,label\n", "labels.csv lists no image."),
    ],
)
def test_bad_labels_are_one_sentence(
    cli: Callable[..., Ran], config: Path, tmp_path: Path, table: str, says: str
) -> None:
    labels = write_table(tmp_path / "labels", 1, 0)
    labels.write_text(table)
    ran = cli("models", "certify", "lungs", labels, "--show", "--config", config)
    assert ran.code == Exit.USAGE
    assert says in ran.err
    assert len(ran.err.splitlines()) == 1


@pytest.mark.parametrize(
    "words", [("--level", "0.79"), ("--least-right", "0.9"), ("--level", "high"), ("--level", "1")]
)
def test_less_than_the_least_is_refused(
    cli: Callable[..., Ran], config: Path, tmp_path: Path, words: tuple[str, str]
) -> None:
    labels = write_table(tmp_path / "labels", 1, 1)
    ran = cli("models", "certify", "lungs", labels, *words, "--config", config)
    assert ran.code == Exit.USAGE
    assert words[0] in ran.err


def test_only_packages_that_predict_are_certified(cli: Callable[..., Ran], config: Path, tmp_path: Path) -> None:
    labels = write_table(tmp_path / "labels", 1, 1)
    ran = cli("models", "certify", "quality-1.0.0", labels, "--config", config)
    assert (ran.code, "is a package for quality" in ran.err) == (Exit.USAGE, True)
    assert cli("models", "certify", "hearts", labels, "--config", config).code == Exit.NOT_FOUND
    config.write_text(config.read_text().replace('site = "General"\n', ""))
    ran = cli("models", "certify", "lungs", labels, "--config", config)
    assert (ran.code, "set node.site" in ran.err) == (Exit.USAGE, True)


@pytest.mark.more
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


@pytest.mark.more
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
