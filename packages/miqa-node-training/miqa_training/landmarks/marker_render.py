"""Draws side markers and other inscriptions into radiographs, as lead letters, plates and printed words look."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from pathlib import Path

import cv2
import matplotlib as mpl
import numpy as np
from numpy.typing import NDArray
from PIL import Image as PilImage
from PIL import ImageDraw, ImageFont

from miqa_training.degrade import Image

FONTS = (
    "DejaVuSans.ttf", "DejaVuSans-Bold.ttf", "DejaVuSans-Oblique.ttf", "DejaVuSans-BoldOblique.ttf",
    "DejaVuSansMono.ttf", "DejaVuSansMono-Bold.ttf", "DejaVuSerif.ttf", "DejaVuSerif-Bold.ttf",
    "DejaVuSerif-BoldItalic.ttf", "STIXGeneral.ttf", "STIXGeneralBol.ttf", "STIXGeneralBolIta.ttf", "cmss10.ttf",
    "cmb10.ttf", "cmtt10.ttf",
)  # fmt: skip
"""Fonts that come with matplotlib."""
OTHER_LETTERS = "ABCEFGHIKMNOPQSTUWXYZ1234568"
"""Single letters that name no side here."""
WORDS = ("AP", "PA", "PORTABLE", "SUPINE", "ERECT", "UPRIGHT", "MOBILE", "SITTING", "DECUB", "BED", "ICU", "STAT")
CIRCLED_SHARE, SLANTED_SHARE = 0.5, 0.3
"""Consoles often print a slanted letter in a circle."""
DRAWN_PX = 96
"""Height of a letter before it is scaled into the image."""
Glyph = NDArray[np.float32]
"""Ink (rows, columns), 0 to 1."""


def side_marker(letter: str, rng: np.random.Generator) -> tuple[Glyph, Glyph]:
    """Ink of a marker with the letter in its centre, and its plate, both (n, n) of 0 to 1."""
    side = 3 * DRAWN_PX
    font = _font(str(rng.choice(FONTS)), DRAWN_PX)
    ink = PilImage.new("L", (side, side))
    draw = ImageDraw.Draw(ink)
    stroke = int(rng.choice((0, 0, 3, 6)))
    _centred(draw, letter, (side / 2, side / 2), font, stroke)
    if rng.uniform() < SLANTED_SHARE:
        ink = _slanted(ink, rng.uniform(0.1, 0.4))
        draw = ImageDraw.Draw(ink)
    plate = PilImage.new("L", (side, side))
    kind = rng.uniform()
    if kind < CIRCLED_SHARE:
        radius = DRAWN_PX * rng.uniform(0.75, 1.1)
        box = [side / 2 - radius, side / 2 - radius, side / 2 + radius, side / 2 + radius]
        draw.ellipse(box, outline=255, width=int(rng.uniform(3, 9)))
        if rng.uniform() < 0.5:
            ImageDraw.Draw(plate).ellipse(box, fill=255)
    elif kind < 0.75:
        wide, high = DRAWN_PX * rng.uniform(0.45, 0.8), DRAWN_PX * rng.uniform(0.6, 1.2)
        box = [side / 2 - wide, side / 2 - high, side / 2 + wide, side / 2 + high]
        ImageDraw.Draw(plate).rounded_rectangle(box, radius=rng.uniform(0, 0.4) * DRAWN_PX, fill=255)
    if rng.uniform() < 0.4:
        initials = "".join(rng.choice(list("ABCDEFGHJKLMNOPRSTVW"), int(rng.integers(1, 4))))
        small = _font(str(rng.choice(FONTS)), int(DRAWN_PX * rng.uniform(0.4, 0.8)))
        below = rng.uniform() < 0.8
        place = (side / 2, side / 2 + DRAWN_PX * 0.95) if below else (side / 2 + DRAWN_PX * 0.9, side / 2)
        _centred(draw, initials, place, small, stroke // 2)
    return _as_glyph(ink), _as_glyph(plate)


def inscription(rng: np.random.Generator) -> tuple[Glyph, Glyph]:
    """Ink of a word, another letter, an arrow, a disc or a bar, and an empty plate, both (n, n)."""
    side = 4 * DRAWN_PX
    ink = PilImage.new("L", (side, side))
    draw = ImageDraw.Draw(ink)
    kind = rng.uniform()
    middle = (side / 2, side / 2)
    font = _font(str(rng.choice(FONTS)), DRAWN_PX)
    if kind < 0.35:
        _centred(draw, str(rng.choice(WORDS)), middle, _font(str(rng.choice(FONTS)), int(rng.uniform(40, 80))), 0)
    elif kind < 0.75:
        _centred(draw, str(rng.choice(list(OTHER_LETTERS))), middle, font, int(rng.choice((0, 3))))
        if rng.uniform() < 0.4:
            radius = DRAWN_PX * rng.uniform(0.75, 1.1)
            box = [middle[0] - radius, middle[1] - radius, middle[0] + radius, middle[1] + radius]
            draw.ellipse(box, outline=255, width=int(rng.uniform(3, 9)))
    elif kind < 0.85:
        draw.line([middle[0], side * 0.3, middle[0], side * 0.7], fill=255, width=int(rng.uniform(10, 40)))
        draw.polygon([(middle[0], side * 0.2), (side * 0.38, side * 0.45), (side * 0.62, side * 0.45)], fill=255)
    elif kind < 0.93:
        wide, high = rng.uniform(20, 80, 2)
        draw.ellipse([middle[0] - wide, middle[1] - high, middle[0] + wide, middle[1] + high], fill=255)
    else:
        wide, high = rng.uniform(5, 90, 2)
        draw.rectangle([middle[0] - wide, middle[1] - high, middle[0] + wide, middle[1] + high], fill=255)
    return _as_glyph(ink), np.zeros((side, side), np.float32)


def paste(
    image: Image, glyph: tuple[Glyph, Glyph], centre: tuple[float, float], height_px: float, angle_deg: float,
    rng: np.random.Generator, *, mirrored: bool,
) -> None:  # fmt: skip
    """Draw a glyph into the image (in place): its middle at ``centre`` (x, y), its letter ``height_px`` high."""
    ink, plate = glyph
    middle = len(ink) / 2
    scale = height_px / (0.73 * DRAWN_PX)  # capital letters are as high as .73 of a font's size
    matrix = cv2.getRotationMatrix2D((middle, middle), angle_deg, scale)
    if mirrored:
        matrix = matrix @ np.array([[-1.0, 0.0, 2 * middle], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]])
    reach = int(np.ceil(middle * scale * 1.5))
    matrix[:, 2] = matrix[:, 2] + (reach - middle)
    size = (2 * reach, 2 * reach)
    soft = 0.45 / max(scale, 1e-3)  # against aliasing: letters shrink by up to ten times
    moved = [
        cv2.warpAffine(cv2.GaussianBlur(one, (0, 0), soft) if scale < 1 else one, matrix, size) for one in (ink, plate)
    ]
    x, y = round(centre[0]) - reach, round(centre[1]) - reach
    rows = slice(max(0, y), min(len(image), y + 2 * reach))
    columns = slice(max(0, x), min(image.shape[1], x + 2 * reach))
    if rows.start >= rows.stop or columns.start >= columns.stop:
        return
    part = tuple(slice(place.start - first, place.stop - first) for place, first in ((rows, y), (columns, x)))
    tone, share = rng.uniform(0.0, 0.9), rng.uniform(0.3, 1.0)
    _blend(image, (rows, columns), moved[1][part] * np.float32(share), tone)
    white, strength = rng.uniform(0.85, 1.0), rng.uniform(0.55, 1.0)
    if moved[1][part].any() and tone > 0.7 and rng.uniform() < 0.7:
        white = rng.uniform(0.0, 0.4)  # a letter cut out of a bright plate
    _blend(image, (rows, columns), moved[0][part] * np.float32(strength), white)


def _blend(image: Image, place: tuple[slice, slice], share: Glyph, tone: float) -> None:
    """Move that part of the image (in place) towards a tone, by a share of each pixel."""
    image[place] = image[place] + share * (np.float32(tone) - image[place])


def _centred(
    draw: ImageDraw.ImageDraw, text: str, place: Sequence[float], font: ImageFont.FreeTypeFont, stroke: int
) -> None:
    draw.text((place[0], place[1]), text, fill=255, font=font, anchor="mm", stroke_width=stroke, stroke_fill=255)


def _slanted(picture: PilImage.Image, share: float) -> PilImage.Image:
    """The letter leaning to the right, by a share of its height; its middle stays."""
    shift = share * picture.height / 2
    return picture.transform(picture.size, PilImage.Transform.AFFINE, (1, share, -shift, 0, 1, 0))


def _as_glyph(picture: PilImage.Image) -> Glyph:
    return np.asarray(picture, np.float32) / np.float32(255)


@cache
def _font(name: str, size: int) -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(str(Path(mpl.get_data_path()) / "fonts" / "ttf" / name), size)
