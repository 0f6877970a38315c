"""Runs every DICOM validator that Debian has over a file, and knows which of their complaints are their own mistakes.

``python -m tests.peers.validators FILE…`` prints what each says; the exit status is 1 if an error remains.

    dcmdump, dcm2json, dsrdump, dcmpschk   dcmtk
    dciodvfy                     dicom3tools
    DicomSRValidator             pixelmed-apps, default-jre-headless
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from importlib.util import find_spec
from io import BytesIO
from pathlib import Path
from typing import Any

import pydicom
from pydicom.datadict import tag_for_keyword
from pydicom.dataset import Dataset
from pydicom.uid import BasicTextSRStorage, ParametricMapStorage

from miqa_node.dicom.bytes.uncompressed import uncompress
from tests.peers.pixelmed import COMPLETE, PixelMed

TIMEOUT_S = 120
DOCUMENTS = ("SR", "KO")
ACCEPTED: set[Defect] = set()
"""The defects that explained something so far."""
PIXELMED = PixelMed()


@dataclass(frozen=True)
class Defect:
    """A complaint that is the validator's mistake, with the text of the standard that shows it.

    ``complaint`` finds it in the tool's output, ``words`` is how people read it there.
    """

    tool: str
    complaint: str
    words: str
    reason: str


DEFECTS = (
    Defect(
        "dsrdump",
        r"Check for template constraints not yet supported",
        "Check for template constraints not yet supported",
        "Says what dsrdump does not do, nothing about the file.",
    ),
    Defect(
        "dcm2json",
        r"JSON InlineBinary encoding not supported for compressed pixel data",
        "JSON InlineBinary encoding not supported for compressed pixel data",
        "Says what dcm2json does not do; PS3.18 F.2.7 gives bulk data a URI of its own.",
    ),
    Defect(
        "dsrdump",
        r"The VR checker does not support this Specific Character Set|Reading unknown/unsupported SpecificCharacterSet",
        "The VR checker does not support this Specific Character Set; Reading unknown/unsupported SpecificCharacterSet",
        "Says what dsrdump does not know; PS3.3 C.12.1.1.2 defines the character set.",
    ),
    Defect(
        "dcm2json",
        r"is not supported by the utilized character set conversion library|Cannot open character encoding",
        "… is not supported by the utilized character set conversion library; Cannot open character encoding",
        "Says what the C library of this machine cannot convert; PS3.3 C.12.1.1.2 defines the character set.",
    ),
    Defect(
        "dcmpschk",
        r"patientName absent or empty in presentation state",
        "patientName absent or empty in presentation state",
        "PS3.3 C.7.1.1: Patient's Name is of type 2 and may be empty; it is, because the source's is.",
    ),
    Defect(
        "dcmpschk",
        r"Affected attribute: PatientName .*, Type PN|Expected format for each value: ",
        "Affected attribute: PatientName …, Type PN; Expected format for each value: …",
        "PS3.3 C.12.1.1.2 defines ISO_IR 192; dcmpschk takes each byte of a name in UTF-8 for a character. "
        "The name is copied from the source byte for byte.",
    ),
    Defect(
        "dcmpschk",
        r"Dubious date \(year before 1850 or after 2050\)",
        "Dubious date (year before 1850 or after 2050)",
        "PS3.5 6.2 gives DA no such limits; the date is copied from the source.",
    ),
    Defect(
        "dciodvfy",
        r"have SegmentSequence item number 1 \(from one\) with SegmentNumber of 0",
        "SegmentNumber not monotonically increasing from one by one",
        "PS3.3 C.8.20.4 (Supplement 243): in a label map numbers are those of its pixels, 0 among them.",
    ),
    Defect(
        "dciodvfy",
        r"Information Object Not found: 1[.]2[.]840[.]10008[.]5[.]1[.]4[.]1[.]1[.](66[.]7|90[.]1)$",
        "Information Object Not found",
        "dicom3tools has no table for label maps (Supplement 243) and Content Assessment Results (PS3.3 A.81); what it "
        "checks of every object it checks of these, too.",
    ),
    Defect(
        "DicomSRValidator",
        r"Template 2010 .*\[Row 3\] CODE CID 7011: within 1: /CONTAINER \(1130(10|01),DCM,\"[^)]*\"\): "
        r"Conditional content item present when condition not satisfied",
        "Template 2010 … [Row 3] CODE CID 7011: Conditional content item present when condition not satisfied",
        "PS3.16 TID 2010 row 3 asks for a Document Title Modifier from CID 7011 if the name of row 1, the title, "
        "is 113001 or 113010. The validator looks for a CODE item of that name beside the title, which never exists.",
    ),
    Defect(
        "DicomSRValidator",
        r"Template 2010 .*\[Row 4\] CODE CID 7012: within 1: /CONTAINER \(1130(10|01),DCM,\"[^)]*\"\): "
        r"Conditional content item present when condition not satisfied",
        "Template 2010 … [Row 4] CODE CID 7012: Conditional content item present when condition not satisfied",
        "PS3.16 TID 2010 row 4 has the same concept name as row 3, with values from CID 7012, and applies to the title "
        "113013. The validator takes row 3's item for row 4's because it compares names only.",
    ),
    Defect(
        "iodcheck",
        r"bitmap-display-shutter: ShutterOverlayGroup type 1 missing",
        "bitmap-display-shutter: ShutterOverlayGroup type 1 missing",
        "PS3.3 C.7.6.15: the Bitmap Display Shutter module has the Shutter Shape BITMAP. The shutter is RECTANGULAR, "
        "of the module of C.7.6.11. The tool takes the presence of Shutter Shape, which both have, for both modules.",
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


def complaints(path: Path) -> list[Complaint]:
    """What all tools together hold against the file; missing tools say nothing (see :func:`missing_tools`)."""
    modality = _modality(path)
    complaints: list[Complaint] = []
    for tool, check in CHECKS.items():
        if modality not in FOR.get(tool, {modality}):
            continue
        if tool in PROGRAMS and shutil.which(tool, path=SEARCH) is None:
            continue
        complaints += (Complaint(tool, text, _defect(tool, text)) for text in check(path))
    return complaints


def errors_of_all(paths: Sequence[Path]) -> dict[Path, list[str]]:
    """The errors that are left in each file; the slowest tool begins with all documents at once."""
    documents = [path for path in paths if _modality(path) in DOCUMENTS]
    if shutil.which("DicomSRValidator", path=SEARCH) is not None:
        for path in documents:
            PIXELMED.ask(path)
    return {path: errors(path) for path in sorted(paths, key=lambda path: path in documents)}


def errors(path: Path) -> list[str]:
    """The complaints that no known defect explains."""
    return [str(complaint) for complaint in complaints(path) if complaint.defect is None]


def known_defect(text: str) -> Defect | None:
    """The defect that explains a line of any tool's output."""
    return next((defect for defect in DEFECTS if re.search(defect.complaint, text)), None)


