"""What is made of an assessed image: which objects, what they say, and that they are the same every time."""

from __future__ import annotations

import io
import subprocess
import sys
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any, cast
from zoneinfo import ZoneInfo

import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset

from miqa_node.core.domain.anomaly import AnomalyScore
from miqa_node.core.domain.assessment import Assessment
from miqa_node.core.domain.codes import OTHER_FAILURE
from miqa_node.core.domain.delivery import SEG, SR, SR_FULL, ResultKind
from miqa_node.core.domain.finding import FindingName
from miqa_node.core.domain.image import SaliencyMaps
from miqa_node.core.domain.verdict import Reason, Verdict
from miqa_node.core.words.narrative import Part, sentences
from miqa_node.errors import ReportError
from miqa_node.stages.report.image import ReportedImage
from miqa_node.stages.report.made import MadeObject, ReportSettings
from miqa_node.stages.report.make import make_objects
from miqa_node.stages.report.text import phrase
from tests.peers.validators import open_segmentation
from tests.stages.report import making

FOREIGN, MOTION = FindingName.FOREIGN_OBJECT, FindingName.MOTION_BLUR


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return making.write(making.small(), tmp_path_factory.mktemp("source") / "source.dcm")


def kinds(made: tuple[MadeObject, ...]) -> list[ResultKind]:
    return [item.kind for item in made]


def of_kind(made: tuple[MadeObject, ...], kind: ResultKind) -> pydicom.FileDataset:
    return making.read(next(item for item in made if item.kind == kind))


def groups(report: Dataset) -> list[Dataset]:
    """The measurement groups of a report."""
    measurements = next(item for item in report.ContentSequence if name(item) == "126010")
    return list(measurements.ContentSequence)


def name(item: Dataset) -> str:
    return item.ConceptNameCodeSequence[0].CodeValue if "ConceptNameCodeSequence" in item else ""


def values(group: Dataset, concept: str) -> list[str]:
    """Codes, texts or numbers that a group has for a concept."""
    rows = []
    for item in group.ContentSequence:
        if name(item) == concept:
            coded = item.get("ConceptCodeSequence")
            measured = item.get("MeasuredValueSequence")
            rows.append(
                coded[0].CodeValue
                if coded
                else str(measured[0].NumericValue)
                if measured
                else item.get("TextValue", item.get("UID", item.get("GraphicType")))
            )
    return rows


def test_a_flagged_image_with_a_place_gets_all_three_and_an_accepted_one_a_report(source: Path) -> None:
    assert kinds(making.flagged(source)) == [ResultKind("SEG"), ResultKind("SR"), ResultKind("KOS")]
    accepted = make_objects(
        ReportedImage(source, SaliencyMaps()), making.assessment(), making.disposition(Verdict.ACCEPT)
    )
    assert kinds(accepted) == [ResultKind("SR")]


@pytest.mark.parametrize(
    ("verdict", "present", "place", "expected"),
    [
        (Verdict.ACCEPT, (FOREIGN,), True, [ResultKind("SR")]),  # a finding that the policy tolerates is no overlay
        (Verdict.REVIEW, (FOREIGN,), False, [ResultKind("SR"), ResultKind("KOS")]),
        (Verdict.REVIEW, (), True, [ResultKind("SR"), ResultKind("KOS")]),  # a map of a finding that is not present
        (Verdict.REVIEW, (FOREIGN,), True, [ResultKind("SEG"), ResultKind("SR"), ResultKind("KOS")]),
    ],
)
def test_which_objects_there_are(
    source: Path, verdict: Verdict, present: tuple[FindingName, ...], place: bool, expected: list[ResultKind]
) -> None:
    maps = SaliencyMaps({FOREIGN: making.bump(0.5, 0.5)} if place else {})
    assert (
        kinds(
            make_objects(ReportedImage(source, maps), making.assessment(*present), making.disposition(verdict, FOREIGN))
        )
        == expected
    )


