"""Where one network says that the image is no frontal chest, no other network looks at it, and nothing is explained."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from miqa_node.core.domain.finding import GateClass
from miqa_node.core.domain.image import Radiograph
from miqa_node.core.domain.instance import InstanceDigest
from miqa_node.core.settings import Accelerator, load_settings
from miqa_node.stages.assess.assessor import ImageAssessor
from miqa_node.stages.assess.findings import PackageFindings, read_findings
from miqa_node.stages.assess.packages import open_package
from miqa_node.stages.explain.explainer import Explainer
from tests.conftest import ROOT
from tests.stages.assess.making import RADIOGRAPH, chest_header
from tests.stages.assess.test_no_second_look import PIXELS


def of_no_chest(*arguments: Any) -> PackageFindings:
    """What the package says of any image, but its gate is sure that it is no chest, and all else is present."""
    judged = read_findings(*arguments)
    findings = tuple(replace(one, probability=0.99) for one in judged.findings)
    return replace(judged, findings=findings, gate={GateClass.NOT_FRONTAL_CHEST: 0.99})


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
