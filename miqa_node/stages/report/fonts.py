"""Finds a glyph for each character on pages and pictures: in the program's font, otherwise in a system font.

A character without a glyph is spelled in ASCII, or by its code point, so nothing becomes an empty box.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from html import escape
from itertools import groupby
from pathlib import Path

import reportlab
from PIL import ImageDraw, ImageFont
from reportlab.pdfbase.pdfmetrics import registerFont, stringWidth
from reportlab.pdfbase.ttfonts import TTFError, TTFont
from reportlab.pdfgen.canvas import Canvas

from miqa_node.dicom.bytes.spelling import spelled
from miqa_node.stages.report.right_to_left import as_drawn

PLAIN, BOLD = "Vera", "VeraBd"
OWN_FOLDER = Path(reportlab.__file__).parent / "fonts"
SYSTEM_FONTS = (
    "/usr/share/fonts/truetype/dejavu/DejaVuSans.ttf",
    "/usr/share/fonts/dejavu-sans-fonts/DejaVuSans.ttf",
    "/usr/share/fonts-droid-fallback/truetype/DroidSansFallback.ttf",
    "/usr/share/fonts/truetype/droid/DroidSansFallbackFull.ttf",
    "/usr/share/fonts/truetype/fonts-japanese-gothic.ttf",
    "/usr/share/fonts/truetype/nanum/NanumGothic.ttf",
)
"""TrueType fonts of Linux distributions; the first that has a character is used. Debian's packages fonts-dejavu-core
(Greek, Cyrillic, Arabic, Hebrew) and fonts-droid-fallback (Chinese, Japanese, Korean) are enough."""
SCRIPTS = {
    "Greek": "Ωλ", "Cyrillic": "Яж", "Arabic": "\ufe95\ufee3", "Hebrew": "אש", "Chinese": "病动", "Japanese": "患い",
    "Korean": "환자",
}  # fmt: skip
"""Sample letters of each script; Arabic ones in presentation form."""


@dataclass(frozen=True, slots=True)
class DrawnFont:
    """A font: its name in the PDF, its file, and the code points with glyphs."""

    name: str
    path: Path
    characters: frozenset[int]


@cache
def fonts() -> tuple[DrawnFont, ...]:
    """The program's own font first, then system fonts; all are registered, and embedded if used."""
    registerFont(TTFont(BOLD, str(OWN_FOLDER / f"{BOLD}.ttf")))
    faces = []
    for name, path in ((PLAIN, OWN_FOLDER / f"{PLAIN}.ttf"), *((Path(p).stem, Path(p)) for p in SYSTEM_FONTS)):
        try:
            font = TTFont(name, str(path))
        except (TTFError, OSError):
            continue
        registerFont(font)
        faces.append(DrawnFont(name, path, frozenset(font.face.charToGlyph)))
    return tuple(faces)


def missing_scripts() -> list[str]:
    """Names of scripts without a complete font on this machine; their text is spelled."""
    characters = frozenset[int]().union(*(font.characters for font in fonts()))
    return [name for name, letters in SCRIPTS.items() if not characters.issuperset(map(ord, letters))]


def printable(text: str) -> str:
    """The text in drawing order, with characters missing from all fonts spelled out."""
    return "".join(one if _font_of(one) is not None else spelled(one) for one in as_drawn(text))


def runs(text: str) -> Iterator[tuple[DrawnFont, str]]:
    """(font, part) of a text of :func:`printable`."""
    own = fonts()[0]
    for font, part in groupby(text, lambda one: _font_of(one) or own):
        yield font, "".join(part)


def text_width(text: str, size: float, font: str = PLAIN) -> float:
    """The width of a drawn text, in points."""
    return float(sum(stringWidth(part, _name(one, font), size) for one, part in runs(printable(text))))


def draw_text(canvas: Canvas, left: float, base: float, text: str, size: float, font: str = PLAIN) -> None:
    """Draw a line on a page, each part in a font with its glyphs; ``font`` is PLAIN or BOLD."""
    for one, part in runs(printable(text)):
        canvas.setFont(_name(one, font), size)
        canvas.drawString(left, base, part)
        left += stringWidth(part, _name(one, font), size)


def wrapped(text: str, size: float, width: float) -> Iterator[str]:
    """The text in lines of at most ``width`` points, broken at spaces, or anywhere if there are no spaces."""
    line = ""
    for word in text.split():
        joined = f"{line} {word}".strip()
        if text_width(joined, size) <= width:
            line = joined
            continue
        if line:
            yield line
        line = ""
        for character in word:
            if text_width(line + character, size) > width:
                yield line
                line = ""
            line += character
    if line:
        yield line


def draw_on_picture(
    canvas: ImageDraw.ImageDraw, place: tuple[float, float], text: str, size: int, ink: tuple[int, int, int]
) -> None:
    """Draw a line on a picture; ASCII in Pillow's own font."""
    left, top = place
    for is_ascii, part in groupby(printable(text), str.isascii):
        for font, piece in runs("".join(part)):
            drawn = ImageFont.load_default(size) if is_ascii else _truetype(font.path, size)
            canvas.text((left, top + 0.8 * size), piece, fill=ink, font=drawn, anchor="ls")
            left += drawn.getlength(piece)


def font_for(text: str, usual: str) -> tuple[str, str]:
    """(font, text) to draw a text in one font: the ``usual`` PDF font if sufficient, otherwise one with all glyphs."""
    if _in_win_ansi(text):
        return usual, text
    drawn = printable(text)
    names = (font.name for font in fonts() if font.characters.issuperset(map(ord, drawn)))
    name = next(names, None)
    return (usual, spelled(text)) if name is None else (name, drawn)


def marked_up(text: str) -> str:
    """The text as markup for reportlab's paragraphs, with characters missing from Helvetica in another font."""
    parts = []
    for is_usual, group in groupby(printable(text), _in_win_ansi):
        part = "".join(group)
        parts += (
            [escape(part)] if is_usual else [f'<font name="{font.name}">{escape(p)}</font>' for font, p in runs(part)]
        )
    return "".join(parts)


def _in_win_ansi(text: str) -> bool:
    """Whether the standard PDF fonts have the character."""
    try:
        text.encode("cp1252")
    except UnicodeError:
        return False
    return True


def _name(font: DrawnFont, preference: str) -> str:
    return preference if font.name == PLAIN else font.name


@cache
def _truetype(path: Path, size: int) -> ImageFont.FreeTypeFont:
    """The text is already in drawing order; this turns off any further bidirectional layout."""
    return ImageFont.truetype(path, size, layout_engine=ImageFont.Layout.BASIC)


@cache
def _font_of(character: str) -> DrawnFont | None:
    return next((font for font in fonts() if ord(character) in font.characters), None)