def test_another_model_policy_or_image_gives_other_objects_and_another_time_does_not(source: Path) -> None:
    base_assessment, verdict = making.assessment(FOREIGN), making.disposition(Verdict.REVIEW, FOREIGN)

    def uids(assessment: Assessment, policy_version: str = "2026-11") -> set[str]:
        decided = type(verdict)(verdict.verdict, verdict.reasons, policy_version, verdict.scope)
        return {
            item.sop_instance_uid for item in make_objects(ReportedImage(source, SaliencyMaps()), assessment, decided)
        }

    def changed(**values: object) -> Assessment:
        fields = {field: getattr(base_assessment, field) for field in Assessment.__dataclass_fields__}
        return Assessment(**{**fields, **values})

    before = uids(base_assessment)
    assert uids(changed(assessed_at=base_assessment.assessed_at + timedelta(days=1))) == before
    assert base_assessment.model is not None
    for other in (
        uids(base_assessment, "2026-12"),
        uids(changed(digest="00" * 32)),
        uids(changed(model=type(base_assessment.model)("cxr-quality", "1.0.1", base_assessment.model.sha256))),
        uids(changed(model=type(base_assessment.model)("cxr-quality", "1.0.0", "00" * 32))),
    ):
        assert not before & other


def test_the_slim_report_has_verdict_reasons_and_findings_and_no_number_that_is_no_reason(source: Path) -> None:
    slim, full = (of_kind(making.flagged(source, [SEG, kind]), kind) for kind in (SR, SR_FULL))
    image, *findings = groups(slim)
    assert [n.ConceptNameCodeSequence[0].CodeValue for n in image.ContentSequence if n.ValueType == "NUM"] == ["111029"]
    of_both = [[values(group, "112039") for group in groups(one)] for one in (slim, full)]
    assert of_both[0] == of_both[1]
    assert len(findings) == 3
    noisy = making.disposition(Verdict.REVIEW, FindingName("noise_sigma"))
    made = make_objects(ReportedImage(source, SaliencyMaps()), making.assessment(), noisy, kinds=[SR])
    assert values(groups(of_kind(made, SR))[0], "NOISE_SIGMA") == ["12.3457"]


def test_the_report_says_verdict_rating_reasons_and_measurements_in_codes(source: Path) -> None:
    report = of_kind(making.flagged(source, [SEG, SR_FULL]), SR_FULL)
    assert report.ConceptNameCodeSequence[0].CodeValue == "126000"
    image, *findings = groups(report)
    assert values(image, "121071") == ["111101"]
    assert values(image, "111050") == ["111235"]
    assert values(image, "111051") == ["111240"]
    assert values(image, "111052") == ["111215", "111210"]
    rating = float(values(image, "111029")[0])
    assert rating == pytest.approx(100 * (1 - 0.93 * 0.62) ** 3, abs=1e-3)
    assert values(image, "NOISE_SIGMA") == ["12.3457"]
    assert values(image, "113845") == ["412.0"]
    assert values(image, "113847") == ["-1.3"]
    assert len([n for n in image.ContentSequence if n.ValueType == "NUM"]) == len(making.MEASUREMENTS) + 1
    assert [values(group, "121071") for group in findings] == [["OBJECT_OUTSIDE"], ["111210"], ["130576"]]
    assert [values(group, "111052") for group in findings] == [["111215"], ["111210"], ["111209"]]
    assert [bool(values(group, "121106")) for group in findings] == [False, False, True], "the last one flags nothing"
    assert [values(group, "SEVERITY") for group in findings] == [["62.0"]] * 3
    assert values(findings[0], "P_FOREIGN") == ["93.0"]


@pytest.mark.parametrize(
    ("verdict", "code"), [(Verdict.REJECT, "111235"), (Verdict.REVIEW, "111236"), (Verdict.ACCEPT, "111237")]
)
def test_each_verdict_has_its_code(source: Path, verdict: Verdict, code: str) -> None:
    made = make_objects(ReportedImage(source, SaliencyMaps()), making.assessment(), making.disposition(verdict))
    assert values(groups(of_kind(made, ResultKind("SR")))[0], "111050") == [code]


