"""The conformance statement is what the code does: negotiated with a running node, compared with what it makes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from io import BytesIO
from pathlib import Path

import pytest
from pydicom import Dataset, dcmread
from pydicom.data import get_testdata_file

from miqa_node.stages.report.made import MadeObject
from tests.project.test_conformance import PAGE
from tests.stages.report.flagged import flagged_series
from tests.stages.report.making import everything
from tools.attribute_tables import INHERITED, attribute_table
from tools.conformance import conformance_page, sent_objects
from tools.example_objects import example_objects


def test_the_page_is_that_of_this_code() -> None:
    pytest.importorskip("highdicom", reason="the page is of a node with the extra [series]")
    assert PAGE.read_text("utf-8") == conformance_page(), (
        "run: python -m tools.reference conformance --out docs/reference/conformance.md"
    )


@pytest.fixture(scope="module")
def tables() -> dict[str, dict[tuple[str, ...], tuple[str, str]]]:
    """(value, presence) by the path of tags to an attribute, by kind."""
    return {kind: _by_path(attribute_table(examples)) for kind, examples in example_objects().items()}


def _by_path(table: list[tuple[str, str, str, str, str, str]]) -> dict[tuple[str, ...], tuple[str, str]]:
    rows: dict[tuple[str, ...], tuple[str, str]] = {}
    path: tuple[str, ...] = ()
    for name, tag, _, value, presence, _ in table:
        path = (*path[: len(name) - len(name.lstrip(">"))], tag)
        rows[path] = value, presence
    return rows


def _of_image(name: str) -> Callable[[Path], Sequence[MadeObject]]:
    path = get_testdata_file(f"{name}.dcm")
    assert isinstance(path, str), f"{name} is not among the samples"
    return lambda _folder: everything(Path(path))


FLAGGED: dict[str, Callable[[Path], Sequence[MadeObject]]] = {
    **{name: _of_image(name) for name in ("RG3_UNCR", "CT_small", "MR_small")},
    **{f"{modality} series": partial(flagged_series, modality=modality) for modality in ("CT", "MR")},
}


@pytest.mark.parametrize("subject", FLAGGED)
def test_the_attribute_tables_hold_what_other_images_give(
    subject: str, tables: dict[str, dict[tuple[str, ...], tuple[str, str]]], tmp_path: Path
) -> None:
    """Of objects of another image or series: each attribute is in the table of its kind, or copied as the page says."""
    assert set(tables) >= {"SR", "SEG", "KOS", "GSPS", "SC", "SEG_FRACTIONAL", "SEG_LABELMAP", "PDF", "REJECTION"}
    # An enhanced copy keeps what its source has; lungs are outlined in radiographs only.
    others = {"ENHANCED"} if subject == "RG3_UNCR" else {"ENHANCED", "SEG_LUNGS"}
    made = [one for one in FLAGGED[subject](tmp_path) if one.kind not in others]
    assert {one.kind for one in made} >= {"SR", "SEG", "SEG_LABELMAP", "KOS", "SC", "PDF"}
    for one in made:
        _compare(dcmread(BytesIO(one.data)), (), tables[one.kind], one.kind)


def _compare(ds: Dataset, path: tuple[str, ...], rows: dict[tuple[str, ...], tuple[str, str]], kind: str) -> None:
    there = set()
    for element in ds:
        here = (*path, f"({element.tag.group:04X},{element.tag.element:04X})")
        if not path and element.tag in INHERITED and here not in rows:
            continue
        assert here in rows, (kind, here, element.keyword)
        value, presence = rows[here]
        there.add(here)
        assert not (presence == "ALWAYS" and element.is_empty), (kind, element.keyword)
        if value and element.VM <= 1:
            assert str(element.value) == value, (kind, element.keyword)
        if element.VR == "SQ" and any(other[: len(here)] == here != other for other in rows):
            for item in element.value:
                _compare(item, here, rows, kind)
    always = {here for here, (_, presence) in rows.items() if here[:-1] == path and presence != "ANAP"}
    assert always <= there, (kind, always - there)


def test_what_is_sent_is_listed(samples: Path) -> None:
    listed = {(one.kind, one.sop_class_uid, syntax) for one in sent_objects() for syntax in one.transfer_syntax_uids}
    made = everything(samples / "RG3_UNCR.dcm")
    original = dcmread(samples / "RG3_UNCR.dcm", stop_before_pixels=True)
    assert [one.sop_class_uid for one in made if one.kind == "ENHANCED"] == [original.SOPClassUID]
    for one in made:
        syntax = str(dcmread(BytesIO(one.data)).file_meta.TransferSyntaxUID)
        sop_class = "" if one.kind == "ENHANCED" else one.sop_class_uid
        assert (one.kind, sop_class, syntax) in listed
    assert {one.kind for one in made} >= {"SR", "SEG", "KOS", "GSPS", "SC", "SEG_FRACTIONAL", "PDF"}
