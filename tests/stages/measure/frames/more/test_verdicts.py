# ruff: noqa: F401, F811 - fixtures of the quick suite are imported by name
"""Kinds without limits are measured, experimental: NOT_ASSESSED with that reason, whatever the numbers are."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from miqa_node.core.domain.policy import EXPERIMENTAL, Verdict
from miqa_node.core.settings.load import load_settings
from miqa_node.interfaces.cli.assess_json import document
from miqa_node.local import LocalAssessor
from tests.stages.measure.frames.making import speckle, write
from tests.stages.measure.frames.test_verdicts import local


@pytest.mark.parametrize("modality", ["US", "NM"])
def test_what_is_measured_is_experimental(local: LocalAssessor, tmp_path: Path, modality: str) -> None:
    dead = speckle()
    dead[:, 150:160] = 0
    for frames in ([dead], [dead] * 4):
        result = local.assess_file(write(tmp_path / "one.dcm", modality, frames))
        assert result.disposition.verdict is Verdict.NOT_ASSESSED
        assert [one.name for one in result.disposition.reasons] == [EXPERIMENTAL]
        assert document("one.dcm", result, 0.1)["experimental"] is True
        assert result.assessment.measurements
        assert result.assessment.not_assessed.startswith("Measured, experimental: limits for ")


def test_the_place_of_a_frame_is_said(local: LocalAssessor, tmp_path: Path) -> None:
    result = local.assess_file(write(tmp_path / "clip.dcm", "US", [speckle()] * 4))
    again = result.assessment.measurement("frames_repeated")
    assert again is not None
    assert (again.value, str(again.place)) == (100, "frame 2 of 4")
