"""Every shipped package has a recipe from public starts, and a reproduced one is compared figure by figure."""

from __future__ import annotations

from miqa_training.reproduce import compare_cards, read_recipes
from tests.packages.training.test_reproduce import MODELS


def test_the_shipped_cards_have_the_figures_and_agree_with_themselves() -> None:
    for recipe in read_recipes():
        comparisons = compare_cards(recipe, MODELS / recipe.name, MODELS / recipe.name)
        assert all(one.within and one.shipped == one.reproduced for one in comparisons)
