"""Which stacks of MR show a head where the header names no body part, by their outline."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from miqa_node.core.domain.decision import decide
from miqa_node.core.settings import load_settings
from miqa_node.core.settings.policy import read_policy
from tests.stages.measure.series import making
from tests.stages.measure.series.test_measures import judged

SIDE_MM = 1.2
"""Pixel of the drawn slices: their heads are 144 by 180 mm."""
Image = NDArray[np.float64]


def series(folder: Path, images: list[Image], part: str = "", spacing_mm: float = SIDE_MM) -> list[Path]:
    def change(ds: object) -> None:
        for keyword, value in (("BodyPartExamined", part), ("SeriesDescription", ""), ("StudyDescription", "")):
            setattr(ds, keyword, value)
        ds.PixelSpacing = [spacing_mm, spacing_mm]  # type: ignore[attr-defined]

    return making.write_series(folder, images, "MR", change=change)


def oval(down: float, right: float, seed: int, parts: int = 1) -> Image:
    image = np.zeros((making.SIDE, making.SIDE))
    for part in range(parts):
        middle = int(making.SIDE * (part + 0.5) / parts)
        cv2.ellipse(image, (middle, making.SIDE // 2), (round(right), round(down)), 0, 0, 360, 500.0, -1)
    random = np.random.default_rng(seed)
    return np.asarray(np.hypot(image + random.normal(0, 8, image.shape), random.normal(0, 8, image.shape)))


HEADS = [making.head_mr(seed=seed) for seed in range(8)]
OTHERS = {
    "a knee": [oval(52, 50, seed) for seed in range(8)],
    "two legs": [oval(60, 36, seed, 2) for seed in range(8)],
    "a trunk": [oval(90, 94, seed) for seed in range(8)],
    "a limb from end to end": [oval(400, 60, seed) for seed in range(8)],
}


def test_the_outline_of_a_head_is_one(tmp_path: Path) -> None:
    assert judged(series(tmp_path, HEADS)).assessment.part_seen == "HEAD"


@pytest.mark.parametrize("name", OTHERS)
def test_the_outline_of_anything_else_is_none(tmp_path: Path, name: str) -> None:
    assert judged(series(tmp_path, OTHERS[name])).assessment.part_seen == ""


def test_nobody_looks_where_the_header_names_a_part(tmp_path: Path) -> None:
    assert judged(series(tmp_path, HEADS, "KNEE")).assessment.part_seen == ""


def test_a_head_that_no_header_names_loses_no_alarm(tmp_path: Path) -> None:
    policy = read_policy(load_settings(None, environ={}).policy_file)
    ghosts = [image + 0.1 * np.roll(image, making.SIDE // 2, axis=0) for image in HEADS]
    flagged = {}
    for part in ("HEAD", "", "KNEE"):
        assessment = judged(series(tmp_path / (part or "none"), ghosts, part)).assessment
        flagged[part] = {one.name for one in decide(assessment, policy).reasons if one.verdict.flagged}
    assert "mr_ghost" in flagged["HEAD"]
    assert flagged[""] == flagged["HEAD"]
    assert "mr_ghost" not in flagged["KNEE"]
