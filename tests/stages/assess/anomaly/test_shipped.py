"""What the packages that ship say of their own golden images, and that their page and the docs state their figures."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from miqa_node.core.settings import Accelerator, load_settings
from miqa_node.stages.assess.anomaly.detector import AnomalyDetector
from miqa_node.stages.assess.card import read_card
from miqa_node.stages.assess.contracts.base import GraphInputs
from miqa_node.stages.assess.packages import Package, open_package
from tests.conftest import ROOT

FOLDERS = [p for p in sorted((ROOT / "models").glob("quality-*/")) if read_card(p).anomaly is not None]
"""Of the processor time of the inference that it follows; 0.08 was measured."""

pytestmark = pytest.mark.skipif(not FOLDERS, reason="no package here was taught what is ordinary")


@pytest.fixture(scope="module", params=FOLDERS, ids=lambda p: p.name)
def package(request: pytest.FixtureRequest) -> Package:
    return open_package(request.param, Accelerator.CPU, load_settings().assess)


def run(package: Package, name: str) -> tuple[dict[str, np.ndarray], GraphInputs]:
    pixels = cv2.imread(str(package.folder / "golden" / f"{name}.png"), cv2.IMREAD_UNCHANGED)
    inputs = package.prepare(np.asarray(pixels, np.uint16) * np.uint16(257))
    return package.run(inputs.arrays), inputs


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda p: p.name)
def test_the_page_of_the_model_states_the_figures_of_the_card(folder: Path) -> None:
    section = read_card(folder).anomaly
    assert section is not None
    figures = section.metrics
    page = (folder / "MODEL_CARD.md").read_text("utf-8")
    for name in ("not_chest", "real_objects"):
        assert str(figures[name]["auroc"]) in page
    assert str(figures["simulated"]["mean_auroc"]) in page


@pytest.mark.more
def test_what_is_no_chest_is_more_unusual_than_a_chest(package: Package) -> None:
    assert package.anomaly is not None
    detector = AnomalyDetector(package.anomaly, package.name, None)

    scores = {name: detector.judge(*run(package, name)) for name in ("chest", "phantom", "blank", "inverted")}

    percentiles = {name: score.percentile for name, (score, _) in scores.items()}
    assert percentiles["chest"] < 99.5
    for name in ("phantom", "blank", "inverted"):
        assert percentiles[name] >= 99.5, percentiles
        made = scores[name][1]
        assert made is not None
        # A blank image is unusual everywhere and nowhere in particular.
        assert made.values.max() > (0.1 if name == "blank" else 0.5)
