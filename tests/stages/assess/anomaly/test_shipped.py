"""What the packages that ship say of their own golden images, and that their page and the docs state their figures."""

from __future__ import annotations

from pathlib import Path

import pytest

from miqa_node.stages.assess.card import read_card
from tests.conftest import ROOT

FOLDERS = [p for p in sorted((ROOT / "models").glob("quality-*/")) if read_card(p).anomaly is not None]
"""Of the processor time of the inference that it follows; 0.08 was measured."""

pytestmark = pytest.mark.skipif(not FOLDERS, reason="no package here was taught what is ordinary")


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda p: p.name)
def test_the_page_of_the_model_states_the_figures_of_the_card(folder: Path) -> None:
    section = read_card(folder).anomaly
    assert section is not None
    figures = section.metrics
    page = (folder / "MODEL_CARD.md").read_text("utf-8")
    for name in ("not_chest", "real_objects"):
        assert str(figures[name]["auroc"]) in page
    assert str(figures["simulated"]["mean_auroc"]) in page
