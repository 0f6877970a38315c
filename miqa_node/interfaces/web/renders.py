"""Pixels for the image on a study's page: decoded again on demand, scaled to fit, compressed, and kept for a while."""

from __future__ import annotations

import gzip
import os
import struct
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from threading import BoundedSemaphore, Lock

import cv2
import numpy as np

from miqa_node.core.domain.image import Radiograph

_HEAD = struct.Struct("<4I")
COMPRESSION_LEVEL = 1
"""Compression level: nearly the best ratio for 16-bit radiographs, in a fifth of the default's time."""

FULL_SIDE = 8192
"""Longer side of the largest image that is shown pixel by pixel: about 100 MB in the browser."""


@dataclass(frozen=True, slots=True)
class Render:
    """``data`` is gzip of uint16 presentation values, little endian, row by row; 0 is black and 65,535 is white."""

    rows: int
    columns: int
    source_rows: int
    source_columns: int
    data: bytes

    def patch(self, x: float, y: float, side: int) -> bytes:
        """A square of ``side`` pixels around (x, y), fractions of width and height, as PNG with 8 bits.

        It stays inside the image; its contrast is stretched from the first to the 99th percentile.
        """
        pixels = np.frombuffer(gzip.decompress(self.data), "<u2").reshape(self.rows, self.columns)
        top = min(max(round(y * self.rows) - side // 2, 0), max(self.rows - side, 0))
        left = min(max(round(x * self.columns) - side // 2, 0), max(self.columns - side, 0))
        part = pixels[top : top + side, left : left + side].astype(np.float32)
        low, high = np.percentile(part, (1, 99))
        shown = np.clip((part - low) / max(float(high - low), 1.0) * 255.0, 0, 255).astype(np.uint8)
        return cv2.imencode(".png", shown)[1].tobytes()


class Renders:
    """A folder of renders with a limit; safe to share between threads and processes."""

    def __init__(self, folder: Path, *, side: int, max_bytes: int, at_once: int) -> None:
        self._folder = folder
        self._side = side
        self._max_bytes = max_bytes
        self._turn = BoundedSemaphore(at_once)
        self._lock = Lock()

    def get(self, digest: str, decode: Callable[[], Radiograph], *, frame: int = 0, full: bool = False) -> Render:
        """The render of a frame, from the folder or newly made; passes on exceptions of ``decode``.

        With ``full``, every pixel of the source if its longer side is at most FULL_SIDE.
        """
        side = FULL_SIDE if full else self._side
        file = self._folder / (f"{digest}-f{frame}-{side}.bin" if frame else f"{digest}-{side}.bin")
        entry = _read(file)
        if entry is not None:
            return entry
        with self._turn:
            entry = _read(file)  # another request may have made the same one meanwhile
            if entry is None:
                entry = make_render(decode(), side)
                self._keep(file, entry)
        return entry

    def _keep(self, file: Path, render: Render) -> None:
        head = _HEAD.pack(render.rows, render.columns, render.source_rows, render.source_columns)
        with self._lock:
            self._folder.mkdir(parents=True, exist_ok=True)
            part = file.with_suffix(f".{os.getpid()}.part")
            part.write_bytes(head + render.data)
            part.replace(file)
            self._trim()

    def _trim(self) -> None:
        files = sorted(((entry.stat(), entry) for entry in self._folder.glob("*.bin")), key=lambda one: one[0].st_mtime)
        excess = sum(status.st_size for status, _ in files) - self._max_bytes
        for status, entry in files:
            if excess <= 0:
                return
            entry.unlink(missing_ok=True)
            excess -= status.st_size


def make_render(radiograph: Radiograph, side: int) -> Render:
    """The image as displayed, area-averaged so that its longer side has at most ``side`` pixels."""
    rows, columns = radiograph.shape
    scale = min(1.0, side / max(rows, columns))
    size = (max(1, round(columns * scale)), max(1, round(rows * scale)))
    small = radiograph.display if scale == 1.0 else cv2.resize(radiograph.display, size, interpolation=cv2.INTER_AREA)
    data = gzip.compress(np.ascontiguousarray(small, dtype="<u2").tobytes(), COMPRESSION_LEVEL)
    return Render(size[1], size[0], rows, columns, data)


def _read(file: Path) -> Render | None:
    try:
        data = file.read_bytes()
        os.utime(file)  # mark as recently used
    except OSError:
        return None
    rows, columns, source_rows, source_columns = _HEAD.unpack_from(data)
    return Render(rows, columns, source_rows, source_columns, data[_HEAD.size :])
