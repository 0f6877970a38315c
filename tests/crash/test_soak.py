"""The soak's image is one that the shipped model accepts: flagged ones stay, and would fill its small disk."""

from __future__ import annotations

from pathlib import Path

from miqa_node.core.domain.verdict import Verdict
from miqa_node.core.settings import load_settings
from miqa_node.local import LocalAssessor
from miqa_node.stages.report.made import ReportSettings
from tests.crash.station import chests


def test_the_chest_of_the_soak_is_accepted(samples: Path, tmp_path: Path) -> None:
    image, pixels = chests(samples)
    image.PixelData = pixels(1)
    image.save_as(tmp_path / "chest.dcm")
    with LocalAssessor(load_settings(work={"processes": 1}), calibrated=False, reports=ReportSettings()) as assessor:
        assert assessor.assess_file(tmp_path / "chest.dcm").disposition.verdict is Verdict.ACCEPT
