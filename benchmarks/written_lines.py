"""How many written names, dates and numbers count as identity, and how many markings do: as characters, and as drawn.

    python -m benchmarks.written_lines [--font FILE …] [--height 28]

Each line of ``written_lines.txt`` is judged by its characters, then drawn alone into noise, in each font and in
Hershey, and read there as `miqa-node deidentify` reads it.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from benchmarks.machine import describe, keep
from miqa_node.stages.assess.text.kind import kind_of
from miqa_node.stages.assess.text.reader import TextRecogniser
from miqa_training.deidentify.pixels import lines_of

FILE = Path(__file__).with_suffix(".txt")
SIDES = (240, 900)
Draw = Callable[[str], NDArray[np.uint8]]


def main() -> None:
    """Judge, draw, read, count and keep the result."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("--font", type=Path, action="append", default=[])
    parser.add_argument("--height", type=int, default=28)
    options, machine, reader = parser.parse_args(), describe(), TextRecogniser()
    fonts: Mapping[str, Draw] = {
        "Hershey": partial(_hershey, height=options.height),
        **{font.stem: partial(_drawn, font=font, height=options.height) for font in options.font},
    }
    figures: dict[str, dict[str, float]] = {}
    for heading, lines in sections().items():
        figures[heading] = {"characters": share(lines, lambda line: kind_of(line) is not None)}
        for name, draw in fonts.items():
            drawable = [line for line in lines if name != "Hershey" or line.isascii()]
            figures[heading][name] = share(drawable, partial(_is_called, draw, reader))
    keep("written_lines", machine, {"height_px": options.height, "called": figures})


def sections() -> dict[str, list[str]]:
    """The lines by their headings."""
    headings: dict[str, list[str]] = {}
    for line in filter(None, FILE.read_text("utf-8").splitlines()[1:]):
        if line.startswith("# "):
            lines = headings.setdefault(line.removeprefix("# "), [])
        else:
            lines.append(line)
    return headings


def share(lines: Sequence[str], is_called: Callable[[str], bool]) -> float:
    """The share of the lines that are called identity."""
    return round(sum(map(is_called, lines)) / len(lines), 3)


def _is_called(draw: Draw, reader: TextRecogniser, line: str) -> bool:
    return bool(lines_of(draw(line), (), reader))


def _noise() -> NDArray[np.uint8]:
    return np.random.default_rng(0).integers(0, 40, SIDES).astype(np.uint8)


def _hershey(text: str, height: int) -> NDArray[np.uint8]:
    picture = _noise()
    cv2.putText(picture, text, (40, 90), cv2.FONT_HERSHEY_DUPLEX, height / 30, 235, 1, cv2.LINE_AA)
    return np.dstack([picture] * 3)


def _drawn(text: str, font: Path, height: int) -> NDArray[np.uint8]:
    canvas = Image.fromarray(_noise())
    ImageDraw.Draw(canvas).text((40, 60), text, font=ImageFont.truetype(str(font), height), fill=235)
    return np.dstack([np.asarray(canvas)] * 3)


if __name__ == "__main__":
    main()
