"""The plug-ins of the node itself, by name, as ``module:object``.

This is the node's table of contents. What a feature has for each seam stands in its own folder, in ``__init__.py``
(:data:`FEATURES`); everything else stands here. A feature without its line, or a part without its own, is gone, and
the rest works without it. Modules are imported on first use of their seam (plugins.py); other distributions have entry
points (docs/how-to/extend.md). Tables are in the order of their names.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module

FEATURES = (
    "accounts",
    "analysis",
    "audit",
    "backup",
    "events",
    "labels",
    "limits",
    "mammogram_pairs",
    "models",
    "notices",
    "operations",
    "phantoms",
    "reader_study",
    "reassess",
    "retention",
    "usual_ranges",
    "worklist",
)
"""Folders of ``features``. Each has a table for each seam that it uses, such as ``PAGES``, with places inside it."""

SEAMS = {
    "commands": "miqa_node.interfaces.cli.command:COMMANDS",
    "destinations": "miqa_node.stages.deliver.kinds.base:DESTINATIONS",
    "effects": "miqa_node.stages.conclusion.effects:EFFECTS",
    "gauges": "miqa_node.stages.conclusion.gauge:GAUGES",
    "measurements": "miqa_node.core.domain.measurand:MEASUREMENTS",
    "model_contracts": "miqa_node.stages.assess.contracts.base:CONTRACTS",
    "outputs": "miqa_node.stages.report.outputs.base:OUTPUTS",
    "pages": "miqa_node.interfaces.web.page:PAGES",
    "parts": "miqa_node.parts:PARTS",
    "sources": "miqa_node.stages.receive.sources.base:SOURCES",
    "taxonomies": "miqa_node.core.taxonomy.base:TAXONOMIES",
    "units": "miqa_node.stages.units.base:UNITS",
}

COMMANDS = {
    "assess": "miqa_node.interfaces.cli.commands:ASSESS",
    "enhance": "miqa_node.interfaces.cli.commands:ENHANCE",
    "migrate": "miqa_node.interfaces.cli.commands:MIGRATE",
    "run": "miqa_node.interfaces.cli.commands:RUN",
    "send": "miqa_node.interfaces.cli.commands:SEND",
}

PAGES = {
    "capabilities": "miqa_node.interfaces.dicomweb.capabilities:PAGE",
    "frames": "miqa_node.interfaces.dicomweb.frames:PAGE",
    "look": "miqa_node.interfaces.web.pages.look.router:PAGE",
    "pictures": "miqa_node.interfaces.web.pages.pictures.router:PAGE",
    "predict": "miqa_node.interfaces.web.rest.predict:PAGE",
    "qido": "miqa_node.interfaces.dicomweb.qido:PAGE",
    "stow": "miqa_node.interfaces.dicomweb.stow:PAGE",
    "wado": "miqa_node.interfaces.dicomweb.wado:PAGE",
}

PARTS = {
    "better_copies": "miqa_node.stages.units.work.better_copies:PART",
    "destinations": "miqa_node.stages.deliver.work:PART",
    "identification": "miqa_node.stages.receive.work:PART",
    "one_verdict": "miqa_node.stages.conclusion.work.one_verdict:PART",
    "series": "miqa_node.stages.units.work.series:PART",
    "web": "miqa_node.interfaces.web.part:PART",
}

SOURCES = {
    "cstore": "miqa_node.stages.receive.sources.cstore:KIND",
    "folder": "miqa_node.stages.receive.sources.folder:KIND",
    "rest": "miqa_node.stages.receive.sources.rest:KIND",
}

UNITS = {
    "note": "miqa_node.stages.units.note:UNIT",
    "other": "miqa_node.stages.units.other:UNIT",
    "projection": "miqa_node.stages.units.projection:UNIT",
    "series": "miqa_node.stages.units.series:UNIT",
    "unplaced": "miqa_node.stages.units.unplaced:UNIT",
}

MEASUREMENTS = {
    "air_noise": "miqa_node.stages.measure.ct.air_noise:AIR_NOISE",
    "blockiness": "miqa_node.stages.measure.image.blockiness:BLOCKINESS",
    "border_contact": "miqa_node.stages.measure.image.outline:BORDER_CONTACT",
    "brightness": "miqa_node.stages.measure.image.brightness:BRIGHTNESS",
    "burnt_out_share": "miqa_node.stages.measure.image.displayed_contrast:BURNT_OUT_SHARE",
    "capture_detail": "miqa_node.stages.measure.captures.content:CAPTURE_DETAIL",
    "capture_even_share": "miqa_node.stages.measure.captures.content:CAPTURE_EVEN_SHARE",
    "clipped_by_voi": "miqa_node.stages.measure.image.saturation:CLIPPED_BY_VOI",
    "cnr_lung_mediastinum": "miqa_node.stages.measure.image.chest_contrast:CNR_LUNG_MEDIASTINUM",
    "collimator_difference": "miqa_node.stages.measure.image.field.collimator:COLLIMATOR_DIFFERENCE",
    "collimator_outside_share": "miqa_node.stages.measure.image.field.collimator:COLLIMATOR_OUTSIDE_SHARE",
    "contrast": "miqa_node.stages.measure.image.brightness:CONTRAST",
    "coverage": "miqa_node.stages.measure.series.stack:COVERAGE",
    "crushed_dark_share": "miqa_node.stages.measure.image.displayed_contrast:CRUSHED_DARK_SHARE",
    "ct_noise": "miqa_node.stages.measure.ct.noise:CT_NOISE",
    "ct_snr": "miqa_node.stages.measure.ct.snr:CT_SNR",
    "ctdi_vol": "miqa_node.stages.measure.ct.dose:CTDI_VOL",
    "cut_sides": "miqa_node.stages.assess.landmarks.measurands:CUT_SIDES",
    "deviation_index": "miqa_node.stages.measure.image.exposure_index:DEVIATION_INDEX",
    "displayed_contrast": "miqa_node.stages.measure.image.displayed_contrast:DISPLAYED_CONTRAST",
    "dlp": "miqa_node.stages.measure.ct.dose:DLP",
    "doubled_edges": "miqa_node.stages.measure.ct.doubled_edges:DOUBLED_EDGES",
    "edge_slope_10_90": "miqa_node.stages.measure.image.edge_width:EDGE_SLOPE_10_90",
    "edge_width_10_90": "miqa_node.stages.measure.image.edge_width:EDGE_WIDTH_10_90",
    "entropy": "miqa_node.stages.measure.image.entropy:ENTROPY",
    "exposure_index": "miqa_node.stages.measure.image.exposure_index:EXPOSURE_INDEX",
    "field_bottom": "miqa_node.stages.measure.image.field.exposed:FIELD_BOTTOM",
    "field_left": "miqa_node.stages.measure.image.field.exposed:FIELD_LEFT",
    "field_outside_share": "miqa_node.stages.measure.image.field.exposed:FIELD_OUTSIDE_SHARE",
    "field_right": "miqa_node.stages.measure.image.field.exposed:FIELD_RIGHT",
    "field_sides": "miqa_node.stages.measure.image.field.exposed:FIELD_SIDES",
    "field_tilt_deg": "miqa_node.stages.measure.image.field.exposed:FIELD_TILT_DEG",
    "field_top": "miqa_node.stages.measure.image.field.exposed:FIELD_TOP",
    "frame_gaps": "miqa_node.stages.measure.run.gaps:FRAME_GAPS",
    "frames_repeated": "miqa_node.stages.measure.run.repeats:FRAMES_REPEATED",
    "gantry_tilt": "miqa_node.stages.measure.ct.tilt:GANTRY_TILT",
    "grid_frequency": "miqa_node.stages.measure.image.grid:GRID_FREQUENCY",
    "grid_peak": "miqa_node.stages.measure.image.grid:GRID_PEAK",
    "hu_air": "miqa_node.stages.measure.ct.hounsfield:HU_AIR",
    "hu_fat": "miqa_node.stages.measure.ct.hounsfield:HU_FAT",
    "hu_offset": "miqa_node.stages.measure.ct.hounsfield:HU_OFFSET",
    "hu_soft_tissue": "miqa_node.stages.measure.ct.hounsfield:HU_SOFT_TISSUE",
    "identity_text": "miqa_node.stages.assess.text.measurand:IDENTITY_TEXT",
    "laplacian_variance": "miqa_node.stages.measure.image.laplacian_variance:LAPLACIAN_VARIANCE",
    "left_markers": "miqa_node.stages.assess.landmarks.measurands:LEFT_MARKERS",
    "left_right_symmetry": "miqa_node.stages.measure.image.outline:LEFT_RIGHT_SYMMETRY",
    "local_variance_mode": "miqa_node.stages.measure.image.local_variance_mode:LOCAL_VARIANCE_MODE",
    "lung_field_percent": "miqa_node.stages.assess.landmarks.measurands:LUNG_FIELD_PERCENT",
    "lung_height_ratio": "miqa_node.stages.assess.landmarks.measurands:LUNG_HEIGHT_RATIO",
    "lung_margin": "miqa_node.stages.assess.landmarks.measurands:LUNG_MARGIN",
    "lung_margin_bottom": "miqa_node.stages.assess.landmarks.measurands:LUNG_MARGIN_BOTTOM",
    "lung_margin_left": "miqa_node.stages.assess.landmarks.measurands:LUNG_MARGIN_LEFT",
    "lung_margin_right": "miqa_node.stages.assess.landmarks.measurands:LUNG_MARGIN_RIGHT",
    "lung_margin_top": "miqa_node.stages.assess.landmarks.measurands:LUNG_MARGIN_TOP",
    "marker_agrees": "miqa_node.stages.assess.landmarks.measurands:MARKER_AGREES",
    "metal_share": "miqa_node.stages.measure.ct.metal_share:METAL_SHARE",
    "mg_border_contact": "miqa_node.stages.measure.mg.border:MG_BORDER_CONTACT",
    "mg_compressed_thickness": "miqa_node.stages.measure.mg.tags:MG_COMPRESSED_THICKNESS",
    "mg_compression_force": "miqa_node.stages.measure.mg.tags:MG_COMPRESSION_FORCE",
    "mg_exposure": "miqa_node.stages.measure.mg.tags:MG_EXPOSURE",
    "mg_glandular_dose": "miqa_node.stages.measure.mg.tags:MG_GLANDULAR_DOSE",
    "mg_kvp": "miqa_node.stages.measure.mg.tags:MG_KVP",
    "mg_nipple_line": "miqa_node.stages.measure.mg.lines:MG_NIPPLE_LINE",
    "mg_pectoral_length": "miqa_node.stages.measure.mg.lines:MG_PECTORAL_LENGTH",
    "mg_saturated_share": "miqa_node.stages.measure.mg.saturation:MG_SATURATED_SHARE",
    "mg_wall_agrees": "miqa_node.stages.measure.mg.border:MG_WALL_AGREES",
    "mirrored_percent": "miqa_node.stages.assess.landmarks.measurands:MIRRORED_PERCENT",
    "mr_cjv": "miqa_node.stages.measure.mr.tissue:MR_CJV",
    "mr_edges": "miqa_node.stages.measure.mr.edges:MR_EDGES",
    "mr_efc": "miqa_node.stages.measure.mr.efc:MR_EFC",
    "mr_fber": "miqa_node.stages.measure.mr.snr:MR_FBER",
    "mr_ghost": "miqa_node.stages.measure.mr.ghost:MR_GHOST",
    "mr_gsr": "miqa_node.stages.measure.mr.ghost:MR_GSR",
    "mr_inu_median": "miqa_node.stages.measure.mr.bias:MR_INU_MEDIAN",
    "mr_inu_range": "miqa_node.stages.measure.mr.bias:MR_INU_RANGE",
    "mr_motion": "miqa_node.stages.measure.mr.motion:MR_MOTION",
    "mr_noise": "miqa_node.stages.measure.mr.noise:MR_NOISE",
    "mr_qi1": "miqa_node.stages.measure.mr.air:MR_QI1",
    "mr_snr": "miqa_node.stages.measure.mr.snr:MR_SNR",
    "mr_snr_dietrich": "miqa_node.stages.measure.mr.snr:MR_SNR_DIETRICH",
    "mr_spikes": "miqa_node.stages.measure.mr.spikes:MR_SPIKES",
    "mr_uniformity": "miqa_node.stages.measure.mr.bias:MR_UNIFORMITY",
    "mr_wm2max": "miqa_node.stages.measure.mr.tissue:MR_WM2MAX",
    "mr_wrap": "miqa_node.stages.measure.mr.wrap:MR_WRAP",
    "nm_counts": "miqa_node.stages.measure.nm.counts:NM_COUNTS",
    "nm_motion": "miqa_node.stages.measure.nm.motion:NM_MOTION",
    "nm_tags_missing": "miqa_node.stages.measure.nm.tags:NM_TAGS_MISSING",
    "nm_truncation": "miqa_node.stages.measure.nm.counts:NM_TRUNCATION",
    "nm_uniformity": "miqa_node.stages.measure.nm.counts:NM_UNIFORMITY",
    "noise_for_dose": "miqa_node.stages.measure.ct.noise_for_dose:NOISE_FOR_DOSE",
    "noise_share": "miqa_node.stages.measure.image.noise_sigma:NOISE_SHARE",
    "noise_sigma": "miqa_node.stages.measure.image.noise_sigma:NOISE_SIGMA",
    "noise_whiteness": "miqa_node.stages.measure.ct.noise_whiteness:NOISE_WHITENESS",
    "normalised_noise": "miqa_node.stages.measure.ct.normalised_noise:NORMALISED_NOISE",
    "nps_peak": "miqa_node.stages.measure.ct.nps_peak:NPS_PEAK",
    "part_agrees": "miqa_node.stages.assess.landmarks.measurands:PART_AGREES",
    "pixels_at_maximum": "miqa_node.stages.measure.image.saturation:PIXELS_AT_MAXIMUM",
    "pixels_at_minimum": "miqa_node.stages.measure.image.saturation:PIXELS_AT_MINIMUM",
    "pt_tags_missing": "miqa_node.stages.measure.pt.uptake:PT_TAGS_MISSING",
    "pt_truncation": "miqa_node.stages.measure.pt.truncation:PT_TRUNCATION",
    "region_coverage": "miqa_node.stages.measure.ct.region_coverage:REGION_COVERAGE",
    "ribs_above_dome": "miqa_node.stages.assess.landmarks.measurands:RIBS_ABOVE_DOME",
    "right_markers": "miqa_node.stages.assess.landmarks.measurands:RIGHT_MARKERS",
    "ring_index": "miqa_node.stages.measure.ct.rings:RING_INDEX",
    "rotation_percent": "miqa_node.stages.assess.landmarks.measurands:ROTATION_PERCENT",
    "skin_mtf_50": "miqa_node.stages.measure.ct.skin_mtf:SKIN_MTF_50",
    "slice_count": "miqa_node.stages.measure.series.stack:SLICE_COUNT",
    "slice_disorder": "miqa_node.stages.measure.series.order:SLICE_DISORDER",
    "slice_distance": "miqa_node.stages.measure.series.stack:SLICE_DISTANCE",
    "slice_gap_largest": "miqa_node.stages.measure.series.stack:SLICE_GAP_LARGEST",
    "slice_gaps": "miqa_node.stages.measure.series.stack:SLICE_GAPS",
    "slice_jump": "miqa_node.stages.measure.series.slice_jump:SLICE_JUMP",
    "slice_overlaps": "miqa_node.stages.measure.series.overlaps:SLICE_OVERLAPS",
    "slices_blank": "miqa_node.stages.measure.series.blank:SLICES_BLANK",
    "slices_repeated": "miqa_node.stages.measure.series.order:SLICES_REPEATED",
    "slices_unreadable": "miqa_node.stages.measure.series.stack:SLICES_UNREADABLE",
    "snr_lung": "miqa_node.stages.measure.image.chest_contrast:SNR_LUNG",
    "streak_direction": "miqa_node.stages.measure.ct.streaks:STREAK_DIRECTION",
    "streak_index": "miqa_node.stages.measure.ct.streaks:STREAK_INDEX",
    "target_exposure_index": "miqa_node.stages.measure.image.exposure_index:TARGET_EXPOSURE_INDEX",
    "tenengrad": "miqa_node.stages.measure.image.tenengrad:TENENGRAD",
    "tilt_deg": "miqa_node.stages.assess.landmarks.measurands:TILT_DEG",
    "truncation": "miqa_node.stages.measure.ct.truncation:TRUNCATION",
    "us_bands": "miqa_node.stages.measure.us.bands:US_BANDS",
    "us_black_share": "miqa_node.stages.measure.us.gain:US_BLACK_SHARE",
    "us_calibrated_regions": "miqa_node.stages.measure.us.calibration:US_CALIBRATED_REGIONS",
    "us_dropout": "miqa_node.stages.measure.us.dropout:US_DROPOUT",
    "us_filled_depth": "miqa_node.stages.measure.us.depth:US_FILLED_DEPTH",
    "us_gain": "miqa_node.stages.measure.us.gain:US_GAIN",
    "us_white_share": "miqa_node.stages.measure.us.gain:US_WHITE_SHARE",
    "used_range_share": "miqa_node.stages.measure.image.used_range_share:USED_RANGE_SHARE",
    "xa_field_share": "miqa_node.stages.measure.xa.field:XA_FIELD_SHARE",
    "xa_saturated_share": "miqa_node.stages.measure.xa.field:XA_SATURATED_SHARE",
}

MODEL_CONTRACTS = {
    "measurements": "miqa_node.stages.assess.contracts.measurements:MEASUREMENTS",
    "plain_image": "miqa_node.stages.assess.contracts.plain_image:PLAIN_IMAGE",
    "series": "miqa_node.stages.assess.contracts.series:SERIES",
    "two_branch": "miqa_node.stages.assess.contracts.two_branch:TWO_BRANCH",
}

TAXONOMIES = {
    "built_in": "miqa_node.core.taxonomy.builtin:BUILT_IN",
}

OUTPUTS = {
    "AIRAI": "miqa_node.stages.report.outputs.airai:OUTPUT",
    "ENHANCED": "miqa_node.stages.report.outputs.enhanced:OUTPUT",
    "GSPS": "miqa_node.stages.report.outputs.gsps:OUTPUT",
    "KOS": "miqa_node.stages.report.outputs.kos:OUTPUT",
    "NOISE_MAP": "miqa_node.stages.report.outputs.noise_map:OUTPUT",
    "PDF": "miqa_node.stages.report.outputs.pdf:OUTPUT",
    "REJECTION": "miqa_node.stages.report.outputs.rejection:OUTPUT",
    "SC": "miqa_node.stages.report.outputs.sc:OUTPUT",
    "SC_J2K": "miqa_node.stages.report.outputs.sc_j2k:OUTPUT",
    "SC_RLE": "miqa_node.stages.report.outputs.sc_rle:OUTPUT",
    "SEG": "miqa_node.stages.report.outputs.seg:OUTPUT",
    "SEG_FRACTIONAL": "miqa_node.stages.report.outputs.seg_fractional:OUTPUT",
    "SEG_LABELMAP": "miqa_node.stages.report.outputs.seg_labelmap:OUTPUT",
    "SEG_LUNGS": "miqa_node.stages.report.outputs.seg_lungs:OUTPUT",
    "SR": "miqa_node.stages.report.outputs.sr:OUTPUT",
}

DESTINATIONS = {
    "cstore": "miqa_node.stages.deliver.kinds.cstore:KIND",
    "folder": "miqa_node.stages.deliver.kinds.folder:KIND",
    "stow": "miqa_node.stages.deliver.kinds.stow:KIND",
    "webhook": "miqa_node.stages.deliver.kinds.webhook:KIND",
}

EFFECTS = {
    "deliver": "miqa_node.stages.conclusion.deliver:KIND",
    "derived_images": "miqa_node.stages.conclusion.derived_images:KIND",
    "log_line": "miqa_node.stages.conclusion.log_line:KIND",
    "metric": "miqa_node.stages.conclusion.metric:KIND",
    "person_statement": "miqa_node.stages.conclusion.person_statement:KIND",
    "series_verdict": "miqa_node.stages.conclusion.series_verdict:KIND",
    "shadow": "miqa_node.stages.conclusion.shadow:KIND",
    "standing_flag": "miqa_node.stages.conclusion.standing_flag:KIND",
}

GAUGES = {
    "damages": "miqa_node.stages.conclusion.gauge:DAMAGES",
    "deliveries": "miqa_node.stages.conclusion.gauge:DELIVERIES",
    "images": "miqa_node.stages.conclusion.gauge:IMAGES",
}

OWN: Mapping[str, Mapping[str, str]] = {
    "seams": SEAMS,
    "commands": COMMANDS,
    "pages": PAGES,
    "parts": PARTS,
    "sources": SOURCES,
    "units": UNITS,
    "measurements": MEASUREMENTS,
    "model_contracts": MODEL_CONTRACTS,
    "taxonomies": TAXONOMIES,
    "outputs": OUTPUTS,
    "destinations": DESTINATIONS,
    "effects": EFFECTS,
    "gauges": GAUGES,
}


def places_of(seam: str) -> dict[str, str]:
    """Name → ``module:object`` of the node's own plug-ins of a seam."""
    places = dict(OWN.get(seam, {}))
    for feature in FEATURES:
        package = f"miqa_node.features.{feature}"
        table: Mapping[str, str] = getattr(import_module(package), seam.upper(), {})
        places |= {name: f"{package}.{place}" for name, place in table.items()}
    return dict(sorted(places.items()))
