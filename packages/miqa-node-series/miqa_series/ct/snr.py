"""Signal to noise of soft tissue on a CT series."""

from __future__ import annotations

from collections.abc import Sequence

from miqa_node.libraries.plain_statistics.scales import POSITIVE
from miqa_node.stages.measure.series_view import SeriesView, SliceView
from miqa_series.ct.body import ct_measure
from miqa_series.ct.hounsfield import EXPECTED_AIR_HU, TissueCounts, counts_of, tissue_values
from miqa_series.ct.noise import Counts, most_frequent, noise_histogram

Part = tuple[Counts | None, TissueCounts | None]


def _part(view: SliceView) -> Part | None:
    noise, tissue = view.once(noise_histogram), counts_of(view)
    return None if noise is None and tissue is None else (noise, tissue)


def ratio(_: SeriesView | None, parts: Sequence[Part]) -> float | None:
    """(HU of soft tissue + 1000) / noise; None without either."""
    noise = most_frequent([histogram for histogram, _ in parts if histogram is not None])
    soft = tissue_values([counts for _, counts in parts if counts is not None]).soft
    return signal_to_noise(soft, noise)


def signal_to_noise(soft_hu: float | None, noise_hu: float | None) -> float | None:
    """Both on the scale of attenuation, whose zero is air.

    >>> signal_to_noise(50.0, 10.0)
    105.0
    """
    return None if soft_hu is None or not noise_hu else (soft_hu - EXPECTED_AIR_HU) / noise_hu


CT_SNR = ct_measure(
    name="ct_snr",
    unit="1",
    least_spread_share=0.03,
    scale=POSITIVE,
    label="SNR of soft tissue",
    summary="Attenuation of soft tissue over its noise.",
    definition="(`hu_soft_tissue` + 1000) / `ct_noise`: mean over standard deviation on the scale of attenuation, "
    "where air is 0, so that it does not depend on the zero of Hounsfield units.",
    validity="As `ct_noise`, with 15 cm² of soft tissue or more.",
    tolerance="As `ct_noise`.",
    agreement_share=0.07,
    proof="(HU + 1000) / noise of a drawn body.",
    decimals=1,
    rank=406,
    each=_part,
    take=ratio,
    along="alone",
)
