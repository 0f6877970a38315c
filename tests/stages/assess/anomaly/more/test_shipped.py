"""What the packages that ship say of their own golden images, and that their page and the docs state their figures."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from miqa_node.core.settings import Accelerator, load_settings
from miqa_node.stages.assess.anomaly.detector import AnomalyDetector
from miqa_node.stages.assess.contracts.base import GraphInputs
from miqa_node.stages.assess.packages import Package, open_package
from tests.stages.assess.anomaly.test_shipped import FOLDERS

pytestmark = pytest.mark.skipif(not FOLDERS, reason="no package here was taught what is ordinary")


@pytest.fixture(scope="module", params=FOLDERS, ids=lambda p: p.name)
def package(request: pytest.FixtureRequest) -> Package:
    return open_package(request.param, Accelerator.CPU, load_settings().assess)


def run(package: Package, name: str) -> tuple[dict[str, np.ndarray], GraphInputs]:
    pixels = cv2.imread(str(package.folder / "golden" / f"{name}.png"), cv2.IMREAD_UNCHANGED)
    inputs = package.prepare(np.asarray(pixels, np.uint16) * np.uint16(257))
    return package.run(inputs.arrays), inputs


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
