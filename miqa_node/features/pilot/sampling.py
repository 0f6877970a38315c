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
from miqa_node.features.pilot.rows.images import FoundImage

QUALITY = 92
MOST_PIXELS = 4096
"""On the longer side; readers judge sharpness, so that no radiograph of today is made smaller."""
MARGIN = 4
"""Pixels beside a line of text."""


class SampleCampaign(Campaign):
    """Fetches at the pace and in the hours of the pilot; goes on where an earlier run ended."""

    def fetch_sample(self) -> None:
        """Each drawn image once; what the archive lost is written down in its words."""
        with self._database.begin() as transaction:
            waiting = sample.unfetched(transaction, self._name)
        for number, image in waiting:
            self._wait_for_hours()
            self._patiently(lambda: self._limits.pace.wait(self._source.ask))
            with self._database.begin() as transaction:
                if not sample.is_drawn(transaction, number):
                    continue
            try:
                self._keep(number, image)
            except FileNotFoundError:
                continue  # an erasure removes all that wait; the next run fetches it, if it is still in the sample
            finally:
                self._tidy()
            self._tell(self._counts())

    def _keep(self, number: int, image: FoundImage) -> None:
        try:
            file: Path = self._source.fetch(image, self._folder)
            radiograph, text = self._judge.look(file)
        except (DeliveryError, DataSetError, UnreadableError) as error:
            self._patiently(self._source.ask)
            with self._database.begin() as transaction:
                sample.lose(transaction, number, str(error))
            return
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
