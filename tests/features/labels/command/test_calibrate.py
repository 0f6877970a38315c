"""From labelled images to certified verdicts, and back to none when something changes."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pydicom
import pytest

from miqa_node.core.domain.finding import FindingName
from miqa_node.core.domain.label import LabelOrigin, ReaderOpinion
from miqa_node.core.domain.site_limit import LimitProposal, ProposedLimit, RoomLimit
from miqa_node.core.domain.verdict import Verdict
from miqa_node.core.domain.worklist import Resolution
from miqa_node.features.worklist.rows import worklist
from miqa_node.interfaces.cli.exits import Exit
from miqa_node.runtime.site_records import labels, site_limits
from miqa_node.runtime.store.database import Database
from miqa_node.runtime.store.object_keys import original_key
from tests.interfaces.cli.conftest import Ran
from tests.stages.assess.making import chest_dataset, write_package
from tests.web.staging import Stage

POLICY = """
version = "{version}"
[[rule]]
evidence = "card"
each = [{{ finding = "all", then = "ACCEPT" }}, {{ finding = "motion_blur", then = "REVIEW" }}]
"""


@pytest.fixture
def config(tmp_path: Path, data_dir: Path) -> Path:
    write_package(tmp_path / "models" / "quality-1.0.0", "1.0.0", "quality")
    (tmp_path / "policy.toml").write_text(POLICY.format(version="p1"))
    file = tmp_path / "site.toml"
    file.write_text(
        f'[node]\ndata_dir = "{data_dir}"\nsite = "General"\n'
        "[assess]\nshipped_packages = false\n"
        f'models_dir = "{tmp_path / "models"}"\n[policy]\nfile = "{tmp_path / "policy.toml"}"\n'
    )
    return file


def write_labels(folder: Path, good: int, bad: int) -> Path:
    """Dark images are good, bright ones blurred: the tiny graph can tell."""
    for name, count, brightness, first in (("good", good, 0.1, 0), ("motion_blur", bad, 0.9, 500)):
        (folder / name).mkdir(parents=True, exist_ok=True)
        for number in range(first, first + count):
            chest_dataset(number, brightness).save_as(folder / name / f"{number}.dcm")
    return folder


def texts(item: pydicom.Dataset) -> list[str]:
    """Every text of a structured report."""
    own = [item.TextValue] if "TextValue" in item else []
    return own + [text for child in item.get("ContentSequence", ()) for text in texts(child)]


def test_too_few_labels_say_how_many_more_and_write_nothing(
    cli: Callable[..., Ran], config: Path, tmp_path: Path, data_dir: Path
) -> None:
    few = cli("calibrate", write_labels(tmp_path / "labels", 4, 2), "--config", config)
    assert few.code == Exit.FAILED
    assert "more labelled patients" in few.out
    assert "no certificate" in few.out
    assert "Nothing was written" in few.err
    assert not (data_dir / "calibration").exists()


def test_what_cannot_be_judged_is_left_out_and_counted(cli: Callable[..., Ran], config: Path, tmp_path: Path) -> None:
    labels = write_labels(tmp_path / "labels", 2, 1)
    knee = chest_dataset(900)
    knee.BodyPartExamined = "KNEE"
    knee.save_as(labels / "good" / "knee.dcm")
    (labels / "good" / "broken.dcm").write_bytes(b"\0" * 128 + b"DICM" + b"\xff" * 64)
    made = cli("calibrate", labels, "--json", "--dry-run", "--config", config).json
    assert made["labels"]["left_out"] == {"unreadable": 1, "outside of what the model was made for": 1}
    assert made["labels"]["patients"] == 3


def test_a_table_says_what_its_pictures_are(cli: Callable[..., Ran], config: Path, tmp_path: Path) -> None:
    for name in ("chest", "knee"):
        pixels = np.random.default_rng(1).integers(0, 256, (120, 96)).astype(np.uint8)
        assert cv2.imwrite(str(tmp_path / f"{name}.png"), pixels)
    table = tmp_path / "labels.csv"
    table.write_text("image,label,modality,body_part,view\nchest.png,good,CR,CHEST,PA\nknee.png,good,CR,KNEE,AP\n")
    made = cli("calibrate", table, "--json", "--dry-run", "--config", config).json
    assert made["labels"]["patients"] == 1
    assert made["labels"]["left_out"] == {"outside of what the model was made for": 1}


def test_a_site_without_a_name_gets_no_certificate(cli: Callable[..., Ran], config: Path, tmp_path: Path) -> None:
    config.write_text(config.read_text().replace('site = "General"\n', ""))
    ran = cli("calibrate", write_labels(tmp_path / "labels", 1, 1), "--config", config)
    assert ran.code == Exit.USAGE
    assert "set node.site" in ran.err


@pytest.mark.parametrize("words", [(), ("LABELS", "--decisions"), ("LABELS", "--only", "gamma")])
def test_a_wrong_call_is_refused(cli: Callable[..., Ran], config: Path, tmp_path: Path, words: Any) -> None:
    labels = write_labels(tmp_path / "labels", 1, 1)
    arguments = [labels if word == "LABELS" else word for word in words]
    assert cli("calibrate", *arguments, "--config", config).code == Exit.USAGE


@pytest.mark.more
def test_labels_make_a_certificate_that_is_shown_until_something_changes(
    cli: Callable[..., Ran], config: Path, tmp_path: Path, data_dir: Path
) -> None:
    labels = write_labels(tmp_path / "labels", 2, 1)
    tried = cli("calibrate", labels, "--dry-run", "--config", config)
    assert tried.code == Exit.FAILED
    assert not (data_dir / "calibration").exists()
    assert "not written" in tried.out

    labels = write_labels(tmp_path / "labels", 24, 24)
    made = cli("calibrate", labels, "--alpha", "0.3", "--beta", "0.3", "--json", "--config", config)
    assert made.code == Exit.OK
    assert made.json["written"]
    assert made.json["labels"]["patients"] == 48
    assert made.json["labels"]["patients_known"]
    assert [g["promise"] for g in made.json["certificate"]["guarantees"]] == ["accepted_bad", "bad_accepted"]
    assert (data_dir / "calibration" / "quality-1.0.0.yaml").is_file()

    judged = cli("assess", labels / "good" / "1.dcm", "--json", "--config", config).json
    assert judged["verdict"] == "ACCEPT"
    assert judged["certificate"].startswith("certified ")
    assert "for General: of accepted images at most 30 % are bad (95 % confidence, 0 of " in judged["certificate"]
    assert judged["certificate"] in cli("assess", labels / "good" / "1.dcm", "--config", config).err
    cli("assess", labels / "good" / "1.dcm", "--out", tmp_path / "out", "--config", config)
    report = pydicom.dcmread(tmp_path / "out" / "1.sr.dcm")
    assert judged["certificate"] in texts(report)
    shown = cli("models", "certificate", "--json", "--config", config).json
    assert shown["certificate"] == judged["certificate"]
    assert "motion_blur" in cli("models", "certificate", "quality-1.0.0", "--config", config).out

    (tmp_path / "policy.toml").write_text(POLICY.format(version="p2"))
    expired = cli("assess", labels / "good" / "1.dcm", "--json", "--config", config).json
    assert expired["certificate"].startswith("no certificate: that of")
    assert expired["certificate"].endswith("expired, the policy changed from p1 to p2")


@pytest.mark.more
def test_a_certificate_goes_on_top_of_confirmed_limits_and_ends_with_them(
    cli: Callable[..., Ran], config: Path, tmp_path: Path, data_dir: Path
) -> None:
    now = datetime.now(UTC)
    limit = RoomLimit(FindingName("noise"), "ROOM1", "PA", 0.6)
    proposal = LimitProposal(0.08, 40, 0, 0, 3, (ProposedLimit(limit, 40, 9, 3, ()),))
    with closing(Database(f"sqlite:///{data_dir / 'miqa.sqlite'}")) as database:
        database.migrate()
        with database.begin() as transaction:
            number = site_limits.propose(transaction, proposal, now).number
            site_limits.confirm(transaction, number, "mara", "", now, second_look=True)
    labels = write_labels(tmp_path / "labels", 24, 24)
    made = cli("calibrate", labels, "--alpha", "0.3", "--beta", "0.3", "--json", "--config", config)
    assert made.json["certificate"]["policy_version"] == f"p1+limits.{number}"
    judged = cli("assess", labels / "good" / "1.dcm", "--json", "--config", config).json
    assert judged["certificate"].startswith("certified ")
    shown = cli("models", "certificate", "--json", "--config", config).json
    assert shown["certificate"] == judged["certificate"], "the policy in force counts, not the file alone"
    cli("tune", "--withdraw", "--as", "mara", "--config", config)
    expired = cli("models", "certificate", "--json", "--config", config).json["certificate"]
    assert f"expired, the policy changed from p1+limits.{number} to " in expired
    assert cli("assess", labels / "good" / "1.dcm", "--json", "--config", config).json["certificate"] == expired


@pytest.mark.more
def test_the_nodes_own_decisions_count_once_accepted_images_are_audited(
    cli: Callable[..., Ran], config: Path, tmp_path: Path, stage: Stage
) -> None:
    services, now, audit = stage.services, datetime.now(UTC), ["digest,label,sampled"]
    for number in range(48):
        bright = number < 24
        study, digest = stage.add(number, Verdict.REVIEW if bright else Verdict.ACCEPT)
        file = tmp_path / "one.dcm"
        chest_dataset(number, 0.9 if bright else 0.1).save_as(file)
        services.objects.put(original_key(digest), file.read_bytes())
        if bright:
            with services.database.begin() as transaction:
                decision = Resolution.RETAKEN if number % 2 else Resolution.CONFIRMED
                worklist.resolve(transaction, study, decision, "anna", "", now)
        else:
            audit.append(f"{digest},good,1")
    for number in (100, 101):  # two flagged images: nobody knows which was meant
        study, _ = stage.add(number, Verdict.REVIEW, study=99)
    with services.database.begin() as transaction:
        worklist.resolve(transaction, study, Resolution.RETAKEN, "anna", "", now)

    alone = cli("calibrate", "--decisions", "--alpha", "0.3", "--beta", "0.3", "--json", "--config", config)
    assert alone.code == Exit.FAILED
    assert not alone.json["written"]
    assert alone.json["labels"]["left_out"] == {"study with several flagged images": 1}
    assert {r["labels_needed"] for r in alone.json["certificate"]["refused"]} == {None}
    assert all("random sample of accepted" in r["reason"] for r in alone.json["certificate"]["refused"])

    (tmp_path / "audit.csv").write_text("\n".join(audit) + "\n")
    words = ("--alpha", "0.3", "--beta", "0.3", "--audit", tmp_path / "audit.csv", "--json", "--config", config)
    made = cli("calibrate", "--decisions", *words)
    assert made.code == Exit.OK, made.out
    assert made.json["labels"]["origin"] == "review decisions"
    assert made.json["labels"]["patients"] == 48
    assert made.json["labels"]["bad"] == 24

    (tmp_path / "audit.csv").write_text("digest,label,sampled\n" + "f" * 64 + ",good,1\n")
    assert cli("calibrate", "--decisions", *words).code == Exit.NOT_FOUND


@pytest.mark.more
def test_audited_images_of_the_worklist_count_without_a_table(
    cli: Callable[..., Ran], config: Path, tmp_path: Path, stage: Stage
) -> None:
    services, now = stage.services, datetime.now(UTC)
    for number in range(48):
        bright = number < 24
        study, digest = stage.add(number, Verdict.REVIEW if bright else Verdict.ACCEPT)
        file = tmp_path / "one.dcm"
        chest_dataset(number, 0.9 if bright else 0.1).save_as(file)
        services.objects.put(original_key(digest), file.read_bytes())
        with services.database.begin() as transaction:
            if bright:
                worklist.resolve(transaction, study, Resolution.CONFIRMED, "anna", "", now)
            else:
                opinion = ReaderOpinion("anna", LabelOrigin.SPOT_CHECK, bad=False, findings=(), sampled=1.0)
                labels.add(transaction, digest, opinion, now)
    made = cli("calibrate", "--decisions", "--alpha", "0.3", "--beta", "0.3", "--json", "--config", config)
    assert made.code == Exit.OK, made.out
    assert (made.json["labels"]["patients"], made.json["labels"]["bad"]) == (48, 24)


@pytest.mark.more
def test_a_package_that_learned_from_labels_is_calibrated_with_others(
    cli: Callable[..., Ran], config: Path, tmp_path: Path
) -> None:
    """The month of a physicist trains with an export and calibrates with the same labels: nothing warned of it."""
    labelled = write_labels(tmp_path / "labelled", 3, 3)
    assert "other patients" not in cli("calibrate", labelled, "--config", config, "--dry-run").err
    command = "miqa-node train quality --data DIR --out models --labels EXPORT"
    write_package(tmp_path / "models" / "quality-1.1.0", "1.1.0", "quality", training={"command": command})
    assert "with images of other patients" in cli("calibrate", labelled, "--config", config, "--dry-run").err
