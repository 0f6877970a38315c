"""``doctor`` names policies of sites that accept series by measurements without figures; the shipped one does not."""

from __future__ import annotations

from pathlib import Path

import pytest

from miqa_node.core.domain.verdict import Verdict
from miqa_node.core.settings import Settings, load_settings
from miqa_node.features.operations.command.series_checks import series_accepted
from tests.stages.measure.drawn_series import heads, judged, write

RULE = """version = "1"
[where."MR of ours"]
modality = ["MR"]
[[rule]]
where = "MR of ours"
measurement = ["mr_snr"]
then = "ACCEPT"
evidence = "ours"
[evidence.ours]
"""
FIGURES = 'tried_on = [{ scanner = "one", series = 1, found = { motion = 0.3 } }, { scanner = "two", series = 2 }]\n'
NAMES = 'tried_on = ["one", "two"]\n'


def settings_with(policy: str, folder: Path) -> Settings:
    path = folder / "policy.toml"
    path.write_text(policy, encoding="utf-8")
    return load_settings(policy={"file": str(path)})


def test_doctor_names_the_places_of_a_site_that_copied_the_table(tmp_path: Path) -> None:
    text = series_accepted(settings_with(RULE + NAMES, tmp_path))
    assert text.startswith("the policy accepts series by measurements in MR of ours without figures")
    assert "docs/explanation/series.md" in text


def test_doctor_says_which_faults_keep_a_table_from_accept(tmp_path: Path) -> None:
    text = series_accepted(settings_with(RULE + FIGURES, tmp_path))
    assert text.startswith("MR of ours: Measured, experimental:")
    assert "motion by 3 pixels within a volume (0.10)" in text
    assert "without figures" not in text


@pytest.mark.more
def test_the_shipped_policy_accepts_no_mr_series(tmp_path: Path) -> None:
    _, disposition = judged(write(tmp_path, heads(), "MR"))
    assert disposition.verdict is Verdict.NOT_ASSESSED
    text = series_accepted(load_settings())
    assert "the policy accepts" not in text, "each table falls short, and is named with what is missed"
    assert text.startswith("CT series: Measured, experimental:")
