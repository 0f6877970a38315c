"""Rebuilds each shipped package from public weights and compares the figures on its card with the shipped ones."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict

from miqa_node.errors import SettingsError

RECIPES = Path(__file__).parent / "reproduce.toml"


class ReproductionRecipe(BaseModel):
    """One package: its ``miqa-node train`` commands, and the figures on its card with tolerances."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    hours: float
    """About how long it takes on two cores."""
    commands: tuple[tuple[str, ...], ...]
    figures: Mapping[str, tuple[float, Literal["higher", "lower"]]]

    def command_lines(self, data: Path, out: Path) -> Iterator[list[str]]:
        """The commands with their folders."""
        for command in self.commands:
            yield [word.format(data=data, out=out) for word in command]


@dataclass(frozen=True, slots=True)
class FigureComparison:
    """One figure of the shipped card and of the reproduced one."""

    package: str
    figure: str
    shipped: float
    reproduced: float
    tolerance: float
    higher_is_better: bool

    @property
    def within(self) -> bool:
        """Whether the reproduced figure is not worse by more than the tolerance."""
        loss = self.shipped - self.reproduced if self.higher_is_better else self.reproduced - self.shipped
        return loss <= self.tolerance


def read_recipes(names: Sequence[str] = ()) -> list[ReproductionRecipe]:
    """The recipes of all or of the named packages; the SettingsError for an unknown name lists the known ones."""
    recipes = [ReproductionRecipe.model_validate(row) for row in tomllib.loads(RECIPES.read_text())["package"]]
    recipe_names = [recipe.name for recipe in recipes]
    unknown = sorted(set(names) - set(recipe_names))
    if unknown:
        raise SettingsError(f"There is no recipe for {', '.join(unknown)}; there is one for {', '.join(recipe_names)}.")
    return [recipe for recipe in recipes if not names or recipe.name in names]


def compare_cards(recipe: ReproductionRecipe, shipped: Path, reproduced: Path) -> list[FigureComparison]:
    """Compare the cards of two package folders; SettingsError if a figure of the recipe is missing."""
    old, new = (yaml.safe_load((folder / "card.yaml").read_text("utf-8")) for folder in (shipped, reproduced))
    return [
        FigureComparison(recipe.name, path, _figure(old, path), _figure(new, path), tolerance, better == "higher")
        for path, (tolerance, better) in recipe.figures.items()
    ]


def _figure(card: Any, path: str) -> float:
    for key in path.split("."):
        if not isinstance(card, Mapping) or key not in card:
            raise SettingsError(f"A card has no figure {path!r}; correct the recipe in {RECIPES.name}.")
        card = card[key]
    return float(card)
