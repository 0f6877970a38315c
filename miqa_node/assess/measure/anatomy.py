"""What the body's outline and two regions of a chest tell of position and contrast; no segmentation, so estimates."""

from __future__ import annotations

from collections.abc import Iterator

import cv2
import numpy as np
from numpy.typing import NDArray

from miqa_node.assess.measure.noise import noise_sigma
from miqa_node.assess.measure.plane import LEVELS, Plane
from miqa_node.domain.assessment import Measurement
from miqa_node.domain.instance import Header
from miqa_node.imaging.regions import LUNGS, MEDIASTINUM, Box, is_frontal_chest, place

SMALLEST_SIDE = 32


def outline(plane: Plane) -> Iterator[Measurement]:
    """``left_right_symmetry`` and ``border_contact``, on the image reduced to 256 pixels.

    left_right_symmetry: Pearson correlation of the image with its mirror image.
    border_contact: share of the border pixels that belong to the body, where the body is everything brighter than
    Otsu's threshold (IEEE SMC 9, 1979) with its holes filled.
    """
    if min(plane.shape) < SMALLEST_SIDE:
        return
    overview = plane.overview
    mirrored = overview[:, ::-1]
    deviation = overview - overview.mean()
    power = float(np.square(deviation).sum())
    if power <= 0:
        return
    symmetry = float((deviation * (mirrored - mirrored.mean())).sum()) / power
    yield Measurement("left_right_symmetry", float(np.clip(symmetry, -1.0, 1.0)), "1")
    body = _body(overview)
    border = np.concatenate((body[0], body[-1], body[1:-1, 0], body[1:-1, -1]))
    yield Measurement("border_contact", 100.0 * float(np.count_nonzero(border)) / border.size, "%")


def _body(overview: NDArray[np.float32]) -> NDArray[np.uint8]:
    """255 where the body is."""
    image = np.clip(overview, 0, LEVELS).astype(np.uint8)
    _, bright = cv2.threshold(image, 0, 255, cv2.THRESH_BINARY + cv2.THRESH_OTSU)
    contours, _ = cv2.findContours(bright, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    return np.asarray(cv2.drawContours(np.zeros_like(bright), contours, -1, 255, cv2.FILLED), dtype=np.uint8)


def chest_contrast(plane: Plane, header: Header) -> Iterator[Measurement]:
    """``snr_lung`` and ``cnr_lung_mediastinum`` of frontal chests: approximations in regions at fixed places.

    With mean μ and noise σ (Haar HH, as ``noise_sigma``) of presentation values: SNR = μ_lung / σ_lung;
    CNR = |μ_mediastinum − μ_lung| / sqrt((σ_lung² + σ_mediastinum²) / 2).
    """
    if not is_frontal_chest(header):
        return
    lungs = [region for box in LUNGS if (region := _region(plane, box)) is not None]
    mediastinum = _region(plane, MEDIASTINUM)
    if len(lungs) < 2 or mediastinum is None:
        return
    lung_mean = float(np.mean([mean for mean, _ in lungs]))
    lung_sigma = float(np.sqrt(np.mean([sigma**2 for _, sigma in lungs])))
    if lung_sigma <= 0 or mediastinum[1] <= 0:
        return
    yield Measurement("snr_lung", lung_mean / lung_sigma, "1")
    sigma = float(np.sqrt((lung_sigma**2 + mediastinum[1] ** 2) / 2.0))
    yield Measurement("cnr_lung_mediastinum", abs(mediastinum[0] - lung_mean) / sigma, "1")


def _region(plane: Plane, box: Box) -> tuple[float, float] | None:
    """(mean, noise) of presentation values in the box; None when it is tiny, padded or uniform.

    The noise is measured on stored values and put on the presentation scale by the ratio of both standard
    deviations: presentation values of few bits lie far apart, and their steps would pass for noise or hide it.
    """
    region = place(plane.shape, box)
    display, stored = plane.display[region], plane.stored_values[region]
    if display.size < 1024 or (plane.mask is not None and not plane.mask[region].all()):
        return None
    sigma = noise_sigma(stored, None)
    deviation = float(stored.std(dtype=np.float64))
    if sigma is None or deviation <= 0:
        return None
    return float(display.mean()), sigma * float(display.std(dtype=np.float64)) / deviation
