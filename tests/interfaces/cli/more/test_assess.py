# ruff: noqa: F401, F811 - fixtures of the quick suite are imported by name
"""``assess`` on real files: what it prints, what it writes, and what it does with what it cannot read."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import cv2
import numpy as np
import pytest
from pydicom import dcmread

from miqa_node.core.domain.finding import FindingName
from miqa_node.core.taxonomy.lookup import finding_names, reason_code
from miqa_node.interfaces.cli.exits import Exit
from miqa_node.interfaces.cli.files import images
from miqa_node.interfaces.cli.saliency import at_source_size, overlay
from tests.interfaces.cli.conftest import Ran
from tests.interfaces.cli.test_assess import config, folder
from tests.pictures import picture_pixels
from tests.stages.assess.making import write_package
from tests.stages.report import making
from tests.web.staging import phantom_png

KEYS = """file sop_instance_uid modality body_part verdict experimental certificate score reasons narrative findings
contributions gate anomaly predictions landmarks lung_field side_markers text measurements left_out model
timings_ms"""


def test_every_file_gets_its_line_and_what_cannot_be_read_its_reason(
    cli: Callable[..., Ran], config: Path, folder: Path, tmp_path: Path
) -> None:
    maps, objects = tmp_path / "maps", tmp_path / "objects"

    ran = cli("assess", folder, "--json", "--config", config, "--saliency-dir", maps, "--out", objects)

    chest, phantom, page = ran.lines
    assert ran.code == Exit.FAILED
    assert [Path(line["file"]).name for line in ran.lines] == ["chest.dcm", "phantom.png", "page.dcm"]
    assert set(page) == {"file", "error"}
    assert "Muster" not in page["error"]
    assert "1 of 3 files could not be assessed" in ran.err
    for line in (chest, phantom):
        assert list(line) == KEYS.split()
        assert line["verdict"] in {"ACCEPT", "REVIEW", "REJECT", "NOT_ASSESSED"}
        assert line["measurements"]["brightness"]["unit"] == "%"
        assert line["timings_ms"]["total"] > 0
    assert chest["sop_instance_uid"] == "1.3.6.1.4.1.5962.1.1.9.1.1.20040826185059.5457"
    assert chest["model"]["name"] == "tiny"
    assert [finding["name"] for finding in chest["findings"]] == list(finding_names())
    assert all(0 <= finding["probability"] <= 1 and 0 <= finding["severity"] <= 1 for finding in chest["findings"])
    codes = {finding["name"]: finding["code"] for finding in chest["findings"] if finding["name"] != "gate"}
    assert codes == {name: reason_code(name).value for name in finding_names() if name != FindingName.GATE}
    assert set(chest["gate"]) == {"inverted", "not_frontal_chest", "blank"}
    _check_maps(maps, chest)
    assert dcmread(objects / "chest.sr.dcm").Modality == "SR"
    assert not list(objects.glob("phantom*"))


def _check_maps(maps: Path, chest: dict[str, Any]) -> None:
    """Exactly the findings above their threshold have a map and a picture of the source's size."""
    written = {path.name for path in maps.glob("chest.*.npy")}
    assert written, "the tiny package finds something in every image"
    assert {path.with_suffix(".npy").name for path in maps.glob("chest.*.png")} == written
    for name in written:
        finding = next(f for f in chest["findings"] if name == f"chest.{f['name']}.npy")
        values = np.load(maps / name)
        assert finding["probability"] >= 0.5
        assert values.dtype == np.float32
        assert values.shape == (1955, 1841)
        assert 0 <= values.min() <= values.max() <= 1
        picture = picture_pixels(maps / name.replace(".npy", ".png"), cv2.IMREAD_COLOR)
        assert picture.shape == (1955, 1841, 3)


def test_the_anomaly_is_asked_for_by_name(cli: Callable[..., Ran], folder: Path) -> None:
    line = cli("assess", folder / "chest.dcm", "--packages", "anomaly", "--json").json
    assert set(line["anomaly"]) == {"score", "percentile", "baseline"}
    assert 0.0 < line["anomaly"]["score"] < 1.0
    assert 0.0 <= line["anomaly"]["percentile"] <= 100.0
    assert line["predictions"] == []


def test_files_of_the_same_name_do_not_overwrite_each_others_results(
    cli: Callable[..., Ran], config: Path, samples: Path, tmp_path: Path
) -> None:
    for place in ("a", "b"):
        (tmp_path / place).mkdir()
        shutil.copy(samples / "RG3_UNCR.dcm", tmp_path / place / "hand.dcm")

    ran = cli("assess", tmp_path / "a", tmp_path / "b", "--json", "--config", config, "--out", tmp_path / "out")

    assert ran.code == Exit.OK
    assert {path.name for path in (tmp_path / "out").glob("*.sr.dcm")} == {"hand.sr.dcm", "hand~2.sr.dcm"}


def test_what_is_nothing_to_judge_is_one_quiet_line(
    cli: Callable[..., Ran], config: Path, folder: Path, tmp_path: Path
) -> None:
    for made in making.flagged(making.write(making.small(), tmp_path / "source.dcm")):
        (tmp_path / f"{made.kind}.dcm").write_bytes(made.data)
    files = [tmp_path / f"{kind}.dcm" for kind in ("SR", "SEG", "KOS")]
    ran = cli("assess", *files, folder / "chest.dcm", "--json", "--config", config)
    assert ran.code == 0
    assert [line.get("skipped") for line in ran.lines] == ["The object is not an image."] * 3 + [None]
