"""Images with any labels, from a folder with one subfolder for each label or from a CSV, for training and certificates.

A CSV has the columns ``file`` (relative to the CSV) and ``label``, and optionally ``patient``; others are for whoever
reads them. Where no patient is stated, that of a DICOM file is its Patient ID and issuer.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from os.path import isfile
from pathlib import Path

from pydicom import dcmread
from pydicom.errors import InvalidDicomError

from miqa_node.core.domain.patient import PatientKey, plain
from miqa_node.dicom.bytes.issuer import Issuer
from miqa_node.dicom.pixels.picture import is_picture
from miqa_node.errors import SettingsError

_PATIENT = ["PatientID", "IssuerOfPatientID", "IssuerOfPatientIDQualifiersSequence", "Rows"]


@dataclass(frozen=True, slots=True)
class LabelledFile:
    """One labelled image; ``patient`` is empty if nobody knows. ``columns`` are all of its line, for other readers.

    ``place`` names the line of a table, for messages.
    """

    path: Path
    label: str
    patient: str
    columns: Mapping[str, str] = field(default_factory=dict)
    place: str = ""


def read_labelled(source: Path) -> list[LabelledFile]:
    """The images of a folder or of a CSV; SettingsError names what is missing, and the line."""
    return _of_csv(source) if source.is_file() else _of_folder(source)


def _of_folder(source: Path) -> list[LabelledFile]:
    images = []
    for folder in sorted(path for path in source.iterdir() if path.is_dir() and not path.name.startswith(".")):
        for path in sorted(path for path in folder.rglob("*") if path.is_file() and not path.name.startswith(".")):
            if is_picture(path):
                images.append(LabelledFile(path, folder.name, ""))
            elif (patient := _patient_of(path)) is not None:
                images.append(LabelledFile(path, folder.name, patient))
    return images


def _of_csv(source: Path) -> list[LabelledFile]:
    try:
        files = _of_table(source)
    except UnicodeDecodeError as error:
        raise SettingsError(f"{source.name} is not UTF-8 text; save it as CSV in UTF-8.") from error
    except csv.Error as error:
        raise SettingsError(f"{source.name} is not a CSV: {error}.") from error
    if not files:
        raise SettingsError(f"{source.name} lists no image.")
    return files


def _of_table(source: Path) -> list[LabelledFile]:
    with source.open(encoding="utf-8-sig", newline="") as stream:
        rows = csv.DictReader(stream)
        if missing := {"file", "label"} - set(rows.fieldnames or ()):
            raise SettingsError(f"{source.name} has no column {' and no column '.join(sorted(missing))}.")
        files = [_of_row(source, rows.line_num, row) for row in rows]
    return [one if one.patient else replace(one, patient=_patient_of(one.path) or "") for one in files]


def _of_row(source: Path, number: int, row: Mapping[str | None, str | None]) -> LabelledFile:
    place = f"{source.name}, line {number}"
    columns = {name: (value or "").strip() for name, value in row.items() if name is not None}
    name = row["file"] or ""
    path = source.parent / name
    if not isfile(path):  # noqa: PTH113 - a name that no file can have raises with Path.is_file
        raise SettingsError(f"{place}: there is no file {name!r}.")
    if not columns["label"]:
        raise SettingsError(f"{place}: the label is empty.")
    return LabelledFile(path, columns["label"], columns.get("patient", ""), columns, place)


def _patient_of(path: Path) -> str | None:
    """Patient ID and issuer of a DICOM image, "" without ID; None if the file is not a DICOM image."""
    if is_picture(path):
        return None
    try:
        ds = dcmread(path, stop_before_pixels=True, specific_tags=_PATIENT)
    except (InvalidDicomError, OSError):
        return None
    return PatientKey(plain(str(ds.get("PatientID") or "")), Issuer.of(ds).text).text() if ds.get("Rows") else None
