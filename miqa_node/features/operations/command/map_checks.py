"""What ``miqa-node doctor`` says of maps: whether the packages in use have what the maps of their findings need."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

from miqa_node.core.settings import Settings
from miqa_node.errors import ModelPackageError
from miqa_node.interfaces.cli.site_choice import choice_of
from miqa_node.stages.assess.active import chosen_package
from miqa_node.stages.assess.card import Task
from miqa_node.stages.assess.package_checks import package_label
from miqa_node.stages.assess.package_files import package_folders
from miqa_node.stages.assess.sidecars import read_any_card, switched_on
from miqa_node.stages.explain.sources import GRADIENT_METHODS, gradients_sealed_in


def gradient_graphs(settings: Settings) -> str:
    """Which packages in use lack gradient graphs, and how their findings are shown then."""
    lacking = ", ".join(package_label(path) for path in _in_use(settings) if _lacks_gradients(path, settings))
    if not lacking:
        return "every package in use has the gradient graphs that its maps need"
    if find_spec("onnx") is not None:
        return f"{lacking} without gradient graphs: each worker derives them (miqa-node models seal adds them)"
    return (
        f"{lacking} without gradient graphs, and onnx is not installed to derive them: findings are shown by class "
        "maps, predictions without a map (miqa-node models seal adds them, where the extra [seal] is installed)"
    )


def _in_use(settings: Settings) -> Iterator[Path]:
    try:
        active = chosen_package(settings, choice_of(settings))
    except ModelPackageError:  # the check of models names it
        active = None
    for path in package_folders(settings.model_folders):
        if path == active or switched_on(path, settings):
            yield path


def _lacks_gradients(path: Path, settings: Settings) -> bool:
    try:
        card = read_any_card(path)
        sealed_in = gradients_sealed_in(path, card)
    except ModelPackageError:
        return False
    used = {settings.assess.saliency_method, settings.assess.saliency_method_objects}
    is_needed = card.task is not Task.QUALITY or not used.isdisjoint(GRADIENT_METHODS)
    return is_needed and not all(sealed_in.values())
