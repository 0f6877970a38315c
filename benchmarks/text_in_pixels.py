"""How much rendered text is found in images of each kind, how many images are called without it, and what it costs.

    python -m benchmarks.text_in_pixels --data DIR --font FILE --font FILE … [--images 40] [--heights 14 22 36]

Into each image a name, a date and a number are drawn, in fonts, heights, polarities and places by chance, and the
picture is left as it is or stored as JPEG of quality 92 or 80. A line is found if the lines that the node calls cover
half of its box. Before that the image itself is searched: what is called there are its own markings, or text that
really stands in it. Hershey, the font of many older devices, is always among the fonts.
"""

from __future__ import annotations

import argparse
import random
import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from pathlib import Path
from resource import RUSAGE_SELF, getrusage
from typing import Any

import cv2
import data_store
import numpy as np
import pydicom
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from benchmarks.machine import describe, keep, quantiles
from miqa_node.core.domain.image import Radiograph
from miqa_node.core.domain.pixel_text import TextLine
from miqa_node.dicom.pixels.picture import read_picture
from miqa_node.errors import MiqaError
from miqa_node.runtime.workers.child import decode_here
from miqa_node.stages.assess.text.find import find_text
from miqa_node.stages.assess.text.reader import TextRecogniser

PUBLIC = Path(data_store.__file__).parent / "data"
TESTS = Path(pydicom.__file__).parent / "data" / "test_files"
ULTRASOUND = ("US1_UNCR.dcm", "gdcm-US-ALOKA-16.dcm", "color-pl.dcm", "color3d_jpeg_baseline.dcm")
ULTRASOUND_TESTS = ("examples_palette.dcm", "examples_rgb_color.dcm", "examples_ybr_color.dcm")
HERSHEY = "Hershey"
QUALITIES = (None, None, 92, 80)
FIRST_NAMES = (
    *("Anna", "Erik", "Maria", "Jun", "Olga", "Peter", "Ivan", "Fatima"),
    *("Chloe", "Mehmet", "Liam", "Wei", "Omar"),
)
LAST_NAMES = (
    *("Smith", "Novak", "Garcia", "Mueller", "Tanaka", "Rossi", "Nguyen"),
    *("Dubois", "Haddad", "Okafor", "Petrov", "Park"),
)
LEAST_CONTRAST = 70
"""Of text against the mean of what it is drawn on; with less it gets a plain background, as devices give it."""
PLACES_TRIED = 60


@dataclass(frozen=True, slots=True)
class Rendering:
    """One drawn line: what it is, how it was drawn, and its box as column, row, width and height."""

    kind: str
    font: str
    height: int
    is_white: bool
    box: tuple[int, int, int, int]


