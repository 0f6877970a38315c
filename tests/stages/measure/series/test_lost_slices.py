"""Slices that are missing from one volume, by number, by announcement, or that came without their pixels."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydicom.dataset import FileDataset

from miqa_node.core.domain.assessment import Assessment, Measurement
from miqa_node.core.settings import load_settings
from miqa_node.core.settings.policy import read_policy
from tests.stages.measure.series import making
from tests.stages.measure.series.making import Image
from tests.stages.measure.series.test_measures import judged
from tests.stages.measure.series.test_stacks import walk

SHIPPED = read_policy(load_settings().policy_file)
MM = 5.0


def measured(paths: list[Path]) -> dict[str, Measurement]:
    return {one.name: one for one in judged(paths).assessment.measurements}


def test_three_places_have_no_usual_distance(tmp_path: Path) -> None:
    values = measured(making.write_series(tmp_path, walk()[:3], "CT"))
    assert not {"slice_gaps", "slice_overlaps", "slices_repeated", "slices_blank"} & set(values)


def blank(images: list[Image], places: list[int], value: float = -1000.0) -> list[Image]:
    return [np.full_like(one, value) if place in places else one for place, one in enumerate(images)]


@pytest.mark.parametrize("places", [[6], [4, 5], [11], [0, 1]])
@pytest.mark.parametrize("value", [-1024.0, 0.0])
def test_a_slice_without_structure_beside_the_body_is_blank(places: list[int], value: float, tmp_path: Path) -> None:
    blanks = measured(making.write_series(tmp_path, blank(walk(), places, value), "CT"))["slices_blank"]
    assert (blanks.value, str(blanks.place)) == (
        len(places),
        f"slice {places[0] + 1} of 12, Instance Number {places[0] + 1}",
    )


def stack(folder: Path, count: int, **elements: Any) -> Assessment:
    """Of a chest; ``judged`` as a node does."""
    images = [making.layered_ct(seed=place) for place in range(count)]
    return judged(
        making.write_series(folder, images, "CT", change=having(BodyPartExamined="CHEST", **elements))
    ).assessment


def having(**elements: Any) -> Callable[[FileDataset], None]:
    def change(dataset: FileDataset) -> None:
        making.fine(dataset)
        for keyword, value in elements.items():
            setattr(dataset, keyword, value)

    return change


def issues(assessment: Assessment) -> dict[str, str]:
    return {one.name: one.message for one in assessment.plausibility}


def test_a_series_that_begins_late_says_so_and_no_more(tmp_path: Path) -> None:
    images = [making.layered_ct(seed=place) for place in range(6)]
    late = judged(making.write_series(tmp_path, images, "CT", [MM * place for place in range(6)], first=144)).assessment
    assert issues(late)["instance_numbers_begin_late"] == (
        "The lowest Instance Number is 144: images before it may be missing, unless the scanner begins there."
    )
    assert "instance_numbers_begin_late" not in {one.issue for scope in SHIPPED.scopes for one in scope.plausibility}


def test_what_was_not_looked_for_is_named(tmp_path: Path) -> None:
    def plain(dataset: FileDataset) -> None:
        del dataset.InPlanePhaseEncodingDirection

    images = [making.head_mr(seed=place) for place in range(6)]
    assert (
        "Ghost level"
        in issues(judged(making.write_series(tmp_path, images, "MR", change=plain)).assessment)["faults_unchecked"]
    )
