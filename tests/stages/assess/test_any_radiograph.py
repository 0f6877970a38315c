"""Radiographs that the quality package leaves: judged by a package of their own, flagged only where it has figures."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from miqa_node.core.domain.decision import decide
from miqa_node.core.domain.finding import FindingName, GateClass
from miqa_node.core.domain.image import Radiograph
from miqa_node.core.domain.instance import Header, InstanceDigest
from miqa_node.core.domain.ports import AssessorResult
from miqa_node.core.domain.traits import ImageTraits
from miqa_node.core.domain.verdict import Verdict
from miqa_node.core.settings import Settings, load_settings
from miqa_node.core.settings.policy import read_policy
from miqa_node.errors import NotFoundError
from miqa_node.runtime.store.documents import dump_assessment, load_assessment
from miqa_node.stages.assess.another_kind import of_gate
from miqa_node.stages.assess.any_radiograph import UNKNOWN_PART, left_unsure
from miqa_node.stages.assess.sidecars import SidecarModels, packages_everywhere, switched_on
from tests.policies import ACCEPT, DEFAULT, policy_of
from tests.stages.assess.classify.test_sidecars import DIGEST, Quality
from tests.stages.assess.making import chest_header, write_package
from tests.stages.assess.test_another_kind import judged as judged_as

EXPOSURE = ImageTraits(is_radiograph=True, is_single_exposure=True)
ANY_PART = {"modality": ["CR", "DX", "RG"], "body_part": [], "view": []}
LEFT = "Body Part Examined KNEE is outside what the model was made for."


class ChestOnly:
    """Leaves everything that its header does not call a chest; calls all other images another kind."""

    def assess(
        self, header: Header, radiograph: Radiograph, digest: InstanceDigest, traits: ImageTraits
    ) -> AssessorResult:
        result = Quality(reason=LEFT).assess(header, radiograph, digest, traits)
        if header.body_part_examined not in {"CHEST", ""}:
            return result
        looks = judged_as(GateClass.NOT_FRONTAL_CHEST, 0.9)
        return of_gate(replace(looks, assessment=replace(looks.assessment, header=header)))


def settings_of(folder: Path, **assess: Any) -> Settings:
    assess = {
        "shipped_packages": False, "models_dir": str(folder / "models"), "any_radiograph_package": "", **assess,
    }  # fmt: skip
    return load_settings(None, assess=assess, node={"data_dir": folder, "accelerator": "cpu"})


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """With a package that sees defects everywhere and has figures for knees."""
    folder = tmp_path / "models/any-radiograph-1.0.0"
    write_package(folder, name="any-radiograph", applicability=ANY_PART, parts_with_figures=["KNEE"])
    return settings_of(tmp_path)


def judged(settings: Settings, quality: Any = None, traits: ImageTraits = EXPOSURE, **header: Any) -> AssessorResult:
    pixels = np.full((200, 160), 65535, np.uint16)
    pixels[::2] = 0
    return judged_pixels(settings, pixels, quality, traits, **header)


def judged_pixels(
    settings: Settings, pixels: np.ndarray, quality: Any = None, traits: ImageTraits = EXPOSURE, **header: Any
) -> AssessorResult:
    image = Radiograph(pixels, pixels, (0, 65535), None)
    policy = read_policy(settings.policy_file)
    sidecars = SidecarModels(settings, lambda: quality or ChestOnly(), lambda: policy)
    return sidecars.assess(replace(chest_header(), **header), image, DIGEST, traits)


def verdict(settings: Settings, result: AssessorResult) -> Verdict:
    return decide(result.assessment, read_policy(settings.policy_file)).verdict


def test_a_part_with_figures_is_judged_like_a_chest(settings: Settings) -> None:
    result = judged(settings, body_part_examined="KNEE")
    assessment = result.assessment
    assert assessment.model is not None
    assert assessment.model.name == "any-radiograph"
    assert (assessment.not_assessed, assessment.experimental) == ("", "")
    assert assessment.finding(FindingName.MOTION_BLUR) is not None
    assert assessment.score is not None
    present = {one.name for one in assessment.findings if one.present} - {FindingName.GATE}
    assert set(result.maps.findings) == present
    assert "any-radiograph-1.0.0" in assessment.timings_ms


@pytest.mark.parametrize(("part", "word"), [("SKULL", "SKULL"), ("", "unknown")])
def test_a_part_without_figures_is_listed_and_flags_nothing(settings: Settings, part: str, word: str) -> None:
    result = judged(settings, body_part_examined=part)
    assessment = result.assessment
    assert word in assessment.experimental
    assert assessment.findings
    loud = tuple(replace(one, probability=1.0, severity=1.0) for one in assessment.findings)
    assessment = replace(assessment, findings=loud, gate={})
    disposition = decide(assessment, read_policy(settings.policy_file))
    assert disposition.verdict is Verdict.NOT_ASSESSED
    assert not disposition.flagged
    assert [reason.text for reason in disposition.reasons] == [assessment.experimental]
    quiet = replace(assessment, findings=tuple(replace(one, probability=0.0) for one in loud))
    assert decide(quiet, read_policy(settings.policy_file)).verdict is Verdict.NOT_ASSESSED, "never ACCEPT"
    assert load_assessment(json.loads(json.dumps(dump_assessment(assessment)))) == assessment, "it is stored whole"


def test_a_site_with_figures_of_its_own_ends_the_experiment(settings: Settings) -> None:
    assessment = judged(settings, body_part_examined="SKULL").assessment
    defects = [one for one in assessment.findings if one.name is not FindingName.GATE]
    loud = tuple(replace(one, probability=1.0, severity=1.0) for one in defects)
    skulls = {"skull": {"body_part": ["SKULL"]}}
    of_site = {"evidence": "site"}
    policy = policy_of(ACCEPT | of_site, DEFAULT | of_site, where=skulls)
    assert decide(replace(assessment, findings=loud, gate={}), policy).verdict is Verdict.REJECT
    quiet = tuple(replace(one, probability=0.0, severity=0.0) for one in loud)
    assert decide(replace(assessment, findings=quiet, gate={}), policy).verdict is Verdict.ACCEPT
    by_card = policy_of(ACCEPT, DEFAULT, where=skulls)
    assert decide(replace(assessment, findings=loud, gate={}), by_card).verdict is Verdict.NOT_ASSESSED


def test_pixels_that_contradict_the_header_stay_the_only_reason(settings: Settings) -> None:
    before = ChestOnly().assess(chest_header(), None, DIGEST, EXPOSURE)  # type: ignore[arg-type]
    after = judged(settings, body_part_examined="CHEST").assessment
    assert after.is_of_another_kind
    assert (after.findings, after.experimental) == (before.assessment.findings, "")
    assert after.not_assessed == before.assessment.not_assessed


@pytest.mark.parametrize(
    "change",
    [
        lambda _: {"quality": Quality()},  # the quality package judged it
        lambda _: {"modality": "MG"},  # outside of its card
        lambda _: {"traits": ImageTraits()},  # not an exposure
    ],
)
def test_other_images_stay_as_they_are(settings: Settings, change: Callable[[None], dict[str, Any]]) -> None:
    assessment = judged(settings, **{"body_part_examined": "KNEE", **change(None)}).assessment
    assert assessment.model is None or assessment.model.name == "quality"
    assert assessment.experimental == ""


def test_the_settings_choose_it_or_switch_it_off(settings: Settings, tmp_path: Path) -> None:
    assert packages_everywhere(settings) == {"any-radiograph": "any-radiograph-1.0.0"}
    assert switched_on(tmp_path / "models/any-radiograph-1.0.0", settings)
    off = settings_of(tmp_path, any_radiograph_package="off")
    assert judged(off, body_part_examined="KNEE").assessment.not_assessed == LEFT
    gone = settings_of(tmp_path, any_radiograph_package="any-radiograph-9.0.0")
    assert judged(gone, body_part_examined="KNEE").assessment.not_assessed == LEFT, "the quality verdict is given"


def test_it_is_loaded_for_the_first_image_that_needs_it(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    def never(*_: object) -> None:
        raise AssertionError("loaded without an image")

    sidecars = SidecarModels(settings, ChestOnly, lambda: read_policy(settings.policy_file))
    with monkeypatch.context() as patch:
        patch.setattr("miqa_node.stages.assess.any_radiograph.open_any_radiograph", never)
        sidecars.check()


def test_a_package_that_is_named_and_missing_keeps_the_node_from_being_ready(tmp_path: Path) -> None:
    gone = settings_of(tmp_path, any_radiograph_package="any-radiograph-9.0.0")
    with pytest.raises(NotFoundError, match=r"any-radiograph-9\.0\.0"):
        SidecarModels(gone, ChestOnly, lambda: read_policy(gone.policy_file)).check()


def test_noise_of_an_image_without_a_part_is_held_against_the_range_of_other_parts(settings: Settings) -> None:
    """Its pixels are no chest; the wider range of chests left it deaf."""
    rng = np.random.default_rng(2)
    grainy = np.clip(rng.normal(32768, 600, (400, 320)), 0, 65535).astype(np.uint16)
    unnamed, knee = (
        judged_pixels(settings, grainy, body_part_examined=part).assessment.finding(FindingName.NOISE)
        for part in ("", "KNEE")
    )
    assert unnamed is not None
    assert unnamed == knee
    assert unnamed.severity >= 0.5


@pytest.mark.parametrize(
    ("part", "look", "gate", "is_left"),
    [("", "", 0.0, True), ("CHEST", "", 0.0, False), ("", "CHEST", 0.0, False), ("", "", 0.9, False)],
    ids=["nobody knows", "the header says it", "the pixels show it", "the gate speaks"],
)
def test_what_nobody_knows_to_be_a_chest_is_left_with_all_that_is_about_one(
    part: str, look: str, gate: float, is_left: bool
) -> None:
    judgement = judged_as(GateClass.INVERTED, gate)
    header = replace(chest_header(), body_part_examined=part)
    judgement = replace(judgement, assessment=replace(judgement.assessment, header=header, part_seen=look))
    result = left_unsure(judgement)
    assert (result.assessment.not_assessed == UNKNOWN_PART) is is_left
    assert (result.assessment.findings == ()) is is_left
    assert is_left or result is judgement