def missing_tools() -> list[str]:
    """Programs that are not installed here, and highdicom, which not every Python has."""
    programs = [tool for tool in PROGRAMS if shutil.which(tool, path=SEARCH) is None]
    return programs if find_spec("highdicom") else [*programs, "highdicom"]


def _modality(path: Path) -> str:
    return str(pydicom.dcmread(path, stop_before_pixels=True).get("Modality", ""))


def _defect(tool: str, text: str) -> Defect | None:
    defect = next((d for d in DEFECTS if d.tool == tool and re.search(d.complaint, text)), None)
    if defect is not None:
        ACCEPTED.add(defect)
    return defect


def _run(*command: object) -> str:
    program = shutil.which(str(command[0]), path=SEARCH)
    assert program is not None
    result = subprocess.run(
        [program, *map(str, command[1:])],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=TIMEOUT_S,
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
    """Debian builds it without zlib, so it gets deflated data sets inflated."""
    with tempfile.NamedTemporaryFile() as copy:
        if pydicom.dcmread(path, stop_before_pixels=True).file_meta.TransferSyntaxUID.is_deflated:
            copy.write(uncompress(path.read_bytes()))
            copy.flush()
            path = Path(copy.name)
        sop_class = pydicom.dcmread(path, specific_tags=["SOPClassUID"]).SOPClassUID
        for line in _run("dciodvfy", "-new", path).splitlines():
            if line.startswith("Error"):
                yield f"{line}: {sop_class}" if line.endswith("Object Not found") else line


def _pixelmed(path: Path) -> Iterator[str]:
    """It returns 0 whatever it finds, so what it says counts; and it must have come to its end."""
    output = PIXELMED.said(path)
    yield from (line.strip() for line in output.splitlines() if re.match(r"\s*(Error|.*[Ee]xception)", line))
    if COMPLETE not in output:
        yield "did not come to its end"


def _dcmpschk(path: Path) -> Iterator[str]:
    """Its verdict is its last line; what stands between belongs to the line that begins with the word Warning."""
    output = _run("dcmpschk", path)
    if "Test passed" in output:
        return
    lines = [line[3:].strip() for line in output.splitlines() if re.match(r"[EFW]: ", line)]
    complaint_lines = [line for line in lines if line and not line.startswith(("Testing:", "Test failed"))]
    yield from re.sub(r" (?=Affected|Attribute)", "; ", "\n".join(complaint_lines).replace("\nA", " A")).splitlines()
    if "Test failed" not in output:
        yield "did not come to its end"


def _modules(path: Path) -> Iterator[str]:
    """Every required element of every module of the object's IOD, at every depth, by the tables that highdicom has."""
    dataset = pydicom.dcmread(path)
    iod = _table("sop_class_iod_map").get(dataset.SOPClassUID, "")  # a source may be of a class long retired
    for module in _table("iod_module_map").get(iod, ()):
        elements = _table("module_attribute_map").get(module["key"], [])
        if _is_present(module, elements, dataset):
            yield from _lacking(module["key"], elements, dataset)


# Content trees and functional groups follow templates and macros, and pixel data comes in one of several forms: what
# the tables list of these is not all required at once.
_NOT_IN_TABLES = ("sr-document-content", "floating-point-image-pixel", "double-floating-point-image-pixel")


def _is_present(module: dict[str, str], elements: list[dict[str, Any]], dataset: Dataset) -> bool:
    key = module["key"]
    if (
        key in _NOT_IN_TABLES
        or key.endswith("functional-groups")
        or (key == "image-pixel" and "PixelData" not in dataset)
        or (key == "bitmap-display-shutter" and dataset.get("ShutterShape") != "BITMAP")
    ):
        return False
    required = [e["keyword"] for e in elements if not e["path"] and e["type"] == "1" and tag_for_keyword(e["keyword"])]
    return module["usage"] == "M" or (module["usage"] == "C" and any(keyword in dataset for keyword in required))


def _lacking(module: str, elements: list[dict[str, Any]], dataset: Dataset) -> Iterator[str]:
    for element in (e for e in elements if e["type"] in ("1", "2")):
        parents = [dataset]
        for keyword in element["path"]:
            parents = [item for parent in parents if keyword in parent for item in parent[keyword].value or ()]
        where = "/".join([*element["path"], element["keyword"]])
        for parent in parents:
            if element["keyword"] not in parent:
                yield f"{module}: {where} of type {element['type']} is missing"
            elif element["type"] == "1" and parent[element["keyword"]].is_empty:
                yield f"{module}: {where} of type 1 is empty"


@cache
def _table(name: str) -> Any:
    return json.loads((files("highdicom") / "_standard" / f"{name}.json").read_text("utf-8"))


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


@contextmanager
def open_segmentation(dataset: Dataset) -> Iterator[Any]:
    """A segmentation as highdicom reads it, which keeps a database in memory and never closes it."""
    import highdicom  # not every Python has it

    segmentation: Any = highdicom.seg.Segmentation.from_dataset(dataset)
    with closing(segmentation._db_con):
        yield segmentation


def _open(dataset: Dataset) -> None:
    import highdicom  # not every Python has it

    if dataset.Modality == "SEG":
        image = dataset.PerFrameFunctionalGroupsSequence[0].DerivationImageSequence[0].SourceImageSequence[0]
        frames = image.get("ReferencedFrameNumber")
        with open_segmentation(dataset) as segmentation:
            if frames is None:
                segmentation.get_pixels_by_source_instance([image.ReferencedSOPInstanceUID])
            else:
                number = int(frames[0] if isinstance(frames, Sequence) and not isinstance(frames, str) else frames)
                segmentation.get_pixels_by_source_frame(image.ReferencedSOPInstanceUID, [number])
    elif dataset.Modality == "SR" and dataset.SOPClassUID != BasicTextSRStorage:  # which highdicom does not know
        stream = BytesIO()
        dataset.save_as(stream, enforce_file_format=True)
        stream.seek(0)
        content: Any = highdicom.sr.srread(stream).content
        content.get_image_measurement_groups()
    elif dataset.Modality == "KO":
        highdicom.ko.KeyObjectSelectionDocument.from_dataset(dataset)
    elif dataset.SOPClassUID == ParametricMapStorage:
        values = highdicom.pm.ParametricMap.from_dataset(dataset).get_volume(apply_real_world_transform=True)
        assert values.array.size > 0
    elif dataset.Modality == "OT":
        assert dataset.pixel_array.size > 0


# pynetdicom and others install programs of the same names as Debian's into the virtual environment.
SEARCH = "/usr/bin:/usr/local/bin:/bin"
CHECKS: dict[str, Callable[[Path], Iterator[str]]] = {
    "dcmdump": _dcmdump,
    "dciodvfy": _dciodvfy,
    "dsrdump": _dsrdump,
    "dcmpschk": _dcmpschk,
    "dcm2json": _dcm2json,
    "modules": _modules,
    "DicomSRValidator": _pixelmed,
    "reopen": _reopen,
}
PROGRAMS = tuple(tool for tool in CHECKS if tool not in ("reopen", "modules"))
FOR = {"dsrdump": DOCUMENTS, "DicomSRValidator": DOCUMENTS, "dcmpschk": ("PR",)}
"""Modalities of the objects that a tool is for; the others are for all."""


def main(paths: list[str]) -> int:
    print("not installed:", ", ".join(missing_tools()) or "none")
    remaining = 0
    for path in paths:
        rows = complaints(Path(path))
        remaining += sum(complaint.defect is None for complaint in rows)
        print(path, *(f"\n  {complaint}" for complaint in rows))
    return int(remaining > 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
