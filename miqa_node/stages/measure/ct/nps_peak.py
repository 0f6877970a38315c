"""Noise texture of a CT series: the peak frequency of its power spectrum."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from miqa_node.stages.measure.base import SeriesMeasure
from miqa_node.stages.measure.ct.body import CT, ct_slice, soft_tissue
from miqa_node.stages.measure.series_view import SeriesView, SliceView, Values

PATCH = 32
"""Side, in pixels, of the soft-tissue patches whose spectrum is averaged."""
MAX_PATCHES_PER_SLICE = 8


class PatchSpectrum(NamedTuple):
    """Sum of the power spectra of a slice's patches, shape (PATCH, PATCH), and the pixel pitch in mm."""

    power: NDArray[np.float64]
    spacing_mm: float


def _spectrum(view: SliceView) -> PatchSpectrum | None:
    """Spectrum of patches that contain only soft tissue, after subtracting a fitted plane (ICRU 87)."""
    plane, soft = view.once(ct_slice), view.once(soft_tissue)
    if plane is None or soft is None:
        return None
    share = cv2.blur(soft.mask.astype(np.float32), (PATCH, PATCH))
    centres = np.argwhere(share[_centres(share.shape[0]), _centres(share.shape[1])] >= 0.99)[:MAX_PATCHES_PER_SLICE]
    if not len(centres):
        return None
    patches = np.stack([plane.image[top : top + PATCH, left : left + PATCH] for top, left in PATCH * centres])
    spectra = np.fft.fft2(_without_planes(patches))
    return PatchSpectrum((np.abs(spectra) ** 2).sum(axis=0), plane.spacing_mm)


def _centres(length: int) -> slice:
    """The middles of the patches along one side."""
    return slice(PATCH // 2, length - PATCH // 2, PATCH)


def _without_planes(patches: Values) -> NDArray[np.float64]:
    values, planes = patches.astype(np.float64).reshape(len(patches), -1), _planes(*patches.shape[1:])
    rest: NDArray[np.float64] = (values - (values @ planes) @ planes.T).reshape(patches.shape)
    return rest


@lru_cache(maxsize=1)
def _planes(rows: int, columns: int) -> NDArray[np.float64]:
    """An orthonormal basis of all planes over a patch, shape (pixels, 3): fitting one is then a projection."""
    y, x = np.mgrid[:rows, :columns]
    basis: NDArray[np.float64] = np.linalg.qr(np.column_stack([np.ones(y.size), y.ravel(), x.ravel()]))[0]
    return basis


def peak_frequency(power: NDArray[np.float64], spacing_mm: float) -> float:
    """Frequency (1/mm) of the highest class of the radially averaged spectrum.

    >>> spectrum = np.zeros((PATCH, PATCH)); spectrum[0, 8] = spectrum[8, 0] = 1.0
    >>> peak_frequency(spectrum, 0.5)
    0.5
    """
    frequency = np.fft.fftfreq(PATCH, spacing_mm)
    radius = np.hypot(*np.meshgrid(frequency, frequency))
    step = 1.0 / (PATCH * spacing_mm)
    classes = np.rint(radius / step).astype(int)
    inside = (classes >= 1) & (classes <= PATCH // 2)
    mean = np.bincount(classes[inside], power[inside]) / np.maximum(np.bincount(classes[inside]), 1)
    return float(mean.argmax() * step)


def _peak(_: SeriesView, parts: Sequence[PatchSpectrum]) -> float | None:
    if not parts:
        return None
    return peak_frequency(sum((one.power for one in parts), np.zeros((PATCH, PATCH))), parts[-1].spacing_mm)


NPS_PEAK = SeriesMeasure(
    name="nps_peak",
    unit="1/mm",
    least_spread=0.005,
    least_spread_share=0.05,
    label="Peak frequency of noise",
    code="NPS_PEAK",
    summary="Frequency with the highest noise power in soft tissue.",
    definition="Frequency at which the radially averaged noise power spectrum of 32 × 32 pixel patches of soft tissue "
    "is highest, their mean plane taken away (ICRU Report 87). Low values mean blotchy noise.",
    validity="Bodies with patches of 32 × 32 pixels of even soft tissue.",
    tolerance="In steps of 1 / (32 pixels), 0.03 /mm where pixels are 1 mm; repeated with other noise within one step. "
    "The peak of noise of known spectrum is not tested.",
    section="CT and MR series",
    rank=410,
    modalities=CT,
    each=_spectrum,
    take=_peak,
)
