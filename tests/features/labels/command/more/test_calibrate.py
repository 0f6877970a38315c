# ruff: noqa: F401, F811 - fixtures of the quick suite are imported by name
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
from miqa_node.core.domain.policy import Verdict
from miqa_node.core.domain.site_limit import LimitProposal, ProposedLimit, RoomLimit
from miqa_node.core.domain.worklist import Resolution
from miqa_node.features.worklist.rows import worklist
from miqa_node.interfaces.cli.exits import Exit
from miqa_node.runtime.site_records import labels, site_limits
from miqa_node.runtime.store.database import Database
from miqa_node.runtime.store.object_keys import original_key
from tests.features.labels.command.test_calibrate import POLICY, config, write_labels
from tests.interfaces.cli.conftest import Ran
from tests.stages.assess.making import chest_dataset, write_package
from tests.web.staging import Stage


def texts(item: pydicom.Dataset) -> list[str]:
    """Every text of a structured report."""
    own = [item.TextValue] if "TextValue" in item else []
    return own + [text for child in item.get("ContentSequence", ()) for text in texts(child)]


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


def test_a_certificate_goes_on_top_of_confirmed_limits_and_ends_with_them(
    cli: Callable[..., Ran], config: Path, tmp_path: Path, data_dir: Path
) -> None:
    now = datetime.now(UTC)
    limit = RoomLimit(FindingName("noise"), "ROOM1", "PA", 0.6)
    proposal = LimitProposal(0.08, 40, 0, 0, 3, 0.02, {"ROOM1, PA": 40}, (ProposedLimit(limit, 40, 9, 3, ()),))
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


def test_a_package_that_learned_from_labels_is_calibrated_with_others(
    cli: Callable[..., Ran], config: Path, tmp_path: Path
) -> None:
    """The month of a physicist trains with an export and calibrates with the same labels: nothing warned of it."""
    labelled = write_labels(tmp_path / "labelled", 3, 3)
    assert "other patients" not in cli("calibrate", labelled, "--config", config, "--dry-run").err
    command = "miqa-node train quality --data DIR --out models --labels EXPORT"
    write_package(tmp_path / "models" / "quality-1.1.0", "1.1.0", "quality", training={"command": command})
    assert "with images of other patients" in cli("calibrate", labelled, "--config", config, "--dry-run").err
