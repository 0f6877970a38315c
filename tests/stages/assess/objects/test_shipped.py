"""The object package that ships: it passes its checks, and its card tells both sides, misses included."""

from __future__ import annotations

from pathlib import Path

import pytest

from miqa_node.core.domain.finding import FindingName
from miqa_node.core.settings import Accelerator, load_settings
from miqa_node.stages.assess.model_card import model_card
from miqa_node.stages.assess.objects.sidecar import ObjectSidecar, open_objects
from miqa_node.stages.assess.package_files import newest_package


@pytest.fixture(scope="module")
def package() -> ObjectSidecar:
    return open_objects(shipped(), Accelerator.CPU, load_settings(None).assess)


def shipped() -> Path:
    folder = newest_package(load_settings(None).models_dir, "objects")
    assert folder is not None
    return folder


def test_it_names_where_its_weights_began_and_under_which_licence(package: ObjectSidecar) -> None:
    assert "Apache-2.0" in package.card.training["initial_weights_licence"]
    assert {row["source"] for row in package.card.training["data"]} >= {"NIH ChestX-ray14"}


@pytest.mark.more
def test_it_passes_its_checks_and_its_page_is_that_of_its_card(package: ObjectSidecar) -> None:
    assert len(package.golden_differences) == 6
    assert [row.name for row in package.card.findings] == [FindingName.FOREIGN_OBJECT, FindingName.DEVICE_IN_VIEW]
    assert (shipped() / "MODEL_CARD.md").read_text(encoding="utf-8") == model_card(package.card)


@pytest.mark.more
def test_its_card_tells_both_sides_of_the_operating_point_and_every_method_of_pointing(package: ObjectSidecar) -> None:
    metrics = package.card.metrics
    point = metrics["operating_point"]
    for part in ("development", "left_out_source"):
        for figures in point[part].values():
            assert {"found", "called_with_devices_only", "called_with_nothing"} <= set(figures)
    assert {"normgrad_combined", "gradcam", "class_map", "centre", "random"} <= set(metrics["saliency"])
    assert metrics["saliency"]["class_map"]["all"]["pointing"] > metrics["saliency"]["centre"]["all"]["pointing"]
