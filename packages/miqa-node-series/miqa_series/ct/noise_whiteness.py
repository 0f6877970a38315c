"""How much of the noise of a CT series is finer than a reconstruction kernel lets through: it was added later."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from miqa_node.libraries.plain_statistics.scales import POSITIVE
from miqa_node.stages.measure.series_view import SeriesView, SliceView, Values
from miqa_series.ct.air_noise import robust_deviation
from miqa_series.ct.body import ct_measure, ct_slice, soft_tissue
from miqa_series.ct.skin_mtf import EdgeSpread, edge_spread, half_transfer
from miqa_series.stacks.whole import is_sampled, middle

KERNEL = np.array([[1, -2, 1], [-2, 4, -2], [1, -2, 1]], np.float32) / 6.0
MIN_PX = 500
MAX_CYCLES = 0.33
"""Sharpness in cycles per pixel from which on the pixels are too coarse for the kernel: its noise is white in them.

Skin in strong noise shows no sharpness; kernels that the header calls sharp are left out by their kind."""
LEAST_PIXEL_MM, MOST_PIXEL_MM = 0.4, 1.0
"""Finer pixels, of teeth and ears, have kernels of their own, which nobody tried; coarser ones show the noise of every
kernel as white, and skin that moved, softer than the kernel."""
QUIET = 40.0
"""Percentile of the windows of soft tissue that count: the quietest are of one tissue."""


Part = tuple[float | None, EdgeSpread | None]


def _part(view: SliceView) -> Part | None:
    share, spread = whiteness(view), edge_spread(view)
    return None if share is None and spread is None else (share, spread)


def whiteness(view: SliceView) -> float | None:
    """In percent; None of slices that are not sampled, and with too little soft tissue."""
    return view.once(_share)


def _share(view: SliceView) -> float | None:
    plane, soft = (view.once(ct_slice), view.once(soft_tissue)) if is_sampled(view) else (None, None)
    if plane is None or soft is None or len(soft.deviations) < MIN_PX:
        return None
    if not LEAST_PIXEL_MM <= plane.spacing_mm <= MOST_PIXEL_MM:
        return None
    quiet = soft.deviations <= np.percentile(soft.deviations, QUIET)
    usual = float(np.median(soft.deviations[quiet]))
    return 100.0 * robust_deviation(fine_noise(plane.image)[soft.mask][quiet]) / usual if usual > 0.0 else None


def fine_noise(image: Values) -> Values:
    """The changes from pixel to pixel in both directions; white noise keeps its standard deviation.

    >>> white = np.random.default_rng(0).normal(0.0, 10.0, (256, 256)).astype(np.float32)
    >>> round(float(fine_noise(white).std())), round(float(fine_noise(cv2.GaussianBlur(white, (0, 0), 1.0)).std()), 1)
    (10, 0.2)
    """
    return np.asarray(cv2.filter2D(image, cv2.CV_32F, KERNEL), np.float32)


def _usual(series: SeriesView, parts: Sequence[Part]) -> float | None:
    spreads = [spread for _, spread in parts if spread is not None]
    sharpness = half_transfer(spreads)
    if sharpness is not None and sharpness * spreads[0].spacing_mm > MAX_CYCLES:
        return None
    return middle(series, [share for share, _ in parts if share is not None])


NOISE_WHITENESS = ct_measure(
    name="noise_whiteness",
    unit="%",
    least_spread=1.0,
    scale=POSITIVE,
    label="Whiteness of noise",
    summary="Noise between neighbouring pixels over all noise of soft tissue.",
    definition="Median over up to 40 slices: noise after the kernel of Immerkaer (CVIU 64, 1996), which keeps the "
    "standard deviation of white noise and removes what a reconstruction kernel has smoothed, over the noise of 6 mm "
    "windows; both in the quietest 40 % of soft tissue. White noise gives 100 %.",
    validity="Series with pixels of .4 to 1 mm and a `skin_mtf_50`, where skin shows it, of at most .33 per pixel: "
    "above, as of lung and bone kernels in a large field, noise is white in its pixels. Noise with the texture "
    "of the kernel is not seen, however strong: compare `ct_noise` with the usual range of the scanner.",
    tolerance="Within 10 for white noise; repeated with other noise within 1 of noise smoothed over 1 pixel.",
    agreement=10,
    proof="White noise in a drawn body is 100 %.",
    decimals=0,
    rank=411,
    each=_part,
    take=_usual,
    concern="The noise has no texture, as no reconstruction kernel leaves it: something was done to the images after "
    "the scan, or they were made with a kernel for tests. Compare with the original at the scanner.",
)
