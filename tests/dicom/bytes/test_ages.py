"""The age that a header gives, for rules about children: as Patient's Age, or by the birth date."""

from __future__ import annotations

from pathlib import Path

import pydicom
import pytest

from miqa_node.dicom.bytes.headers import read_header
from tests.stages.report import making


@pytest.mark.parametrize(
    ("age", "birth", "day", "years"),
    [
        ("005Y", "", "20260601", 5),
        ("030M", "", "20260601", 2),
        ("012W", "", "", 0),
        ("005D", "", "", 0),
        ("034Y", "20240101", "20260601", 34),  # dates may have been shifted
        ("", "20200602", "20260601", 5),
        ("", "20200601", "20260601", 6),
        ("000Y", "19800101", "20260601", 46),  # consoles write it for "unknown"
        ("000Y", "20260301", "20260601", 0),
        ("000Y", "", "20260601", None),
        ("000D", "", "20260601", 0),  # the day of birth
        ("000D", "19800101", "20260601", 46),
        ("61", "", "20260601", None),
        ("", "19000101", "20260601", None),  # stands for "unknown"
        ("", "20270101", "20260601", None),
        ("", "20201399", "20260601", None),
        ("", "20200601", "", None),
        ("095Y", "", "20260601", 90),
    ],
)
def test_the_age_of_a_header(tmp_path: Path, age: str, birth: str, day: str, years: int | None) -> None:
    dataset = making.small()
    for keyword in ("AcquisitionDate", "ContentDate", "AcquisitionDateTime"):
        if keyword in dataset:
            delattr(dataset, keyword)
    with pydicom.config.disable_value_validation():
        dataset.PatientBirthDate, dataset.StudyDate, dataset.PatientAge = birth, day, age
        header, _ = read_header(making.write(dataset, tmp_path / "image.dcm"))
    assert header.age_years == years


def test_the_day_may_be_in_the_date_and_time_of_the_acquisition_alone(tmp_path: Path) -> None:
    dataset = making.small()
    for keyword in ("AcquisitionDate", "ContentDate"):
        if keyword in dataset:
            delattr(dataset, keyword)
    dataset.PatientBirthDate, dataset.StudyDate, dataset.PatientAge = "20230101", "", ""
    dataset.AcquisitionDateTime = "20261120101010.000000+0100"
    header, _ = read_header(making.write(dataset, tmp_path / "image.dcm"))
    assert header.age_years == 3
