"""Lays out the result of one image on a printed page: verdict, picture, sentences, numbers; fonts are embedded."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image as Pictures
from reportlab.lib.colors import Color, HexColor
from reportlab.lib.pagesizes import A4
from reportlab.lib.units import mm
from reportlab.lib.utils import ImageReader
from reportlab.pdfgen.canvas import Canvas

from miqa_node.core.domain.assessment import Assessment
from miqa_node.core.domain.implementation import MANUFACTURER, STATED_VERSION
from miqa_node.core.domain.shown_number import shown_number
from miqa_node.core.domain.verdict import Disposition, Verdict
from miqa_node.core.language.catalogue import numerals, reworded, say, spoken
from miqa_node.core.words.measurement_codes import measurement_code
from miqa_node.core.words.narrative import narrative
from miqa_node.stages.report.fonts import BOLD, PLAIN, draw_text, fonts, text_width, wrapped
from miqa_node.stages.report.mask import MarkedRegion
from miqa_node.stages.report.picture import Picture, draw_findings, rgb

MARGIN = 18 * mm
PICTURE_HEIGHT = 105 * mm
PICTURE_SIDE_PX = 1200
"""Longer side of the picture on the page: 300 dots per inch of its 105 mm."""
MAX_SENTENCES = 14
MAX_NUMBERS = 18

_INK, _FAINT = HexColor("#1b1f24"), HexColor("#5b6570")
_BAND = {
    Verdict.ACCEPT: HexColor("#1f7a3d"),
    Verdict.REVIEW: HexColor("#9a6700"),
    Verdict.REJECT: HexColor("#b3261e"),
    Verdict.NOT_ASSESSED: HexColor("#4a5a70"),
}


def draw_pdf(
    assessment: Assessment,
    disposition: Disposition,
    display: NDArray[np.uint16],
    regions: Sequence[MarkedRegion],
    language: str,
) -> bytes:
    """The page as PDF, the same bytes for the same arguments; ``display`` and ``regions`` as in ``draw_findings``."""
    with spoken(language):
        fonts()
        out = io.BytesIO()
        canvas = Canvas(out, pagesize=A4, invariant=1, pageCompression=1, lang=language, initialFontName=PLAIN)
        canvas.setTitle(say("Image quality report"))
        canvas.setAuthor(f"{MANUFACTURER} {STATED_VERSION.get()}")
        width, height = A4
        top = _band(canvas, assessment, disposition, height)
        top = _picture(canvas, draw_findings(display, regions), top)
        top = _legend(canvas, regions, top)
        top = _sentences(canvas, narrative(assessment, disposition, language), top, width)
        _numbers(canvas, assessment, top, width)
        _foot(canvas, assessment, disposition, width)
        canvas.showPage()
        canvas.save()
        return out.getvalue()


def _band(canvas: Canvas, assessment: Assessment, disposition: Disposition, height: float) -> float:
    band = 16 * mm
    canvas.setFillColor(_BAND[disposition.verdict])
    canvas.rect(0, height - band, A4[0], band, stroke=0, fill=1)
    canvas.setFillColor(HexColor("#ffffff"))
    canvas.setFont(BOLD, 15)
    canvas.drawString(MARGIN, height - 10.5 * mm, say("Image quality: {verdict}", verdict=disposition.verdict))
    if assessment.score is not None:
        rating = say("{score} of 100", score=f"{assessment.score:.0f}")
        canvas.drawRightString(A4[0] - MARGIN, height - 10.5 * mm, rating)
    return float(height - band - 6 * mm)


def _picture(canvas: Canvas, picture: Picture, top: float) -> float:
    image = Pictures.fromarray(picture)
    image.thumbnail((PICTURE_SIDE_PX, PICTURE_SIDE_PX))
    shown = io.BytesIO()
    image.save(shown, "JPEG", quality=90)
    shown.seek(0)
    widest = A4[0] - 2 * MARGIN
    scale = min(PICTURE_HEIGHT / image.height, widest / image.width)
    size = (image.width * scale, image.height * scale)
    canvas.drawImage(ImageReader(shown), (A4[0] - size[0]) / 2, top - size[1], *size)
    return float(top - size[1] - 7 * mm)


def _legend(canvas: Canvas, regions: Sequence[MarkedRegion], top: float) -> float:
    left = MARGIN
    for title, subject in ((title, region.subject) for region in regions for title in region.titles):
        text = f"{reworded(title)}: {reworded(subject.where)}"
        canvas.setFillColor(Color(*(value / 255.0 for value in rgb(subject.colour))))
        canvas.rect(left, top, 3 * mm, 3 * mm, stroke=0, fill=1)
        canvas.setFillColor(_FAINT)
        draw_text(canvas, left + 4.5 * mm, top + 0.5 * mm, text, 8)
        left += 10 * mm + text_width(text, 8)
        if left > A4[0] - 2 * MARGIN:
            left, top = MARGIN, top - 4.5 * mm
    return float(top - 7 * mm)


def _sentences(canvas: Canvas, sentences: Sequence[str], top: float, width: float) -> float:
    canvas.setFillColor(_INK)
    for line in _wrapped(sentences[:MAX_SENTENCES], 10, width - 2 * MARGIN):
        if top < 70 * mm:
            break
        draw_text(canvas, MARGIN, top, line, 10)
        top -= 4.8 * mm
    return float(top - 3 * mm)


def _numbers(canvas: Canvas, assessment: Assessment, top: float, width: float) -> None:
    """Two columns of measurements, as many as fit; the report has all of them."""
    column = (width - 2 * MARGIN) / 2
    canvas.setFont(BOLD, 8)
    canvas.setFillColor(_FAINT)
    if assessment.measurements and top > 35 * mm:
        canvas.drawString(MARGIN, top, say("Measurements"))
    rows = int(max(0.0, top - 32 * mm) // (4.2 * mm))
    shown = assessment.measurements[: min(MAX_NUMBERS, 2 * rows)]
    for n, measurement in enumerate(shown):
        row, side = n % rows, n // rows
        left, base = MARGIN + side * column, top - (row + 1) * 4.2 * mm
        unit = "" if measurement.unit == "1" else f" {measurement.unit}"
        canvas.setFillColor(_INK)
        draw_text(canvas, left, base, reworded(measurement_code(measurement.name).meaning), 8)
        canvas.setFont(PLAIN, 8)
        value = numerals(shown_number(measurement.name, measurement.value))
        canvas.drawRightString(left + column - 6 * mm, base, f"{value}{unit}")


def _foot(canvas: Canvas, assessment: Assessment, disposition: Disposition, width: float) -> None:
    model = f"{assessment.model.name} {assessment.model.version}" if assessment.model else say("no model")
    policy = say("policy {version}", version=disposition.policy_version)
    made = f"{MANUFACTURER} {STATED_VERSION.get()}, {model}, {policy}"
    lines = [made, *([disposition.certificate] if disposition.certificate else [])]
    lines.append(say("Decision support only, not for diagnosis. The DICOM object names the patient."))
    canvas.setFillColor(_FAINT)
    base = 10 * mm
    for line in reversed(list(_wrapped(lines, 7.5, width - 2 * MARGIN))[:5]):
        draw_text(canvas, MARGIN, base, line, 7.5)
        base += 3.6 * mm


def _wrapped(texts: Sequence[str], size: float, width: float) -> Iterator[str]:
    for text in texts:
        yield from wrapped(text, size, width)
