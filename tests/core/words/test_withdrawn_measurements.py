"""What a report ever said of a measurement, it says again: codes and units stay, also of what is taken no more."""

from __future__ import annotations

from pathlib import Path

import pytest

from miqa_node.core.domain import measurand
from miqa_node.core.domain.measurand import MEASUREMENTS, Measurand
from miqa_node.core.words.measurement_codes import measurement_code, unit_of

REPORTED = Path(__file__).with_name("reported_codes.tsv")
"""Measurements of all versions, each with its code, scheme and units. A new one gets a line; no line ever goes."""


def rows() -> dict[str, tuple[str, str, str]]:
    lines = [line.split("\t") for line in REPORTED.read_text().splitlines()[1:]]
    return {name: (value, scheme, units) for name, value, scheme, units in lines}


def test_no_code_or_unit_of_a_stored_judgement_changes() -> None:
    lines = rows()
    now = {name: measurement_code(name) for name in lines}
    assert {name: (code.value, code.scheme) for name, code in now.items()} == {
        name: (value, scheme) for name, (value, scheme, _) in lines.items()
    }
    defined = {name: measurand.measurand_of(name) for name in lines}
    assert [name for name, one in defined.items() if one is None] == [], "move its definition to WITHDRAWN"
    units = {name: " ".join(unit_of(name, unit) for unit in one.units) for name, one in defined.items() if one}
    assert units == {name: one for name, (_, _, one) in lines.items()}
    built_in = {plugin.name for plugin in MEASUREMENTS.plugins() if plugin.built_in}
    assert built_in - set(lines) == set(), "add a line for a new measurement"


def test_a_withdrawn_measurement_keeps_its_code_and_words(monkeypatch: pytest.MonkeyPatch) -> None:
    gone = Measurand(
        name="sharpness_of_then",
        unit="mm",
        label="Sharpness of then",
        summary="As it was.",
        code="SHARP_THEN",
        report_unit="{px}",
    )
    assert measurement_code(gone.name).value != "SHARP_THEN"
    monkeypatch.setattr(measurand, "WITHDRAWN", {gone.name: gone})
    code = measurement_code(gone.name)
    assert (code.value, code.meaning, unit_of(gone.name, "mm")) == ("SHARP_THEN", "Sharpness of then", "{px}")
    assert gone.name not in MEASUREMENTS.all(), "no rule and no list has it"