def test_an_image_that_was_not_assessed_has_the_reason_and_no_verdict(source: Path) -> None:
    verdict = making.disposition(
        Verdict.NOT_ASSESSED, FindingName.GATE, text="The image is not a frontal chest radiograph."
    )
    made = make_objects(ReportedImage(source, SaliencyMaps()), making.not_assessed(), verdict, kinds=[SR, SEG, SR_FULL])
    (group,), (full,) = (groups(of_kind(made, kind)) for kind in (SR, SR_FULL))
    assert values(group, "111050") == values(group, "111029") == []
    assert values(group, "121106") == ["Not assessed: The image is not a frontal chest radiograph."]
    assert values(full, "NOISE_SIGMA")
    assert kinds(made) == [SR, SR_FULL]


def test_every_group_or_each_of_its_numbers_has_a_place_on_the_image(source: Path) -> None:
    """Without, OHIF drops the whole viewport."""
    report = of_kind(making.flagged(source), ResultKind("SR"))
    for group in groups(report):
        numbers = [item for item in group.ContentSequence if item.ValueType == "NUM"]
        own = any(item.ValueType == "SCOORD" for item in group.ContentSequence)
        assert numbers
        for number in numbers:
            places = [c for c in number.get("ContentSequence", ()) if c.RelationshipType == "INFERRED FROM"]
            assert own != (len(places) == 1)
    assert max(_points(report)) <= max(200, 160)
    assert min(_points(report)) >= 0


def _points(item: Dataset) -> list[float]:
    own = [float(v) for v in item.get("GraphicData", ())]
    return own + [v for child in item.get("ContentSequence", ()) for v in _points(child)]


def test_a_finding_with_a_place_and_its_segment_are_tracked_as_one(source: Path) -> None:
    made = making.flagged(source)
    seg, report = of_kind(made, ResultKind("SEG")), of_kind(made, ResultKind("SR"))
    tracking = {s.TrackingUID: s.TrackingID for s in seg.SegmentSequence}
    regions = [one for one in groups(report) if one.ContentTemplateSequence[0].TemplateIdentifier == "1410"]
    assert {values(one, "112040")[0]: values(one, "112039")[0] for one in regions} == tracking
    assert all("POLYLINE" in values(one, "111030") for one in regions)
    evidence = report.CurrentRequestedProcedureEvidenceSequence[0].ReferencedSeriesSequence
    assert {s.SeriesInstanceUID for s in evidence} >= {seg.SeriesInstanceUID}


def test_the_segmentation_holds_the_thresholded_maps_at_the_size_of_the_source(source: Path) -> None:
    seg = of_kind(making.flagged(source), ResultKind("SEG"))
    header = pydicom.dcmread(source, stop_before_pixels=True)
    assert (seg.Rows, seg.Columns, seg.NumberOfFrames) == (header.Rows, header.Columns, 2)
    motion, foreign = seg.pixel_array.astype(bool)
    for mask, (row, column) in ((foreign, (0.3, 0.7)), (motion, (0.65, 0.25))):
        y, x = np.nonzero(mask)
        assert (y.mean() + 0.5) / header.Rows == pytest.approx(row, abs=0.01)
        assert (x.mean() + 0.5) / header.Columns == pytest.approx(column, abs=0.01)
    labels = [(s.SegmentLabel, s.SegmentedPropertyTypeCodeSequence[0].CodeValue) for s in seg.SegmentSequence]
    assert labels == [("Motion blur", "111210"), ("Object outside of the patient", "OBJECT_OUTSIDE")]


@pytest.mark.parametrize(("place", "overlap"), [((0.65, 0.25), "NO"), ((0.3, 0.7), "YES")])
def test_segments_overlap_when_they_do(place: tuple[float, float], overlap: str, source: Path) -> None:
    seg = of_kind(making.flagged(source, blurred=place), ResultKind("SEG"))
    assert len(seg.SegmentSequence) == 2
    assert seg.SegmentsOverlap == overlap
    assert bool((seg.pixel_array.sum(axis=0) > 1).any()) is (overlap == "YES")


