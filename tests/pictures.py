"""Pictures as arrays: a file or bytes that OpenCV cannot decode fail the test here, not three lines later."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray


def picture_pixels(source: Path | bytes, flags: int = cv2.IMREAD_UNCHANGED) -> NDArray[Any]:
    """Pixels (rows, columns) or (rows, columns, 3 in the order BGR), as ``flags`` of OpenCV say."""
    data = source.read_bytes() if isinstance(source, Path) else source
    picture = cv2.imdecode(np.frombuffer(data, np.uint8), flags)
    assert picture is not None, "no picture that OpenCV can decode"
    return picture
