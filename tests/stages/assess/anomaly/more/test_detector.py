# ruff: noqa: F401, F811 - fixtures of the quick suite are imported by name
"""A package that was taught what is ordinary: what it says of images, how it is checked, and the site's baseline."""

from __future__ import annotations

import json
import shutil
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import structlog
import yaml

from miqa_node.core.domain.anomaly import Baseline
from miqa_node.core.domain.finding import Finding, FindingName
from miqa_node.core.domain.image import SaliencyMap, SaliencyMaps
from miqa_node.core.domain.instance import InstanceDigest
from miqa_node.core.domain.ports import AssessorResult
from miqa_node.core.settings import Accelerator, load_settings
from miqa_node.core.taxonomy.lookup import reason_code
from miqa_node.errors import InferenceError, ModelPackageError
from miqa_node.runtime.store.arrays import dump_maps, load_maps
from miqa_node.runtime.store.documents import dump_assessment, load_assessment
from miqa_node.stages.assess.anomaly.arrays import dump_arrays, load_arrays
from miqa_node.stages.assess.anomaly.baseline import baseline_path, make_baseline, write_baseline
from miqa_node.stages.assess.anomaly.detector import AnomalyDetector
from miqa_node.stages.assess.assessor import ImageAssessor
from miqa_node.stages.assess.bare import ANOMALY_KEY, pack
from miqa_node.stages.assess.card import GRAPH_NAME, METADATA_KEY, read_card
from miqa_node.stages.assess.contracts.base import ModelMaterial
from miqa_node.stages.assess.maps import with_peaks
from miqa_node.stages.assess.packages import Package, open_package
from tests.stages.assess.anomaly.making import corpus, odd_pixels, pixels, radiograph
from tests.stages.assess.anomaly.test_detector import copy, judged, opened, package
from tests.stages.assess.making import RADIOGRAPH, chest_header


def test_an_odd_image_is_unusual_and_the_map_shows_where(package: Package) -> None:
    judgement = judged(package, odd_pixels(500))

    anomaly, made = judgement.assessment.anomaly, judgement.maps.anomaly
    assert anomaly is not None
    assert anomaly.training_percentile > 99
    assert anomaly.site_percentile is None
    assert anomaly.baseline is Baseline.TRAINING
    assert made is not None
    rows, columns = made.values.shape
    row, column = np.unravel_index(int(made.values.argmax()), made.values.shape)
    assert (row + 0.5) / rows > 0.6
    assert (column + 0.5) / columns < 0.45
    assert "anomaly" in judgement.assessment.timings_ms


def test_teaching_again_gives_the_same_bytes(taught: Path, tmp_path: Path) -> None:
    from tests.stages.assess.anomaly.making import taught_package

    again = taught_package(tmp_path / taught.name)

    for name in ("anomaly.npz", "anomaly.onnx"):
        assert (again / name).read_bytes() == (taught / name).read_bytes()
    assert (again / GRAPH_NAME).read_bytes() == (taught / GRAPH_NAME).read_bytes()


def test_a_package_whose_forest_lies_among_the_arrays_scores_as_before(copy: Path, package: Package) -> None:
    """As packages were written before the forest became a graph."""
    from miqa_training.ordinary import ImageLooker, learn
    from miqa_training.seal import seal

    forest = learn(ImageLooker(copy, read_card(copy)), corpus(), seed=1).forest
    (copy / "anomaly.npz").write_bytes(dump_arrays(load_arrays((copy / "anomaly.npz").read_bytes()) | forest.arrays()))
    (copy / "anomaly.onnx").unlink()
    card = yaml.safe_load((copy / "card.yaml").read_text("utf-8"))
    del card["anomaly"]["forest"]
    seal(copy, card)

    scores = [judged(one, odd_pixels(3)).assessment.anomaly for one in (package, opened(copy))]

    assert scores[0] is not None
    assert scores[1] is not None
    assert scores[0].score == pytest.approx(scores[1].score, abs=1e-6)
