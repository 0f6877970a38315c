"""Runs every DICOM validator that Debian has over a file, and knows which of their complaints are their own mistakes.

``python -m tests.peers.validators FILE…`` prints what each says; the exit status is 1 if an error remains.

    dcmdump, dcm2json, dsrdump   dcmtk
    dciodvfy                     dicom3tools
    DicomSRValidator             pixelmed-apps, default-jre-headless
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Container, Iterator
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import highdicom
import pydicom
from pydicom.dataset import Dataset

TIMEOUT_S = 120
DOCUMENTS = ("SR", "KO")

# PixelMed's style sheets exceed the limits that Java 17 sets for XPath (error JAXP0801003).
JAVA_LIMITS = " ".join(f"-Djdk.xml.xpath{limit}Limit=0" for limit in ("TotalOp", "ExprOp", "ExprGrp"))


@dataclass(frozen=True)
class Defect:
    """A complaint that is the validator's mistake, with the text of the standard that shows it."""

    tool: str
    complaint: str
    reason: str


DEFECTS = (
    Defect(
        "dsrdump",
        r"Check for template constraints not yet supported",
        "Says what dsrdump does not do, nothing about the file.",
    ),
    Defect(
        "dcm2json",
        r"JSON InlineBinary encoding not supported for compressed pixel data",
        "Says what dcm2json does not do; PS3.18 F.2.7 gives bulk data a URI of its own.",
    ),
    Defect(
        "dsrdump",
        r"The VR checker does not support this Specific Character Set|Reading unknown/unsupported SpecificCharacterSet",
        "Says what dsrdump does not know; PS3.3 C.12.1.1.2 defines the character set.",
    ),
    Defect(
        "dcm2json",
        r"is not supported by the utilized character set conversion library|Cannot open character encoding",
        "Says what the C library of this machine cannot convert; PS3.3 C.12.1.1.2 defines the character set.",
    ),
    Defect(
        "DicomSRValidator",
        r"Template 2010 .*\[Row 3\] CODE CID 7011: within 1: /CONTAINER \(1130(10|01),DCM,\"[^)]*\"\): "
        r"Conditional content item present when condition not satisfied",
        "PS3.16 TID 2010 row 3 asks for a Document Title Modifier from CID 7011 if the name of row 1, the title, "
        "is 113001 or 113010. The validator looks for a CODE item of that name beside the title, which never exists.",
    ),
    Defect(
        "DicomSRValidator",
        r"Template 2010 .*\[Row 4\] CODE CID 7012: within 1: /CONTAINER \(1130(10|01),DCM,\"[^)]*\"\): "
        r"Conditional content item present when condition not satisfied",
        "PS3.16 TID 2010 row 4 has the same concept name as row 3, with values from CID 7012, and applies to the title "
        "113013. The validator takes row 3's item for row 4's because it compares names only.",
    ),
)


@dataclass(frozen=True)
class Complaint:
    """An error that a tool found, and the defect of the tool that explains it, if one does."""

    tool: str
    text: str
    defect: Defect | None

    def __str__(self) -> str:
        return f"[{self.tool}] {self.text}" + (f"  (known: {self.defect.reason})" if self.defect else "")


def complaints(path: Path, leave_out: Container[str] = ()) -> list[Complaint]:
    """What all tools together hold against the file; missing tools say nothing (see :func:`missing_tools`)."""
    modality = str(pydicom.dcmread(path, stop_before_pixels=True).get("Modality", ""))
    found: list[Complaint] = []
    for tool, check in CHECKS.items():
        if tool in leave_out or (tool in DOCUMENT_TOOLS and modality not in DOCUMENTS):
            continue
        if tool in PROGRAMS and shutil.which(tool, path=SEARCH) is None:
            continue
        found += (Complaint(tool, text, _defect(tool, text)) for text in check(path))
    return found


def errors(path: Path, leave_out: Container[str] = ()) -> list[str]:
    """The complaints that no known defect explains."""
    return [str(complaint) for complaint in complaints(path, leave_out) if complaint.defect is None]


def known_defect(text: str) -> Defect | None:
    """The defect that explains a line of any tool's output."""
    return next((defect for defect in DEFECTS if re.search(defect.complaint, text)), None)


