"""Checks whether a package may be used on this machine: files, card against graphs, golden images, gradients."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from miqa_node.core.settings import Settings
from miqa_node.errors import MiqaError
from miqa_node.stages.assess.caption.package import CaptionPackage, open_caption_package
from miqa_node.stages.assess.card import BaseCard, Task
from miqa_node.stages.assess.gradient_graph import try_gradients
from miqa_node.stages.assess.objects.sides import both_sides
from miqa_node.stages.assess.package_checks import package_label
from miqa_node.stages.assess.packages import Package, open_package
from miqa_node.stages.assess.sidecar import SidecarModel
from miqa_node.stages.assess.sidecars import open_sidecar, packages_everywhere, read_any_card, task_of
from miqa_node.stages.explain.sources import gradients_sealed_in


def check_package(path: Path, settings: Settings) -> dict[str, Any]:
    """Whether a package may be used on this machine; "error" gives the reason if not.

    A package without goldens is sound, but "may_be_active" is false. "gradient_graphs" names the graphs that maps are
    made of, and whether each has its gradient graph.
    """
    started = time.perf_counter()
    label = package_label(path)
    try:
        task = task_of(path)
        package: Package | SidecarModel | CaptionPackage
        if task is Task.QUALITY:
            package = open_package(path, settings.node.accelerator, settings.assess, goldens_required=False)
        elif task is Task.CAPTION:
            package = open_caption_package(path, settings.node.accelerator, settings.assess, settings.caption)
        else:
            _, package = open_sidecar(path, settings.node.accelerator, settings.assess)
        card = read_any_card(path)
        try_gradients(path, card, settings.node.accelerator, settings.assess)
    except MiqaError as error:
        return {"folder": label, "ok": False, "error": str(error)}
    return {
        "folder": label,
        "ok": True,
        "task": task.value,
        "may_be_active": task is Task.QUALITY and bool(package.golden_differences),
        "provider": package.provider,
        "goldens": len(package.golden_differences),
        "golden_differences": dict(package.golden_differences),
        "largest_difference": max(package.golden_differences.values(), default=None),
        "ms": round((time.perf_counter() - started) * 1e3, 1),
        "runs": label in packages_everywhere(settings).values(),
        "gradient_graphs": gradients_sealed_in(path, card),
        "two_sides": _two_sides(card),
        "targets": _targets(card),
        "operating_point": [one.model_dump() for one in both_sides(card.metrics)] or None,
    }


def _targets(card: BaseCard) -> list[dict[str, Any]] | None:
    """What had to be reached, and whether it is; None if the card does not say."""
    if card.targets is None:
        return None
    return [one.model_dump() | {"verdict": one.verdict} for one in card.targets.rows]


def _two_sides(card: BaseCard) -> dict[str, Any] | None:
    """Of each finding what the card says that it finds and flags wrongly; None if the card does not say."""
    if card.two_sides is None:
        return None
    return {
        name: {"found": one.found, "found_severe": one.found_severe, "clean_flagged": one.clean_flagged,
               "weak": one.is_weak,
               "sources": {source: sides.model_dump() for source, sides in one.sources.items()}}
        for name, one in card.two_sides.findings.items()
    }  # fmt: skip
