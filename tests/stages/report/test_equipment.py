"""Every object names the algorithms that it came of (IHE AIR 1.1, section 6.5.3.1)."""

from __future__ import annotations

from dataclasses import replace

from miqa_node import __version__
from miqa_node.core.domain.assessment import ModelIdentity
from miqa_node.core.domain.caption import Caption
from miqa_node.core.domain.landmarks import Landmarks
from miqa_node.core.domain.prediction import Prediction
from miqa_node.core.words.algorithms import algorithms_of, of_model
from miqa_node.stages.report.equipment import contributing_equipment
from tests.stages.report import making


def test_each_package_is_an_algorithm_and_other_graphs_another_device() -> None:
    prediction = Prediction("pneumonia-ensemble-0.5.1", "ee" * 32, "normal", 0.9, {})
    full = replace(
        making.assessment(),
        landmarks=Landmarks({}, package="landmarks-0.1.0", sha256="dd" * 32),
        predictions=(prediction, prediction),
        caption=Caption("captions.example", ("A chest.",)),
    )
    named = contributing_equipment(*algorithms_of(full))
    assert [(item.ManufacturerModelName, item.SoftwareVersions) for item in named] == [
        ("miqa-node", __version__),
        ("cxr-quality", "1.0.0"),
        ("landmarks", "0.1.0"),
        ("pneumonia-ensemble", "0.5.1"),
        ("captions.example", "unknown"),
    ]
    trained_again = ModelIdentity("cxr-quality", "1.0.0", "ab" * 32)
    assert full.model is not None
    before, after = contributing_equipment(of_model(full.model), of_model(trained_again))
    assert before.DeviceUID != after.DeviceUID
    assert before.DeviceUID == named[1].DeviceUID


def test_an_image_that_no_model_judged_names_the_node() -> None:
    (node,) = contributing_equipment(*algorithms_of(making.not_assessed()))
    assert node.ManufacturerModelName == "miqa-node"
