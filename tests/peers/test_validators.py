"""What the report stage makes holds before every validator there is, whatever the source looked like."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset
from pydicom.uid import UID

from miqa_node.core.domain.assessment import Measurement
from miqa_node.core.domain.codes import POSITIONING
from miqa_node.core.domain.delivery import ResultKind
from miqa_node.core.domain.finding import FindingName
from miqa_node.core.domain.image import SaliencyMaps
from miqa_node.core.domain.instance import InstanceDigest
from miqa_node.core.domain.output import output_kinds
from miqa_node.core.domain.series import MeasurementMask
from miqa_node.core.domain.verdict import Disposition, Reason, Verdict
from miqa_node.core.domain.worklist import Resolution
from miqa_node.stages.report.image import ReportedImage
from miqa_node.stages.report.lower import lower_class
from miqa_node.stages.report.made import MadeObject
from miqa_node.stages.report.make import make_objects
from miqa_node.stages.report.outputs.enhanced import make_enhanced
from miqa_node.stages.report.outputs.rejection import Confirmation, rejection_note
from miqa_node.stages.report.stack import ReportedSeries
from tests.conftest import SHARED
from tests.peers.sources import SOURCES
from tests.peers.validators import ACCEPTED, CHECKS, DEFECTS, errors, errors_of_all, known_defect, missing_tools
from tests.quick import in_gate
from tests.stages.report import making
from tests.stages.report.flagged import decode, flagged_series
from tests.stages.report.reviewed import amended, assessed, review

pytestmark = pytest.mark.peers

SEEN: set[str] = set()
SHARED_SOURCES = (
    "highdicom__dx_image.dcm",
    "DICOMSamples__MG_Explicit_Little.dcm",
    "dicom-test-files__XA1_JPLL",
    "dicom-test-files__XA1_J2KI",
)


@pytest.fixture(scope="module", autouse=True)
def tools() -> None:
    if missing := missing_tools():
        message = f"not installed: {', '.join(missing)}"
        pytest.fail(message) if os.environ.get("MIQA_TEST_REQUIRE_PEERS") else pytest.skip(message)


def written(made: tuple[MadeObject, ...], folder: Path) -> list[Path]:
    folder.mkdir(exist_ok=True)
    paths = [folder / f"{item.kind}.dcm" for item in made]
    for path, item in zip(paths, made, strict=True):
        path.write_bytes(item.data)
    return paths


def validated(made: tuple[MadeObject, ...], folder: Path) -> dict[str, list[str]]:
    """Every error that is left, by object."""
    return {path.stem: errors for path, errors in errors_of_all(written(made, folder)).items() if errors}


def all_objects(source: Path, lower: bool) -> list[MadeObject]:
    """Every kind that there is, with ``lower`` the report also in the lower classes."""
    made = [*making.everything(source), *assessed(source)]
    report = next(item for item in made if item.kind == ResultKind("SR"))
    while lower and (lowered := lower_class(report.data)) is not None:
        report = MadeObject(ResultKind("SR"), *lowered)
        made.append(report)
    confirmed = Confirmation("j.doe", making.ASSESSED_AT, "111210", "both hands moved")
    return [*made, rejection_note([source], making.assessment(), confirmed)]


def faults(made: Sequence[MadeObject], folder: Path) -> dict[str, list[str]]:
    """Every error that is left, by object."""
    paths = []
    for number, item in enumerate(made):
        paths.append(folder / f"{number}-{item.kind}.dcm")
        paths[-1].write_bytes(item.data)
    return {path.stem: errors for path, errors in errors_of_all(paths).items() if errors}


@pytest.mark.parametrize("name", in_gate(SOURCES, 7))
def test_all_objects_of_many_sources(name: str, tmp_path: Path) -> None:
    """CR, DX, MG, CT, MR, US, NM, captures; with many frames, colour, each gap in the header, nine character sets."""
    source = SOURCES[name](tmp_path)
    SEEN.add(name)
    # What the source's own patient and study are blamed for, the copy of them is blamed for too.
    blamed_before = set(errors(source))
    faults_by_kind = faults(
        all_objects(source, lower=name in list(SOURCES)[::10]), tmp_path
    )  # each validator takes seconds
    assert {kind: fault for kind, errors_ in faults_by_kind.items() if (fault := set(errors_) - blamed_before)} == {}


def test_every_accepted_complaint_is_still_made() -> None:
    """What no tool says of any object any more has no place on the list."""
    if set(SOURCES) - SEEN:
        pytest.skip("not all sources were looked at: runs with make test-all PYTEST_ARGS=--long")
    assert [one.words for one in DEFECTS if one.tool in CHECKS and one not in ACCEPTED] == []


def test_there_are_more_than_forty_different_sources(tmp_path: Path) -> None:
    headers = []
    for number, make in enumerate(SOURCES.values()):
        folder = tmp_path / str(number)
        folder.mkdir()
        headers.append(pydicom.dcmread(make(folder), stop_before_pixels=True))
    assert len(headers) >= 50
    assert {header.Modality for header in headers} >= {"CR", "DX", "MG", "CT", "MR", "US", "OT", "NM"}
    assert len({str(header.get("SpecificCharacterSet", "")) for header in headers}) >= 10
    assert len({header.file_meta.TransferSyntaxUID for header in headers}) >= 9
    assert sum("FrameOfReferenceUID" in header for header in headers) >= 10
    assert sum("FrameOfReferenceUID" not in header for header in headers) >= 20
    assert sum(int(header.get("NumberOfFrames") or 1) > 1 for header in headers) >= 5
    for keyword in ("PatientOrientation", "ImagerPixelSpacing", "Laterality"):
        assert any(not header.get(keyword) for header in headers)
        assert any(header.get(keyword) for header in headers)


@pytest.mark.parametrize("case", ["plain", *making.AWKWARD])
def test_the_enhanced_image(case: str, tmp_path: Path) -> None:
    """It is to be blamed for nothing that its source is not blamed for."""
    source = making.write(making.small(), tmp_path / "source.dcm", making.AWKWARD.get(case, lambda _: None))
    blamed_before = {error.split("]", 1)[-1] for error in errors(source)}
    made = make_enhanced(source, making.enhanced(making.radiograph(source), "nlm+clahe"), InstanceDigest("ab" * 32))
    (path,) = written((made,), tmp_path / "made")
    assert {error for error in errors(path) if error.split("]", 1)[-1] not in blamed_before} == set()


@pytest.mark.parametrize("modality", ["CT", "MR"])
def test_all_objects_of_a_series(modality: str, tmp_path: Path) -> None:
    assert faults(flagged_series(tmp_path / "series", modality), tmp_path) == {}


def test_a_series_that_is_one_enhanced_object(tmp_path: Path) -> None:
    path = making.SAMPLES / "eCT_Supplemental.dcm"
    mask = np.zeros((512, 512), bool)
    mask[100:200, 300:350] = True
    stack = ReportedSeries([(path, 0), (path, 1)], [MeasurementMask.of("truncation", 1, mask)], (), decode)
    assessment = replace(making.not_assessed(), measurements=(Measurement("truncation", 12.5, "%"),))
    reason = Reason("truncation", "Truncation 12.5 % is above 10 %", POSITIONING, Verdict.REVIEW)
    verdict = Disposition(Verdict.REVIEW, (reason,), "2026-11", "CT series")
    made = make_objects(stack, assessment, verdict, kinds=set(output_kinds()))
    seg = making.read(next(item for item in made if item.kind == ResultKind("SEG")))
    image = seg.PerFrameFunctionalGroupsSequence[0].DerivationImageSequence[0].SourceImageSequence[0]
    assert image.ReferencedFrameNumber == 2
    assert seg.FrameOfReferenceUID == pydicom.dcmread(path, stop_before_pixels=True).FrameOfReferenceUID
    assert faults(made, tmp_path) == {}


def test_an_image_that_was_not_assessed(tmp_path: Path) -> None:
    made = make_objects(
        ReportedImage(making.CHEST, SaliencyMaps()), making.not_assessed(), making.disposition(Verdict.NOT_ASSESSED)
    )
    assert validated(made, tmp_path) == {}


UNCOVERED = {
    "ES": "1.2.840.10008.5.1.4.1.1.77.1.1",
    "OP": "1.2.840.10008.5.1.4.1.1.77.1.5.1",
    "NM": "1.2.840.10008.5.1.4.1.1.20",
    "PT": "1.2.840.10008.5.1.4.1.1.128",
    "OT": "1.2.840.10008.5.1.4.1.1.7",
    "XA": "1.2.840.10008.5.1.4.1.1.12.1",
    "DX": "1.2.840.10008.5.1.4.1.1.1.1",
}


@pytest.mark.parametrize("modality", in_gate(UNCOVERED, 2))
def test_reports_of_what_nothing_covers(modality: str, tmp_path: Path) -> None:
    """The report and its copies in lower classes; where the class may have many frames, about one of three."""
    frames = 3 if modality in ("NM", "OP", "XA") else 1

    def change(dataset: Dataset) -> None:
        dataset.Modality, dataset.PixelData = modality, dataset.PixelData * frames
        if frames > 1:
            dataset.NumberOfFrames = frames
        dataset.SOPClassUID = dataset.file_meta.MediaStorageSOPClassUID = UID(UNCOVERED[modality])

    source = making.write(making.small(), tmp_path / "source.dcm", change)
    reason = making.disposition(Verdict.NOT_ASSESSED, text="The policy has no scope for this kind of image.")
    made = list(make_objects(ReportedImage(source, frame=min(2, frames)), making.not_assessed(), reason))
    assert [one.kind for one in made] == [ResultKind("SR")]
    named = {int(one.value) for one in making.read(made[0]).iterall() if one.keyword == "ReferencedFrameNumber"}
    assert named == ({2} if frames > 1 else set())
    while (lowered := lower_class(made[-1].data)) is not None:
        made.append(MadeObject(ResultKind("SR"), *lowered))
    assert faults(made, tmp_path) == {}


@pytest.mark.parametrize("resolution", [*Resolution, None])
def test_objects_that_state_a_decision(resolution: Resolution | None, tmp_path: Path) -> None:
    review_of_decision = review(resolution, FindingName.FOREIGN_OBJECT, comment="Schlüssel in der Tasche")
    assert faults(amended(making.CHEST, review_of_decision, tmp_path), tmp_path) == {}


@pytest.mark.shared
@pytest.mark.parametrize("file", SHARED_SOURCES)
def test_sources_of_other_modalities(file: str, tmp_path: Path) -> None:
    source = SHARED / "data" / "dicom_cases" / file
    if not source.exists():
        pytest.skip("the shared data folder is not beside the checkout")
    assert validated(making.flagged(source), tmp_path) == {}


@pytest.mark.parametrize(
    ("kind", "change", "complaint"),
    [
        ("SR", making.without("CompletionFlag"), "CompletionFlag"),
        ("SEG", making.without("SegmentationType"), "SegmentationType"),
        ("KOS", lambda d: setattr(d, "ContentDate", "2026-1"), "ContentDate"),
    ],
)
@pytest.mark.filterwarnings("ignore:Invalid value for VR:UserWarning")
def test_the_validators_find_what_is_wrong(
    kind: str, change: Callable[[Dataset], None], complaint: str, tmp_path: Path
) -> None:
    """Control: the same files, each with one mistake."""
    made = next(item for item in making.flagged(making.CHEST) if item.kind == kind)
    dataset = making.read(made)
    change(dataset)
    path = tmp_path / "broken.dcm"
    dataset.save_as(path)
    assert any(complaint in error for error in errors(path))


@pytest.mark.long
@pytest.mark.shared
def test_a_second_look_at_the_modules_of_all_objects_of_all_sources_agrees(tmp_path: Path) -> None:
    """By a program with its own reading of the tables, in one run over all of them."""
    program = SHARED / "tools" / "iodcheck.py"
    if not program.exists():
        pytest.skip("the shared folder is not beside the checkout")
    source_of: dict[Path, Path] = {}
    for number, make in enumerate(SOURCES.values()):
        folder = tmp_path / str(number)
        folder.mkdir()
        source = make(folder)
        (folder / f"of{number}.dcm").write_bytes(source.read_bytes())
        for item in all_objects(source, lower=False):
            path = folder / f"made{len(source_of)}-{item.kind}.dcm"
            path.write_bytes(item.data)
            source_of[path] = folder / f"of{number}.dcm"
    files = [*source_of, *dict.fromkeys(source_of.values())]
    blamed: dict[str, set[str]] = {}
    ran = subprocess.run([sys.executable, program, *files], capture_output=True, text=True, timeout=300, check=False)
    for line in ran.stdout.splitlines():
        if line.startswith(("ok ", "ERR ")) or "no IOD table" in line:
            lacking = blamed.setdefault(Path(line.split()[line.startswith(("ok ", "ERR "))]).name, set())
        else:
            lacking.add(line.strip())
    assert set(blamed) == {file.name for file in files}
    # The enhanced copy of an image lacks what the image lacks; the program names no more than twelve faults of a file.
    remainder = {
        path.name: blamed[path.name] - blamed[source.name]
        for path, source in source_of.items()
        if len(blamed[source.name]) < 12 or not path.name.endswith("ENHANCED.dcm")
    }
    assert len(remainder) >= len(source_of) - 2
    accepted = {text for texts in remainder.values() for text in texts if known_defect(text)}
    assert {name: texts - accepted for name, texts in remainder.items() if texts - accepted} == {}
    assert accepted == {defect.words for defect in DEFECTS if defect.tool == "iodcheck"}
    assert len(source_of) > 500


@pytest.mark.long
@pytest.mark.shared
def test_a_second_runner_agrees(tmp_path: Path) -> None:
    """One with its own idea of what an error is; what it reports must be a listed defect."""
    runner = SHARED / "tools" / "validate-dicom"
    if not runner.exists():
        pytest.skip("the shared folder is not beside the checkout")
    paths = written(making.flagged(making.CHEST), tmp_path)
    environment = {**os.environ, "PYTHON": sys.executable, "QUIET": "1"}
    result = subprocess.run([runner, *paths], capture_output=True, text=True, env=environment, timeout=200, check=False)
    assert all(f"== {path}" in result.stdout for path in paths)
    assert "SKIPPED" not in result.stdout
    reported = [line for line in result.stdout.splitlines() if "ERROR:" in line]
    assert [line for line in reported if known_defect(line) is None] == []
    assert (result.returncode == 0) == (not reported)


def test_the_report_of_a_two_thousand_pixel_image_refers_to_what_is_there(tmp_path: Path) -> None:
    """The references of SR and KOS, followed with pydicom alone; segments are tracked as their groups are."""
    by_kind = {path.stem: pydicom.dcmread(path) for path in written(making.flagged(making.CHEST), tmp_path)}
    for document in (by_kind["SR"], by_kind["KOS"]):
        assert set(referred(document)) == {pydicom.dcmread(making.CHEST).SOPInstanceUID}
    uids = {element.value for element in by_kind["SR"].iterall() if element.keyword == "UID"}
    assert {one.TrackingUID for one in by_kind["SEG"].SegmentSequence} <= uids


def referred(item: Dataset) -> list[str]:
    own = [reference.ReferencedSOPInstanceUID for reference in item.get("ReferencedSOPSequence", ())]
    return own + [uid for child in item.get("ContentSequence", ()) for uid in referred(child)]
