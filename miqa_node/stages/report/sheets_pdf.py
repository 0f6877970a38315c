"""Writes the sheets of a report as PDF, with the drawings as vectors."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from typing import Any

from reportlab.graphics import shapes
from reportlab.lib import colors
from reportlab.lib.pagesizes import A4
from reportlab.lib.styles import ParagraphStyle
from reportlab.lib.units import mm
from reportlab.platypus import KeepTogether, Paragraph, SimpleDocTemplate, Spacer, Table

from miqa_node.core.drawing import Box, Dot, Drawing, Line, Link, Words
from miqa_node.stages.report.fonts import font_for, marked_up
from miqa_node.stages.report.sheets import Sheet

TEXT, SOFT = colors.HexColor("#17212b"), colors.HexColor("#5a6872")
INKS = {
    "grid": colors.HexColor("#d9dfe2"), "axis": SOFT, "data": colors.HexColor("#0b6168"), "faint": SOFT,
    "band": colors.HexColor("#e3e8ea"), "target": colors.HexColor("#8a5300"), "action": colors.HexColor("#b3261e"),
    "bad": colors.HexColor("#b3261e"), "change": colors.HexColor("#8a5300"), "words": TEXT, "note": SOFT,
}  # fmt: skip
PALE = {**INKS, "faint": colors.HexColor("#aab6bd")}
"""Colours of filled shapes."""
DASHES = {"target": [5, 3], "change": [4, 3], "faint": [2, 2]}
THICK = {"data": 1.4, "target": 1.0, "action": 1.0, "change": 1.2}
HEAD = ParagraphStyle("head", fontName="Helvetica-Bold", fontSize=12.5, leading=16, spaceBefore=10, textColor=TEXT)
TITLE = ParagraphStyle("title", parent=HEAD, fontSize=18, leading=22, spaceBefore=0)
BODY = ParagraphStyle("body", fontName="Helvetica", fontSize=9, leading=12.5, textColor=TEXT)
NOTE = ParagraphStyle("note", parent=BODY, textColor=SOFT)
CELL = ParagraphStyle("cell", parent=BODY, fontSize=8, leading=10)
MARGIN = 18 * mm
PAGE_WIDTH = A4[0] - 2 * MARGIN
FIRST_COLUMN = 0.28
ANCHORS = {"start": "start", "middle": "middle", "end": "end"}


def write_pdf(title: str, subtitle: str, sheets: Sequence[Sheet], pictures: Mapping[str, Drawing]) -> bytes:
    """The report; the same input gives the same pages."""
    buffer = io.BytesIO()
    document = SimpleDocTemplate(
        buffer, pagesize=A4, leftMargin=MARGIN, rightMargin=MARGIN, topMargin=MARGIN, bottomMargin=MARGIN,
        title=title, author="miqa-node", invariant=1,
    )  # fmt: skip
    story: list[Any] = [Paragraph(marked_up(title), TITLE), Paragraph(marked_up(subtitle), NOTE)]
    for sheet in sheets:
        top: list[Any] = [Paragraph(marked_up(sheet.heading), HEAD)]
        top += [Paragraph(marked_up(sentence), BODY) for sentence in sheet.sentences]
        if sheet.picture in pictures:
            top += [Spacer(1, 4), _vectors(pictures[sheet.picture])]
        story.append(KeepTogether(top))
        if len(sheet.rows) > 1:
            story += [Spacer(1, 3), _table(sheet.rows)]

    def foot(canvas: Any, page: Any) -> None:
        font, words = font_for(f"{title} · {subtitle}", "Helvetica")
        canvas.setFont(font, 7.5)
        canvas.setFillColor(SOFT)
        canvas.drawString(MARGIN, 10 * mm, words)
        canvas.setFont("Helvetica", 7.5)
        canvas.drawRightString(A4[0] - MARGIN, 10 * mm, str(page.page))

    document.build(story, onFirstPage=foot, onLaterPages=foot)
    return buffer.getvalue()


def _table(rows: Sequence[Sequence[str]]) -> Table:
    count = len(rows[0])
    widths = [FIRST_COLUMN * PAGE_WIDTH, *[(1 - FIRST_COLUMN) * PAGE_WIDTH / (count - 1)] * (count - 1)]
    cells = [[Paragraph(marked_up(cell), CELL) for cell in row] for row in rows]
    style = [
        ("LINEBELOW", (0, 0), (-1, 0), 0.7, SOFT),
        ("LINEBELOW", (0, 1), (-1, -1), 0.3, INKS["grid"]),
        ("VALIGN", (0, 0), (-1, -1), "TOP"),
        ("TOPPADDING", (0, 0), (-1, -1), 1.5),
        ("BOTTOMPADDING", (0, 0), (-1, -1), 1.5),
        ("LEFTPADDING", (0, 0), (-1, -1), 0),
    ]
    return Table(cells, widths, repeatRows=1, style=style, hAlign="LEFT")


def _vectors(drawing: Drawing) -> Any:
    scale = min(PAGE_WIDTH / drawing.width, 0.72)
    made = shapes.Drawing(drawing.width * scale, drawing.height * scale)
    group = shapes.Group(transform=(scale, 0, 0, scale, 0, 0))
    for shape in drawing.shapes:
        if not isinstance(shape, Link):  # paper opens nothing
            group.add(_vector(shape, drawing.height))
    made.add(group)
    return made


def _vector(shape: Line | Box | Dot | Words, height: float) -> Any:
    """One shape; PDF counts upwards."""
    match shape:
        case Line(points, ink):
            flat = [value for x, y in points for value in (x, height - y)]
            return shapes.PolyLine(
                flat, strokeColor=INKS[ink], strokeWidth=THICK.get(ink, 0.7), strokeDashArray=DASHES.get(ink)
            )
        case Box(x, y, width, tall, ink, _):
            return shapes.Rect(
                x, height - y - max(tall, 0), max(width, 0), max(tall, 0), fillColor=PALE[ink], strokeColor=None
            )
        case Dot(x, y, radius, ink, _):
            return shapes.Circle(x, height - y, radius, fillColor=PALE[ink], strokeColor=None)
        case Words(x, y, text, anchor, ink):
            size = 12.0 if ink == "words" else 11.0
            font, words = font_for(text, "Helvetica")
            return shapes.String(
                x, height - y, words, textAnchor=ANCHORS[anchor], fontSize=size, fillColor=INKS[ink], fontName=font,
            )  # fmt: skip
