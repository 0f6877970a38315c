"""Parameters of rendered pictures (PS3.18 8.3.5), and the picture that a decoded frame becomes with them."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from http import HTTPStatus
from pathlib import Path
from typing import Annotated

import cv2
import numpy as np
from fastapi import Depends, HTTPException, Query
from numpy.typing import NDArray

from miqa_node.core.domain.image import Radiograph
from miqa_node.dicom.bytes.head import read_head
from miqa_node.dicom.pixels.grayscale import VoiWindow, read_grayscale, render
from miqa_node.errors import DecodeError

JPEG, PNG = "image/jpeg", "image/png"
MAX_SIDE = 4096
"""Pixels of the longer side up to which a picture is enlarged."""
_DECIMAL = r"[+-]?(\d{1,12}(\.\d{0,12})?|\.\d{1,12})"
_VIEWPORT = re.compile(rf"[1-9]\d{{0,4}},[1-9]\d{{0,4}}(,({_DECIMAL})?){{0,4}}")
_WINDOW = re.compile(rf"({_DECIMAL}),({_DECIMAL}),(linear|linear-exact|sigmoid)")
_ANNOTATIONS = frozenset({"patient", "technique"})


@dataclass(frozen=True, slots=True)
class Viewport:
    """Width and height to fit into, and the region to show: left, top, width, height in pixels of the image.

    None is the image's own edge; a negative width or height turns the picture over.
    """

    width: int
    height: int
    region: tuple[float | None, ...] = (None, None, None, None)


@dataclass(frozen=True, slots=True)
class Rendering:
    """What a client asks of a picture; ``warnings`` are the texts of the Warning header."""

    viewport: Viewport | None = None
    window: VoiWindow | None = None
    quality: int = 95
    warnings: tuple[str, ...] = ()


def asked_rendering(
    viewport: Annotated[str | None, Query(description="width,height to fit into; then left,top,width,height.")] = None,
    window: Annotated[str | None, Query(description="center,width, and linear, linear-exact or sigmoid.")] = None,
    quality: Annotated[str | None, Query(description="Of a JPEG, from 1 to 100.")] = None,
    annotation: Annotated[str | None, Query(description="Not supported; a Warning says so.")] = None,
    iccprofile: Annotated[str | None, Query(description="Only no.")] = None,
) -> Rendering:
    """The parameters of a request; 400 if one is not valid or cannot be followed."""
    warnings: tuple[str, ...] = ()
    if annotation is not None:
        _require(set(annotation.split(",")) <= _ANNOTATIONS, "annotation is patient or technique, or both.")
        warnings = (f"The following annotation values are not supported: {annotation}",)
    _require(iccprofile in (None, "no"), "Pictures have no ICC profile; iccprofile is no.")
    _require(quality is None or bool(re.fullmatch("[1-9][0-9]?|100", quality)), "quality is a number from 1 to 100.")
    return Rendering(_viewport(viewport), _window(window), int(quality or Rendering().quality), warnings)


AskedRendering = Annotated[Rendering, Depends(asked_rendering)]


def asked_thumbnail(
    viewport: Annotated[str | None, Query(description="width,height to fit into.")] = None,
) -> Rendering:
    """A thumbnail has a size and nothing else (8.3.5.2)."""
    _require(viewport is None or viewport.count(",") == 1, "The viewport of a thumbnail is width,height.")
    return Rendering(_viewport(viewport))


AskedThumbnail = Annotated[Rendering, Depends(asked_thumbnail)]


def _viewport(text: str | None) -> Viewport | None:
    if text is None:
        return None
    _require(bool(_VIEWPORT.fullmatch(text)), "viewport is width,height or width,height,left,top,width,height.")
    width, height, *region = text.split(",")
    edges = [float(edge) if edge else None for edge in region]
    return Viewport(int(width), int(height), (*edges, *[None] * (4 - len(edges))))


def _window(text: str | None) -> VoiWindow | None:
    if text is None:
        return None
    parts = _WINDOW.fullmatch(text)
    _require(parts is not None, "window is center,width and one of linear, linear-exact and sigmoid.")
    center, width, function = text.split(",")
    window = VoiWindow(float(center), float(width), function.upper().replace("-", "_"))
    _require(window.width >= 1.0 or (window.function != "LINEAR" and window.width > 0.0), "The window is too narrow.")
    return window


def picture(radiograph: Radiograph, path: Path, rendering: Rendering, media_type: str) -> bytes:
    """An 8-bit JPEG or PNG of a frame of the file at ``path``; 400 if the viewport shows nothing of it.

    Raises
    ------
    DecodeError
        The header does not say how values relate to a window.
    """
    if radiograph.colour is not None:  # has no window (PS3.3 C.11.2)
        pixels: NDArray[np.uint16] = cv2.cvtColor(radiograph.colour, cv2.COLOR_RGB2BGR).astype(np.uint16, copy=False)
    elif rendering.window is not None:
        pixels = _windowed(radiograph, path, rendering.window)
    else:
        pixels = radiograph.display
    shown = pixels if rendering.viewport is None else _fitted(pixels, rendering.viewport)
    options = [cv2.IMWRITE_JPEG_QUALITY, rendering.quality] if media_type == JPEG else []
    _, data = cv2.imencode(".jpg" if media_type == JPEG else ".png", (shown >> 8).astype(np.uint8), options)
    return bytes(data.tobytes())


def _windowed(radiograph: Radiograph, path: Path, window: VoiWindow) -> NDArray[np.uint16]:
    try:
        grayscale = read_grayscale(read_head(path), radiograph.frame)
    except Exception as error:  # values are parsed at their first use, and raise any error then
        raise DecodeError(
            "The description of the pixels cannot be read ({name}).", name=type(error).__name__
        ) from error
    return render(radiograph.stored, replace(grayscale, voi=window), radiograph.valid)


def _fitted(pixels: NDArray[np.uint16], viewport: Viewport) -> NDArray[np.uint16]:
    """The region, as large as the viewport allows without distortion (8.3.5.1.3)."""
    rows, columns = pixels.shape[:2]
    left, top, wide, high = viewport.region
    across, down = _span(left, wide, columns), _span(top, high, rows)
    region = pixels[down, across]
    _require(region.size > 0, "The viewport shows nothing of the image.")
    if (wide or 0) < 0:
        region = region[:, ::-1]
    if (high or 0) < 0:
        region = region[::-1]
    rows, columns = region.shape[:2]
    scale = min(viewport.width / columns, viewport.height / rows, max(1.0, MAX_SIDE / max(rows, columns)))
    size = (max(1, round(columns * scale)), max(1, round(rows * scale)))
    how = cv2.INTER_AREA if scale < 1.0 else cv2.INTER_LINEAR
    return cv2.resize(np.ascontiguousarray(region), size, interpolation=how).astype(np.uint16, copy=False)


def _span(start: float | None, length: float | None, limit: int) -> slice:
    first = round(abs(start or 0.0))
    return slice(first, limit if length is None else min(limit, first + max(1, round(abs(length)))))


def _require(is_valid: bool, text: str) -> None:
    if not is_valid:
        raise HTTPException(HTTPStatus.BAD_REQUEST, text)
