"""``miqa-node evaluate feedback``: figures from the node's own decisions and marks."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

from fastapi.testclient import TestClient

from miqa_node.core.domain.finding import FindingName
from miqa_node.core.domain.label import LabelOrigin, ReaderOpinion, RegionOutline
from miqa_node.interfaces.web.app import create_app
from miqa_node.runtime.site_records import labels
from miqa_node.stages.units.rows import instances
from tests.interfaces.cli.conftest import Ran
from tests.web.staging import NOW, Stage


def test_an_enhancement_is_measured_on_the_images_that_people_drew_on(
    cli: Callable[..., Ran], stage: Stage, data_dir: Path, samples: Path
) -> None:
    _, digest = stage.add(1, finding=FindingName.FOREIGN_OBJECT)
    drawn = RegionOutline(((0.4, 0.4), (0.6, 0.4), (0.6, 0.6), (0.4, 0.6)), "foreign_object")
    opinion = ReaderOpinion("anna", LabelOrigin.DECISION, bad=True, findings=("foreign_object",), regions=(drawn,))
    with stage.services.database.begin() as transaction:
        labels.add(transaction, digest, opinion, NOW)
        key = instances.load(transaction, digest).object_key
    stage.services.objects.put(key, (samples / "RG1_UNCR.dcm").read_bytes())

    command = ("evaluate", "feedback", "--data-dir", data_dir, "--enhance", "wavelet", "--enhance", "clahe", "--json")
    figures = cli(*command).json["enhancement"]

    assert set(figures) == {"wavelet", "clahe"}
    assert figures["wavelet"]["images"] == 1
    assert figures["wavelet"]["psnr_db"] > figures["clahe"]["psnr_db"] + 10  # contrast changes a picture much more
    assert 0.0 < figures["clahe"]["ssim_marked"] < figures["wavelet"]["ssim_marked"] <= 1.0
    page = TestClient(create_app(stage.services), "http://localhost:8080", client=("127.0.0.1", 50000))
    words = " ".join(
        re.sub(r"<[^>]+>", " ", page.get("/analysis/labels?since=2026-11-01&until=2026-11-30").text).split()
    )
    assert "PSNR in the marks" in words
    assert f"clahe 1 {figures['clahe']['psnr_db']:.1f} dB {figures['clahe']['ssim']:.3f}" in words
    assert "Agreement of model and people" in words
    assert "Dice of the centre" in words
