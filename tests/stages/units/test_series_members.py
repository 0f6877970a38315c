"""What a series consists of: what limits cannot apply to, what is missing, and what is left out of the stack."""

from __future__ import annotations

import tomllib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from pydicom import Dataset
from pydicom.data import get_testdata_file
from pydicom.uid import UID

from miqa_node.core.domain.assessment import Assessment, Measurement, ModelIdentity, PlausibilityIssue
from miqa_node.core.domain.codes import OTHER_FAILURE
from miqa_node.core.domain.decision import decide
from miqa_node.core.domain.finding import Finding, FindingName
from miqa_node.core.domain.policy import Policy
from miqa_node.core.domain.ports import AssessorResult
from miqa_node.core.domain.slice_kind import COMPUTED
from miqa_node.core.domain.verdict import UNFIT, Verdict
from miqa_node.core.settings import load_settings
from miqa_node.core.settings.policy import read_policy
from miqa_node.core.taxonomy.policy_file import parse_policy
from miqa_node.core.words.narrative import narrative
from miqa_node.dicom.bytes.headers import read_header
from miqa_node.errors import SettingsError
from miqa_node.runtime.workers.child import decode_here
from miqa_node.stages.assess.series import NO_STACK, judge_series
from miqa_node.stages.assess.series_members import ONE_OF_EACH, SINGLE_SLICE
from miqa_node.stages.measure.series_view import SliceTools
from miqa_node.stages.units.image import with_kind
from miqa_node.stages.units.kinds import (
    CAPTURE,
    NOT_A_SLICE,
    OTHER_MODALITY,
    SLIDE_TILE,
    experimental_reason,
    series_traits,
    unfit_reason,
)
from tests.policies import TRIED, measured, policy_of
from tests.stages.measure.series import making

Change = Callable[[Dataset], None]
SHIPPED = read_policy(load_settings().policy_file)


def decode(path: Path, frame: int = 0) -> Any:
    return decode_here(path, frame, 10**8)


def judged(paths: list[Path], captures: int = 0) -> Assessment:
    header, _ = read_header(paths[-1])
    files = [(making.read(path).SOPInstanceUID, path) for path in paths]
    result = judge_series(
        header, series_traits(header), files[-1][0], files, SliceTools(decode), 5000, captures=captures
    )  # fmt: skip
    return result.assessment


def stack(folder: Path, count: int, change: Change | None = None, first: int = 1) -> list[Path]:
    images = [making.layered_ct(seed=number) for number in range(count)]
    places = [5.0 * (first + number) for number in range(count)]
    return making.write_series(folder, images, "CT", places, change, first)


def allowing(policy: Policy) -> Policy:
    """The policy of a site that has tried the limits of CT of the chest on its own scanners."""
    of_ct = {"where": [], "modality": ["CT"], "body_part": ["CHEST"]}
    table = policy_of({**measured("ct_noise", "slice_gaps", "truncation"), **of_ct}, evidence=TRIED).rules
    others = (one for one in policy.rules if one.acceptance is None or "CT" not in one.where.modality)
    return replace(policy, rules=(*others, *table))


OF_SITE = allowing(SHIPPED)


def changed(**elements: Any) -> Change:
    def change(dataset: Dataset) -> None:
        for keyword, value in elements.items():
            setattr(dataset, keyword, value)

    return change


def issues(assessment: Assessment) -> dict[str, str]:
    return {issue.name: issue.message for issue in assessment.plausibility}


def test_a_single_slice_is_not_assessed_whatever_its_noise(tmp_path: Path) -> None:
    [path] = making.write_series(tmp_path, [making.body_ct(noise_hu=90.0)], "CT")
    assessment = judged([path])
    assert assessment.measurement("ct_noise") is not None
    disposition = decide(assessment, SHIPPED)
    assert (disposition.verdict, disposition.flagged) == (Verdict.NOT_ASSESSED, False)
    assert [(reason.name, reason.text) for reason in disposition.reasons] == [(UNFIT, SINGLE_SLICE)]


