"""A room's own limits: quiet about what is ordinary there, and never too blind."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from miqa_node.features.limits.learn import (
    MOST_LOST,
    MOST_NOISE_LOST,
    SecondSide,
    SeenImage,
    learned_limits,
    second_sides,
)
from miqa_node.features.limits.whole_room import typical, whole_room

NAMES = ("noise", "unsharp", "displayed_contrast", "anomaly")
KINDS = {
    "noise": frozenset({"noise"}), "unsharp": frozenset({"unsharp"}),
    "displayed_contrast": frozenset({"contrast_processing"}), "anomaly": frozenset[str](),
}  # fmt: skip
POLICY = {"noise": 0.2, "unsharp": 0.3, "displayed_contrast": -12.0, "anomaly": 0.5}
"""Where the policy's own limits lie."""


def seen(defect: str = "", *, always: bool = False, unaltered: SeenImage | None = None, **degrees: float) -> SeenImage:
    """An image that the policy flags for what lies above its limits."""
    flags = frozenset(name for name, degree in degrees.items() if degree >= POLICY[name])
    return SeenImage(degrees, flags, always, defect, unaltered)


degrees = st.fixed_dictionaries(
    {
        "noise": st.floats(0, 1),
        "unsharp": st.floats(0, 1),
        "displayed_contrast": st.floats(-60, 0),
        "anomaly": st.floats(0, 1),
    }
)
images = st.lists(
    st.builds(lambda of, always: seen(always=always, **of), degrees, st.booleans()), min_size=20, max_size=50
)
trials = st.lists(
    st.builds(
        lambda defect, of, plain: seen(defect, unaltered=seen(**plain), **of),
        st.sampled_from(("noise", "unsharp", "contrast_processing")),
        degrees,
        degrees,
    ),
    max_size=60,
)


@settings(max_examples=80)
@given(images, trials, st.floats(0.0, 0.3))
def test_limits_lose_no_more_than_they_may_and_flag_no_more_than_the_policy(
    room: Sequence[SeenImage], tried: Sequence[SeenImage], budget: float
) -> None:
    sides = second_sides(tried, KINDS)

    limits = learned_limits(room, sides, KINDS, budget)

    for one in sides.values():
        most = MOST_NOISE_LOST if one.defect == "noise" else MOST_LOST
        assert one.found(limits) >= (1.0 - most) * one.found({}) - 1e-9
    assert all(one.is_flagged({}) or not one.is_flagged(limits) for one in room)
    of_trials = {name for name, kinds in KINDS.items() if all(kind in sides and sides[kind].is_tried for kind in kinds)}
    assert limits.keys() <= of_trials, "what nobody tried keeps the policy's limit"


def test_a_room_where_all_is_grainy_is_quiet_and_finds_more_grain() -> None:
    room = [seen(noise=0.3 + number / 500, anomaly=0.2) for number in range(50)]
    tried = [seen("noise", noise=0.4 + number / 40) for number in range(20)]

    limits = learned_limits(room, second_sides(tried, KINDS), KINDS, 0.02)

    assert not any(one.is_flagged(limits) for one in room)
    assert sum(one.is_flagged(limits) for one in tried) >= 18


def test_too_few_simulated_defects_leave_the_policys_limit() -> None:
    room = [seen(noise=0.3) for _ in range(50)]
    few = second_sides([seen("noise", noise=0.9)] * 7, KINDS)

    assert learned_limits(room, few, KINDS, 0.02) == {}
    assert learned_limits(room, {}, KINDS, 0.02) == {}


def test_an_unusual_room_is_no_reason_to_flag_each_image() -> None:
    room = [seen(anomaly=0.6 + number / 1000) for number in range(50)]

    limits = learned_limits(room, {}, KINDS, 0.02)

    assert not seen(anomaly=0.65).is_flagged(limits)
    assert seen(anomaly=0.9).is_flagged(limits)


def test_an_image_that_two_rules_flag_is_silenced_by_both_limits_or_by_none() -> None:
    room = [seen(noise=0.25, unsharp=0.35)] * 5 + [seen(noise=0.0)] * 45
    tried = [seen("noise", noise=0.9)] * 10 + [seen("unsharp", unsharp=0.31)] * 10

    limits = learned_limits(room, second_sides(tried, KINDS), KINDS, 0.02)

    assert room[0].is_flagged(limits), "all simulated unsharpness would be lost"
    assert limits.get("unsharp", 0.0) <= 0.31


