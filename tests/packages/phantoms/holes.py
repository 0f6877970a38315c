"""Draws the arrays of holes of an ACR MR phantom as a scanner of known resolution shows them."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np

from miqa_node.features.phantoms.values import SliceRead
from miqa_node.libraries.phantom_shapes.acr import LARGE_MM
from miqa_node.libraries.phantom_shapes.disc import find_disc
from miqa_phantoms.acr import AcrSlice
from miqa_phantoms.high_contrast import HOLES, PAIRS
from tests.packages.phantoms.drawing import Acr, Image

FINE = 8
"""Points a side of a pixel."""
HALF_MM = (48.0, 24.0)
MIDDLE_MM = (8.0, 38.0)
FILL = 0.6
"""Signal in a hole, as a share of the phantom's."""


def with_holes(
    phantom: Acr, resolution_mm: tuple[float, float], merged: Collection[tuple[float, str]] = (), move_mm: float = 0.0
) -> Image:
    """Slice 1 with its holes, of a scan with pixels of this width and height; those of the picture may be smaller.

    In arrays of ``merged`` (diameter, "row" or "column") the holes of each row or column are one slit.
    """
    image, step = phantom.image(1), phantom.spacing / FINE
    middle = (phantom.side - 1) / 2.0
    corner = [round((at - half) / phantom.spacing + middle) for at, half in zip(MIDDLE_MM, HALF_MM, strict=True)]
    size = [round(2.0 * half / phantom.spacing) for half in HALF_MM]
    x, y = (
        ((np.arange(count * FINE) + 0.5) / FINE - 0.5 + start - middle) * phantom.spacing
        for count, start in zip(size, corner, strict=True)
    )
    shown = np.zeros((len(y), len(x)))
    turn = np.radians(phantom.tilt_deg)
    for diameter, (right, down) in PAIRS[LARGE_MM].items():
        for side in ("upper", "lower"):
            slit = next((one for one in ("row", "column") if (diameter, f"{side} {one}") in merged), "")
            for hole in _holes(diameter, side):
                u, v = right + move_mm + hole[0], down - move_mm + hole[1]
                at = u * np.cos(turn) - v * np.sin(turn), u * np.sin(turn) + v * np.cos(turn)
                _stamp(shown, x - at[0] - phantom.centre[0], y - at[1] - phantom.centre[1], diameter, slit)
    spectrum = np.fft.fft2(np.minimum(shown, FILL))
    spectrum[:, np.abs(np.fft.fftfreq(len(x), step)) > 0.5 / resolution_mm[0]] = 0.0
    spectrum[np.abs(np.fft.fftfreq(len(y), step)) > 0.5 / resolution_mm[1], :] = 0.0
    picture = np.fft.ifft2(spectrum).real.reshape(size[1], FINE, size[0], FINE)[:, FINE // 2, :, FINE // 2]
    rows, columns = (slice(start, start + count) for start, count in zip(corner[::-1], size[::-1], strict=True))
    image[rows, columns] = np.abs(image[rows, columns] + phantom.signal * picture)
    return image


def _stamp(shown: Image, x: Image, y: Image, diameter: float, slit: str) -> None:
    """A hole, or its part of a slit, at the origin of ``x`` and ``y``.

    A slit goes on beyond the holes, so that the ringing of its ends lies there.
    """
    columns, rows = np.abs(x) <= 2.1 * diameter, np.abs(y) <= 2.1 * diameter
    u, v = np.abs(x[columns])[None, :], np.abs(y[rows])[:, None]
    along, across = (u, v) if slit == "row" else (v, u)
    is_slit = (along <= 2.0 * diameter) & (across <= 0.5 * diameter)
    shown[np.ix_(rows, columns)] += FILL * (is_slit if slit else np.hypot(u, v) <= 0.5 * diameter)


def _holes(diameter: float, side: str) -> list[tuple[float, float]]:
    """From the middle of the pair: two diameters apart, each row or column displaced by a fifth of a millimetre."""
    pitch, last = 2.0 * diameter, HOLES - 1
    places = [(along * pitch + line * 0.2, line * pitch) for line in range(HOLES) for along in range(HOLES)]
    if side == "lower":
        places = [(y + last * (pitch + 0.2), x + last * pitch) for x, y in places]
    middle = (last * pitch + 0.1 * last, last * pitch + 0.1 * last)
    return [(x - middle[0], y - middle[1]) for x, y in places]


def slice_1(image: Image, phantom: Acr) -> AcrSlice:
    """The image as its measures read it."""
    disc = find_disc(np.asarray(image, np.float32), (phantom.spacing, phantom.spacing))
    assert disc is not None
    return AcrSlice(
        1, np.asarray(image, np.float32), disc, np.radians(phantom.tilt_deg), SliceRead("", "", 0, 1), 0, False
    )