def test_the_key_object_says_why_and_never_that_the_image_is_rejected(source: Path) -> None:
    document = of_kind(making.flagged(source), ResultKind("KOS"))
    assert document.ConceptNameCodeSequence[0].CodeValue == "113010"
    assert values(document, "113011") == ["111215"]
    image = document.ContentSequence[-1]
    assert "ConceptNameCodeSequence" not in image
    assert image.ReferencedSOPSequence[0].ReferencedSOPInstanceUID == pydicom.dcmread(source).SOPInstanceUID


def test_a_radiograph_without_frame_of_reference_gets_none_but_nominal_geometry(tmp_path: Path) -> None:
    def spaced(dataset: Dataset) -> None:
        dataset.ImagerPixelSpacing = [0.2, 0.1]

    source = making.write(making.small(), tmp_path / "s.dcm", spaced)
    seg = of_kind(making.flagged(source), ResultKind("SEG"))
    assert "FrameOfReferenceUID" not in seg
    shared = seg.SharedFunctionalGroupsSequence[0]
    assert shared.PlaneOrientationSequence[0].ImageOrientationPatient == [1, 0, 0, 0, 1, 0]
    assert shared.PixelMeasuresSequence[0].PixelSpacing == [0.2, 0.1]
    plain = make_objects(
        ReportedImage(source, SaliencyMaps({FOREIGN: making.bump(0.5, 0.5)})),
        making.assessment(FOREIGN),
        making.disposition(Verdict.REVIEW, FOREIGN),
        ReportSettings(nominal_geometry=False),
    )
    assert not list(of_kind(plain, ResultKind("SEG")).SharedFunctionalGroupsSequence[0])


def test_an_image_in_space_lends_its_place_to_the_segmentation(tmp_path: Path) -> None:
    def place(dataset: Dataset) -> None:
        dataset.FrameOfReferenceUID = "1.2.3.4"
        dataset.ImagePositionPatient = [-120.5, 33.25, 10]
        dataset.ImageOrientationPatient = [1, 0, 0, 0, 0, -1]
        dataset.PixelSpacing = [0.5, 0.5]

    seg = of_kind(making.flagged(making.write(making.small(), tmp_path / "s.dcm", place)), ResultKind("SEG"))
    assert seg.FrameOfReferenceUID == "1.2.3.4"
    assert seg.PerFrameFunctionalGroupsSequence[0].PlanePositionSequence[0].ImagePositionPatient == [-120.5, 33.25, 10]
    assert seg.SharedFunctionalGroupsSequence[0].PlaneOrientationSequence[0].ImageOrientationPatient[5] == -1


@pytest.mark.parametrize("case", making.AWKWARD)
def test_awkward_headers_still_give_every_object(case: str, tmp_path: Path) -> None:
    path = making.write(making.small(), tmp_path / "source.dcm", making.AWKWARD[case])
    made = making.flagged(path)
    assert kinds(made) == [ResultKind("SEG"), ResultKind("SR"), ResultKind("KOS")]
    assert all(item.data[128:132] == b"DICM" for item in made)


@pytest.mark.parametrize("file", ["RG1_J2KI.dcm", "RG1_J2KR.dcm", "RG3_J2KR.dcm"])
def test_compressed_sources_are_not_decoded(file: str) -> None:
    seg = of_kind(making.flagged(making.SAMPLES / file), ResultKind("SEG"))
    header = pydicom.dcmread(making.SAMPLES / file, stop_before_pixels=True)
    assert (seg.Rows, seg.Columns) == (header.Rows, header.Columns)
    assert seg.LossyImageCompression == header.get("LossyImageCompression", "00")
    if seg.LossyImageCompression == "01":
        assert seg.LossyImageCompressionMethod == "ISO_15444_1"
        assert seg.LossyImageCompressionRatio > 5


