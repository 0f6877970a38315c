"""The limits of a place from its own images: what they find, how often they flag, and what a few bad images do."""

from __future__ import annotations

import math
import random
from collections.abc import Iterable

import pytest

from miqa_node.core.domain.rule import Bounds
from miqa_node.features.limits.learn import SeenImage, learned_limits, rank_of

SOFT = Bounds(floor=0.02, severe=0.9, is_soft=True)
GRAIN = Bounds(floor=-math.inf, severe=math.inf, is_soft=True)
BOUNDS = {**{f"finding_{number}": SOFT for number in range(9)}, "noise_share": GRAIN}


def image(degrees: dict[str, float], bounds: dict[str, Bounds] = BOUNDS) -> SeenImage:
    is_severe = any(degree >= bounds[name].severe for name, degree in degrees.items())
    return SeenImage(degrees, frozenset(), always=False, is_severe=is_severe, bounds=bounds)


def room(seed: int, images: int) -> list[SeenImage]:
    """Images of a room: strengths with a long tail, grain with a short one."""
    rng = random.Random(seed)
    return [
        image({
            name: rng.gauss(2.0, 0.2) if name == "noise_share" else min(1.0, math.exp(rng.gauss(-4.0, 0.7)))
            for name in BOUNDS
        })
        for _ in range(images)
    ]  # fmt: skip


def flagged(images: Iterable[SeenImage], limits: dict[str, float]) -> float:
    shares = [one.is_flagged(limits) for one in images]
    return sum(shares) / len(shares)


def defective(seed: int, images: int) -> list[SeenImage]:
    """Images of the room with one defect each, in turn: strong for the room, far below a severe degree."""
    return [image({**one.degrees, f"finding_{turn % 9}": 0.4}) for turn, one in enumerate(room(seed, images))]


@pytest.mark.parametrize("seed", range(5))
def test_a_room_finds_what_is_strong_for_it_and_flags_few_others(seed: int) -> None:
    limits = learned_limits(room(seed, 50), 0.05)

    assert flagged(defective(seed + 100, 40), limits) > 0.95
    assert flagged(room(seed + 200, 400), limits) < 0.15


def test_five_bad_images_among_fifty_do_not_make_the_limits() -> None:
    limits = learned_limits([*room(1, 45), *defective(2, 5)], 0.05)

    assert flagged(defective(3, 40), limits) > 0.8


def test_few_images_flag_more_and_many_keep_the_budget() -> None:
    shares = [
        sum(flagged(room(900 + seed, 300), learned_limits(room(seed, images), 0.05)) for seed in range(6)) / 6
        for images in (20, 50, 200)
    ]

    assert shares[0] > max(shares[1:])
    assert max(shares[1:]) < 0.07, "the budget, and a little as these are other images"


def test_a_larger_budget_flags_more() -> None:
    images, others = room(4, 200), room(5, 1000)

    assert flagged(others, learned_limits(images, 0.2)) > flagged(others, learned_limits(images, 0.02))


def test_a_limit_lies_between_its_bounds_and_a_severe_image_teaches_nothing() -> None:
    quiet = [image({"finding_0": 0.001 * number}) for number in range(10)]
    noisy = [image({"finding_0": 0.4 + 0.048 * number}) for number in range(10)]

    assert learned_limits(quiet, 0.05)["finding_0"] == 0.02
    assert learned_limits(noisy, 0.05)["finding_0"] == 0.9
    severe = [image({"finding_0": 0.95})] * 30
    assert learned_limits([*quiet, *severe], 0.05)["finding_0"] == 0.02
    assert learned_limits(severe, 0.05) == {}


def test_what_has_no_severe_degree_flags_only_beyond_both_limits() -> None:
    bounds = {"anomaly": Bounds(-math.inf, math.inf, is_soft=False)}
    by_policy = SeenImage({"anomaly": 0.7}, frozenset({"anomaly"}), always=False, bounds=bounds)
    not_by_policy = SeenImage({"anomaly": 0.7}, frozenset(), always=False, bounds=bounds)

    assert by_policy.is_flagged({"anomaly": 0.6})
    assert not by_policy.is_flagged({"anomaly": 0.8})
    assert not not_by_policy.is_flagged({"anomaly": 0.6})


def test_the_rank_leaves_room_for_bad_images_in_each_number() -> None:
    assert all(rank_of(images) >= 0.06 * images for images in range(1, 500))
