"""An element of Type 1C that a sender left empty is absent in what the node makes, never empty (PS3.5 7.4.2)."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.stages.report import making

EMPTY = (
    "DeidentificationMethod",
    "DeidentificationMethodCodeSequence",
    "ResponsiblePersonRole",
    "PatientSpeciesDescription",
    "PatientAlternativeCalendar",
)


@pytest.mark.parametrize("value", ["", "   "])
def test_an_empty_method_is_not_repeated(tmp_path: Path, value: str) -> None:
    source = making.small()
    source.PatientIdentityRemoved = "YES"
    for keyword in EMPTY:
        setattr(source, keyword, [] if keyword.endswith("Sequence") else value)
    source.save_as(path := tmp_path / "source.dcm")
    for made in making.flagged(path):
        dataset = making.read(made)
        assert [keyword for keyword in EMPTY if keyword in dataset] == [], made.kind
        assert dataset.PatientIdentityRemoved == "YES"


def test_a_method_is(tmp_path: Path) -> None:
    source = making.small()
    source.PatientIdentityRemoved, source.DeidentificationMethod = "YES", ["a", "b"]
    source.save_as(path := tmp_path / "source.dcm")
    for made in making.flagged(path):
        assert list(making.read(made).DeidentificationMethod) == ["a", "b"]
