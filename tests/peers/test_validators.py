"""What the report stage makes holds before every validator there is, whatever the source looked like."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pydicom
import pytest
from pydicom.data import get_charset_files
from pydicom.dataset import Dataset

from miqa_node.domain.delivery import DEFAULT_KINDS, ResultKind
from miqa_node.domain.instance import InstanceDigest
from miqa_node.domain.policy import Verdict
from miqa_node.report import Confirmation, MadeObject, make_enhanced, make_objects, rejection_note
from tests.conftest import SHARED
from tests.peers.validators import errors, known_defect, missing_tools
from tests.unit.report import making

pytestmark = pytest.mark.peers

SLOW = ("DicomSRValidator",)  # seven seconds a document
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


def validated(made: tuple[MadeObject, ...], folder: Path, leave_out: tuple[str, ...] = ()) -> dict[str, list[str]]:
    """Every error that is left, by object."""
    return {path.stem: found for path in written(made, folder) if (found := errors(path, leave_out))}


@pytest.mark.parametrize("source", [making.CHEST, making.EXTREMITY], ids=lambda path: path.stem)
def test_real_radiographs(source: Path, tmp_path: Path) -> None:
    assert validated(making.flagged(source), tmp_path) == {}


@pytest.mark.parametrize("case", ["dx", "mg", "secondary capture", "bare"])
def test_other_kinds_of_images(case: str, tmp_path: Path) -> None:
    source = making.write(making.small(), tmp_path / "source.dcm", making.AWKWARD[case])
    assert validated(making.flagged(source), tmp_path) == {}


@pytest.mark.parametrize(
    "case", [name for name in making.AWKWARD if name not in {"dx", "mg", "secondary capture", "bare"}]
)
def test_headers_that_lack_something(case: str, tmp_path: Path) -> None:
    source = making.write(making.small(), tmp_path / "source.dcm", making.AWKWARD[case])
    assert validated(making.flagged(source), tmp_path, SLOW) == {}


@pytest.mark.parametrize("source", [making.CHEST, making.EXTREMITY], ids=lambda path: path.stem)
def test_what_a_destination_must_ask_for(source: Path, tmp_path: Path) -> None:
    asked = [kind for kind in ResultKind if kind not in {*DEFAULT_KINDS, ResultKind.REJECTION}]
    made = making.flagged(source, asked, making.radiograph(source))
    assert {item.kind for item in made} == set(asked)
    assert validated(made, tmp_path) == {}


@pytest.mark.parametrize("case", ["plain", *making.AWKWARD])
def test_the_enhanced_image(case: str, tmp_path: Path) -> None:
    """It is to be blamed for nothing that its source is not blamed for."""
    source = making.write(making.small(), tmp_path / "source.dcm", making.AWKWARD.get(case, lambda _: None))
    blamed_before = {error.split("]", 1)[-1] for error in errors(source, SLOW)}
    made = make_enhanced(source, making.enhanced(making.radiograph(source), "nlm+clahe"), InstanceDigest("ab" * 32))
    (path,) = written((made,), tmp_path / "made")
    assert {error for error in errors(path, SLOW) if error.split("]", 1)[-1] not in blamed_before} == set()


def test_a_rejection_note(tmp_path: Path) -> None:
    confirmed = Confirmation("j.doe", making.ASSESSED_AT, "111210", "both hands moved")
    assert validated((rejection_note([making.CHEST], making.assessment(), confirmed),), tmp_path) == {}


@pytest.mark.parametrize("file", ["RG1_J2KI.dcm", "RG3_J2KR.dcm"])
def test_compressed_sources(file: str, tmp_path: Path) -> None:
    assert validated(making.flagged(making.SAMPLES / file), tmp_path, SLOW) == {}


@pytest.mark.parametrize("file", ["chrH32.dcm", "chrGreek.dcm", "chrX2.dcm", "chrKoreanMulti.dcm"])
def test_character_sets(file: str, tmp_path: Path) -> None:
    """Names in Japanese, Greek, Chinese and Korean; the documents hold nothing but what the source held."""
    (path,) = (path for path in get_charset_files(file) if isinstance(path, str))
    # What the source's own text is blamed for, the copy of that text is blamed for too.
    blamed_before = set(errors(Path(path), SLOW))
    found = validated(making.flagged(Path(path)), tmp_path, SLOW)
    assert {kind: left for kind, errors_ in found.items() if (left := set(errors_) - blamed_before)} == {}


def test_an_image_that_was_not_assessed(tmp_path: Path) -> None:
    made = make_objects(making.CHEST, making.not_assessed(), making.disposition(Verdict.NOT_ASSESSED), {})
    assert validated(made, tmp_path) == {}


@pytest.mark.shared
@pytest.mark.parametrize("file", SHARED_SOURCES)
def test_sources_of_other_modalities(file: str, tmp_path: Path) -> None:
    source = SHARED / "data" / "dicom_cases" / file
    if not source.exists():
        pytest.skip("the shared data folder is not beside the checkout")
    assert validated(making.flagged(source), tmp_path, SLOW) == {}


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
    assert any(complaint in error for error in errors(path, SLOW))


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
    """The references of SR and KOS, followed with pydicom alone."""
    by_kind = {path.stem: pydicom.dcmread(path) for path in written(making.flagged(making.CHEST), tmp_path)}
    there = {by_kind["SEG"].SOPInstanceUID, pydicom.dcmread(making.CHEST).SOPInstanceUID}
    for document in (by_kind["SR"], by_kind["KOS"]):
        assert set(referred(document)) <= there
    assert set(referred(by_kind["SR"])) == there


def referred(item: Dataset) -> list[str]:
    own = [reference.ReferencedSOPInstanceUID for reference in item.get("ReferencedSOPSequence", ())]
    return own + [uid for child in item.get("ContentSequence", ()) for uid in referred(child)]
