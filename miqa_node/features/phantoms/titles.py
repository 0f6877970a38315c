"""Short titles of the values of phantoms, made of the parts of their names: ``geometric_accuracy_mm.slice_1``."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from miqa_node.core.language.phrase import Phrase

HEADS: Mapping[str, Phrase] = {
    "piu_percent": Phrase("Uniformity (PIU)"),
    "psg_percent": Phrase("Ghosting (PSG)"),
    "geometric_accuracy_mm": Phrase("Geometric accuracy"),
    "slice_thickness_mm": Phrase("Slice thickness"),
    "slice_thickness_ramps_mm": Phrase("Slice thickness, ramps"),
    "slice_position_bar_difference_mm": Phrase("Slice position, difference of bars"),
    "spatial_resolution_mm": Phrase("High-contrast resolution"),
    "hole_contrast_percent": Phrase("Contrast of holes"),
    "low_contrast_spokes": Phrase("Low-contrast spokes"),
    "snr_smoothing": Phrase("Signal to noise, by smoothing"),
    "snr_subtraction": Phrase("Signal to noise, by subtraction"),
    "normalised_snr_smoothing": Phrase("Signal to noise, by smoothing, normalised"),
    "normalised_snr_subtraction": Phrase("Signal to noise, by subtraction, normalised"),
    "ghost_percent": Phrase("Ghosting"),
    "uniformity_percent": Phrase("Uniformity"),
    "fraction_within_10_percent_of_mean_of_roi": Phrase("Uniformity along a line"),
    "slice_width_mm": Phrase("Slice width"),
    "slice_width_ramps_mm": Phrase("Slice width, ramps"),
    "pixel_size_of_resolution_mm": Phrase("Resolution as the size of a pixel"),
    "mean_hu": Phrase("Mean CT number"),
    "noise_sd_hu": Phrase("Noise"),
    "noise_sd_hu_from_pairs": Phrase("Noise, from pairs"),
    "cnr": Phrase("Contrast to noise"),
    "hu_ctp404": Phrase("CT number"),
    "hu_linearity_slope": Phrase("Linearity of CT numbers, slope"),
    "noise_hu": Phrase("Noise of CT numbers"),
    "noise_sqrt_dose_hu": Phrase("Noise times the root of the dose"),
    "nps_mean_frequency_per_mm": Phrase("Mean frequency of noise"),
    "nps_peak_frequency_per_mm": Phrase("Frequency of most noise"),
    "ring_hu": Phrase("Rings"),
    "origin_slice_ctp404": Phrase("Slice of the inserts"),
    "sagittal_length_mm": Phrase("Length in the sagittal plane"),
    "hu_uniformity_ctp486": Phrase("CT number of the uniform part"),
    "hu_uniformity": Phrase("Uniformity of CT numbers"),
    "contrast_hu": Phrase("Contrast of CT numbers"),
    "mtf_lp_per_mm_at_percent_ctp528": Phrase("Resolution at a percentage of the MTF"),
    "line_length_mm_ctp404": Phrase("Distance of holes"),
    "low_contrast_rois_visible_ctp515": Phrase("Visible low-contrast targets"),
    "hu_module_1": Phrase("CT number"),
    "origin_slice_module_1": Phrase("Slice of the inserts"),
    "hu_uniformity_module_3": Phrase("CT number of the uniform part"),
    "cnr_module_2": Phrase("Contrast to noise"),
    "contrast_hu_module_2": Phrase("Contrast of CT numbers"),
    "resolution_lp_per_cm_module_4": Phrase("Finest bars resolved"),
    "mtf_lp_per_mm_at_percent_module_4": Phrase("Resolution at a percentage of the MTF"),
    "roll_deg": Phrase("Roll"),
}
PARTS: Mapping[str, Phrase] = {
    "horizontal": Phrase("horizontal"),
    "vertical": Phrase("vertical"),
    "diagonal_se": Phrase("diagonal to the lower right"),
    "diagonal_sw": Phrase("diagonal to the lower left"),
    "max_absolute_error": Phrase("largest error"),
    "mean_relative_error": Phrase("mean relative error"),
    "coefficient_of_variation_percent": Phrase("coefficient of variation"),
    "total": Phrase("total"),
    "largest_difference": Phrase("largest difference"),
    "best": Phrase("best"),
    "upper_left": Phrase("upper left"),
    "lower_right": Phrase("lower right"),
    "measured": Phrase("as measured"),
    "normalised": Phrase("normalised"),
    "horizontal_ipem": Phrase("horizontal"),
    "vertical_ipem": Phrase("vertical"),
    "frequency": Phrase("frequency encoding"),
    "phase": Phrase("phase encoding"),
    "top": Phrase("top"),
    "bottom": Phrase("bottom"),
    "Top": Phrase("top"),
    "Bottom": Phrase("bottom"),
    "Left": Phrase("left side"),
    "Right": Phrase("right side"),
    "Center": Phrase("centre"),
}
MAIN_PARTS = ("total", "best", "max_absolute_error", "normalised")
"""What stands for a value of several parts in the rows of the log; of one without such a part its first does."""
ASIDE = frozenset({"slice_thickness_ramps_mm", "slice_width_ramps_mm", "hole_contrast_percent"})
"""What another value is computed from."""
_SLICE = re.compile(r"slice_(\d+)(?:_(\w+))?")
_HOLES = re.compile(r"(upper_left|lower_right)_(\d)(\d)")


def title_of(name: str) -> str:
    """The title of a value.

    >>> title_of("geometric_accuracy_mm.slice_5_vertical"), title_of("piu_percent"), title_of("hu_ctp404.Teflon")
    ('Geometric accuracy: slice 5, vertical', 'Uniformity (PIU)', 'CT number: Teflon')
    """
    head, _, part = name.partition(".")
    title = HEADS.get(head, head.replace("_", " "))
    return Phrase("{title}: {part}", title=title, part=_part(part)) if part else title


def _part(part: str) -> str:
    holes = _HOLES.fullmatch(part)
    if holes is not None:
        side, whole, tenths = holes.groups()
        return Phrase("{part}, holes of {size} mm", part=_part(side), size=f"{whole}.{tenths}")
    match = _SLICE.fullmatch(part)
    if match is None:
        return PARTS.get(part, part.replace("_", " "))
    number, direction = match.groups()
    if not direction:
        return Phrase("slice {number}", number=number)
    return Phrase("slice {number}, {part}", number=number, part=_part(direction))


def main_names(names: Iterable[str]) -> list[str]:
    """Those that stand for the others, in their order: one of each value that has parts.

    >>> main_names(["piu_percent", "low_contrast_spokes.slice_8", "low_contrast_spokes.total"])
    ['piu_percent', 'low_contrast_spokes.total']
    """
    by_head: dict[str, list[str]] = {}
    for name in names:
        by_head.setdefault(name.partition(".")[0], []).append(name)
    return [
        next((f"{head}.{part}" for part in MAIN_PARTS if f"{head}.{part}" in of_head), of_head[0])
        for head, of_head in by_head.items()
        if head not in ASIDE
    ]


def head_of_slices(name: str) -> str:
    """The value that is measured on several slices, of one of them; empty for others.

    >>> head_of_slices("low_contrast_spokes.slice_8"), head_of_slices("low_contrast_spokes.total")
    ('low_contrast_spokes', '')
    """
    head, _, part = name.partition(".")
    return head if _SLICE.fullmatch(part) else ""
