"""``train anomaly`` on a small self-made hospital: a finished package comes out, its figures say what they are."""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest

from miqa_node.core.settings import Accelerator, load_settings
from miqa_node.core.taxonomy.lookup import defect_names
from miqa_node.stages.assess.card import read_card
from miqa_node.stages.assess.model_card import model_card
from miqa_node.stages.assess.packages import open_package
from tests.packages.training.hospital import write_data
from tests.stages.assess.making import write_package

pytest.importorskip("sklearn")
from tests.stages.assess.anomaly.making import TAPS

pytestmark = pytest.mark.more

PICTURES = ("RG3_UNCR.dcm", "JPGLosslessP14SV1_1s_1f_8b.dcm", "OT-PAL-8-face.dcm", "RG1_UNCR.dcm", "US1_UNCR.dcm")
"""A hand, an ultrasound and a face; and a chest and one that training shows the network, neither of which counts."""


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from miqa_training import anomaly, ordinary

    folder = tmp_path_factory.mktemp("train-anomaly")
    data = write_data(folder / "data", training=40)
    (data / "dicom_cases").mkdir()
    for name in PICTURES:
        shutil.copy(Path(str(files("data_store") / "data" / name)), data / "dicom_cases" / f"pydicom-data__{name}")
    (data / "dicom_cases" / "broken.dcm").write_text("<html>")
    write_package(folder / "tiny-1.0.0", saliency={"maps": "maps", "method": "mean", "taps": TAPS})
    (folder / "tiny-1.0.0" / "MODEL_CARD.md").write_text("# tiny\n\nAs it was.\n\n## Unusual images\n\nof before\n")
    with pytest.MonkeyPatch.context() as patch:
        for module in (anomaly, ordinary):
            patch.setattr(module, "TREES", 20)  # what is tested here needs no more, and growing them takes the time
        return anomaly.train_anomaly(data, folder / "tiny-1.0.0", cache_dir=folder / "cache")


@pytest.fixture(scope="module")
def metrics(package: Path) -> dict[str, Any]:
    section = read_card(package).anomaly
    assert section is not None
    return section.metrics


def test_the_package_passes_its_checks(package: Path) -> None:
    detector = open_package(package, Accelerator.CPU, load_settings().assess).anomaly

    assert detector is not None
    assert detector.bank is not None
    assert len(detector.ordinary) == detector.section.training["images"] + _held_out(detector.section.training)
    assert json.dumps(detector.section.model_dump(mode="json"))


def _held_out(training: dict[str, Any]) -> int:
    return int(training["ordinary_scores"].split()[0]) - int(training["images"])


def test_every_figure_is_a_number_between_its_limits(metrics: dict[str, Any]) -> None:
    def numbers(value: Any) -> Iterator[float]:
        if isinstance(value, dict):
            for inner in value.values():
                yield from numbers(inner)
        elif isinstance(value, list):
            for inner in value:
                yield from numbers(inner)
        elif isinstance(value, float):
            yield value

    assert set(metrics["simulated"]["findings"]) == set(defect_names())
    assert all(math.isfinite(number) for number in numbers(metrics))
    shares = {key: value for key, value in metrics.items() if key != "milliseconds"}
    assert all(0.0 <= number <= 1.0 for number in numbers(shares))


def test_only_unused_pictures_that_are_no_chest_are_told_from_chests(metrics: dict[str, Any]) -> None:
    assert metrics["not_chest"]["images"] == 3
    assert metrics["not_chest"]["auroc"] > 0.8


def test_half_of_a_small_hospital_cannot_place_anything_far_up(metrics: dict[str, Any]) -> None:
    assert metrics["other_hospitals"]["with_own_baseline"]["cxr_eval"] == {}


def test_sets_of_features_are_compared_and_the_shipped_one_is_among_them(metrics: dict[str, Any]) -> None:
    compared = metrics["features_compared"]
    assert list(compared) == ["network", "hog", "network and hog"]
    assert compared["network"]["simulated"] == metrics["simulated"]["mean_auroc"]
    assert compared["network"] != compared["hog"]


def test_the_page_is_made_anew_of_the_card(package: Path, metrics: dict[str, Any]) -> None:
    page = (package / "MODEL_CARD.md").read_text("utf-8")

    assert page == model_card(read_card(package))
    assert "As it was" not in page
    assert str(metrics["not_chest"]["auroc"]) in page
