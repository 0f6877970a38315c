"""Makes the bank of shadows: real objects cut from training images, simulated ones, and markers."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from miqa_training.degrade.cutouts import cut_out
from miqa_training.degrade.device_in_view import KINDS as DEVICES
from miqa_training.degrade.lungs import LungField
from miqa_training.degrade.solids import Canvas, SolidKind, shadow
from miqa_training.objects.bank import SIDE, PieceBank, PieceKind
from miqa_training.objects.worn import ATTACHED, WORN

PER_PICTURE = 800
"""Pixels of a piece for the longer side of a picture: enough for a network that sees 512."""
PICTURE_MM = 400.0
LARGEST = 0.16
"""Longer side of a box, as a share of the picture, up to which a cut-out is one object."""
LEAST_RISE = 0.02
FIELD = LungField(0.15, 0.1, 0.85, 0.85)


_Piece = tuple[NDArray[np.float32], float, PieceKind, bool, tuple[float, float]]
"""(rise, picture's longer side in its pixels, kind, real, usual centre)."""
ANYWHERE = (np.nan, np.nan)


def make_bank(
    images: Iterable[tuple[NDArray[np.uint8], Sequence[tuple[tuple[float, ...], PieceKind]]]], simulated: int, seed: int
) -> PieceBank:
    """The bank of real objects of ``images`` (pixels; boxes with kinds) and ``simulated`` drawn ones."""
    pieces: list[_Piece] = []
    for pixels, boxes in images:
        picture = pixels.astype(np.float32) / np.float32(255)
        for box, kind in boxes:
            if max(box[2] - box[0], box[3] - box[1]) > LARGEST:
                continue
            rise = cut_out(picture, (box[0], box[1], box[2], box[3]))
            if rise is not None:
                pieces.append((rise, float(max(picture.shape)), kind, True, ANYWHERE))
    rng = np.random.default_rng(seed)
    for number in range(simulated):
        # Of ten: six to take off, two devices, two markers.
        turn = number % 10
        drawn = _marker(rng) if turn >= 8 else _solid(rng, WORN, PieceKind.REMOVABLE) if turn < 6 else _device(rng)
        if drawn is not None:
            pieces.append(drawn)
    return _bank([square for piece in pieces if (square := _squared(piece)) is not None])


def _device(rng: np.random.Generator) -> _Piece | None:
    kinds = ATTACHED if rng.uniform() < 0.5 else [k for k in DEVICES if k.name in {"ecg", "pacemaker"}]
    return _solid(rng, kinds, PieceKind.DEVICE)


def _solid(rng: np.random.Generator, kinds: Sequence[SolidKind], kind: PieceKind) -> _Piece | None:
    pitch_mm = PICTURE_MM / PER_PICTURE
    blank = np.zeros((PER_PICTURE, PER_PICTURE), np.float32)
    canvas = Canvas(blank, pitch_mm, FIELD, rng.uniform(0.75, 1.25), rng.uniform(0.3, 1.1))
    weights = np.array([one.weight for one in kinds])
    chosen = kinds[int(rng.choice(len(kinds), p=weights / weights.sum()))]
    chosen.draw(canvas, rng)
    blurred = np.asarray(cv2.GaussianBlur(canvas.mu_t, (0, 0), rng.uniform(0.5, 1.1)), np.float32)
    rise = shadow(blurred)
    at = np.argwhere(rise > LEAST_RISE)
    if len(at) < 6:
        return None
    (top, left), (bottom, right) = at.min(0), at.max(0) + 1
    usual = chosen.name in {"chain", "beads", "zip", "hair", "ecg", "pacemaker"}
    centre = ((left + right) / 2 / PER_PICTURE, (top + bottom) / 2 / PER_PICTURE) if usual else ANYWHERE
    return rise[top:bottom, left:right], float(PER_PICTURE), kind, False, centre


def _marker(rng: np.random.Generator) -> _Piece:
    """Burned-in or leaden letters, numbers, arrows: bright, but neither worn nor a device."""
    board = np.zeros((140, 250), np.uint8)
    words = ("L", "R", "D", "G", "AP", "PA", "L", "R", "SUPINE", "ERECT", "PORTABLE", "12:45", "kV 85", "SITZEND", "MF")
    font = int(rng.choice([cv2.FONT_HERSHEY_SIMPLEX, cv2.FONT_HERSHEY_DUPLEX, cv2.FONT_HERSHEY_TRIPLEX]))
    scale = rng.uniform(0.4, 1.8)
    cv2.putText(board, str(rng.choice(words)), (6, 90), font, scale, 255, max(1, round(scale * rng.uniform(1, 3))),
                cv2.LINE_AA)  # fmt: skip
    if rng.uniform() < 0.25:
        cv2.circle(board, (30, 75), int(rng.uniform(15, 60)), 255, int(rng.integers(1, 5)), cv2.LINE_AA)
    if rng.uniform() < 0.2:
        cv2.arrowedLine(board, (10, 120), (int(rng.uniform(40, 200)), int(rng.uniform(60, 130))), 255, 2, cv2.LINE_AA)
    at = np.argwhere(board > 0)
    (top, left), (bottom, right) = at.min(0), at.max(0) + 1
    rise = board[top:bottom, left:right].astype(np.float32) / np.float32(255) * np.float32(rng.uniform(0.3, 1.0))
    return rise, float(PER_PICTURE), PieceKind.MARKER, False, ANYWHERE


def _squared(piece: _Piece) -> tuple[NDArray[np.uint8], tuple[float, float], float, _Piece] | None:
    rise, picture_px, *_ = piece
    scale = min(PER_PICTURE / picture_px, (SIDE - 4) / max(rise.shape))
    rows, columns = (max(2, round(side * scale)) for side in rise.shape)
    small = cv2.resize(rise, (columns, rows), interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR)
    if float(small.max()) < LEAST_RISE:
        return None
    square = np.zeros((SIDE, SIDE), np.uint8)
    top, left = (SIDE - rows) // 2, (SIDE - columns) // 2
    square[top : top + rows, left : left + columns] = np.rint(np.clip(small, 0, 1) * 255).astype(np.uint8)
    return square, (columns / SIDE, rows / SIDE), SIDE / (picture_px * scale), piece


def _bank(rows: Sequence[tuple[NDArray[np.uint8], tuple[float, float], float, _Piece]]) -> PieceBank:
    return PieceBank(
        np.stack([row[0] for row in rows]),
        np.array([row[1] for row in rows], np.float32),
        np.array([row[2] for row in rows], np.float32),
        np.array([int(row[3][2]) for row in rows], np.int64),
        np.array([row[3][3] for row in rows], np.bool_),
        np.array([row[3][4] for row in rows], np.float32),
    )
