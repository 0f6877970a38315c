"""The number of lines in the pixels that may say who the patient is, with their places."""

from __future__ import annotations

from collections.abc import Sequence
from typing import assert_never

from miqa_node.core.domain.measurand import Measurand
from miqa_node.core.domain.pixel_text import TextKind, TextLine
from miqa_node.core.language.phrase import Phrase, joined

MOST_PLACES = 5
"""Lines whose places are said in words; the record has all."""
IDENTITY_TEXT = Measurand(
    name="identity_text",
    unit="1",
    report_unit="{lines}",
    label="Lines of text in the pixels that may identify",
    code="IDENTITY_TEXT",
    summary="Lines of text in the pixels that look like a name, a date, a time or a number of somebody.",
    definition="Lines that the recogniser of the extra `text` reads in the image as displayed, without markings such "
    "as side letters; 0 if there are none. [Text in the pixels](text-in-pixels.md) says what counts.",
    validity="Kinds of images that `text.sources` names; needs the extra `text`. The name of a hospital, or a marking "
    "in an unknown language, counts as a name.",
    tolerance="Of drawn lines .96 to 1.0 are found; one radiograph in 72 without any was called "
    "([trial](text-in-pixels.md#on-what-it-was-tried)).",
    section="Text in the pixels",
    rank=400,
    concern="Whoever sees the image may learn from it who the patient is.",
)


def places(lines: Sequence[TextLine]) -> str:
    """Kinds and places in words, as columns and rows of the stored image; empty without lines."""
    if not lines:
        return ""
    phrases = [_place(line) for line in lines[:MOST_PLACES]]
    if more := len(lines) - len(phrases):
        phrases.append(Phrase("{more} more", more=more))
    return joined("; ", phrases)


def _place(line: TextLine) -> Phrase:
    columns = f"{line.column}–{line.column + line.width - 1}"
    rows = f"{line.row}–{line.row + line.height - 1}"
    match line.kind:
        case TextKind.NAME:
            return Phrase("like a name at columns {columns}, rows {rows}", columns=columns, rows=rows)
        case TextKind.DATE:
            return Phrase("like a date or time at columns {columns}, rows {rows}", columns=columns, rows=rows)
        case TextKind.NUMBER:
            return Phrase("like somebody's number at columns {columns}, rows {rows}", columns=columns, rows=rows)
        case never:
            assert_never(never)