def test_a_second_side_counts_a_defect_that_any_rule_about_it_finds() -> None:
    kinds = {"noise": frozenset({"noise"}), "unsharp": frozenset({"noise"})}
    (side,) = second_sides([seen("noise", noise=0.9, unsharp=0.9), seen("noise", noise=0.1)], kinds).values()

    assert (side.simulated, len(side.tries)) == (2, 1)
    assert side.found({"noise": 0.95}) == 1
    assert side.found({"noise": 0.95, "unsharp": 0.95}) == 0
    assert side.lost({"noise": 0.95, "unsharp": 0.95}) == 1.0 / MOST_NOISE_LOST
    assert not SecondSide("noise", 0, ()).lost({})


def test_a_defect_is_not_found_by_what_flags_the_image_without_it() -> None:
    """In a room where all is unsharp to the policy it finds nothing; the limit rises to where it tells them apart."""
    room = [seen(unsharp=0.5 + number / 250) for number in range(50)]
    tried = [seen("unsharp", unsharp=0.6 + number / 50, unaltered=room[number]) for number in range(20)]
    (side,) = second_sides(tried, KINDS).values()

    limits = learned_limits(room, {"unsharp": side}, KINDS, 0.02)

    assert (len(side.tries), side.found({})) == (20, 0)
    assert sum(one.is_flagged({}) for one in room) == 50
    assert sum(one.is_flagged(limits) for one in room) <= 5
    assert side.found(limits) >= 16


@given(images, st.floats(0.0, 0.5))
def test_the_budget_is_kept_where_limits_cost_no_defect(room: Sequence[SeenImage], budget: float) -> None:
    kinds = [(kind, name) for name, of in KINDS.items() for kind in of]
    strong = [SeenImage({name: 1.5}, frozenset({name}), False, kind) for kind, name in kinds for _ in range(10)]
    quiet = [one for one in room if not one.always]

    limits = learned_limits(quiet, second_sides(strong, KINDS), KINDS, budget)

    assert sum(one.is_flagged(limits) for one in quiet) <= budget * len(quiet)


@pytest.mark.parametrize(("level", "silenced"), [(0.5, True), (0.95, False)])
def test_a_room_as_noisy_as_its_defects_goes_on_flagging(level: float, silenced: bool) -> None:
    room = [seen(noise=level)] * 50
    defects = [seen("noise", noise=0.6 + number / 50) for number in range(20)]  # up to 0.98

    limits = learned_limits(room, second_sides(defects, KINDS), KINDS, 0.02)

    assert room[0].is_flagged(limits) is not silenced


@pytest.mark.parametrize(
    ("room", "names"),
    [
        ([seen(noise=0.4, unsharp=0.01)] * 30, ("noise",)),
        ([seen(noise=0.1, unsharp=0.01)] * 30, ()),
        ([seen(unsharp=0.2)] * 19, ()),
        ([seen(anomaly=0.6)] * 4 + [seen(anomaly=0.1)] * 26, ("anomaly",)),
        ([seen(anomaly=0.6)] * 3 + [seen(anomaly=0.1)] * 27, ()),
    ],
)
def test_a_room_that_is_bad_as_a_whole_is_told(room: Sequence[SeenImage], names: tuple[str, ...]) -> None:
    assert whole_room(room) == names


def test_what_is_told_stays_until_the_room_is_clearly_better() -> None:
    assert whole_room([seen(noise=0.13)] * 30, ["noise"]) == ("noise",)
    assert whole_room([seen(noise=0.13)] * 30, ["unsharp"]) == ()
    assert whole_room([seen(noise=0.1)] * 30, ["noise"]) == ()


def test_examples_are_the_images_nearest_to_the_median_of_each_that_is_told() -> None:
    room = [seen(noise=0.30 + 0.01 * number, anomaly=0.9 if number % 5 == 0 else 0.1) for number in range(31)]

    assert sorted(typical(room, ["noise", "anomaly"])) == [0, 5, 10, 14, 15, 16]
    assert typical(room, ()) == []
