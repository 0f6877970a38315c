"""The card chooses how a graph is called: an ordinary one-input network becomes a quality package."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from miqa_node.core.domain.finding import FindingName
from miqa_node.core.domain.image import Radiograph
from miqa_node.core.domain.instance import InstanceDigest
from miqa_node.core.domain.measurand import MEASUREMENTS
from miqa_node.core.domain.ports import AssessorResult
from miqa_node.core.domain.traits import ImageTraits
from miqa_node.core.settings import Accelerator, load_settings
from miqa_node.errors import ModelPackageError
from miqa_node.stages.assess.assessor import ImageAssessor
from miqa_node.stages.assess.card import read_card
from miqa_node.stages.assess.contracts.base import CONTRACTS, contract_of
from miqa_node.stages.assess.packages import Package, open_package
from miqa_node.stages.explain.explainer import Explainer
from tests.conftest import ROOT
from tests.node.third_party import installed
from tests.stages.assess.making import RADIOGRAPH, chest_header
from tests.stages.assess.plain import write_plain

CORNER = (slice(0, 40), slice(60, 100))


def corner() -> Radiograph:
    """Dark but for the upper right corner, where the first class has its evidence."""
    pixels = np.full((120, 100), 20000, np.uint16)
    pixels[CORNER] = 65535
    return Radiograph(pixels, pixels, (0, 65535), (0.2, 0.2))


def opened(folder: Path, **package: Any) -> Package:
    write_plain(folder, **package)
    return open_package(folder, Accelerator.CPU, load_settings().assess)


def judged(package: Package, method: str = "class_map") -> AssessorResult:
    explainer = Explainer(package, Accelerator.CPU, load_settings(None, assess={"saliency_method": method}).assess)
    return ImageAssessor(package, explainer).assess(chest_header(), corner(), InstanceDigest("ab"), RADIOGRAPH)


@pytest.mark.parametrize(
    "call",
    [
        {},
        {"layout": "NHWC", "channels": 3, "mean": [0.4, 0.5, 0.6], "std": [0.2, 0.3, 0.4]},
        {"white": 255.0, "mean": [128.0], "std": [64.0]},
        {"logits": "chance", "gives": "probabilities"},
        {"severity": "chance"},
    ],
)
def test_an_ordinary_network_computes_what_its_goldens_say(tmp_path: Path, call: dict[str, Any]) -> None:
    package = opened(tmp_path / "plain-1.0.0", **call)
    assert package.golden_differences["golden/0.png"] < 1e-5


@pytest.mark.parametrize("method", ["class_map", "gradcam", "normgrad_scaling", "occlusion"])
@pytest.mark.parametrize("saliency", [None, {"maps": "evidence", "method": "evidence"}])
def test_it_judges_an_image_and_says_where(tmp_path: Path, method: str, saliency: dict[str, Any] | None) -> None:
    result = judged(opened(tmp_path / "plain-1.0.0", saliency=saliency), method)
    [blur, object_] = result.assessment.findings
    assert (blur.name, blur.present, object_.present) == (FindingName.MOTION_BLUR, True, False)
    assert result.assessment.model is not None
    values = result.maps.findings[FindingName.MOTION_BLUR].values
    rows, columns = np.unravel_index(values.argmax(), values.shape)
    assert rows / values.shape[0] < 0.4
    assert columns / values.shape[1] > 0.5


def test_a_padded_input_keeps_the_aspect_and_its_map_covers_the_image_alone(tmp_path: Path) -> None:
    package = opened(tmp_path / "plain-1.0.0", fit="pad")
    inputs = package.prepare(corner().display)
    view = inputs.arrays["picture"][0, 0]
    assert (view[:, :4] == 0).all()
    assert (view[:, 4:-4] > 0).all()
    assert inputs.to_source(view).shape == (48, 40)


def test_a_graph_that_lacks_what_its_card_names_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelPackageError, match="no output called missing"):
        opened(tmp_path / "plain-1.0.0", severity="missing")
    with pytest.raises(ModelPackageError, match="no input called other"):
        opened(tmp_path / "plain-1.1.0", input="other")


def test_a_section_that_the_contract_does_not_know_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelPackageError, match=r"section call.*colour"):
        opened(tmp_path / "plain-1.0.0", colour="green")


def test_shipped_cards_name_no_contract_and_get_theirs() -> None:
    result = {p.name: contract_of(read_card(p)).name for p in sorted((ROOT / "models").glob("quality-*"))}
    assert set(result.values()) == {"two_branch", "measurements"}
    assert set(result.values()) < set(CONTRACTS.all())


MEETING_MEASURE = """
from threading import Barrier
from miqa_node.stages.measure.base import ImageMeasure
miqa_api = 1
BARRIER = Barrier(2)
MEETING = ImageMeasure(
    name="meeting", unit="1", label="Meeting", code="MEETING", summary="Waits.", definition="1",
    section="Range and exposure", take=lambda view: 1.0 + 0.0 * BARRIER.wait(30.0),
)
"""
MEETING_CONTRACT = """
from miqa_node.stages.assess.contracts.plain_image import PlainImage
miqa_api = 1
class Meeting(PlainImage):
    name = "meeting_graph"
    def prepare(self, card, material):
        from other_meeting import BARRIER
        BARRIER.wait(30.0)
        return super().prepare(card, material)
MEETING_GRAPH = Meeting()
"""


def test_the_graph_runs_while_measurements_are_being_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each waits for the other here, so one after the other would never end well."""
    package = opened(tmp_path / "plain-1.0.0")
    package = replace(package, card=package.card.model_copy(update={"contract": "meeting_graph"}))
    with (
        installed(tmp_path, monkeypatch, MEASUREMENTS, "meeting", MEETING_MEASURE, "MEETING"),
        installed(tmp_path, monkeypatch, CONTRACTS, "meeting_graph", MEETING_CONTRACT, "MEETING_GRAPH"),
    ):
        result = ImageAssessor(package).assess(
            chest_header(), corner(), InstanceDigest("ab"), ImageTraits(is_radiograph=True)
        )
    assert result.assessment.findings
    assert "meeting" in {one.name for one in result.assessment.measurements}
