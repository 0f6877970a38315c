"""Where times and numbers lie in the frame of a curve."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from math import log10

import pytest

from miqa_node.core.drawing import Box, Drawing
from miqa_node.core.drawing.frame import Frame, round_marks

FIRST = datetime(2026, 3, 1, 8, tzinfo=UTC)
EDGES = (10.0, 110.0, 20.0, 70.0)


def test_first_and_last_lie_at_the_sides_and_numbers_go_by_their_scale() -> None:
    frame = Frame(Drawing(120.0, 90.0, ""), EDGES, FIRST, FIRST + timedelta(days=4), 0.0, 2.0, log10)

    assert [frame.x(FIRST + timedelta(days=day)) for day in (0, 1, 4)] == [10.0, 35.0, 110.0]
    assert [frame.y(number) for number in (1.0, 10.0, 100.0)] == [70.0, 45.0, 20.0]


def test_a_range_without_numbers_between_its_ends_is_seen_if_it_has_a_least_height() -> None:
    frame = Frame(Drawing(120.0, 90.0, ""), EDGES, 0.0, 1.0, 5.0, 5.0)

    for least in (0.0, 1.0):
        frame.band((10.0, 30.0), 5.0, 5.0, least)

    assert [box.height for box in frame.drawing.shapes if isinstance(box, Box)] == [0.0, 1.0]


@pytest.mark.parametrize(
    ("low", "high", "count", "marks"),
    [
        (0.0, 1.0, 5, [0.0, 0.2, 0.4, 0.6, 0.8, 1.0]),
        (-3.0, 7.5, 4, [-5.0, 0.0, 5.0, 10.0]),
        (12.0, 12.0, 5, [10.0, 12.5]),
        (0.0, 0.0, 5, [0.0]),
    ],
)
def test_round_marks_include_both_ends(low: float, high: float, count: int, marks: list[float]) -> None:
    assert round_marks(low, high, count) == marks
