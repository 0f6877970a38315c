"""A room's own limits, from its images alone."""

from __future__ import annotations

from miqa_node.features.limits.learn import SeenImage, learned_limits


def test_what_lies_beyond_all_images_of_a_room_flags_and_none_of_them_does() -> None:
    room = [SeenImage({"noise": 0.5 + number / 500}, frozenset({"noise"}), False) for number in range(50)]

    limits = learned_limits(room, 0.05)

    assert sum(one.is_flagged(limits) for one in room) <= 0.05 * len(room)
    assert SeenImage({"noise": 0.7}, frozenset({"noise"}), False).is_flagged(limits)
