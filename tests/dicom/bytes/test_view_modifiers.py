"""What sets a mammogram's view apart from the plain one is read from its header."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.uid import ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian

from miqa_node.dicom.bytes.headers import read_header
from tests.dicom.bytes.test_headers import make
from tests.features.mammogram_pairs.pairs_making import modifier


@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, ImplicitVRLittleEndian, ExplicitVRBigEndian])
@pytest.mark.parametrize(
    ("code", "meaning", "scheme", "words"),
    [
        ("399055006", "Spot", "SCT", "Spot compression"),
        ("R-102D6", "Mag", "SRT", "Magnification"),
        ("399209000", "Implant Displaced", "SCT", "Implant displaced"),
        ("X1", "Own way", "99SITE", "Own way"),
    ],
)
def test_the_first_modifier_is_read(
    tmp_path: Path, syntax: str, code: str, meaning: str, scheme: str, words: str
) -> None:
    path = make(tmp_path / "a.dcm", syntax, ViewCodeSequence=modifier(code, meaning, scheme))
    header, _ = read_header(path)
    assert (header.view_position, header.view_modifier) == ("CC", words)


@pytest.mark.parametrize(
    ("elements", "words"),
    [
        ({"EstimatedRadiographicMagnificationFactor": "1.8"}, "Magnification"),
        ({"EstimatedRadiographicMagnificationFactor": "1.06"}, ""),
        ({"PartialView": "YES"}, "Partial view"),
        ({"PartialView": "NO"}, ""),
        ({}, ""),
    ],
)
def test_magnified_and_partial_views_without_a_code(tmp_path: Path, elements: dict[str, Any], words: str) -> None:
    header, _ = read_header(make(tmp_path / "a.dcm", **elements))
    assert header.view_modifier == words


def test_an_empty_sequence_is_no_modifier(tmp_path: Path) -> None:
    view = Dataset()
    view.CodeValue, view.CodingSchemeDesignator, view.CodeMeaning = "399368009", "SCT", "medio-lateral oblique"
    view.ViewModifierCodeSequence = Sequence([])
    header, _ = read_header(make(tmp_path / "a.dcm", ViewCodeSequence=Sequence([view])))
    assert (header.view_position, header.view_modifier) == ("MLO", "")
