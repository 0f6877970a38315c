"""Every object names the algorithms that it came of (IHE AIR 1.1, section 6.5.3.1)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pydicom
import pytest
from pydicom.dataset import Dataset

from miqa_node import __version__
from miqa_node.core.domain.assessment import ModelIdentity
from miqa_node.core.domain.caption import Caption
from miqa_node.core.domain.landmarks import Landmarks
from miqa_node.core.domain.output import output_kinds
from miqa_node.core.domain.prediction import Prediction
from miqa_node.core.domain.verdict import Verdict
from miqa_node.core.words.algorithms import algorithms_of, of_model
from miqa_node.stages.report.equipment import contributing_equipment
from miqa_node.stages.report.lower import lower_class
from miqa_node.stages.report.made import MadeObject, ReportSettings
from miqa_node.stages.report.outputs.rejection import Confirmation, rejection_note
from miqa_node.stages.report.withdrawal import withdraw_key_object
from tests.stages.report import making
from tests.stages.report.reviewed import assessed


def items(made: Dataset) -> list[Dataset]:
    """The algorithms that an object names."""
    every = made.ContributingEquipmentSequence
    return [item for item in every if item.PurposeOfReferenceCodeSequence[0].CodeValue == "Newcode1"]


def every_object(folder: Path) -> Iterator[MadeObject]:
    """One of each kind, the report also in the lower classes, and the withdrawal of the key object."""
    made = [*making.everything(making.CHEST), *assessed(making.CHEST)]
    yield from made
    lower = lower_class(next(one.data for one in made if one.kind == "SR"))
    while lower is not None:
        yield MadeObject(made[0].kind, *lower)
        lower = lower_class(lower[2])
    yield rejection_note([making.CHEST], making.assessment(), Confirmation("j.doe", making.ASSESSED_AT, "111210"))
    note = folder / "note.dcm"
    note.write_bytes(next(one.data for one in made if one.kind == "KOS"))
    better = making.disposition(Verdict.ACCEPT)
    withdrawal = withdraw_key_object(note, making.assessment(), better, ReportSettings())
    assert withdrawal is not None
    yield withdrawal


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


@pytest.mark.more
def test_every_object_names_its_algorithms(tmp_path: Path) -> None:
    made = list(every_object(tmp_path))
    assert {one.kind for one in made} == set(output_kinds()) - {"NOISE_MAP"}, "of CT series alone"
    for one in made:
        node, *models = items(making.read(one))
        assert (node.Manufacturer, node.ManufacturerModelName, node.SoftwareVersions) == (
            "miqa-node", "miqa-node", __version__,
        )  # fmt: skip
        assert node.PurposeOfReferenceCodeSequence[0].CodingSchemeDesignator == "99IHE"
        assert node.PurposeOfReferenceCodeSequence[0].CodeMeaning == "Processing Algorithm"
        names = [(model.ManufacturerModelName, model.SoftwareVersions) for model in models]
        quality, points = ("cxr-quality", "1.0.0"), ("landmarks", "1.0.0")
        # The copy came of a fixed filter, and no model judged what it shows; points were found in some of the images.
        possible: dict[str, list[list[tuple[str, str]]]] = {"ENHANCED": [[]], "SEG_LUNGS": [[quality, points]]}
        versions = making.read(one).SoftwareVersions
        stated = [versions] if isinstance(versions, str) else list(versions)
        assert stated == [f"miqa-node {__version__}", *(" ".join(name) for name in names)]
        assert names in possible.get(one.kind, [[quality], [quality, points]]), one.kind
        assert all(pydicom.uid.UID(item.DeviceUID).is_valid for item in items(making.read(one)))
