"""A figure that chooses a network, a step or a limit rests on enough images of enough sources, and the card says so."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest
from pydantic import ValidationError

from miqa_node.core.settings import load_settings
from miqa_node.stages.assess.card import BaseCard
from miqa_node.stages.assess.choices import (
    CHOSEN_ON_FEWER,
    FEWEST_POSITIVES,
    FEWEST_SOURCES,
    NOTHING_CHOSEN,
    Choices,
    ChoosingFigure,
)
from miqa_node.stages.assess.model_card import model_card
from miqa_node.stages.assess.package_files import package_folders
from miqa_node.stages.assess.sidecars import read_any_card

RULED_FROM = date(2026, 11, 28)
"""Packages made from this day on tell what chose."""
SHIPPED = package_folders(load_settings(None).model_folders)


@pytest.mark.parametrize(("positives", "sources"), [(6, 2), (39, 3), (40, 2), (0, 0)])
def test_few_images_or_sources_choose_nothing(positives: int, sources: int) -> None:
    with pytest.raises(ValidationError, match="chooses nothing"):
        ChoosingFigure(figure="AUROC", images="set", positives=positives, sources=sources, chose="the network")
    row = ChoosingFigure(figure="AUROC", images="set", positives=positives, sources=sources)
    assert Choices(looks=1, rows=(row,)).table == [("AUROC", "set", str(positives), str(sources), NOTHING_CHOSEN)]


def test_enough_images_of_enough_sources_may_choose() -> None:
    row = ChoosingFigure(
        figure="AUROC", images="set", positives=FEWEST_POSITIVES, sources=FEWEST_SOURCES, chose="the network"
    )
    assert Choices(looks=3, rows=(row,)).table[0][-1] == "the network"


@pytest.mark.parametrize("folder", SHIPPED, ids=lambda folder: folder.name)
def test_shipped_cards_tell_what_chose_or_that_they_are_older(folder: Path) -> None:
    card = read_any_card(folder)
    page = model_card(card)
    assert (folder / "MODEL_CARD.md").read_text(encoding="utf-8") == page
    if card.choices is None:
        assert not ruled(card), f"{card.label} is of {card.training['date']} and does not say what chose"
        assert CHOSEN_ON_FEWER in page
        return
    for row in card.choices.table:
        assert f"| {' | '.join(row)} |" in page


def ruled(card: BaseCard) -> bool:
    """Whether the package was made since there is the rule."""
    return date.fromisoformat(str(card.training.get("date", "2026-01-01"))) >= RULED_FROM
