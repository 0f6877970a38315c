"""Text in pixels is found with its kind and place, markings are left alone, and nothing of what it says is kept."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from structlog.testing import capture_logs

from miqa_node.core.domain.assessment import Measurement
from miqa_node.core.domain.image import Radiograph
from miqa_node.core.domain.instance import Header, InstanceDigest
from miqa_node.core.domain.pixel_text import TextImageKind, TextKind, TextLine
from miqa_node.core.domain.ports import Assessor
from miqa_node.core.domain.traits import ImageTraits
from miqa_node.core.settings import load_settings
from miqa_node.dicom.bytes.headers import read_header
from miqa_node.features.operations.command import text_checks
from miqa_node.features.operations.command.text_checks import text_in_pixels
from miqa_node.runtime.store.documents import dump_assessment, load_assessment
from miqa_node.runtime.workers.child import decode_here
from miqa_node.stages.assess.assessor import ImageAssessor
from miqa_node.stages.assess.text import assessor as text_assessor
from miqa_node.stages.assess.text import find
from miqa_node.stages.assess.text.assessor import TextAssessor, with_text
from miqa_node.stages.assess.text.measurand import MOST_PLACES, places
from miqa_node.stages.units.kinds import image_traits
from tests.stages.assess.text.writing import CAPTURE, CR, DATE, LINES, MARKINGS, NAME, NUMBER, picture, write

DIGEST = InstanceDigest("a" * 64)
BLACK_ON_WHITE = slice(250, None)


"""Rows of a picture that the test turns into a negative."""


class Reader:
    """Reads what a test says, or fails."""

    def __init__(self, *lines: Any, error: Exception | None = None) -> None:
        self.lines, self.error = lines, error

    def read(self, _: object, reduction: int = 1) -> Sequence[Any]:
        if self.error is not None:
            raise self.error
        return self.lines


class Line:
    """A line as a recogniser gives it."""

    def __init__(self, text: str, box: tuple[int, int, int, int], certainty: float = 0.99) -> None:
        left, top, right, bottom = box
        self.text, self.certainty = text, certainty
        self.corners = np.array([[left, top], [right, top], [right, bottom], [left, bottom]], np.float32)


def assess(reader: Any, path: Path, sources: Sequence[TextImageKind] = tuple(TextImageKind)) -> Any:
    header, _ = read_header(path)
    radiograph = decode_here(path, 0, 1 << 24)
    one = TextAssessor(sources, lambda: ImageAssessor(None), lambda: reader)
    return one.assess(header, radiograph, DIGEST, image_traits(header)).assessment


def inside(line: TextLine, column: int, row: int) -> bool:
    return line.column <= column + 12 <= line.column + line.width and line.row <= row + 12 <= line.row + line.height


def test_an_image_with_markings_alone_has_no_text(tmp_path: Path) -> None:
    marked = Reader(*(Line(text, (column, row, column + 60, row + 20)) for text, column, row in MARKINGS))
    assessment = assess(marked, write(tmp_path / "image.dcm", picture()))

    assert assessment.text == ()
    assert assessment.measurement("identity_text") == Measurement("identity_text", 0.0, "1")


def test_nothing_that_was_read_is_in_the_record(tmp_path: Path) -> None:
    path = write(tmp_path / "image.dcm", picture(), BurnedInAnnotation="NO")
    with capture_logs() as logs:
        assessment = assess(Reader(Line("SECRETPERSON", (5, 6, 105, 26)), Line("01.02.1934", (0, 40, 60, 52))), path)

    document = json.dumps(dump_assessment(assessment)) + str(logs)
    assert not any(word in document for word in ("SECRET", "1934"))
    assert load_assessment(json.loads(json.dumps(dump_assessment(assessment)))).text == (
        TextLine(TextKind.NAME, 5, 6, 100, 20),
        TextLine(TextKind.DATE, 0, 40, 60, 12),
    )


def test_a_header_that_says_no_text_is_contradicted_with_the_place(tmp_path: Path) -> None:
    reader = Reader(Line("SECRETPERSON", (5, 6, 105, 26)))
    silent = assess(reader, write(tmp_path / "silent.dcm", picture()))
    denied = assess(reader, write(tmp_path / "denied.dcm", picture(), BurnedInAnnotation="NO"))
    clean = assess(Reader(), write(tmp_path / "clean.dcm", picture(), BurnedInAnnotation="NO"))

    assert [issue.name for issue in silent.plausibility] == [issue.name for issue in clean.plausibility] == []
    (issue,) = denied.plausibility
    assert issue.name == "burned_in_contradicted"
    assert "like a name at columns 5–104, rows 6–25" in issue.message


def test_uncertain_lines_are_patterns_of_the_body(tmp_path: Path) -> None:
    path = write(tmp_path / "image.dcm", picture())
    assert assess(Reader(Line("SECRET PERSON", (5, 6, 105, 26), certainty=0.4)), path).text == ()
    assert assess(Reader(Line("SECRETPERSON", (5, 6, 105, 26), certainty=0.7)), path).text == ()
    assert assess(Reader(Line("SECR⊥PERSON", (5, 6, 105, 26), certainty=0.7)), path).text == ()
    assert assess(Reader(Line("SECRET PERSON", (5, 6, 105, 26), certainty=0.7)), path).text != ()
    assert assess(Reader(Line("SECRET^PERSON", (5, 6, 105, 26), certainty=0.7)), path).text != ()


def test_what_lies_tilted_was_laid_there_if_it_is_not_very_certain(tmp_path: Path) -> None:
    def count(certainty: float, *corners: tuple[int, int]) -> int:
        line = Line("SECRETPERSON", (0, 0, 1, 1), certainty)
        line.corners = np.array(corners, np.float32)
        return len(assess(Reader(line), write(tmp_path / "image.dcm", picture())).text)

    tilted = (100, 40), (180, 90), (170, 106), (90, 56)
    assert [count(0.85, *tilted), count(0.95, *tilted)] == [0, 1]
    assert count(0.85, (100, 40), (180, 46), (179, 66), (99, 60)) == 1, "level"
    assert count(0.85, (40, 180), (40, 100), (60, 100), (60, 180)) == 1, "upright, read from below"


def test_a_recogniser_that_fails_costs_nothing_else(tmp_path: Path) -> None:
    path = write(tmp_path / "image.dcm", picture())
    with capture_logs() as logs:
        assessment = assess(Reader(error=ValueError("SECRETPERSON")), path)

    assert assessment.measurement("identity_text") is None
    assert assessment.not_assessed
    (line,) = [one for one in logs if one["event"] == "text in pixels was not searched"]
    assert "SECRET" not in str(line)


def test_places_of_many_lines_are_counted() -> None:
    lines = [TextLine(TextKind.NUMBER, 1, 10 * n, 5, 5) for n in range(MOST_PLACES + 3)]
    assert places(lines).endswith("; 3 more")
    assert places(()) == ""


def headers(tmp_path: Path) -> dict[str, Header]:
    gray, colour = picture(), np.dstack([picture()] * 3)
    files = {
        "ultrasound": write(tmp_path / "us.dcm", gray),
        "capture": write(tmp_path / "sc.dcm", gray, CAPTURE, "OT"),
        "digitised film": write(tmp_path / "film.dcm", gray, CAPTURE, "CR"),
        "radiograph": write(tmp_path / "cr.dcm", gray, CR, "CR"),
        "endoscopy": write(tmp_path / "es.dcm", colour, "1.2.840.10008.5.1.4.1.1.77.1.1", "ES"),
        "slice": write(tmp_path / "ct.dcm", gray, "1.2.840.10008.5.1.4.1.1.2", "CT"),
    }
    return {name: read_header(path)[0] for name, path in files.items()}


def test_what_an_image_is_to_the_search(tmp_path: Path) -> None:
    sources = {name: image_traits(header).text_source for name, header in headers(tmp_path).items()}
    assert sources == {
        "ultrasound": TextImageKind.ULTRASOUND,
        "capture": TextImageKind.CAPTURE,
        "digitised film": TextImageKind.RADIOGRAPH,
        "radiograph": TextImageKind.RADIOGRAPH,
        "endoscopy": TextImageKind.COLOUR,
        "slice": None,
    }


def test_only_the_kinds_of_the_settings_are_searched(tmp_path: Path) -> None:
    def never() -> Any:
        raise AssertionError("opened")

    assert load_settings().text.sources == (TextImageKind.CAPTURE, TextImageKind.ULTRASOUND, TextImageKind.COLOUR)
    path = write(tmp_path / "cr.dcm", picture(), CR, "CR")
    header, _ = read_header(path)
    one = TextAssessor(load_settings().text.sources, lambda: ImageAssessor(None), never)
    result = one.assess(header, decode_here(path, 0, 1 << 24), DIGEST, image_traits(header))
    assert result.assessment.measurement("identity_text") is None
    assert assess(Reader(), path, [TextImageKind.RADIOGRAPH]).measurement("identity_text") is not None


def test_nobody_searches_without_the_extra_or_where_no_kind_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def given() -> Assessor:
        return ImageAssessor(None)

    assert with_text(load_settings(text={"sources": []}), given) is given
    monkeypatch.setattr(text_assessor, "can_read", lambda: False)
    assert with_text(load_settings(), given) is given


def test_colours_reach_the_recogniser_as_displayed() -> None:
    colour = np.zeros((4, 6, 3), np.uint16)
    colour[..., 0] = 65535
    gray = np.full((4, 6), 0x1234, np.uint16)
    one = Radiograph(gray, gray, (0, 65535), None)
    assert find.picture_of(one)[0, 0].tolist() == [0x12] * 3
    assert find.picture_of(replace(one, colour=colour))[0, 0].tolist() == [0, 0, 255]


def test_traits_name_no_source_by_default() -> None:
    assert ImageTraits().text_source is None


def test_doctor_says_what_is_searched_or_what_adds_the_recogniser(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("rapidocr", reason="the extra [text] is not installed")
    assert text_in_pixels(load_settings()).endswith("searched in images of the kinds capture, ultrasound, colour")
    assert text_in_pixels(load_settings(text={"sources": []})).endswith("not searched: text.sources is empty")
    monkeypatch.setattr(text_checks, "can_read", lambda: False)
    assert "pip install 'rapidocr" in text_in_pixels(load_settings())


@pytest.mark.more
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