def missing_tools() -> list[str]:
    """Programs that are not installed here."""
    return [tool for tool in PROGRAMS if shutil.which(tool, path=SEARCH) is None]


def _defect(tool: str, text: str) -> Defect | None:
    return next((d for d in DEFECTS if d.tool == tool and re.search(d.complaint, text)), None)


def _run(*command: object) -> str:
    environment = {**os.environ, "JAVA_TOOL_OPTIONS": JAVA_LIMITS}
    program = shutil.which(str(command[0]), path=SEARCH)
    assert program is not None
    result = subprocess.run(
        [program, *map(str, command[1:])],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=TIMEOUT_S,
        env=environment,
        check=False,
    )
    # Validators quote the patient's text as it is, in whatever character set.
    return result.stdout.decode("latin-1")


def _dcmdump(path: Path) -> Iterator[str]:
    yield from (line for line in _run("dcmdump", "-q", path).splitlines() if re.match(r"[EFW]: ", line))


def _dcm2json(path: Path) -> Iterator[str]:
    with tempfile.NamedTemporaryFile() as out:
        yield from filter(None, _run("dcm2json", path, out.name).splitlines())


def _dsrdump(path: Path) -> Iterator[str]:
    yield from (line for line in _run("dsrdump", path).splitlines() if re.match(r"[EFW]: ", line))


def _dciodvfy(path: Path) -> Iterator[str]:
    yield from (line for line in _run("dciodvfy", "-new", path).splitlines() if line.startswith("Error"))


def _pixelmed(path: Path) -> Iterator[str]:
    """It returns 0 whatever it finds, so what it says counts; and it must have come to its end."""
    said = _run("DicomSRValidator", path)
    yield from (line.strip() for line in said.splitlines() if re.match(r"\s*(Error|.*[Ee]xception)", line))
    if "IOD validation complete" not in said:
        yield "did not come to its end"


def _reopen(path: Path) -> Iterator[str]:
    """Read every value strictly with pydicom, then open the object as what it is with highdicom."""
    before = pydicom.config.settings.reading_validation_mode
    pydicom.config.settings.reading_validation_mode = pydicom.config.RAISE
    try:
        dataset = pydicom.dcmread(path)
        for element in dataset.iterall():
            element.value  # noqa: B018 - reading is the check
        dataset.to_json_dict()
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        yield f"pydicom: {error}"
    finally:
        pydicom.config.settings.reading_validation_mode = before
    try:
        _open(pydicom.dcmread(path))
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        yield f"highdicom: {error}"


def _open(dataset: Dataset) -> None:
    if dataset.Modality == "SEG":
        segmentation = highdicom.seg.Segmentation.from_dataset(dataset)
        image = dataset.PerFrameFunctionalGroupsSequence[0].DerivationImageSequence[0].SourceImageSequence[0]
        if "FrameOfReferenceUID" in dataset:
            segmentation.get_volume()
        else:
            segmentation.get_pixels_by_source_instance([image.ReferencedSOPInstanceUID])
    elif dataset.Modality == "SR":
        stream = BytesIO()
        dataset.save_as(stream, enforce_file_format=True)
        stream.seek(0)
        highdicom.sr.srread(stream).content.get_image_measurement_groups()
    elif dataset.Modality == "KO":
        highdicom.ko.KeyObjectSelectionDocument.from_dataset(dataset)


# pynetdicom and others install programs of the same names as Debian's into the virtual environment.
SEARCH = "/usr/bin:/usr/local/bin:/bin"
CHECKS: dict[str, Callable[[Path], Iterator[str]]] = {
    "dcmdump": _dcmdump,
    "dciodvfy": _dciodvfy,
    "dsrdump": _dsrdump,
    "dcm2json": _dcm2json,
    "DicomSRValidator": _pixelmed,
    "reopen": _reopen,
}
PROGRAMS = tuple(tool for tool in CHECKS if tool != "reopen")
DOCUMENT_TOOLS = ("dsrdump", "DicomSRValidator")


def main(paths: list[str]) -> int:
    print("not installed:", ", ".join(missing_tools()) or "none")
    remaining = 0
    for path in paths:
        found = complaints(Path(path))
        remaining += sum(complaint.defect is None for complaint in found)
        print(path, *(f"\n  {complaint}" for complaint in found))
    return int(remaining > 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