def test_times_are_those_of_the_place_that_the_source_names(tmp_path: Path) -> None:
    def in_adelaide(dataset: Dataset) -> None:
        dataset.TimezoneOffsetFromUTC = "+0930"

    report = of_kind(making.flagged(making.write(making.small(), tmp_path / "s.dcm", in_adelaide)), ResultKind("SR"))
    assert (report.ContentDate, str(report.ContentTime), report.TimezoneOffsetFromUTC) == (
        "20261120",
        "190015.123456",
        "+0930",
    )


def test_times_are_those_of_the_hospital_where_the_source_names_no_place(tmp_path: Path) -> None:
    """In a container, whose clock is UTC, results looked older than their images."""

    def nowhere(dataset: Dataset) -> None:
        del dataset.TimezoneOffsetFromUTC

    made = make_objects(
        ReportedImage(making.write(making.small(), tmp_path / "s.dcm", nowhere), SaliencyMaps()),
        making.assessment(),
        making.disposition(Verdict.ACCEPT),
        ReportSettings(zone=ZoneInfo("Australia/Adelaide")),
    )
    report = of_kind(made, ResultKind("SR"))
    assert (report.ContentDate, str(report.ContentTime)) == ("20261120", "200015.123456")
    assert "TimezoneOffsetFromUTC" not in report


def test_text_that_is_not_ascii_keeps_its_letters(source: Path) -> None:
    verdict = making.disposition(Verdict.REVIEW, FOREIGN, text="Gegenstand über der Lunge – σ ≥ 5 \\ ~")
    made = make_objects(
        ReportedImage(source, SaliencyMaps()),
        making.assessment(FOREIGN),
        verdict,
        ReportSettings(node_name="Röntgen 1"),
    )
    report = of_kind(made, ResultKind("SR"))
    assert values(groups(report)[0], "121106") == ["Review: Gegenstand über der Lunge - σ >= 5 / ~"]
    assert report.DeviceSerialNumber == "Röntgen 1"


@pytest.mark.parametrize("missing", ["SOPInstanceUID", "SeriesInstanceUID", "StudyInstanceUID", "SOPClassUID"])
def test_a_source_that_nothing_can_refer_to_is_refused(missing: str, tmp_path: Path) -> None:
    dataset = making.small()
    delattr(dataset, missing)
    path = tmp_path / "s.dcm"
    dataset.save_as(path)
    with pytest.raises(ReportError, match=missing):
        making.flagged(path)


def test_a_file_that_is_not_dicom_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "page.dcm"
    path.write_text("<html>not found</html>")
    with pytest.raises(ReportError, match="cannot be read"):
        making.flagged(path)


def test_the_report_tells_everything_in_sentences_and_says_in_which_language(source: Path) -> None:
    assessment, disposition = making.assessment(FOREIGN), making.disposition(Verdict.REVIEW, FOREIGN)
    settings = ReportSettings(language="de")
    made = make_objects(ReportedImage(source, SaliencyMaps()), assessment, disposition, settings, {SR, SR_FULL})
    image = groups(of_kind(made, SR))[0]
    [stated], [all_stated] = values(image, "111412"), values(groups(of_kind(made, SR_FULL))[0], "111412")
    every = sentences(assessment, disposition, "de")
    assert all_stated.split("\r\n") == [phrase(one.text) for one in every]
    assert stated.split("\r\n") == [phrase(one.text) for one in every if one.part is not Part.MEASUREMENT]
    assert stated != all_stated
    assert "Fremdmaterial" in stated
    item = next(item for item in image.ContentSequence if name(item) == "111412")
    assert item.ContentSequence[0].ConceptCodeSequence[0].CodeValue == "de"


