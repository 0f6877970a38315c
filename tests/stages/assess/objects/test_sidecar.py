"""An object package beside the quality package: its findings and maps take the place of the quality package's."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from miqa_node.core.domain.decision import decide
from miqa_node.core.domain.finding import FindingName
from miqa_node.core.domain.image import Radiograph
from miqa_node.core.domain.ports import AssessorResult
from miqa_node.core.domain.verdict import Verdict
from miqa_node.core.settings import Accelerator, Settings, load_settings
from miqa_node.core.settings.policy import read_policy
from miqa_node.core.taxonomy.lookup import quality_score
from miqa_node.core.words.algorithms import algorithms_of
from miqa_node.errors import ModelPackageError
from miqa_node.runtime.store.documents import dump_assessment, load_assessment
from miqa_node.stages.assess.sidecars import (
    SidecarModels,
    open_sidecar,
    packages_everywhere,
    read_any_card,
    switched_on,
)
from tests.stages.assess.classify.test_sidecars import DIGEST, Quality
from tests.stages.assess.making import RADIOGRAPH, chest_header
from tests.stages.assess.objects.making import maps_of, write_objects

WORN = (2.0, -2.0)
LEADS = (-2.0, 2.0)


def settings_of(folder: Path, **assess: Any) -> Settings:
    assess = {"shipped_packages": False, "models_dir": str(folder / "models"), "objects_package": "", **assess}
    return load_settings(None, assess=assess, node={"data_dir": folder, "accelerator": "cpu"})


def judged(settings: Settings, quality: Quality | None = None, **header: Any) -> AssessorResult:
    pixels = np.random.default_rng(1).integers(0, 65536, (200, 100)).astype(np.uint16)
    image = Radiograph(pixels, pixels, (0, 65535), (2.0, 2.5))
    policy = read_policy(settings.policy_file)
    sidecars = SidecarModels(settings, lambda: quality or Quality(), lambda: policy)
    return sidecars.assess(replace(chest_header(), **header), image, DIGEST, RADIOGRAPH)


def test_its_findings_and_map_take_the_place_of_the_quality_packages(tmp_path: Path) -> None:
    # The image is half as wide as high: it lies in columns 2 to 5 of the 8 of the input.
    write_objects(tmp_path / "models/objects-1.0.0", maps_of((0, 1, 4), (1, 6, 3)), WORN)
    settings = settings_of(tmp_path)
    result = judged(settings)
    assessment = result.assessment
    plain = Quality().assess(chest_header(), None, DIGEST, RADIOGRAPH).assessment  # type: ignore[arg-type]
    assert [f.name for f in assessment.findings] == [f.name for f in plain.findings], "each at its old place"
    worn, device = (assessment.finding(name) for name in (FindingName.FOREIGN_OBJECT, FindingName.DEVICE_IN_VIEW))
    assert worn is not None
    assert device is not None
    assert worn.present
    assert worn.probability == pytest.approx(1 / (1 + np.exp(-2.0)), abs=1e-6)
    assert worn.peak == (0.625, 0.1875)
    assert 0 < worn.severity < 1
    assert not device.present
    assert set(result.maps.findings) == {FindingName.FOREIGN_OBJECT}
    saliency = result.maps.findings[FindingName.FOREIGN_OBJECT]
    assert saliency.method == "evidence of tests"
    assert saliency.values.shape == (8, 4), "the padding is cut off"
    assert assessment.score == quality_score(assessment.findings)
    assert decide(assessment, read_policy(settings.policy_file)).verdict is Verdict.REVIEW
    assert load_assessment(json.loads(json.dumps(dump_assessment(assessment)))) == assessment, "it is stored whole"


def test_reports_name_the_package_that_judged(tmp_path: Path) -> None:
    write_objects(tmp_path / "models/objects-1.0.0", maps_of((0, 1, 4)), WORN)
    assessment = judged(settings_of(tmp_path)).assessment
    assert assessment.objects is not None
    assert ("objects", "1.0.0", assessment.objects.sha256) in list(algorithms_of(assessment))
    older = dump_assessment(assessment)
    del older["objects"]
    assert load_assessment(older).objects is None, "rows from before there were such packages"


def test_a_tube_is_shown_but_a_lead_beside_it_is_pointed_at(tmp_path: Path) -> None:
    write_objects(tmp_path / "models/objects-1.0.0", maps_of((1, 6, 3), (2, 2, 4)), LEADS)
    device = judged(settings_of(tmp_path)).assessment.finding(FindingName.DEVICE_IN_VIEW)
    assert device is not None
    assert device.peak == (0.375, 0.8125)


@pytest.mark.parametrize(
    ("quality", "header"),
    [(Quality(gate=0.9), {}), (Quality(), {"body_part_examined": "HAND"}), (Quality(reason="no"), {})],
)
def test_nothing_is_looked_for_outside_of_its_scope(tmp_path: Path, quality: Quality, header: dict[str, Any]) -> None:
    write_objects(tmp_path / "models/objects-1.0.0", maps_of((0, 1, 4)), WORN)
    assessment = judged(settings_of(tmp_path), quality, **header).assessment
    assert assessment.objects is None
    assert assessment.findings == quality.findings


def test_the_settings_choose_the_package_or_switch_it_off(tmp_path: Path) -> None:
    for version in ("1.0.0", "1.2.0"):
        write_objects(tmp_path / f"models/objects-{version}", maps_of(), LEADS, version=version)
    folder = tmp_path / "models/objects-1.0.0"
    assert packages_everywhere(settings_of(tmp_path)) == {"objects": "objects-1.2.0"}
    named = settings_of(tmp_path, objects_package="objects-1.0.0")
    assert packages_everywhere(named) == {"objects": "objects-1.0.0"}
    assert switched_on(folder, named)
    assert not switched_on(folder, settings_of(tmp_path))
    off = settings_of(tmp_path, objects_package="off")
    assert packages_everywhere(off) == {}
    assert judged(off).assessment.objects is None


def test_a_package_that_does_not_give_what_its_card_says_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "models/objects-1.0.0"
    write_objects(folder, maps_of((0, 1, 4)), WORN)
    assert read_any_card(folder).label == "objects-1.0.0"
    golden = folder / "golden/0.json"
    golden.write_text(json.dumps({"values": [0.0]}))
    with pytest.raises(ModelPackageError, match=r"golden/0\.json is not the file"):
        open_sidecar(folder, Accelerator.CPU, settings_of(tmp_path).assess)
