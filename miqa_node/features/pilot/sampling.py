"""Fetches what was drawn for readers again, as a picture with the text that was found in it covered."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from miqa_node.core.domain.image import Radiograph
from miqa_node.core.domain.pixel_text import TextLine
from miqa_node.errors import DataSetError, DeliveryError, UnreadableError
from miqa_node.features.pilot.campaign import Campaign
from miqa_node.features.pilot.rows import sample

QUALITY = 92
MOST_PIXELS = 4096
"""On the longer side; readers judge sharpness, so that no radiograph of today is made smaller."""
MARGIN = 4
"""Pixels beside a line of text."""


class SampleCampaign(Campaign):
    """Fetches at the pace, in the hours and as often as a pilot does; goes on where an earlier run ended."""

    _rows = sample

    def fetch_sample(self) -> None:
        """Each drawn image once; what the archive lost is written down in its words."""
        self._work_off(None)

    def _conclude(self, number: int, file: Path) -> None:
        try:
            radiograph, text = self._judge.look(file)
        except (DataSetError, UnreadableError) as error:
            raise DeliveryError(str(error)) from error
        with self._database.begin() as transaction:
            sample.keep(transaction, number, jpeg(radiograph, text))


def jpeg(radiograph: Radiograph, text: Sequence[TextLine]) -> bytes:
    """The image as displayed, its text covered."""
    pixels = (radiograph.display >> 8).astype(np.uint8)
    for line in text:
        top, left = max(0, line.row - MARGIN), max(0, line.column - MARGIN)
        pixels[top : line.row + line.height + MARGIN, left : line.column + line.width + MARGIN] = 0
    scale = MOST_PIXELS / max(pixels.shape)
    if scale < 1.0:
        pixels = np.asarray(cv2.resize(pixels, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA), np.uint8)
    return bytes(cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, QUALITY])[1])
