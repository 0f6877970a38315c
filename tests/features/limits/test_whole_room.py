"""A room that is bad as a whole is told as a room."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from miqa_node.features.limits.learn import SeenImage
from miqa_node.features.limits.whole_room import typical, whole_room

ANOMALY = 0.5


def seen(**degrees: float) -> SeenImage:
    """An image with these degrees, unusual from here on."""
    return SeenImage(
        degrees, frozenset(name for name, of in degrees.items() if name == "anomaly" and of >= ANOMALY), False
    )


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
