"""From labelled images to certified verdicts, and back to none when something changes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from miqa_node.interfaces.cli.exits import Exit
from tests.interfaces.cli.conftest import Ran
from tests.stages.assess.making import chest_dataset, write_package

POLICY = """
version = "{version}"
[[scope]]
name = "all"
finding = [{{ name = "motion_blur", verdict = "REVIEW" }}]
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