def main() -> None:
    """Render, search, count and keep the result."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--font", type=Path, action="append", default=[])
    parser.add_argument("--images", type=int, default=40)
    parser.add_argument("--heights", type=int, nargs="+", default=[14, 22, 36])
    parser.add_argument("--kinds", nargs="+", default=["chest", "other_parts", "slices", "ultrasound", "photographs"])
    parser.add_argument("--seed", type=int, default=0)
    options, machine = parser.parse_args(), describe()
    chance, reader = random.Random(options.seed), TextRecogniser()
    rows = {
        kind: _row(chosen(paths(kind, options.data), options.images, chance), options, chance, reader)
        for kind in options.kinds
    }
    fonts, peak_mib = [*(font.stem for font in options.font), HERSHEY], getrusage(RUSAGE_SELF).ru_maxrss >> 10
    keep(
        "text_in_pixels", machine, {"fonts": fonts, "heights_px": options.heights, "kinds": rows, "peak_mib": peak_mib}
    )


def paths(kind: str, data: Path) -> list[Path]:
    """Images of a kind, in order."""
    folders = {
        "chest": [*data.glob("cxr_eval/*.jpg"), *data.glob("cxr_eval/*.png"), *data.glob("cxr_boxes/*.jpg")],
        "other_parts": [*data.glob("parts_train/images/*"), *data.glob("other_parts/*.jpg")],
        "slices": [*data.glob("series/ct_body*/*"), *data.glob("series/mr_*/*")],
        "photographs": [*data.glob("derm/*/*/*.jpg")],
    }
    if kind == "ultrasound":
        own = [*(PUBLIC / name for name in ULTRASOUND), *(TESTS / name for name in ULTRASOUND_TESTS)]
        return [*sorted(data.glob("series/us_*/*")), *sorted(data.glob("series/pt_rgb*/*")), *own]
    return sorted(folders[kind])


def chosen(files: Sequence[Path], most: int, chance: random.Random) -> list[Path]:
    """Some of the files by chance; few files are taken several times, with other text each time."""
    rounds = max(1, -(-most // max(1, len(files)))) if len(files) < most else 1
    return chance.sample(list(files) * rounds, min(most, len(files) * rounds))


def _row(
    files: Sequence[Path], options: argparse.Namespace, chance: random.Random, reader: TextRecogniser
) -> dict[str, Any]:
    results: dict[str, list[bool]] = defaultdict(list)
    called, images, seconds = set[Path](), set[Path](), list[float]()
    for file in files:
        try:
            radiograph = _decoded(file)
        except MiqaError:
            continue
        images.add(file)
        own, took = _timed(radiograph, reader)
        seconds.append(took)
        if own:
            called.add(file)
        picture, renderings = rendered(radiograph, own, options, chance)
        lines, _ = _timed(picture, reader)
        for one in renderings:
            is_found = covered(one.box, lines) >= 0.5
            for group in ("all", one.kind, one.font, f"{one.height} px", "white" if one.is_white else "black"):
                results[group].append(is_found)
    return {
        "images": len(images),
        "called_without_rendered_text": len(called),
        "lines": len(results["all"]),
        "found": {group: round(sum(those) / len(those), 3) for group, those in results.items()},
        "processor": quantiles(seconds),
    }


def _timed(radiograph: Radiograph, reader: TextRecogniser) -> tuple[Sequence[TextLine], float]:
    started = time.process_time()
    return find_text(radiograph, reader), time.process_time() - started


def _decoded(file: Path) -> Radiograph:
    if file.suffix in (".jpg", ".png"):
        return read_picture(file, modality="DX", body_part="", view="")[1]
    frames = int(pydicom.dcmread(file, stop_before_pixels=True).get("NumberOfFrames") or 1)
    return decode_here(file, frames // 2, 1 << 28)


def covered(box: tuple[int, int, int, int], lines: Sequence[TextLine]) -> float:
    """The share of a box that lies in some line."""
    column, row, width, height = box
    inside = np.zeros((height, width), bool)
    for line in lines:
        top, left = line.row - row, line.column - column
        inside[max(0, top) : max(0, top + line.height), max(0, left) : max(0, left + line.width)] = True
    return float(inside.mean())


def rendered(
    radiograph: Radiograph, own: Sequence[TextLine], options: argparse.Namespace, chance: random.Random
) -> tuple[Radiograph, list[Rendering]]:
    """The image with a name, a date and a number, and what was drawn; too small images get fewer."""
    colour = radiograph.colour if radiograph.colour is not None else radiograph.display
    picture = np.array(colour >> 8, np.uint8)
    boxes = [(one.column, one.row, one.width, one.height) for one in own]
    renderings = []
    for kind, text in (("name", _name(chance)), ("date", _date(chance)), ("number", _number(chance))):
        font, height, is_white = (
            chance.choice([*options.font, HERSHEY]),
            chance.choice(options.heights),
            chance.random() < 0.5,
        )
        letters = drawn(text, font, height)
        place = _place(picture.shape[:2], letters.shape, boxes, chance)
        if place is None:
            continue
        box = (*place, letters.shape[1], letters.shape[0])
        _lay(picture[place[1] : place[1] + box[3], place[0] : place[0] + box[2]], letters, 255 if is_white else 0)
        boxes.append((box[0] - 4, box[1] - 4, box[2] + 8, box[3] + 8))
        renderings.append(Rendering(kind, getattr(font, "stem", HERSHEY), height, is_white, box))
    picture = _stored(picture, chance.choice(QUALITIES))
    wide = picture.astype(np.uint16) * 257
    if picture.ndim == 3:
        gray = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY).astype(np.uint16) * 257
        return replace(radiograph, colour=wide, display=gray), renderings
    return replace(radiograph, display=wide), renderings


def drawn(text: str, font: Path | str, height: int) -> NDArray[np.uint8]:
    """The text, 255 on 0, three pixels from its edges; Hershey is drawn by OpenCV, whose letters have no files."""
    if isinstance(font, str):
        thickness = max(1, round(height / 18))
        (width, above), below = cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, height / 30, thickness)
        letters = np.zeros((above + below + 6, width + 6), np.uint8)
        cv2.putText(letters, text, (3, above + 3), cv2.FONT_HERSHEY_SIMPLEX, height / 30, 255, thickness, cv2.LINE_AA)
        return letters
    face = ImageFont.truetype(str(font), height)
    left, top, right, bottom = (round(side) for side in face.getbbox(text))
    canvas = Image.new("L", (right - left + 6, bottom - top + 6))
    ImageDraw.Draw(canvas).text((3 - left, 3 - top), text, font=face, fill=255)
    return np.asarray(canvas, np.uint8)


def _lay(part: NDArray[np.uint8], letters: NDArray[np.uint8], level: int) -> None:
    if abs(level - float(part.mean())) < LEAST_CONTRAST:
        part[:] = 255 - level
    share = letters.astype(np.float32) / 255
    share = share[..., None] if part.ndim == 3 else share
    part[:] = (part * (1 - share) + level * share).astype(np.uint8)


def _place(
    shape: tuple[int, ...], size: tuple[int, ...], boxes: Sequence[tuple[int, int, int, int]], chance: random.Random
) -> tuple[int, int] | None:
    most_row, most_column = shape[0] - size[0] - 2, shape[1] - size[1] - 2
    if most_row < 2 or most_column < 2:
        return None
    for _ in range(PLACES_TRIED):
        near = chance.random() < 0.5  # half of them at the upper left, where devices write
        column = chance.randint(2, max(2, most_column // 8) if near else most_column)
        row = chance.randint(2, max(2, most_row // 6) if near else most_row)
        if all(
            column + size[1] < left or left + width < column or row + size[0] < top or top + height < row
            for left, top, width, height in boxes
        ):
            return column, row
    return None


def _stored(picture: NDArray[np.uint8], quality: int | None) -> NDArray[np.uint8]:
    if quality is None:
        return picture
    _, data = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, quality])
    return np.asarray(cv2.imdecode(data, cv2.IMREAD_UNCHANGED), np.uint8)


def _name(chance: random.Random) -> str:
    form = chance.choice(("{0} {1}", "{2}^{3}", "{1}, {0}", "{2} {3}", "Name: {0} {1}"))
    first, last = chance.choice(FIRST_NAMES), chance.choice(LAST_NAMES)
    return form.format(first, last, last.upper(), first.upper())


def _date(chance: random.Random) -> str:
    form = chance.choice(("%d.%m.%Y", "%Y-%m-%d", "%m/%d/%Y", "%d %b %Y", "%Y%m%d", "%d-%b-%Y", "DOB %d/%m/%Y"))
    return f"{date(1925, 1, 1) + timedelta(days=chance.randint(0, 36_000)):{form}}"


def _number(chance: random.Random) -> str:
    form = chance.choice(("{0}", "ID: {0}", "MRN {0}", "A{0}", "{1}-{2}-{3}", "ACC{0}"))
    return form.format(*(chance.randint(10**n, 10**m - 1) for n, m in ((5, 8), (2, 3), (1, 2), (3, 4))))


if __name__ == "__main__":
    main()
