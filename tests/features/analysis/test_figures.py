"""Figures say what was counted: no bar ends before its share, and no share is written as a power of ten."""

from __future__ import annotations

from itertools import pairwise

import pytest

from miqa_node.core.drawing import Box, Dot, Drawing, Line, Words
from miqa_node.features.analysis.figures import Bar, bars, control_chart, reliability
from miqa_node.libraries.plain_statistics.charts import p_chart
from miqa_node.libraries.plain_statistics.rates import rate


def words(drawing: Drawing) -> list[str]:
    return [shape.text for shape in drawing.shapes if isinstance(shape, Words)]


def test_the_axis_reaches_as_far_as_the_longest_bar_however_few_images_it_stands_for() -> None:
    drawing = bars(
        "By room", [Bar("Thorax", rate(3, 4)), Bar("Hand", rate(1, 30))], [(8.0, "target"), (10.0, "action")]
    )
    long, short = [shape for shape in drawing.shapes if isinstance(shape, Box)]
    marks = [text for text in words(drawing) if text.endswith(" %")]
    assert marks[-1] in ("80 %", "100 %")
    assert long.width / short.width == pytest.approx(75.0 / (100.0 / 30))
    only = bars("By room", [Bar("Thorax", rate(1, 1))])
    assert [text for text in words(only) if text.endswith(" %")][-1] == "100 %"


def test_a_share_of_all_is_written_as_100_percent() -> None:
    drawing = control_chart("Rate", ["1 Nov", "2 Nov"], p_chart([(1, 1), (2, 2)]))
    assert "usual 100 %" in words(drawing)
    assert not any("e+" in text for text in words(drawing))
    usual = next(shape for shape in drawing.shapes if isinstance(shape, Words) and shape.text.startswith("usual"))
    rightmost = max(shape.x for shape in drawing.shapes if isinstance(shape, Dot))
    assert usual.x > rightmost, "words do not lie on the line"


def test_points_of_a_curve_that_stand_for_few_images_are_pale_and_not_joined() -> None:
    drawing = reliability("Curve", [(0.1, rate(1, 20)), (0.5, rate(1, 1)), (0.9, rate(18, 20))])
    assert [shape.ink for shape in drawing.shapes if isinstance(shape, Dot)] == ["data", "faint", "data"]
    [joined] = [shape for shape in drawing.shapes if isinstance(shape, Line) and shape.ink == "data"]
    assert len(joined.points) == 2


def test_shares_that_are_all_zero_have_an_axis() -> None:
    """All flags of every room were dismissed."""
    texts = words(bars("By room", [Bar("Thorax", rate(0, 1))]))
    assert "0.0 % (0 of 1)" in texts
    assert texts.count("0 %") == 1


def test_words_of_the_axis_do_not_meet_beside_long_labels() -> None:
    drawing = bars("Why", [Bar("Ungeeigneter Kontrast oder Verarbeitung der Aufnahme", rate(3, 41))])
    marks = [shape for shape in drawing.shapes if isinstance(shape, Words) and shape.anchor == "middle"]
    assert len(marks) >= 2
    for one, after in pairwise(sorted(marks, key=lambda shape: shape.x)):
        assert after.x - one.x >= 7.0 * len(after.text), "half of each lies between their middles"
