"""What a line of text is taken for: by its characters alone, and without an opinion on whose it is."""

from __future__ import annotations

import pytest

from miqa_node.core.domain.pixel_text import TextKind
from miqa_node.stages.assess.text.kind import kind_of, markings


def listed(words: str) -> tuple[str, ...]:
    """The parts between bars."""
    return tuple(part.strip() for part in words.split("|"))


NAMES = listed(
    """
    DOE^JOHN | Anna Lee | Smith, Ruth | MUELLER HANS | Name: Ruth Park | Wright | Li Wei | 王小明 | Иванова Анна |
    Dr. Boone | HARMON | Ventura | 0LGA NOVAK | Müller | Petrov 12.03.1956
    """
)
DATES = listed(
    """
    03.11.1956 | DOB 03/11/1956 | 1956-11-03 | 19561103 | 12-Mar-1956 | 3 Nov 1956 | 12. März 2019 | 11/03/56 |
    O3/11/1956 | 10:23 | Time 10:23:45 | Mar 12, 2019 | 11/1956
    """
)
NUMBERS = listed(
    """
    4711023 | ID: 4711023 | MRN 12345 | A1234567 | ACC2031447 | 123-45-6789 | 1956 | ID 47I1023 | 20c2018 |
    A1B2C3D4 | ID: A1B2C3D4 | 7F3K29Q | AB12CD34 | 1A2B3C | K9X2M7P4 | P7Q8R9 ERECT | MRN12A3B
    """
)
MARKINGS = listed(
    """
    R | L | D | RT | Left | SIN | R ERECT | PORTABLE | P0RTABLE | PORTABLEAP | SEMIERECT | AP SUPINE | LIEGEND |
    Bettaufnahme | PA | CHEST PA | LAO 30 | 10 cm | 5 | 10 | 0 1 2 3 | 120 kV 2.5 mAs | kVp 120 |
    W: 2048 L: 1024 | W400 L40 | WW 1500 | FOV 256 | 512 x 512 | MI 0.9 | TIs 0.2 | 34 fps | 127/1280 |
    SL 1.25 mm | T: 0.5cm | 045Y | Siemens Healthineers | EI 1523 | S=245 | DAP 12.34 dGycm2 | 12.345 | JFC |
    LDMD | JOE | 0000000 | NOT FOR DIAGNOSTIC USE | 一 | L4L5S1 | TR4500TE90 | SE2IM45 |
    C5-1 | L12-3 | 9L-D | ML6-15-D | S5-1 3D | 512x512x1 | 1x1x1mm | T1W3D | iE33 X5-1 | KV120MA200 | B30F | VB17A |
    3cm3cmM12L
    """
)


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        *((text, TextKind.NAME) for text in NAMES),
        *((text, TextKind.DATE) for text in DATES),
        *((text, TextKind.NUMBER) for text in NUMBERS),
        *((text, None) for text in (*MARKINGS, "")),
    ],
)
def test_the_kind_of_a_line(text: str, kind: TextKind | None) -> None:
    assert kind_of(text) is kind


def test_known_words_are_plain() -> None:
    assert all(word == word.casefold() or "ß" in word for word in markings())
