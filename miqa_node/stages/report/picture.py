"""Draws the judged image with its findings as a picture for people: heat maps, outlines, and the verdict below."""

from __future__ import annotations

import textwrap
import unicodedata
from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from miqa_node.core.domain.verdict import Disposition, Verdict
from miqa_node.stages.report.fonts import draw_on_picture
from miqa_node.stages.report.mask import MarkedRegion, spread_map
from miqa_node.stages.report.text import typed_text

MAX_SIDE = 2048
"""Longer side, in pixels, of the image in a picture: enough to read, and a tenth of the size of a large radiograph."""
MIN_SIDE = 768
"""Smaller images are enlarged to this, so that the text below is legible."""
HEAT_OPACITY = 0.45
MAX_REASONS = 4
NOTICE = "Quality check by miqa-node. Decision support only, not for diagnosis."

Picture = NDArray[np.uint8]

_BACKGROUND, _INK, _FAINT = (16, 18, 22), (236, 238, 240), (160, 166, 174)
_VERDICT_INK = {
    Verdict.ACCEPT: (98, 200, 120),
    Verdict.REVIEW: (245, 190, 70),
    Verdict.REJECT: (242, 100, 90),
    Verdict.NOT_ASSESSED: (150, 170, 200),
}


def draw_findings(display: NDArray[np.uint16], regions: Sequence[MarkedRegion]) -> Picture:
    """The image in RGB, uint8 (rows, columns, 3), with each region's heat map in its colour and its outline.

    ``display``: presentation values, 0 black to 65,535 white. The result is scaled so that its longer side is between
    ``MIN_SIDE`` and ``MAX_SIDE``.
    """
    longer = max(display.shape)
    scale = min(1.0, MAX_SIDE / longer) if longer > MIN_SIDE else MIN_SIDE / longer
    columns, rows = max(1, round(display.shape[1] * scale)), max(1, round(display.shape[0] * scale))
    method = cv2.INTER_AREA if scale < 1.0 else cv2.INTER_LINEAR
    gray = (cv2.resize(display, (columns, rows), interpolation=method).astype(np.uint16, copy=False) >> 8).astype(
        np.uint8
    )
    picture = np.repeat(gray[..., np.newaxis], 3, axis=2)
    for region in regions:
        colour = rgb(region.subject.colour)
        heat = spread_map(region.values, (rows, columns))[..., np.newaxis] * np.float32(HEAT_OPACITY)
        picture = np.rint(picture * (1.0 - heat) + np.array(colour, np.float32) * heat).astype(np.uint8)
    thickness = max(1, round(max(rows, columns) / 500))
    for region in regions:
        for outline in region.outlines:
            points = np.rint(outline * scale).astype(np.int32).reshape(-1, 1, 2)
            cv2.polylines(picture, [points], True, rgb(region.subject.colour), thickness, cv2.LINE_AA)
    return picture


def draw_page(
    display: NDArray[np.uint16], regions: Sequence[MarkedRegion], disposition: Disposition, score: float | None
) -> Picture:
    """The picture of :func:`draw_findings` with a strip below it: verdict, reasons, colour legend, notice.

    The text is below the image and hides nothing. It does not identify the patient.
    """
    image = draw_findings(display, regions)
    width = image.shape[1]
    size = max(14, round(max(image.shape[:2]) / 60))
    lines = _lines(regions, disposition, score, max(20, int(width / (size * 0.55)) - 2))
    strip = Image.new("RGB", (width, round(size * 1.4 * len(lines) + size)), _BACKGROUND)
    canvas = ImageDraw.Draw(strip)
    for row, (text, ink, dot) in enumerate(lines):
        top = round(size * (0.5 + 1.4 * row))
        left = size
        if dot is not None:
            canvas.rectangle((left, top + size * 0.2, left + size * 0.8, top + size), fill=dot)
            left += round(1.4 * size)
        draw_on_picture(canvas, (left, top), text, size, ink)
    return np.concatenate([image, np.asarray(strip, dtype=np.uint8)])


def rgb(cielab: tuple[float, float, float]) -> tuple[int, int, int]:
    """A CIELab colour (D65, as in OpenCV) as 8-bit sRGB."""
    lightness, a, b = cielab
    pixel = cv2.cvtColor(np.array([[[lightness, a, b]]], np.float32), cv2.COLOR_LAB2RGB)[0, 0]
    red, green, blue = (round(255.0 * float(min(max(v, 0.0), 1.0))) for v in pixel)
    return red, green, blue


_Line = tuple[str, tuple[int, int, int], tuple[int, int, int] | None]


def _lines(regions: Sequence[MarkedRegion], disposition: Disposition, score: float | None, width: int) -> list[_Line]:
    rating = "" if score is None else f", image quality {score:.0f} of 100"
    lines: list[_Line] = [(f"{disposition.verdict}{rating}", _VERDICT_INK[disposition.verdict], None)]
    for reason in disposition.reasons[:MAX_REASONS]:
        lines += [(part, _INK, None) for part in _in_lines(typed_text(reason.text), width)[:2]]
    if len(disposition.reasons) > MAX_REASONS:
        lines.append((f"and {len(disposition.reasons) - MAX_REASONS} more; see the report", _FAINT, None))
    for title, subject in ((title, region.subject) for region in regions for title in region.titles):
        line = f"{title}: {subject.where}"
        lines += [(part, _INK, rgb(subject.colour)) for part in _in_lines(line, width)[:1]]
    lines += [(part, _FAINT, None) for part in textwrap.wrap(NOTICE, width)]
    return lines


def _in_lines(text: str, width: int) -> list[str]:
    """Lines of a maximum number of characters; East Asian characters count twice."""
    is_wide = any(unicodedata.east_asian_width(one) in "WF" for one in text)
    return textwrap.wrap(text, width // 2 if is_wide else width)