def one_of_each_plane(dataset: Dataset) -> None:
    """A pilot of three planes: no two slices are parallel."""
    planes = ([1, 0, 0, 0, 1, 0], [1, 0, 0, 0, 0, -1], [0, 1, 0, 0, 0, -1])
    dataset.ImageOrientationPatient = planes[int(dataset.InstanceNumber) % 3]


def test_a_pilot_of_three_planes_is_not_called_a_single_slice(tmp_path: Path) -> None:
    """The reason said "without the others of its series", and the issue beside it listed two others."""
    assessment = judged(stack(tmp_path, 3, one_of_each_plane))
    assert "slices of another orientation: 2" in issues(assessment)["slices_left_out"]
    assert assessment.unfit == ONE_OF_EACH


def test_projections_in_several_directions_are_computed_images(tmp_path: Path) -> None:
    def projection(dataset: Dataset) -> None:
        dataset.ImageType = ["DERIVED", "SECONDARY", "PROJECTION IMAGE"]
        one_of_each_plane(dataset)

    assert judged(stack(tmp_path, 3, projection)).unfit == COMPUTED


def test_localizers_alone_say_so_although_series_of_the_part_are_accepted(tmp_path: Path) -> None:
    scout = changed(ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"], BodyPartExamined="CHEST")
    disposition = decide(judged(stack(tmp_path, 2, scout)), SHIPPED)
    assert [reason.text for reason in disposition.reasons] == [NO_STACK]


@pytest.mark.parametrize("policy", ["shipped", "of an earlier version"])
def test_an_issue_may_keep_from_accept_and_flags_nothing(tmp_path: Path, policy: str) -> None:
    """``acquisition_incomplete`` is no longer raised; policies and stored assessments may have it."""
    name = "slices_unmeasured" if policy == "shipped" else "acquisition_incomplete"
    rules = SHIPPED
    if policy != "shipped":
        text = load_settings().policy_file.read_text(encoding="utf-8")
        rules = parse_policy(tomllib.loads(text.replace('"slices_unmeasured"', f'"{name}"')))
    rules = allowing(rules)
    part = judged(stack(tmp_path, 5, changed(BodyPartExamined="CHEST")))
    part = replace(part, plausibility=(*part.plausibility, PlausibilityIssue(name, "Not so many.", OTHER_FAILURE)))
    disposition = decide(part, rules)
    assert (disposition.verdict, disposition.flagged) == (Verdict.NOT_ASSESSED, False)
    assert [reason.text for reason in disposition.reasons] == [issues(part)[name]]
    loud = decide(replace(part, measurements=(Measurement("slices_repeated", 1.0, "1"),)), rules)
    assert loud.verdict is Verdict.REVIEW
    assert [reason.name for reason in loud.reasons] == ["slices_repeated", name]
    other = replace(part, header=replace(part.header, body_part_examined="KNEE"))
    assert [reason.name for reason in decide(other, rules).reasons] == ["experimental", name]


def test_what_is_missing_from_an_experimental_stack_is_named(tmp_path: Path) -> None:
    """A PET series with a gap said only that limits for PET have not been tried."""
    pet = changed(SOPClassUID="1.2.840.10008.5.1.4.1.1.128", Modality="PT")
    paths = stack(tmp_path, 12, pet)
    whole, part = judged(paths), judged([path for path in paths if path.stem != "CT006"])
    [only] = decide(whole, SHIPPED).reasons
    assert only.text.startswith("Measured, experimental: limits for PET")
    disposition = decide(part, SHIPPED)
    assert (disposition.verdict, disposition.flagged) == (Verdict.NOT_ASSESSED, False)
    first, *rest = disposition.reasons
    assert first == only
    gap, number = (reason.text for reason in rest)
    place = "the largest, 10 mm, between slices 5 and 6, Instance Numbers 5 to 7"
    assert gap.startswith(f"Gaps between slices: 1 ({place}). A slice may be missing")
    assert number == "Instance Numbers that no image of the series has: 6."
    assert number in narrative(part, disposition)


@pytest.fixture
def series(tmp_path: Path) -> Assessment:
    return judged(stack(tmp_path, 5, changed(BodyPartExamined="CHEST")))


def test_what_was_tried_on_two_scanners_is_accepted_and_anything_else_is_experimental(series: Assessment) -> None:
    accepted = decide(series, OF_SITE)
    assert accepted.verdict is Verdict.ACCEPT
    assert narrative(series, accepted)[:3] == (
        "Accepted: the image meets the quality rules of this site.",
        "No model judges CT or MR series; they are measured.",
        "The measurements that the policy asks for were taken, and none is beyond its limit.",
    )
    other = replace(series, header=replace(series.header, body_part_examined="SHOULDER"))
    disposition = decide(other, OF_SITE)
    assert (disposition.verdict, disposition.experimental) == (Verdict.NOT_ASSESSED, True)
    assert disposition.reasons[0].text.startswith("Measured, experimental: limits for CT of this body part (SHOULDER)")


def test_a_header_without_a_body_part_is_told_so(series: Assessment) -> None:
    """The reason was that limits of "this body part" had not been tried, of which the header names none."""
    nowhere = replace(series, header=replace(series.header, body_part_examined=""))
    disposition = decide(nowhere, OF_SITE)
    assert (disposition.verdict, disposition.experimental) == (Verdict.NOT_ASSESSED, True)
    assert "the header does not say which body part this is" in disposition.reasons[0].text
    limits = tuple(one for one in SHIPPED.rules if one.acceptance is None)
    of_none = decide(nowhere, replace(SHIPPED, rules=limits))
    assert of_none.reasons[0].text == "Measured, experimental: limits for CT have not been tried on two scanners."


@pytest.mark.parametrize(
    ("tried", "part", "verdict"),
    [
        (("CHEST", "ABDOMEN"), "CHESTABDOMEN", Verdict.ACCEPT),
        (("CHEST", "ABDOMEN"), "CHESTABDPELVIS", Verdict.NOT_ASSESSED),
        (("CHEST", "ABDOMEN", "PELVIS"), "CHESTABDPELVIS", Verdict.ACCEPT),
    ],
)
def test_limits_of_a_combined_part_were_tried_if_those_of_all_its_parts_were(
    tried: tuple[str, ...], part: str, verdict: Verdict, series: Assessment
) -> None:
    tables = [{**measured("ct_noise"), "body_part": [one]} for one in tried]
    policy = policy_of(*tables, where={"CT": {"modality": ["CT"]}}, evidence=TRIED)
    combined = replace(series, header=replace(series.header, body_part_examined=part))
    assert decide(combined, policy).verdict is verdict


def test_the_shipped_policy_accepts_no_ct_and_flags_all_parts(series: Assessment) -> None:
    chest = decide(series, SHIPPED)
    assert (chest.verdict, chest.flagged, chest.experimental) == (Verdict.NOT_ASSESSED, False, True)
    assert "streaks of 20 HU (0.33)" in chest.reasons[0].text
    other = replace(series, header=replace(series.header, body_part_examined="KNEE"))
    untried = decide(other, SHIPPED)
    assert (untried.verdict, untried.flagged, untried.experimental) == (Verdict.NOT_ASSESSED, False, True)
    assert untried.reasons[0].text.startswith("Measured, experimental: limits for CT of this body part (KNEE)")
    loud = replace(other, measurements=(Measurement("slices_repeated", 1.0, "1"),))
    assert decide(loud, SHIPPED).verdict is Verdict.REVIEW
    unmeasured = replace(series, measurements=(), not_assessed=NOT_A_SLICE)
    assert decide(unmeasured, SHIPPED).reasons[0].text == NOT_A_SLICE


def test_a_measurement_of_the_list_that_is_missing_is_named(series: Assessment) -> None:
    rest = tuple(one for one in series.measurements if one.name != "truncation")
    disposition = decide(replace(series, measurements=rest), OF_SITE)
    assert disposition.verdict is Verdict.NOT_ASSESSED
    assert disposition.reasons[0].text == "Not accepted, because it could not be measured: Truncation."
    loud = (*rest, Measurement("truncation", 40.0, "%"))
    assert decide(replace(series, measurements=loud), OF_SITE).verdict is Verdict.REVIEW


def test_every_shipped_rule_for_accept_names_two_scanners_and_known_measurements(series: Assessment) -> None:
    rules = [one for one in SHIPPED.rules if one.acceptance is not None]
    assert rules
    assert {modality for one in rules for modality in one.where.modality} <= {"CT", "MR"}
    tables = [one.acceptance for one in rules if one.acceptance is not None]
    assert all(len(set(one.tried_on)) >= 2 and one.body_part and (one.trials or one.parts) for one in tables)


@pytest.mark.parametrize(
    ("rule", "scanners", "text"),
    [
        (measured("ct_noise"), ["one"], "at least two"),
        (measured(), ["one", "two"], "takes a list of measurements"),
        ({**measured("ct_noise"), "evidence": "site"}, ["one", "two"], "a record of scanners that has tried_on"),
        ({**measured("ct_noise"), "measurement": "ct_noise"}, ["one", "two"], "it must be a list of names"),
        ({**measured("ct_noise"), "part": ["CHEST"]}, ["a", "b"], "there is no key part"),
    ],
)
def test_a_rule_that_says_too_little_is_refused(rule: dict[str, Any], scanners: list[str], text: str) -> None:
    with pytest.raises(SettingsError, match=text):
        policy_of(rule, evidence={name: {"tried_on": scanners} for name in TRIED})


def test_captures_and_tiles_are_not_for_limits(series: Assessment) -> None:
    header = series.header
    assert unfit_reason(replace(header, sop_class_uid="1.2.840.10008.5.1.4.1.1.7")) == CAPTURE
    assert unfit_reason(replace(header, sop_class_uid="1.2.840.10008.5.1.4.1.1.77.1.6")) == SLIDE_TILE
    assert unfit_reason(replace(header, sop_class_uid="1.2.840.10008.5.1.4.1.1.6.1")) == ""


def test_an_image_of_no_modality_is_told_so() -> None:
    header, _ = read_header(Path(str(get_testdata_file("CT_small.dcm"))))
    assert experimental_reason(replace(header, modality="OT"), measured=True) == OTHER_MODALITY
    assert "ultrasound" in experimental_reason(replace(header, modality="US"), measured=True)
    assert experimental_reason(replace(header, modality="DX"), measured=True) == ""
    assert experimental_reason(replace(header, sop_class_uid=""), measured=False) == NOT_A_SLICE


def test_a_model_that_was_made_for_another_kind_does_not_speak_for_a_capture(series: Assessment) -> None:
    """OT images were called "not a frontal chest radiograph", which nobody had taken them for."""
    model = ModelIdentity("quality", "1.0.0", "0" * 64)
    refused = AssessorResult(replace(series, model=model, not_assessed="The pixels show another kind of image."))
    judged_by_it = replace(refused, assessment=replace(refused.assessment, not_assessed=""))
    header = replace(series.header, modality="OT", sop_class_uid="1.2.840.10008.5.1.4.1.1.7")
    assert with_kind(refused, header, unfit_reason(header)).assessment.unfit == CAPTURE
    assert with_kind(refused, header).assessment.not_assessed == OTHER_MODALITY
    assert with_kind(judged_by_it, header, CAPTURE) == judged_by_it
    gate = Finding(FindingName.GATE, OTHER_FAILURE, 0.93, 0.93, 0.5)
    outside = replace(judged_by_it, assessment=replace(judged_by_it.assessment, findings=(gate,)))
    assert with_kind(outside, header, CAPTURE).assessment.unfit == CAPTURE
    radiograph = replace(header, modality="DX")
    assert with_kind(refused, radiograph).assessment.not_assessed == "The pixels show another kind of image."


@pytest.mark.more
def test_numbers_that_a_series_skips_are_listed_unless_it_counts_otherwise(tmp_path: Path) -> None:
    paths = stack(tmp_path, 20, first=100)
    name = "instance_numbers_missing"
    assert name not in issues(judged(paths))
    rest = [path for path in paths if path.stem not in {"CT105", "CT111"}]
    assert issues(judged(rest))[name] == "Instance Numbers that no image of the series has: 105, 111."
    assert name not in issues(judged(paths[::2]))


@pytest.mark.parametrize("lost", [1, 6])
def test_a_stack_without_positions_says_that_gaps_were_not_looked_for(lost: int, tmp_path: Path) -> None:
    """Not even one whose Slice Location is there: nothing says along which direction it counts."""

    def change(dataset: Dataset) -> None:
        if dataset.InstanceNumber <= lost:
            dataset.SliceLocation = dataset.ImagePositionPatient[2]
            del dataset.ImagePositionPatient

    assessment = judged(stack(tmp_path, 6, change))
    [text] = [str(one.message) for one in assessment.plausibility if one.name == "positions_missing"]
    assert text.startswith(f"{lost} of 6 slices have no Image Position")
    assert not {one.name for one in assessment.measurements} & {"slice_gaps", "slice_overlaps", "slice_distance"}
    assert "positions_missing" not in {one.name for one in judged(stack(tmp_path / "whole", 6)).plausibility}


@pytest.mark.more
def test_an_enhanced_series_is_accepted_by_the_region_of_its_frames(tmp_path: Path) -> None:
    """highdicom, as other converters, writes no Body Part Examined."""
    legacy = pytest.importorskip("highdicom.legacy")
    slices = [making.read(path) for path in stack(tmp_path / "a", 5, changed(BodyPartExamined="CHEST"))]
    enhanced = legacy.LegacyConvertedEnhancedCTImage(slices, UID("1.2.3.4"), 4, UID("1.2.3.5"), 1)
    enhanced._db_con.close()
    path = tmp_path / "enhanced.dcm"
    enhanced.save_as(path)
    assert "BodyPartExamined" not in enhanced
    assert decide(judged([path]), OF_SITE).verdict is Verdict.ACCEPT


@pytest.mark.more
def test_a_series_of_computed_images_has_no_verdict_and_those_beside_originals_are_left_out(tmp_path: Path) -> None:
    reformat = changed(ImageType=["DERIVED", "SECONDARY", "REFORMATTED", "AVERAGE"])
    assert judged(stack(tmp_path / "a", 4, reformat)).unfit == COMPUTED
    assert judged(stack(tmp_path / "b", 4, changed(ImageType=["DERIVED", "SECONDARY", "AXIAL"]))).unfit == ""
    assert judged(stack(tmp_path / "c", 4, changed(ImageType=["ORIGINAL", "PRIMARY", "MPR"]))).unfit == ""

    scout = changed(ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"])
    mixed = [
        *stack(tmp_path / "d", 4),
        *stack(tmp_path / "e", 6, reformat, first=11),
        *stack(tmp_path / "f", 1, scout, first=30),
    ]
    assessment = judged(mixed, captures=2)
    assert assessment.unfit == ""
    assert [one.value for one in assessment.measurements if one.name == "slice_count"] == [4.0]
    assert issues(assessment)["slices_left_out"] == (
        "Left out of the stack: localizers: 1 (Instance Number 30), "
        "computed images: 6 (Instance Number 11, 12, 13, 14, 15 …), captures: 2."
    )


@pytest.mark.more
def test_fewer_images_than_announced_are_reviewed(tmp_path: Path) -> None:
    announced = changed(NumberOfSeriesRelatedInstances=6)
    whole, part = stack(tmp_path / "a", 6, announced), stack(tmp_path / "b", 5, announced)
    assert "series_incomplete" not in issues(judged(whole))
    disposition = decide(judged(part), SHIPPED)
    assert disposition.verdict is Verdict.REVIEW
    assert [reason.text for reason in disposition.reasons] == [
        "5 of the 6 images of the series that the header announces are here. Send the others."
    ]
