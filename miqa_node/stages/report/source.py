"""Reads the header of the judged image, the source for inherited attributes and references."""

from __future__ import annotations

import re
from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import ParamSpec, TypeVar

import structlog
from pydicom.dataset import Dataset

from miqa_node.core.domain.instance import can_name, is_uid
from miqa_node.dicom.bytes.head import drop_unreadable, read_head
from miqa_node.dicom.bytes.numbers import all_numbers, numbers, single_number
from miqa_node.errors import ReportError, lacks_resources

log = structlog.get_logger(__name__)

SPACINGS = ("PixelSpacing", "ImagerPixelSpacing", "NominalScannedPixelSpacing")
_DIRECTION = re.compile(r"[ALPRHF]{1,3}|(?:LE|RT|D|V|CR|CD|R|M|L|PR|DI|PA|PL){1,3}")
"""Directions of bipeds and quadrupeds (PS3.3 C.7.6.1.1.1)."""


_P = ParamSpec("_P")
_T = TypeVar("_T")
_is_mended: ContextVar[bool] = ContextVar("is_mended", default=False)


@dataclass(frozen=True, slots=True)
class Source:
    """The source image without its pixels.

    ``header`` has all elements before the pixel data, with undecoded values. ``spacing_mm`` is (between rows, between
    columns) as viewers measure: from Pixel Spacing, which may be calibrated to the anatomy (PS3.3 10.7.1.3), otherwise
    at the detector or of the digitised film. ``frame``, counted from 1, is the judged one. ``patient_orientation`` is
    empty if the header lacks it or has anything but two directions.
    """

    header: Dataset
    sop_class_uid: str
    sop_instance_uid: str
    series_instance_uid: str
    study_instance_uid: str
    transfer_syntax_uid: str
    modality: str
    rows: int
    columns: int
    number_of_frames: int
    spacing_mm: tuple[float, float] | None
    patient_orientation: tuple[str, ...]
    size_bytes: int
    frame: int = 1

    @property
    def shape(self) -> tuple[int, int]:
        """(rows, columns); zeros if the object is not an image."""
        return self.rows, self.columns

    @property
    def has_pixels(self) -> bool:
        """Whether the header describes an image."""
        return self.rows > 0 and self.columns > 0

    @property
    def frame_numbers(self) -> list[int] | None:
        """The judged frame if a reference must name it, i.e. in a multi-frame image."""
        return [self.frame] if self.number_of_frames > 1 else None


def read_source(path: Path, study_instance_uid: str = "", series_instance_uid: str = "", frame: int = 1) -> Source:
    """Read the header; ReportError if no object can refer to this instance.

    The UIDs are those assigned by a person, for a file without UIDs.
    """
    try:
        header = read_head(path)
    except Exception as error:  # besides those of files, any that pydicom raises for a damaged value
        raise ReportError("The source cannot be read as DICOM: {error}.", error=type(error).__name__) from error
    if _is_mended.get() and (dropped := drop_unreadable(header)):
        log.warning("unreadable elements of a header are left out", elements=dropped)
    uid_by_keyword = {"StudyInstanceUID": study_instance_uid, "SeriesInstanceUID": series_instance_uid}
    for keyword, uid in uid_by_keyword.items():
        if uid and not is_uid(text(header, keyword)):
            setattr(header, keyword, uid)
    identity = ("SOPClassUID", "SOPInstanceUID", "SeriesInstanceUID", "StudyInstanceUID")
    uids = {keyword: text(header, keyword) for keyword in identity}
    if wrong := [keyword for keyword, uid in uids.items() if not can_name(uid)]:
        raise ReportError("The source has no valid {wrong}; no object can refer to it.", wrong=", ".join(wrong))
    return Source(
        header=header,
        sop_class_uid=uids["SOPClassUID"],
        sop_instance_uid=uids["SOPInstanceUID"],
        series_instance_uid=uids["SeriesInstanceUID"],
        study_instance_uid=uids["StudyInstanceUID"],
        transfer_syntax_uid=str(header.file_meta.get("TransferSyntaxUID", "")),
        modality=text(header, "Modality"),
        rows=_integer(header, "Rows", 0),
        columns=_integer(header, "Columns", 0),
        number_of_frames=max(1, _integer(header, "NumberOfFrames", 1)),
        spacing_mm=next((pair for keyword in SPACINGS if (pair := _pair(header, keyword))), None),
        patient_orientation=_orientation(header),
        size_bytes=path.stat().st_size,
        frame=frame,
    )


def whatever_the_header(make: Callable[_P, _T]) -> Callable[_P, _T]:
    """A function that makes objects; if it fails, it is called again with sources without unreadable elements.

    Reading every element beforehand would take longer than making most objects, and few headers have such elements.
    """

    @wraps(make)
    def made(*args: _P.args, **kwargs: _P.kwargs) -> _T:
        try:
            return make(*args, **kwargs)
        except Exception as error:
            if lacks_resources(error):
                raise
        token = _is_mended.set(True)
        try:
            return make(*args, **kwargs)
        finally:
            _is_mended.reset(token)

    return made


def text(header: Dataset, keyword: str) -> str:
    """The value as text; empty if it is absent."""
    value = header.get(keyword)
    return "" if value is None else str(value).strip()


def whole_numbers(header: Dataset, keyword: str) -> list[int]:
    """All values of an Integer String; empty if one of them is not a whole number."""
    values = all_numbers(header, keyword)
    return [int(v) for v in values] if all(v.is_integer() for v in values) else []


def _integer(header: Dataset, keyword: str, default: int) -> int:
    value = single_number(header, keyword)
    return default if value is None else int(value)


def _pair(header: Dataset, keyword: str) -> tuple[float, float] | None:
    values = numbers(header, keyword, 2)
    return (values[0], values[1]) if values and min(values) > 0 else None


def _orientation(header: Dataset) -> tuple[str, ...]:
    value = header.get("PatientOrientation")
    parts = (value,) if isinstance(value, str) else tuple(str(part) for part in value or ())
    return parts if len(parts) == 2 and all(map(_DIRECTION.fullmatch, parts)) else ()
