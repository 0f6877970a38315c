"""A file that is assessed without a node takes the way of every image, and is told the same."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pydicom
import pytest

from miqa_node.core.settings import load_settings
from miqa_node.errors import DecodeError
from miqa_node.local import LocalAssessor
from miqa_node.stages.report.made import ReportSettings


@pytest.fixture(scope="module")
def local() -> Iterator[LocalAssessor]:
    with LocalAssessor(load_settings(work={"processes": 1}), calibrated=False, reports=ReportSettings()) as assessor:
        yield assessor


def test_what_cannot_be_judged_is_an_error_with_the_reason(local: LocalAssessor, samples: Path, tmp_path: Path) -> None:
    ds = pydicom.dcmread(samples / "RG3_J2KR.dcm")
    ds.PixelData = pydicom.encaps.encapsulate([b"\xff\x4f\xff\x51" + bytes(1000)])
    ds.save_as(tmp_path / "broken.dcm")
    with pytest.raises(DecodeError, match=r"."):
        local.assess_file(tmp_path / "broken.dcm")
    del ds.PixelData
    ds.save_as(tmp_path / "empty.dcm")
    with pytest.raises(DecodeError, match="not an image"):
        local.assess_file(tmp_path / "empty.dcm")
