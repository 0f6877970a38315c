"""The measurements that tell of a scanner, and by how much each may differ without any meaning.

What a patient or a request decides (metal, breath, number of slices, cut anatomy) has no usual range here, nor has a
measurement of another distribution. The reference of measurements prints these numbers; how exact a measurement is
stands in its declaration (``Measurand.tolerance``).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Tolerance:
    """The least spread of a measurement: in its unit, or as a share of its median, whatever is larger."""

    absolute: float = 0.0
    share: float = 0.0

    def around(self, median: float) -> float:
        """The least spread around a median."""
        return max(self.absolute, self.share * abs(median))


_CT = {
    "ct_noise": Tolerance(share=0.03),
    "normalised_noise": Tolerance(share=0.03),
    "noise_for_dose": Tolerance(share=0.03),
    "ct_snr": Tolerance(share=0.03),
    "air_noise": Tolerance(0.2, 0.03),
    "hu_air": Tolerance(1.5),
    "hu_fat": Tolerance(2.0),
    "hu_soft_tissue": Tolerance(2.0),
    "hu_offset": Tolerance(2.0),
    "noise_whiteness": Tolerance(1.0),
    "nps_peak": Tolerance(0.005, 0.05),
    "skin_mtf_50": Tolerance(0.005, 0.03),
    "streak_index": Tolerance(0.3, 0.05),
    "streak_direction": Tolerance(0.2),
    "ring_index": Tolerance(0.3, 0.05),
    "doubled_edges": Tolerance(1.0),
    "ctdi_vol": Tolerance(0.05, 0.02),
}
_MR = {
    "mr_snr": Tolerance(share=0.03),
    "mr_snr_dietrich": Tolerance(share=0.05),
    "mr_noise": Tolerance(0.05, 0.03),
    "mr_fber": Tolerance(share=0.1),
    "mr_cjv": Tolerance(0.01, 0.03),
    "mr_wm2max": Tolerance(0.01),
    "mr_efc": Tolerance(0.01),
    "mr_edges": Tolerance(0.2, 0.03),
    "mr_ghost": Tolerance(0.2),
    "mr_gsr": Tolerance(0.003),
    "mr_spikes": Tolerance(0.2),
    "mr_inu_median": Tolerance(0.02),
    "mr_inu_range": Tolerance(0.02),
    "mr_uniformity": Tolerance(1.0),
}
_RADIOGRAPHY = {
    "exposure_index": Tolerance(share=0.05),
    "target_exposure_index": Tolerance(share=0.01),
    "deviation_index": Tolerance(0.3),
    "brightness": Tolerance(1.0),
    "contrast": Tolerance(0.5),
    "used_range_share": Tolerance(1.0),
    "laplacian_variance": Tolerance(share=0.05),
    "tenengrad": Tolerance(share=0.05),
    "edge_width_10_90": Tolerance(0.1),
    "edge_slope_10_90": Tolerance(0.02),
    "noise_sigma": Tolerance(share=0.05),
    "noise_share": Tolerance(0.05, 0.05),
    "local_variance_mode": Tolerance(share=0.1),
    "grid_peak": Tolerance(0.5),
    "blockiness": Tolerance(0.02),
    "snr_lung": Tolerance(share=0.05),
    "cnr_lung_mediastinum": Tolerance(share=0.05),
}
_OTHERS = {
    "us_gain": Tolerance(1.0),
    "us_black_share": Tolerance(1.0),
    "us_white_share": Tolerance(0.2),
    "us_filled_depth": Tolerance(2.0),
    "us_dropout": Tolerance(1.0),
    "us_bands": Tolerance(1.0),
    "mg_kvp": Tolerance(0.5),
    "mg_exposure": Tolerance(share=0.03),
    "mg_glandular_dose": Tolerance(0.05, 0.03),
    "mg_saturated_share": Tolerance(0.2),
    "nm_counts": Tolerance(share=0.05),
    "nm_uniformity": Tolerance(0.5),
    "nm_tags_missing": Tolerance(0.15),  # so that one element more than usual is outside from the first range on
    "pt_tags_missing": Tolerance(0.15),
    "xa_saturated_share": Tolerance(0.2),
}
TOLERANCES: Mapping[str, Tolerance] = _CT | _MR | _RADIOGRAPHY | _OTHERS
"""By measurement, about half of what repetition on one test object or the rounding of a header changes."""
