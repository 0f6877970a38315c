"""The object package that ships: it passes its checks, and its card tells both sides, misses included."""

from __future__ import annotations

from pathlib import Path

import pytest

from miqa_node.core.settings import Accelerator, load_settings
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
