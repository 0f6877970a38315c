"""The package as it would be without a fold of the held-out adults: what those adults are measured with."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from miqa_node.assess.card import read_sections
from miqa_node.assess.classify.card import ClassifierCard, Combination, EnsembleMember
from miqa_node.training.pneumonia.card import write_goldens
from miqa_node.training.pneumonia.ensemble import PneumoniaEnsemble
from miqa_node.training.pneumonia.sealing import seal

WITHOUT_FOLD = "without_fold"
"""Where the card keeps them, in its section ``calibration``."""


def fold_row(fold: int, ensemble: PneumoniaEnsemble) -> dict[str, Any]:
    """What the card keeps of an ensemble that was calibrated without a fold."""
    scaled = {one.architecture: {"temperature": one.temperature, "bias": one.bias[-1]} for one in ensemble.members}
    together = {"temperature": ensemble.combination.temperature, "bias": ensemble.combination.bias[-1]}
    return {"fold": fold, "threshold": ensemble.threshold, "together": together, **scaled}


def package_without(fold: int, package: Path, models_dir: Path) -> Path:
    """Write the package with the calibration that never saw ``fold`` into ``models_dir``; its folder.

    Raises
    ------
    ValueError
        The card has no calibration without this fold.
    """
    card = read_sections(package)
    row = next((row for row in card["calibration"].get(WITHOUT_FOLD, ()) if row["fold"] == fold), None)
    if row is None:
        raise ValueError(f"{package.name} does not say how it is calibrated without fold {fold} of the adults.")
    ensemble = _ensemble(ClassifierCard.model_validate(card), row)
    folder = models_dir / package.name
    shutil.copytree(package, folder)
    card["members"] = [member.model_dump(mode="json") for member in ensemble.members]
    card["combination"] = ensemble.combination.model_dump(mode="json")
    card["operating_point"]["threshold"] = ensemble.threshold
    write_goldens(folder, ensemble, ClassifierCard.model_validate(card).picture)
    return seal(folder, card)


def _ensemble(card: ClassifierCard, row: Mapping[str, Any]) -> PneumoniaEnsemble:
    def scaled(member: EnsembleMember) -> EnsembleMember:
        own = row[member.architecture]
        return member.model_copy(update={"temperature": own["temperature"], "bias": (0.0, own["bias"])})

    together = Combination(temperature=row["together"]["temperature"], bias=(0.0, row["together"]["bias"]))
    return PneumoniaEnsemble(tuple(scaled(member) for member in card.members), together, row["threshold"])
