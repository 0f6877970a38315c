"""Noise texture of a CT series: the mean frequency of its power spectrum."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from miqa_node.core.language.phrase import Phrase
from miqa_node.libraries.plain_statistics.scales import POSITIVE
from miqa_node.stages.measure.series_view import SeriesView, SliceView, Values
from miqa_series.ct.body import ct_measure, ct_slice, soft_tissue

PATCH = 32
"""Side, in pixels, of the soft-tissue patches whose spectrum is averaged."""
MAX_PATCHES_PER_SLICE = 8
QUIET = 3
"""A third of the patches counts, those with the least power at one cycle a patch: the others have vessels and edges of
organs. Noise of other frequencies says nothing of that power, so the choice favours none of them."""
MIN_PATCHES = 6
FIRST = 3
"""Cycles a patch from which power counts: slower waves are organs, and what the fitted surface takes away."""
WINDOW = np.hanning(PATCH + 2)[1:-1]
"""Power of slow waves would leak to fast ones at the borders of a patch."""
Spectra = NDArray[np.float64]


class PatchSpectra(NamedTuple):
    """Radially averaged power of a slice's patches, (patches, PATCH / 2) from one cycle a patch on, and the pitch."""

    power: Spectra
    spacing_mm: float


def _spectra(view: SliceView) -> PatchSpectra | None:
    """Spectra of patches that contain only soft tissue, after subtracting a fitted surface of second order."""
    plane, soft = view.once(ct_slice), view.once(soft_tissue)
    if plane is None or soft is None or min(plane.image.shape) < PATCH:
        return None
    share = cv2.blur(soft.mask.astype(np.float32), (PATCH, PATCH))
    centres = np.argwhere(share[_centres(share.shape[0]), _centres(share.shape[1])] >= 0.99)
    if not len(centres):
        return None
    patches = np.stack([plane.image[top : top + PATCH, left : left + PATCH] for top, left in PATCH * centres])
    power = radial(np.abs(np.fft.fft2(_without_surfaces(patches))) ** 2)
    quietest = np.argsort(power[:, 0])[:MAX_PATCHES_PER_SLICE]
    return PatchSpectra(power[quietest], plane.spacing_mm)


def _centres(length: int) -> slice:
    """The middles of the patches along one side."""
    return slice(PATCH // 2, length - PATCH // 2, PATCH)


def _without_surfaces(patches: Values) -> Spectra:
    values, surfaces = patches.astype(np.float64).reshape(len(patches), -1), _surfaces(*patches.shape[1:])
    rest: Spectra = (values - (values @ surfaces) @ surfaces.T).reshape(patches.shape)
    return rest * np.outer(WINDOW, WINDOW)


@lru_cache(maxsize=1)
def _surfaces(rows: int, columns: int) -> Spectra:
    """An orthonormal basis of all surfaces of second order over a patch, shape (pixels, 6): fitting is a projection."""
    y, x = (one.ravel() / max(rows, columns) - 0.5 for one in np.mgrid[:rows, :columns])
    basis: Spectra = np.linalg.qr(np.column_stack([np.ones(y.size), y, x, y * y, x * y, x * x]))[0]
    return basis


@lru_cache(maxsize=1)
def _classes() -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """The number of cycles a patch of each frequency, and how many frequencies each of 1 to PATCH / 2 has."""
    cycles = np.fft.fftfreq(PATCH, 1.0 / PATCH)
    classes = np.rint(np.hypot(cycles[:, None], cycles[None])).astype(int)
    return classes, np.bincount(classes.ravel())[1 : PATCH // 2 + 1]


def radial(power: Spectra) -> Spectra:
    """The mean over all directions, (patches, PATCH / 2), of spectra (patches, PATCH, PATCH).

    >>> spectrum = np.zeros((1, PATCH, PATCH)); spectrum[0, 0, 8] = 3.0
    >>> int(radial(spectrum)[0].argmax())
    7
    """
    classes, counts = _classes()
    sums = np.stack([np.bincount(classes.ravel(), one.ravel())[1 : PATCH // 2 + 1] for one in power])
    return np.asarray(sums / counts)


def mean_frequency(power: Spectra, spacing_mm: float) -> float | None:
    """Mean frequency (1/mm) of a radially averaged spectrum (PATCH / 2,), weighted by its power.

    >>> spectrum = np.zeros(PATCH // 2); spectrum[[5, 9]] = 1.0
    >>> mean_frequency(spectrum, 0.5)
    0.5
    """
    cycles = np.arange(1, len(power) + 1)
    counted = cycles >= FIRST
    total = float(power[counted].sum())
    return float((power * cycles)[counted].sum()) / total / (PATCH * spacing_mm) if total > 0.0 else None


def frequency(_: SeriesView | None, parts: Sequence[PatchSpectra]) -> float | None:
    """Of the quietest patches of all slices; None with too few."""
    power = np.concatenate([one.power for one in parts]) if parts else np.zeros((0, PATCH // 2))
    if len(power) < MIN_PATCHES:
        return None
    quietest = np.argsort(power[:, 0])[: max(MIN_PATCHES, len(power) // QUIET)]
    return mean_frequency(power[quietest].mean(axis=0), parts[-1].spacing_mm)


NPS_FREQUENCY = ct_measure(
    name="nps_frequency",
    unit="1/mm",
    least_spread=0.005,
    least_spread_share=0.05,
    scale=POSITIVE,
    label="Mean frequency of noise",
    summary="Mean frequency of the noise power spectrum of soft tissue.",
    definition="Mean, weighted by power, of the frequencies of the radially averaged noise power spectrum of 32 × 32 "
    "pixel patches of soft tissue (a surface of second order taken away, Hann's window), from 3 cycles a patch to half "
    "a cycle a pixel; of the third of them with the least power at one cycle a patch: others have vessels and edges. "
    "Low values mean blotchy noise. Own definition.",
    validity="Bodies with six patches of 32 × 32 pixels of even soft tissue.",
    tolerance="Within 3 % for noise of known spectrum, white or smoothed over up to 1.5 pixels, in a drawn body; on a "
    "real chest 7 % above that of the differences of neighbouring slices.",
    agreement_share=0.03,
    proof="Noise of a known spectrum in a drawn body, against the integral of that spectrum.",
    left_out=Phrase("There are fewer than six even patches of soft tissue."),
    decimals=2,
    rank=410,
    each=_spectra,
    take=frequency,
)
