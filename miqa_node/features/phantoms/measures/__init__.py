"""The measures of phantoms, each in a file of its own; a new one is one file and its line here."""

from __future__ import annotations

from miqa_node.features.phantoms.measures import (
    catphan_geometry,
    catphan_hu,
    catphan_low_contrast,
    catphan_mtf,
    catphan_uniformity,
    ct_noise,
    geometric_accuracy,
    high_contrast,
    lcd_ct,
    low_contrast,
    mr_ghosting,
    mr_resolution,
    mr_slice_width,
    mr_snr,
    mr_uniformity,
    noise_power,
    piu,
    psg,
    sagittal_length,
    slice_position,
    slice_thickness,
    snr,
)
from miqa_node.features.phantoms.measures.base import Measure

MEASURES: tuple[Measure, ...] = (
    piu.MEASURE,
    psg.MEASURE,
    snr.MEASURE,
    geometric_accuracy.MEASURE,
    slice_thickness.MEASURE,
    slice_position.MEASURE,
    high_contrast.MEASURE,
    low_contrast.MEASURE,
    sagittal_length.MEASURE,
    catphan_hu.MEASURE,
    catphan_uniformity.MEASURE,
    catphan_mtf.MEASURE,
    catphan_geometry.MEASURE,
    catphan_low_contrast.MEASURE,
    ct_noise.MEASURE,
    lcd_ct.MEASURE,
    noise_power.MEASURE,
    mr_uniformity.MEASURE,
    mr_ghosting.MEASURE,
    mr_snr.MEASURE,
    mr_slice_width.MEASURE,
    mr_resolution.MEASURE,
)
"""In the order in which they are shown."""
