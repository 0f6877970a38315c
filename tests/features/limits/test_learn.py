"""What a room learns from its images: limits that flag less than the policy, and lose few simulated defects."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from miqa_node.features.limits.learn import (
    MOST_LOST,
    MOST_NOISE_LOST,
    SeenImage,
    learned_limits,
    second_sides,
)

KINDS = {"noise": {"noise"}, "unsharp": {"unsharp"}, "dark_share": {"unsharp"}, "anomaly": set[str]()}
POLICY = {"noise": 0.3, "unsharp": 0.4, "dark_share": 5.0, "anomaly": 0.6}


def seen(defect: str = "", *, always: bool = False, **degrees: float) -> SeenImage:
    flags = frozenset(name for name, degree in degrees.items() if degree >= POLICY[name])
    return SeenImage(degrees, flags, always, defect)


def found(trials: list[SeenImage], defect: str, limits: dict[str, float]) -> int:
    telling = [name for name, kinds in KINDS.items() if defect in kinds]
    return sum(
        any(name in one.flags and one.degrees[name] >= limits.get(name, 0.0) for name in telling)
        for one in trials
        if one.defect == defect
    )


degree = st.floats(0, 1, allow_subnormal=False)
images = st.lists(st.builds(seen, noise=degree, unsharp=degree, anomaly=degree), min_size=1, max_size=40)
trials = st.lists(
    st.builds(
        seen, st.sampled_from(["noise", "unsharp"]), noise=degree, unsharp=degree, dark_share=st.floats(0, 20)
    ), max_size=60,
)  # fmt: skip


@given(images, trials, st.floats(0.0, 0.5))
def test_no_limit_loses_more_defects_than_allowed_or_flags_more_than_the_policy(
    images: list[SeenImage], trials: list[SeenImage], budget: float
) -> None:
    limits = learned_limits(images, second_sides(trials, KINDS), KINDS, budget)

    for defect, most in (("noise", MOST_NOISE_LOST), ("unsharp", MOST_LOST)):
        before = found(trials, defect, {})
        assert found(trials, defect, limits) >= (1 - most) * before - 1e-9, defect
    flagged = [one for one in images if one.is_flagged(limits)]
    assert all(one.flags for one in flagged)
    assert len(flagged) <= sum(one.is_flagged({}) for one in images)


@given(images, st.floats(0.0, 0.5))
def test_the_budget_is_kept_where_limits_cost_no_defect(images: list[SeenImage], budget: float) -> None:
    strong = [seen(defect, noise=1.5 * (defect == "noise"), unsharp=1.5 * (defect == "unsharp")) for defect in ("noise", "unsharp") for _ in range(10)]

    limits = learned_limits(images, second_sides(strong, KINDS), KINDS, budget)

    assert sum(one.is_flagged(limits) for one in images) <= budget * len(images)


def test_what_nobody_tried_keeps_the_limit_of_the_policy() -> None:
    images = [seen(noise=0.8)] * 50

    assert learned_limits(images, second_sides([seen("noise", noise=0.9)] * 7, KINDS), KINDS, 0.02) == {}
    assert learned_limits(images, {}, KINDS, 0.02) == {}
    assert learned_limits(images, second_sides([seen("noise", noise=0.9)] * 8, KINDS), KINDS, 0.02)["noise"] > 0.8


def test_what_tells_of_no_defect_costs_none() -> None:
    images = [seen(anomaly=0.7 + number / 1000) for number in range(50)]

    limits = learned_limits(images, {}, KINDS, 0.02)

    assert not any(one.is_flagged(limits) for one in images)


@pytest.mark.parametrize(("level", "silenced"), [(0.5, True), (0.95, False)])
def test_a_room_as_noisy_as_its_defects_goes_on_flagging(level: float, silenced: bool) -> None:
    images = [seen(noise=level)] * 50
    defects = [seen("noise", noise=0.6 + number / 50) for number in range(20)]  # up to 0.98

    limits = learned_limits(images, second_sides(defects, KINDS), KINDS, 0.02)

    assert images[0].is_flagged(limits) is not silenced
