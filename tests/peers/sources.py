"""More than 40 different source images for the validators: modalities, geometries, gaps in headers, character sets."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path

import pydicom
from pydicom.data import get_charset_files, get_testdata_file
from pydicom.dataset import Dataset
from pydicom.filebase import DicomBytesIO

from tests.stages.report import making

Make = Callable[[Path], Path]

# Of the packages pydicom and pydicom-data. With a frame of reference and without, grayscale, palette and colour, one
# frame and many, most transfer syntaxes.
REAL = (
    *("RG1_J2KI", "RG3_UNCR", "RG3_J2KR"),  # CR
    *("CT_small", "693_UNCR", "693_J2KR", "explicit_VR-UN", "J2K_pixelrep_mismatch", "eCT_Supplemental"),  # CT
    *("MR_small", "MR_small_RLE", "MR_small_bigendian", "MR2_J2KI", "emri_small", "emri_small_RLE"),  # MR
    "MR-SIEMENS-DICOM-WithOverlays",
    *("US1_UNCI", "US1_J2KR", "gdcm-US-ALOKA-16", "examples_palette", "OBXXXX1A"),  # US
    *("OBXXXX1A_rle_2frame", "examples_ybr_color", "JPGLosslessP14SV1_1s_1f_8b"),  # US, many frames
    *("mlut_18", "vlut_04", "SC_rgb", "SC_rgb_jpeg_dcmtk", "SC_rgb_16bit", "image_dfl"),  # secondary captures
    *("JPEG2000", "JPEG-LL"),  # NM
)
CHARACTER_SETS = ("chrH31", "chrH32", "chrGreek", "chrRuss", "chrArab", "chrHbrw", "chrX1", "chrX2", "chrKoreanMulti")
_TEXT = ("SpecificCharacterSet", "PatientName", "ReferringPhysicianName", "StudyDescription", "PatientComments")


def _real(name: str) -> Make:
    def make(_folder: Path) -> Path:
        path = get_testdata_file(f"{name}.dcm")
        assert isinstance(path, str), f"{name} is not among the samples"
        return Path(path)

    return make


def _phantom(change: Callable[[Dataset], None]) -> Make:
    return lambda folder: making.write(making.small(), folder / "source.dcm", change)


def _written_in(name: str) -> Make:
    """A radiograph whose names are in the character set of one of pydicom's files, byte for byte."""

    def make(folder: Path) -> Path:
        (path,) = (path for path in get_charset_files(f"{name}.dcm") if isinstance(path, str))
        written = pydicom.dcmread(path)

        def change(dataset: Dataset) -> None:
            for keyword in _TEXT:
                if keyword in written:
                    dataset[keyword] = copy.deepcopy(written[keyword])

        return making.write(making.small(), folder / "source.dcm", change)

    return make


SOURCES: dict[str, Make] = {
    **{name: _real(name) for name in REAL},
    **{name: _phantom(change) for name, change in making.AWKWARD.items()},
    **{name: _written_in(name) for name in CHARACTER_SETS},
}
"""More than 50 makers of source images; each is given an empty folder."""


def as_bytes(dataset: Dataset) -> bytes:
    """The data set as a file in memory."""
    out = DicomBytesIO()
    dataset.save_as(out)
    return out.getvalue()
