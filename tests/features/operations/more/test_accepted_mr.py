"""``doctor`` names policies of sites that still accept MR series by measurements; the shipped one does not."""

from __future__ import annotations

from pathlib import Path

from miqa_node.core.domain.policy import Verdict
from miqa_node.core.settings import load_settings
from miqa_node.features.operations.command.series_checks import series_accepted
from tests.stages.measure.drawn_series import heads, judged, write


def test_the_shipped_policy_accepts_no_mr_series(tmp_path: Path) -> None:
    _, disposition = judged(write(tmp_path, heads(), "MR"))
    assert disposition.verdict is Verdict.NOT_ASSESSED
    text = series_accepted(load_settings())
    assert "the policy accepts" not in text, "each table falls short, and is named with what is missed"
    assert text.startswith("CT series: Measured, experimental:")
