"""Rules are fitted to readers' grades, weigh images that the networks saw less, and are judged hospital by hospital."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("sklearn")

from miqa_training.landmarks.reader_figures import (
    LeftOutChance,
    left_out_chances,
    operating_points,
    reader_figures,
)
from miqa_training.landmarks.reader_rules import (
    GradedImage,
    cut_chances,
    fit_cuts,
    fit_rotation,
    rotation_chances,
)
from miqa_training.landmarks.rotation_flags import LEAST_SEVERITY, rotation_flags
from tests.stages.assess.landmarks.making import estimate_of, points_of

pytestmark = pytest.mark.more

HOSPITALS = ("north", "south")


def turned(rng: np.random.Generator, *, rotated: bool) -> GradedImage:
    size = rng.normal(0.35 if rotated else 0.08, 0.08)
    grade = np.array([rng.uniform(0.1, 0.6), 0.1, 0.0, 0.0])
    return GradedImage(estimate_of(rotation=size, grade=grade), str(rng.choice(HOSPITALS)), seen=False, rotated=rotated)


def cut_image(rng: np.random.Generator, side: int | None, *, graded: bool) -> GradedImage:
    chance = rng.uniform(0.0, 0.2, 4)
    if side is not None:
        chance[side] = rng.uniform(0.5, 0.95)
    points = points_of(lat_l=(0.02, 0.6)) if side == 0 else points_of()
    estimate = estimate_of(cut=chance, points=points)
    name = frozenset() if side is None else frozenset({("left", "right", "top", "bottom")[side]})
    one = GradedImage(estimate, str(rng.choice(HOSPITALS)), seen=False, cut=name)
    return replace(one, cut=None, clipped=int(side is not None)) if graded else one


def test_rotation_follows_what_readers_called_rotated() -> None:
    rng = np.random.default_rng(1)
    images = [turned(rng, rotated=number % 3 == 0) for number in range(90)]
    chances = rotation_chances(fit_rotation(images), images)
    rotated = np.array([one.rotated for one in images])
    assert chances[rotated].min() > np.quantile(chances[~rotated], 0.95)
    assert chances.mean() == pytest.approx(rotated.mean(), abs=0.02), "they are calibrated"


def test_images_that_the_networks_saw_weigh_less() -> None:
    rng = np.random.default_rng(2)
    images = [turned(rng, rotated=number % 2 == 0) for number in range(60)]
    against = [replace(one, rotated=not one.rotated) for one in images]
    trusted = fit_rotation([*images, *(replace(one, seen=True) for one in against)])
    assert trusted.weights["rotation"] > 1.0
    undecided = fit_rotation([*images, *against])
    assert abs(undecided.weights["rotation"]) < 0.5


def test_a_grade_of_the_whole_image_teaches_which_side_is_cut() -> None:
    rng = np.random.default_rng(3)
    few = [cut_image(rng, side, graded=False) for side in (0, None, None, 2, None, None)]
    graded = [cut_image(rng, side, graded=True) for side in (0, None, 1, None, 2, None, 3, None) * 8]
    chances = cut_chances(fit_cuts([*few, *graded]), graded)
    clipped = np.array([bool(one.clipped) for one in graded])
    assert chances[clipped].max(1).min() > chances[~clipped].max(1).max()
    assert (chances[clipped].argmax(1) == np.tile([0, 1, 2, 3], 8)).mean() > 0.9


def test_each_hospital_is_judged_by_the_grades_of_the_others_and_points_find_what_they_say() -> None:
    rng = np.random.default_rng(4)
    images = [
        replace(turned(rng, rotated=number % 2 == 0), cut=frozenset(), clipped=number % 2) for number in range(80)
    ]
    images[0] = replace(images[0], seen=True)
    chances = left_out_chances(images)
    assert len(chances) == 79, "what the networks were fitted on is no evidence"
    points = operating_points(chances)
    figures = reader_figures(chances, points)
    assert 0.75 <= figures["rotated"]["all"]["found"] <= 0.8
    assert set(figures["rotated"]) == {*HOSPITALS, "all"}
    assert figures["cut"]["all"]["found"] is None, "no lung was cut"


def test_an_operating_point_never_calls_more_whole_lungs_than_it_may() -> None:
    rng = np.random.default_rng(5)
    whole = [
        LeftOutChance(replace(turned(rng, rotated=True), cut=frozenset()), 0.5, chance)
        for chance in np.linspace(0.0, 0.5, 100)
    ]
    assert sum(one.cut >= operating_points(whole).cut for one in whole) <= 4


def test_rotation_is_flagged_from_the_highest_probability_that_finds_half_of_what_is_worth_a_repeat() -> None:
    def graded(hospital: str, grade: int, chance: float, size: float = 0.3) -> LeftOutChance:
        image = GradedImage(estimate_of(rotation=size), hospital, seen=False, rotated=grade > 0, turned=grade)
        return LeftOutChance(image, chance, 0.0)

    worst = [graded("north", 2, chance) for chance in (0.99, 0.9, 0.8, 0.7)] + [graded("south", 2, 0.62)] * 20
    straight = [graded("north", 0, 0.75), *(graded("south", 0, 0.95, size=0.1) for _ in range(3))]
    flags = rotation_flags([*worst, graded("north", 1, 0.3), *straight])
    assert flags["min_probability"] == 0.7, "a hospital with twenty images counts no more than one with four"
    assert (flags["grade_2"]["share"], flags["grade_2"]["flagged"]) == (0.5, 4)
    flags = rotation_flags([*worst[:4], *straight])
    assert (flags["min_probability"], flags["grade_2"]["share"]) == (0.9, 0.5)
    assert flags["grade_2"]["low"] < 0.5 < flags["grade_2"]["high"]
    assert flags["grade_0"]["hospitals"] == {"north": [0, 1], "south": [0, 3]}, "less than 20 % is straight"
    assert flags["min_severity"] == LEAST_SEVERITY
