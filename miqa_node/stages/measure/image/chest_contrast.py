"""Signal and contrast of a frontal chest in regions at fixed places: estimates, without a segmentation."""

from __future__ import annotations

from functools import partial

import numpy as np

from miqa_node.core.domain.codes import SIGNAL_TO_NOISE
from miqa_node.dicom.pixels.regions import LUNGS, MEDIASTINUM, Box, is_frontal_chest, place
from miqa_node.libraries.plain_statistics.scales import POSITIVE
from miqa_node.stages.measure.base import ImageMeasure
from miqa_node.stages.measure.image.noise_sigma import noise_sigma
from miqa_node.stages.measure.view import ImageView

Region = tuple[float, float]
"""(mean, noise) of presentation values."""


def chest_regions(view: ImageView) -> tuple[Region, Region] | None:
    """Lung and mediastinum of a frontal chest; None for other images, or where a region cannot be read."""
    if not is_frontal_chest(view.header):
        return None
    lungs = [region for box in LUNGS if (region := _region(view, box)) is not None]
    mediastinum = _region(view, MEDIASTINUM)
    if len(lungs) < 2 or mediastinum is None:
        return None
    lung_mean = float(np.mean([mean for mean, _ in lungs]))
    lung_sigma = float(np.sqrt(np.mean([sigma**2 for _, sigma in lungs])))
    if lung_sigma <= 0 or mediastinum[1] <= 0:
        return None
    return (lung_mean, lung_sigma), mediastinum


def signal_to_noise(lung: Region) -> float:
    """μ_lung / σ_lung.

    >>> signal_to_noise((120.0, 4.0))
    30.0
    """
    return lung[0] / lung[1]


def contrast_to_noise(lung: Region, mediastinum: Region) -> float:
    """|μ_mediastinum − μ_lung| / sqrt((σ_lung² + σ_mediastinum²) / 2).

    >>> contrast_to_noise((100.0, 4.0), (160.0, 4.0))
    15.0
    """
    sigma = float(np.sqrt((lung[1] ** 2 + mediastinum[1] ** 2) / 2.0))
    return abs(mediastinum[0] - lung[0]) / sigma


def _snr(view: ImageView) -> float | None:
    regions = view.once(chest_regions)
    return None if regions is None else signal_to_noise(regions[0])


def _cnr(view: ImageView) -> float | None:
    regions = view.once(chest_regions)
    return None if regions is None else contrast_to_noise(*regions)


_measure = partial(
    ImageMeasure,
    unit="1",
    is_learned_soon=True,
    least_spread_share=0.05,
    scale=POSITIVE,
    parent=SIGNAL_TO_NOISE,
    section="Noise",
)
SNR_LUNG = _measure(
    name="snr_lung",
    label="Signal to noise in lung",
    summary="Mean of the lung field over its noise.",
    definition="**Approximation.** Mean over noise of presentation values (noise as `noise_sigma`, put on their scale) "
    "in two fixed regions (32–48 % of the height, 20–32 % and 68–80 % of the width). There is no lung segmentation.",
    validity="Centred adults whose header says a frontal chest; the regions are fixed, so a displaced lung is missed. "
    "Left out where one of them is padded or even.",
    tolerance="Within 10 % on a drawn chest, 8-bit images within 15 % of 12-bit ones. By how much a lung beside the "
    "regions changes it is not known.",
    rank=230,
    take=_snr,
)
CNR_LUNG_MEDIASTINUM = _measure(
    name="cnr_lung_mediastinum",
    label="Contrast to noise of lung to mediastinum",
    code="CNR_LUNG_MED",
    summary="Difference of the means of lung field and mediastinum over the noise.",
    definition="**Approximation.** Difference of the means of the regions of `snr_lung` and of a mediastinal one "
    "(40–55 % of the height, 47–57 % of the width) over the root mean square of their noise.",
    validity="As `snr_lung`.",
    tolerance="As `snr_lung`.",
    rank=240,
    take=_cnr,
)


def _region(view: ImageView, box: Box) -> tuple[float, float] | None:
    """(mean, noise) of presentation values in the box; None if it is tiny, padded or uniform.

    The noise is measured on stored values and converted to the presentation scale by the ratio of both standard
    deviations: the steps of presentation values with few bits would look like noise or hide it.
    """
    region = place(view.shape, box)
    display, stored = view.display[region], view.stored_values[region]
    if display.size < 1024 or (view.mask is not None and not view.mask[region].all()):
        return None
    sigma = noise_sigma(stored, None)
    deviation = float(stored.std(dtype=np.float64))
    if sigma is None or deviation <= 0:
        return None
    return float(display.mean()), sigma * float(display.std(dtype=np.float64)) / deviation
