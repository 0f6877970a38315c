"""``miqa-node evaluate feedback``: figures from the node's own decisions and marks."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from fastapi.testclient import TestClient

from miqa_node.core.domain.finding import FindingName
from miqa_node.core.domain.image import SaliencyMap, SaliencyMaps
from miqa_node.core.domain.label import LabelOrigin, ReaderOpinion, RegionOutline
from miqa_node.interfaces.web.app import create_app
from miqa_node.runtime.site_records import labels
from miqa_node.runtime.store.artifacts import Artifacts
from miqa_node.stages.units.rows import instances
from tests.interfaces.cli.conftest import Ran
from tests.web.staging import NOW, PATIENT_NAME, Stage


def test_decisions_and_marks_become_figures_and_one_page(
    cli: Callable[..., Ran], stage: Stage, data_dir: Path, tmp_path: Path
) -> None:
    _, digest = stage.add(1, finding=FindingName.FOREIGN_OBJECT)
    values = np.zeros((32, 32), np.float32)
    values[:16, :16] = 1.0
    Artifacts(stage.services.objects).keep_maps(
        digest, SaliencyMaps({FindingName.FOREIGN_OBJECT: SaliencyMap(values, "test")})
    )
    drawn = RegionOutline(((0.0, 0.0), (0.5, 0.0), (0.5, 0.25), (0.0, 0.25)), "foreign_object")
    opinion = ReaderOpinion("anna", LabelOrigin.DECISION, bad=True, findings=("foreign_object",), regions=(drawn,))
    with stage.services.database.begin() as transaction:
        labels.add(transaction, digest, opinion, NOW)

    page = tmp_path / "out" / "feedback.html"
    ran = cli("evaluate", "feedback", "--data-dir", data_dir, "--json", "--out", page)

    figures = ran.json
    assert figures["labels"] == 1
    [row] = [one for one in figures["findings"] if one["finding"] == "foreign_object"]
    assert (row["both"], row["people_only"]) == (1, 0)
    [mask] = figures["masks"]
    assert (mask["drawn"], mask["mapped"]) == (1, 1)
    assert 0.6 < mask["dice"] < 0.7
    text = page.read_text("utf-8")
    assert "Foreign object" in text
    assert PATIENT_NAME not in text


def test_before_anybody_judged_there_is_nothing_to_show(cli: Callable[..., Ran], stage: Stage, data_dir: Path) -> None:
    figures = cli("evaluate", "feedback", "--data-dir", data_dir, "--until", "2026-01-01", "--json").json
    assert (figures["labels"], figures["findings"], figures["masks"]) == (0, [], [])


@pytest.mark.more
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
