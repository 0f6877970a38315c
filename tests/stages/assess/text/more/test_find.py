"""Text in pixels is found with its kind and place, markings are left alone, and nothing of what it says is kept."""

from __future__ import annotations

from pathlib import Path

import pytest

from miqa_node.core.domain.pixel_text import TextKind, TextLine
from tests.stages.assess.text.test_find import assess
from tests.stages.assess.text.writing import DATE, LINES, MARKINGS, NAME, NUMBER, picture, write

BLACK_ON_WHITE = slice(250, None)


"""Rows of a picture that the test turns into a negative."""


def inside(line: TextLine, column: int, row: int) -> bool:
    return line.column <= column + 12 <= line.column + line.width and line.row <= row + 12 <= line.row + line.height


def test_lines_are_found_in_their_places_and_markings_are_not(tmp_path: Path) -> None:
    pytest.importorskip("rapidocr", reason="the extra [text] is not installed")
    from miqa_node.stages.assess.text.reader import TextRecogniser

    drawn = picture(*LINES, *MARKINGS)
    drawn[BLACK_ON_WHITE] = 255 - drawn[BLACK_ON_WHITE]

    assessment = assess(TextRecogniser(), write(tmp_path / "image.dcm", drawn))

    assert sorted(line.kind for line in assessment.text) == ["date", "name", "number"]
    for text, column, row in LINES:
        kind = {NAME: TextKind.NAME, DATE: TextKind.DATE, NUMBER: TextKind.NUMBER}[text]
        assert [line.kind for line in assessment.text if inside(line, column, row)] == [kind]
    count = assessment.measurement("identity_text")
    assert count is not None
    assert count.value == 3
    assert f"columns {assessment.text[0].column}–" in count.place
    assert "text" in assessment.timings_ms
