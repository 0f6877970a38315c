"""What the panel says first, word for word: what was found, what to do, the worst number with its limit."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from miqa_node.core.domain.assessment import Assessment, Measurement, ModelIdentity, PlausibilityIssue
from miqa_node.core.domain.codes import OTHER_FAILURE
from miqa_node.core.domain.decision import decide
from miqa_node.core.domain.fault_search import search_of
from miqa_node.core.domain.finding import Finding, FindingName
from miqa_node.core.domain.instance import (
    Header,
    InstanceDigest,
    SeriesInstanceUid,
    SopInstanceUid,
    StudyInstanceUid,
)
from miqa_node.core.domain.verdict import Reason, Verdict
from miqa_node.core.language.catalogue import spoken
from miqa_node.core.language.phrase import Phrase
from miqa_node.core.settings.policy import read_policy
from miqa_node.core.taxonomy.lookup import defect_names, reason_code
from miqa_node.core.words.narrative import advice
from miqa_node.dicom.pixels.plausibility import ISSUES
from miqa_node.features.worklist.page.study.panel import Panel, panel_of
from miqa_node.stages.assess.contradiction import NO_CHEST
from miqa_node.stages.units.kinds import experimental_reason, untried_reason

POLICY = read_policy(Path(__file__).parents[4] / "config" / "policy.toml")
QUALITY = ModelIdentity("quality", "0.9.3", "ab" * 32)


def header(modality: str, part: str = "", view: str = "", **more: Any) -> Header:
    return Header(
        sop_class_uid="1.2.840.10008.5.1.4.1.1.1.1",
        sop_instance_uid=SopInstanceUid("1.2.3.4"),
        series_instance_uid=SeriesInstanceUid("1.2.3"),
        study_instance_uid=StudyInstanceUid("1.2"),
        transfer_syntax_uid="1.2.840.10008.1.2.1",
        modality=modality,
        body_part_examined=part,
        view_position=view,
        has_pixels=True,
        age_years=50,
        **more,
    )


def radiograph(part: str, view: str, present: Mapping[str, tuple[float, float]], **more: Any) -> Assessment:
    """An image that the shipped package judged; ``present`` has (probability, severity) by finding."""
    findings = tuple(
        Finding(FindingName(name), reason_code(name), *present.get(name, (0.04, 0.1)), 0.5, None)
        for name in defect_names()
    )
    return Assessment(
        InstanceDigest("ab" * 32), header("DX", part, view), datetime(2026, 11, 20, tzinfo=UTC), findings=findings,
        model=QUALITY, decoder="pydicom", score=80.0, **more,
    )  # fmt: skip


def measured(head: Header, kind: str = "", **values: tuple[float, str]) -> Assessment:
    """A series or image that no model judges."""
    return Assessment(
        InstanceDigest("ab" * 32), head, datetime(2026, 11, 20, tzinfo=UTC), decoder="pydicom", kind=kind,
        not_assessed=experimental_reason(head, measured=True), experimental=untried_reason(head),
        measurements=tuple(Measurement(name, value, unit) for name, (value, unit) in values.items()),
    )  # fmt: skip


def issue(name: str, text: str) -> PlausibilityIssue:
    return PlausibilityIssue(name, Phrase(text), ISSUES[name])


CUT = {"clipped_anatomy": (0.97, 0.9), "contrast_processing": (0.99, 0.9)}
CT = header("CT", "CHEST", convolution_kernel="B30f")
OBJECT = "The header marks a phantom or quality control image, not a patient."
CASES: dict[str, Assessment] = {
    "chest of which a part lies outside": radiograph("CHEST", "PA", CUT),
    "chest, window wrong only": radiograph("CHEST", "PA", {"contrast_processing": (0.99, 0.9)}),
    "chest, motion": radiograph("CHEST", "PA", {"motion_blur": (0.95, 0.8), "noise": (0.9, 0.8)}),
    "chest, accepted": radiograph("CHEST", "PA", {}),
    "chest, blank": replace(
        radiograph("CHEST", "PA", {}),
        plausibility=(issue("blank_image", "All pixels have the same value or are padding."),),
    ),
    "knee, experimental": radiograph("KNEE", "AP", CUT),
    "CT, gaps and noise": measured(CT, slice_gaps=(2.0, "1"), ct_noise=(80.0, "[hnsf'U]"), truncation=(1.0, "%")),
    "CT, cut off": measured(CT, slice_gaps=(0.0, "1"), truncation=(12.0, "%")),
    "MR, wrapped": measured(header("MR", "HEAD"), mr_wrap=(22.0, "%"), slice_gaps=(0.0, "1")),
    "ultrasound": measured(header("US"), us_gain=(40.0, "%")),
    "mammogram": measured(header("MG", "BREAST", "CC", image_laterality="L"), mg_saturated_share=(0.1, "%")),
    "wrong label": replace(
        radiograph("CHEST", "PA", {}),
        plausibility=(issue("pixels_contradict_body_part", NO_CHEST),),
    ),
    "phantom": replace(
        measured(CT, hu_offset=(2.0, "[hnsf'U]")),
        phantom=Phrase(OBJECT),
    ),
}


def panel(name: str) -> Panel:
    """The panel in the language that is spoken."""
    assessment = CASES[name]
    return panel_of(assessment, decide(assessment, POLICY), {})


def lines_of(name: str, language: str) -> str:
    """The three lines below the name of the case."""
    with spoken(language):
        return "\n".join((f"[{language}] {name}", *(f"  {line}" for line in panel(name).lines)))


GOLDEN = Path(__file__).parent / "panel_texts.txt"


@pytest.mark.parametrize("language", ["en", "de"])
def test_the_first_three_lines_are_what_what_to_do_and_the_worst_number(language: str) -> None:
    expected = GOLDEN.read_text("utf-8").rstrip().split("\n\n")
    assert [lines_of(name, language) for name in CASES] == [one for one in expected if one.startswith(f"[{language}]")]


def test_no_new_exposure_is_never_said_beside_what_asks_for_one() -> None:
    cut = panel("chest of which a part lies outside")
    assert "repeat with the whole lungs" in cut.what_to_do
    assert "no new exposure is needed" in panel("chest, window wrong only").what_to_do


def test_what_the_policy_tolerates_stays_and_is_grey() -> None:
    assessment = radiograph("CHEST", "PA", {"motion_blur": (0.55, 0.05)})
    disposition = decide(assessment, POLICY)
    [tolerated] = [one for one in panel_of(assessment, disposition, {}).numbers if one.tolerated]
    assert (disposition.flagged, tolerated.name, tolerated.is_beyond) == (False, "motion_blur", False)


def test_what_the_policy_never_accepts_has_numbers_that_do_not_count_and_no_all_clear() -> None:
    knee = panel("knee, experimental")
    assert {(one.note, one.is_beyond) for one in knee.numbers} == {("does not count", False)}
    assert knee.what.startswith("Looked at, and never accepted by the policy: ")


def test_three_sentences_stand_for_three_states() -> None:
    unread = replace(measured(CT), measurements=(), decoder="", not_assessed=Phrase("There are no pixels."))
    part = replace(measured(CT, slice_gaps=(0.0, "1")), kind="body")
    alone = replace(radiograph("HAND", "PA", {}), model=ModelIdentity("any-radiograph", "0.3.0", "ab" * 32))
    lines = [panel_of(one, replace(decide(one, POLICY), search=search_of(one, POLICY)), {}).what
            for one in (unread, part, alone, CASES["ultrasound"])]  # fmt: skip
    assert [one.partition(":")[0].partition(".")[0] for one in lines] == [
        "Not looked at", "Looked at in part", "Looked at in part", "Looked at, and never accepted by the policy",
    ]  # fmt: skip
    assert (lines[0], lines[2]) == (
        "Not looked at: There are no pixels",
        "Looked at in part. Looked for: Motion blur, Unsharp, Noisy; none was found.",
    )


@pytest.mark.parametrize(
    ("part", "words"), [("CHEST", "breathing command"), ("LSPINE", "breathing command"), ("FOOT", "part supported")]
)
def test_hints_fit_the_part(part: str, words: str) -> None:
    moved = radiograph(part, "AP", {"motion_blur": (0.99, 0.9)})
    hint = advice(Reason("motion_blur", "Motion blur", OTHER_FAILURE, Verdict.REVIEW), moved)
    assert words in hint
    assert ("breath" in hint) == (part != "FOOT")


def test_the_worst_number_is_that_of_the_headline() -> None:
    unlike = {"noise": (1.0, 1.0), "underexposure": (0.35, 0.6), "unsharp": (0.6, 0.6)}
    dark = radiograph("CHEST", "PA", unlike)
    limits = {"noise": 0.95, "underexposure": 0.23}
    findings = tuple(replace(one, threshold=limits.get(one.name, one.threshold)) for one in dark.findings)
    judged = replace(dark, findings=findings)
    disposition = decide(judged, POLICY)
    shown = panel_of(judged, disposition, {})
    assert shown.what.startswith("Noisy")
    assert [one.name for one in shown.numbers] == ["noise", "unsharp", "underexposure"]


def test_a_limit_that_did_not_apply_is_no_reason() -> None:
    slices = measured(CT, slice_gaps=(2.0, "1"), truncation=(1.0, "%"))
    apart = replace(slices, phantom=Phrase(OBJECT)), replace(slices, unfit=Phrase("A single slice is no series."))
    for one in apart:
        assert _numbers(one) == [], "no limit is about it"
    assert _numbers(slices)[0] == ("slice_gaps", True)

    dark = replace(radiograph("CHEST", "PA", {}), measurements=(Measurement("crushed_dark_share", 40.0, "%"),))
    assert _numbers(dark)[0] == ("crushed_dark_share", True)
    limb = replace(dark, not_assessed=Phrase(NO_CHEST), findings=())
    assert _numbers(limb) == [], "beside limbs there is air"


def _numbers(assessment: Assessment) -> list[tuple[str, bool]]:
    numbers = panel_of(assessment, decide(assessment, POLICY), {}).numbers
    return [(one.name, one.is_beyond) for one in numbers]
