"""Where one network says that the image is no frontal chest, no other network looks at it, and nothing is explained."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from miqa_node.core.domain.assessment import ModelIdentity
from miqa_node.core.domain.finding import FindingName, GateClass
from miqa_node.core.domain.image import Radiograph
from miqa_node.core.domain.instance import InstanceDigest
from miqa_node.core.domain.object_place import ChestRegion
from miqa_node.core.domain.ports import AssessorResult
from miqa_node.core.settings import Accelerator, load_settings
from miqa_node.core.settings.policy import read_policy
from miqa_node.stages.assess.assessor import ImageAssessor
from miqa_node.stages.assess.findings import PackageFindings, read_findings
from miqa_node.stages.assess.packages import open_package
from miqa_node.stages.assess.session import GraphSession
from miqa_node.stages.assess.sidecars import SidecarModels
from miqa_node.stages.explain.explainer import Explainer
from tests.conftest import ROOT
from tests.stages.assess.classify.test_sidecars import DIGEST, Quality
from tests.stages.assess.landmarks.making import estimate_of, letters_of, lungs_of, write_landmarks
from tests.stages.assess.making import RADIOGRAPH, chest_header
from tests.stages.assess.objects.making import maps_of, write_objects
from tests.stages.assess.objects.test_sidecar import WORN, settings_of

PIXELS = np.random.default_rng(1).integers(0, 65536, (200, 200)).astype(np.uint16)


class Judged(Quality):
    """Quality that a model judged."""

    def assess(self, *image: Any) -> AssessorResult:
        result = super().assess(*image)
        return replace(result, assessment=replace(result.assessment, model=ModelIdentity("quality", "1.0.0", "0" * 64)))


@pytest.fixture
def runs(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The graphs that ran, by folder and file."""
    names: list[str] = []
    run = GraphSession.run

    def recorded(
        self: GraphSession, outputs: Sequence[str], inputs: Mapping[str, NDArray[np.float32]], *more: Any
    ) -> dict[str, NDArray[np.float32]]:
        names.append(self.name)
        return run(self, outputs, inputs, *more)

    monkeypatch.setattr(GraphSession, "run", recorded)
    return names


def assess(folder: Path, runs: list[str], lungs: NDArray[np.float64]) -> AssessorResult:
    """An image judged with packages of points, whose lungs these are, and of objects."""
    write_landmarks(
        folder / "models/landmarks-1.0.0", estimate_of(lungs=lungs), letters=letters_of({"L": (0.9, 0.1, 0.9)})
    )
    write_objects(folder / "models/objects-1.0.0", maps_of((0, 4, 2)), WORN)
    settings = settings_of(folder)
    policy = read_policy(settings.policy_file)
    sidecars = SidecarModels(settings, Judged, lambda: policy)
    sidecars.check()
    runs.clear()
    return sidecars.assess(chest_header(), Radiograph(PIXELS, PIXELS, (0, 65535), (2.0, 2.0)), DIGEST, RADIOGRAPH)


def of_no_chest(*arguments: Any) -> PackageFindings:
    """What the package says of any image, but its gate is sure that it is no chest, and all else is present."""
    judged = read_findings(*arguments)
    findings = tuple(replace(one, probability=0.99) for one in judged.findings)
    return replace(judged, findings=findings, gate={GateClass.NOT_FRONTAL_CHEST: 0.99})


def test_without_lungs_nobody_looks_closer_or_for_objects(tmp_path: Path, runs: list[str]) -> None:
    result = assess(tmp_path, runs, lungs_of({}))
    assert result.assessment.is_of_another_kind
    assert set(runs) == {"landmarks-1.0.0/model.onnx", "landmarks-1.0.0/marker.onnx"}, (
        "the whole image in its turns, and side markers, which any part may have"
    )


def test_in_a_chest_all_look_and_an_object_has_its_place(tmp_path: Path, runs: list[str]) -> None:
    result = assess(tmp_path, runs, lungs_of())
    assert set(runs) == {
        "landmarks-1.0.0/model.onnx", "landmarks-1.0.0/close_up.onnx", "landmarks-1.0.0/marker.onnx",
        "objects-1.0.0/model.onnx",
    }  # fmt: skip
    assert runs.count("objects-1.0.0/model.onnx") == 1
    worn = result.assessment.finding(FindingName.FOREIGN_OBJECT)
    assert worn is not None
    assert worn.place is not None, "the object package judges after the lungs are known"
    assert worn.place.over[0] is ChestRegion.LUNG


@pytest.mark.more
def test_what_the_gate_calls_another_kind_is_not_explained(monkeypatch: pytest.MonkeyPatch) -> None:
    """Gradients were run, and their maps thrown away."""
    settings = load_settings()
    package = open_package(max((ROOT / "models").glob("quality-[0-9]*")), Accelerator.CPU, settings.assess)
    explained: list[object] = []
    monkeypatch.setattr(Explainer, "explain", lambda *arguments: explained.append(arguments) or {})
    monkeypatch.setattr("miqa_node.stages.assess.assessor.read_findings", of_no_chest)
    assessor = ImageAssessor(package, Explainer(package, Accelerator.CPU, settings.assess))
    image = Radiograph(PIXELS, PIXELS, (0, 65535), (0.5, 0.5))
    judged = assessor.assess(chest_header(), image, InstanceDigest("ab"), RADIOGRAPH)
    assert judged.assessment.is_of_another_kind
    assert explained == []
    assert "explain" not in judged.assessment.timings_ms