@pytest.mark.parametrize("is_unusual", [True, False])
def test_an_unusual_region_is_a_segment_of_its_own_when_the_policy_asked_and_no_defect(
    source: Path, is_unusual: bool
) -> None:
    assessment = replace(making.assessment(FOREIGN), anomaly=AnomalyScore(0.61, 99.9))
    disposition = making.disposition(Verdict.REVIEW, FOREIGN)
    if is_unusual:
        unusual = Reason("anomaly", "Unusual image", OTHER_FAILURE, Verdict.REVIEW)
        disposition = replace(disposition, reasons=(*disposition.reasons, unusual))
    maps = SaliencyMaps({FOREIGN: making.bump(0.3, 0.7)}, making.bump(0.7, 0.2))
    made = make_objects(ReportedImage(source, maps), assessment, disposition)
    seg, report = of_kind(made, ResultKind("SEG")), of_kind(made, ResultKind("SR"))
    kinds_shown = [s.SegmentedPropertyTypeCodeSequence[0].CodeValue for s in seg.SegmentSequence]
    assert kinds_shown == ["OBJECT_OUTSIDE", "UNUSUAL_REGION"][: 1 + is_unusual]
    regions = [g for g in groups(report) if values(g, "121071") == ["UNUSUAL_REGION"]]
    assert len(regions) == is_unusual
    if is_unusual:
        assert float(values(regions[0], "ANOMALY_TRAINING")[0]) == 99.9
        assert values(regions[0], "111052") == [], "an unusual region has no reason of CID 7011"
        pytest.importorskip("highdicom")
        (image,) = seg.PerFrameFunctionalGroupsSequence[0].DerivationImageSequence[0].SourceImageSequence
        with open_segmentation(seg) as reader:
            frames = reader.get_pixels_by_source_instance([image.ReferencedSOPInstanceUID], segment_numbers=[2])
        rows, columns = np.nonzero(frames[0, ..., 0])
        assert (rows.mean() / seg.Rows, columns.mean() / seg.Columns) == pytest.approx((0.7, 0.2), abs=0.03)


@pytest.mark.more
def test_the_same_image_gives_the_same_bytes_in_another_process(source: Path, tmp_path: Path) -> None:
    here = [item.data for item in making.flagged(source)]
    assert [item.data for item in making.flagged(source)] == here
    program = (
        "import sys; from pathlib import Path; from tests.stages.report.making import flagged\n"
        "for i, made in enumerate(flagged(Path(sys.argv[1]))): Path(sys.argv[2], str(i)).write_bytes(made.data)"
    )
    root = Path(__file__).resolve().parents[3]
    subprocess.run([sys.executable, "-c", program, str(source), str(tmp_path)], check=True, cwd=root, timeout=120)
    assert [(tmp_path / str(i)).read_bytes() for i in range(len(here))] == here


@pytest.mark.more
def test_three_objects_of_a_two_thousand_pixel_image_take_little_memory() -> None:
    """In a process of its own; 25 MB when this was written. benchmarks.parts has the time."""
    program = (
        "import resource; from tests.stages.report import making\n"
        "memory = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024\n"
        "making.make_objects; before = memory(); making.flagged(making.CHEST); print(memory() - before)"
    )
    root = Path(__file__).resolve().parents[3]
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=root, timeout=120
    )
    assert float(done.stdout) < 80


@pytest.mark.more
def test_highdicom_opens_what_was_made(source: Path) -> None:
    made = {item.kind: item.data for item in making.flagged(source)}
    stream = io.BytesIO
    highdicom = pytest.importorskip("highdicom")
    segmentation = pydicom.dcmread(stream(made[ResultKind("SEG")]))
    instance = pydicom.dcmread(source, stop_before_pixels=True).SOPInstanceUID
    with open_segmentation(segmentation) as reader:
        pixels = reader.get_pixels_by_source_instance([instance], segment_numbers=[2])
    assert np.array_equal(pixels[0, :, :, 0], segmentation.pixel_array[1])
    report = highdicom.sr.srread(stream(made[ResultKind("SR")]))
    assert len(cast("Any", report.content).get_image_measurement_groups()) == 2
    foreign, _ = cast("Any", report.content).get_planar_roi_measurement_groups()
    assert foreign.tracking_uid == segmentation.SegmentSequence[1].TrackingUID
    assert foreign.roi.graphic_type == highdicom.sr.GraphicTypeValues.POLYLINE
    document = highdicom.ko.KeyObjectSelectionDocument.from_dataset(pydicom.dcmread(stream(made[ResultKind("KOS")])))
    assert document.resolve_reference(instance)[2] == instance
