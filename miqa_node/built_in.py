"""The plug-ins of the node itself: for each seam one table of name and ``module:object``.

This is the node's table of contents: a part without its line here is gone, and the rest works without it. Modules are
imported on first use of their seam (plugins.py); other distributions have entry points (docs/how-to/extend.md). Each
table is in the order of its names, in which pages are asked for a path.
"""

from __future__ import annotations

from collections.abc import Mapping

SEAMS = {
    "commands": "miqa_node.cli.command:COMMANDS",
    "destinations": "miqa_node.deliver.kinds.base:DESTINATIONS",
    "measurements": "miqa_node.domain.measurand:MEASUREMENTS",
    "model_contracts": "miqa_node.assess.contracts.base:CONTRACTS",
    "outputs": "miqa_node.report.outputs.base:OUTPUTS",
    "pages": "miqa_node.web.page:PAGES",
    "sources": "miqa_node.sources.base:SOURCES",
    "taxonomies": "miqa_node.taxonomy.base:TAXONOMIES",
    "units": "miqa_node.units.base:UNITS",
}

COMMANDS = {
    "analysis": "miqa_node.cli.commands:ANALYSIS",
    "assess": "miqa_node.cli.commands:ASSESS",
    "audit": "miqa_node.cli.commands:AUDIT",
    "backup": "miqa_node.cli.commands:BACKUP",
    "calibrate": "miqa_node.cli.commands:CALIBRATE",
    "deliveries": "miqa_node.cli.commands:DELIVERIES",
    "doctor": "miqa_node.cli.commands:DOCTOR",
    "enhance": "miqa_node.cli.commands:ENHANCE",
    "erase": "miqa_node.cli.commands:ERASE",
    "evaluate": "miqa_node.cli.commands:EVALUATE",
    "explain": "miqa_node.cli.commands:EXPLAIN",
    "fsck": "miqa_node.cli.commands:FSCK",
    "labels": "miqa_node.cli.commands:LABELS",
    "migrate": "miqa_node.cli.commands:MIGRATE",
    "models": "miqa_node.cli.commands:MODELS",
    "phantoms": "miqa_node.cli.commands:PHANTOMS",
    "reassess": "miqa_node.cli.commands:REASSESS",
    "restore": "miqa_node.cli.commands:RESTORE",
    "retention": "miqa_node.cli.commands:RETENTION",
    "run": "miqa_node.cli.commands:RUN",
    "selftest": "miqa_node.cli.commands:SELFTEST",
    "send": "miqa_node.cli.commands:SEND",
    "study": "miqa_node.cli.commands:STUDY",
    "tune": "miqa_node.cli.commands:TUNE",
    "users": "miqa_node.cli.commands:USERS",
    "worklist": "miqa_node.cli.commands:WORKLIST",
}

PAGES = {
    "account_notices_api": "miqa_node.web.rest.notices:PAGE",  # {name}/{action} of accounts_api would take its paths
    "accounts_api": "miqa_node.web.rest.accounts:PAGE",
    "analysis": "miqa_node.web.pages.analysis.router:PAGE",
    "analysis_api": "miqa_node.web.rest.analysis:PAGE",
    "api": "miqa_node.web.rest.api:PAGE",
    "audit": "miqa_node.web.pages.audit.router:PAGE",
    "audit_api": "miqa_node.web.rest.audit:PAGE",
    "capabilities": "miqa_node.web.rest.capabilities:PAGE",
    "deliveries_api": "miqa_node.web.rest.deliveries:PAGE",
    "fetch_page": "miqa_node.web.pages.fetch.router:PAGE",
    "frames": "miqa_node.web.rest.frames:PAGE",
    "holds_api": "miqa_node.web.rest.holds:PAGE",
    "images": "miqa_node.web.pages.images.router:PAGE",
    "limits_api": "miqa_node.web.rest.limits:PAGE",
    "live": "miqa_node.web.pages.live.router:PAGE",
    "look": "miqa_node.web.pages.look.router:PAGE",
    "notices": "miqa_node.web.pages.notices.router:PAGE",
    "operations": "miqa_node.web.pages.operations.router:PAGE",
    "operations_api": "miqa_node.web.rest.operations:PAGE",
    "own_token_api": "miqa_node.web.rest.tokens:OWN",
    "people": "miqa_node.web.pages.people.router:PAGE",
    "phantoms": "miqa_node.web.pages.phantoms.router:PAGE",
    "phantoms_api": "miqa_node.web.rest.phantoms:PAGE",
    "pictures": "miqa_node.web.pages.pictures.router:PAGE",
    "predict": "miqa_node.web.rest.predict:PAGE",
    "qido": "miqa_node.web.rest.qido:PAGE",
    "reader_study": "miqa_node.web.pages.reader_study.router:PAGE",
    "readings": "miqa_node.web.pages.readings.router:PAGE",
    "reassess_page": "miqa_node.web.pages.reassess.router:PAGE",
    "reassessments_api": "miqa_node.web.rest.reassessments:PAGE",
    "retrievals_api": "miqa_node.web.rest.retrievals:PAGE",
    "review": "miqa_node.web.pages.study.review:PAGE",
    "rooms": "miqa_node.web.pages.rooms.router:PAGE",
    "saved_views": "miqa_node.web.pages.worklist.saved:PAGE",
    "second_factor": "miqa_node.web.pages.sign_in.second:PAGE",
    "sign_in": "miqa_node.web.pages.sign_in.router:PAGE",
    "sign_on": "miqa_node.web.pages.sign_in.sign_on:PAGE",
    "stow": "miqa_node.web.rest.stow:PAGE",
    "study": "miqa_node.web.pages.study.router:PAGE",
    "tokens_api": "miqa_node.web.rest.tokens:PAGE",
    "tuning": "miqa_node.web.pages.tuning.router:PAGE",
    "views_api": "miqa_node.web.rest.views:PAGE",
    "wado": "miqa_node.web.rest.wado:PAGE",
    "worklist": "miqa_node.web.pages.worklist.router:PAGE",
}

SOURCES = {
    "cstore": "miqa_node.sources.cstore:KIND",
    "folder": "miqa_node.sources.folder:KIND",
    "rest": "miqa_node.sources.rest:KIND",
}

UNITS = {
    "note": "miqa_node.units.note:UNIT",
    "other": "miqa_node.units.other:UNIT",
    "projection": "miqa_node.units.projection:UNIT",
    "series": "miqa_node.units.series:UNIT",
    "unplaced": "miqa_node.units.unplaced:UNIT",
}

MEASUREMENTS = {
    "air_noise": "miqa_node.assess.measure.series.air_noise:AIR_NOISE",
    "blockiness": "miqa_node.assess.measure.image.blockiness:BLOCKINESS",
    "border_contact": "miqa_node.assess.measure.image.outline:BORDER_CONTACT",
    "brightness": "miqa_node.assess.measure.image.brightness:BRIGHTNESS",
    "burnt_out_share": "miqa_node.assess.measure.image.displayed_contrast:BURNT_OUT_SHARE",
    "clipped_by_voi": "miqa_node.assess.measure.image.saturation:CLIPPED_BY_VOI",
    "cnr_lung_mediastinum": "miqa_node.assess.measure.image.chest_contrast:CNR_LUNG_MEDIASTINUM",
    "contrast": "miqa_node.assess.measure.image.brightness:CONTRAST",
    "coverage": "miqa_node.assess.measure.series.stack:COVERAGE",
    "crushed_dark_share": "miqa_node.assess.measure.image.displayed_contrast:CRUSHED_DARK_SHARE",
    "ct_noise": "miqa_node.assess.measure.series.ct_noise:CT_NOISE",
    "ctdi_vol": "miqa_node.assess.measure.series.ctdi_vol:CTDI_VOL",
    "cut_sides": "miqa_node.assess.landmarks.measurands:CUT_SIDES",
    "deviation_index": "miqa_node.assess.measure.image.exposure_index:DEVIATION_INDEX",
    "displayed_contrast": "miqa_node.assess.measure.image.displayed_contrast:DISPLAYED_CONTRAST",
    "edge_slope_10_90": "miqa_node.assess.measure.image.edge_width:EDGE_SLOPE_10_90",
    "edge_width_10_90": "miqa_node.assess.measure.image.edge_width:EDGE_WIDTH_10_90",
    "entropy": "miqa_node.assess.measure.image.entropy:ENTROPY",
    "exposure_index": "miqa_node.assess.measure.image.exposure_index:EXPOSURE_INDEX",
    "grid_frequency": "miqa_node.assess.measure.image.grid:GRID_FREQUENCY",
    "grid_peak": "miqa_node.assess.measure.image.grid:GRID_PEAK",
    "laplacian_variance": "miqa_node.assess.measure.image.laplacian_variance:LAPLACIAN_VARIANCE",
    "left_right_symmetry": "miqa_node.assess.measure.image.outline:LEFT_RIGHT_SYMMETRY",
    "local_variance_mode": "miqa_node.assess.measure.image.local_variance_mode:LOCAL_VARIANCE_MODE",
    "lung_field_percent": "miqa_node.assess.landmarks.measurands:LUNG_FIELD_PERCENT",
    "lung_height_ratio": "miqa_node.assess.landmarks.measurands:LUNG_HEIGHT_RATIO",
    "lung_margin": "miqa_node.assess.landmarks.measurands:LUNG_MARGIN",
    "lung_margin_bottom": "miqa_node.assess.landmarks.measurands:LUNG_MARGIN_BOTTOM",
    "lung_margin_left": "miqa_node.assess.landmarks.measurands:LUNG_MARGIN_LEFT",
    "lung_margin_right": "miqa_node.assess.landmarks.measurands:LUNG_MARGIN_RIGHT",
    "lung_margin_top": "miqa_node.assess.landmarks.measurands:LUNG_MARGIN_TOP",
    "metal_share": "miqa_node.assess.measure.series.metal_share:METAL_SHARE",
    "mirrored_percent": "miqa_node.assess.landmarks.measurands:MIRRORED_PERCENT",
    "mr_efc": "miqa_node.assess.measure.series.mr_efc:MR_EFC",
    "mr_fber": "miqa_node.assess.measure.series.mr_snr:MR_FBER",
    "mr_ghost": "miqa_node.assess.measure.series.mr_phase:MR_GHOST",
    "mr_snr": "miqa_node.assess.measure.series.mr_snr:MR_SNR",
    "mr_snr_dietrich": "miqa_node.assess.measure.series.mr_snr:MR_SNR_DIETRICH",
    "mr_wrap": "miqa_node.assess.measure.series.mr_phase:MR_WRAP",
    "noise_share": "miqa_node.assess.measure.image.noise_sigma:NOISE_SHARE",
    "noise_sigma": "miqa_node.assess.measure.image.noise_sigma:NOISE_SIGMA",
    "nps_peak": "miqa_node.assess.measure.series.nps_peak:NPS_PEAK",
    "pixels_at_maximum": "miqa_node.assess.measure.image.saturation:PIXELS_AT_MAXIMUM",
    "pixels_at_minimum": "miqa_node.assess.measure.image.saturation:PIXELS_AT_MINIMUM",
    "ribs_above_dome": "miqa_node.assess.landmarks.measurands:RIBS_ABOVE_DOME",
    "rotation_percent": "miqa_node.assess.landmarks.measurands:ROTATION_PERCENT",
    "slice_count": "miqa_node.assess.measure.series.stack:SLICE_COUNT",
    "slice_distance": "miqa_node.assess.measure.series.stack:SLICE_DISTANCE",
    "slice_gap_largest": "miqa_node.assess.measure.series.stack:SLICE_GAP_LARGEST",
    "slice_gaps": "miqa_node.assess.measure.series.stack:SLICE_GAPS",
    "slice_jump": "miqa_node.assess.measure.series.slice_jump:SLICE_JUMP",
    "slices_unreadable": "miqa_node.assess.measure.series.stack:SLICES_UNREADABLE",
    "snr_lung": "miqa_node.assess.measure.image.chest_contrast:SNR_LUNG",
    "streak_index": "miqa_node.assess.measure.series.air_noise:STREAK_INDEX",
    "target_exposure_index": "miqa_node.assess.measure.image.exposure_index:TARGET_EXPOSURE_INDEX",
    "tenengrad": "miqa_node.assess.measure.image.tenengrad:TENENGRAD",
    "tilt_deg": "miqa_node.assess.landmarks.measurands:TILT_DEG",
    "truncation": "miqa_node.assess.measure.series.truncation:TRUNCATION",
    "used_range_share": "miqa_node.assess.measure.image.used_range_share:USED_RANGE_SHARE",
}

MODEL_CONTRACTS = {
    "measurements": "miqa_node.assess.contracts.measurements:MEASUREMENTS",
    "plain_image": "miqa_node.assess.contracts.plain_image:PLAIN_IMAGE",
    "series": "miqa_node.assess.contracts.series:SERIES",
    "two_branch": "miqa_node.assess.contracts.two_branch:TWO_BRANCH",
}

TAXONOMIES = {
    "built_in": "miqa_node.taxonomy.builtin:BUILT_IN",
}

OUTPUTS = {
    "AIRAI": "miqa_node.report.outputs.airai:OUTPUT",
    "ENHANCED": "miqa_node.report.outputs.enhanced:OUTPUT",
    "GSPS": "miqa_node.report.outputs.gsps:OUTPUT",
    "KOS": "miqa_node.report.outputs.kos:OUTPUT",
    "PDF": "miqa_node.report.outputs.pdf:OUTPUT",
    "REJECTION": "miqa_node.report.outputs.rejection:OUTPUT",
    "SC": "miqa_node.report.outputs.sc:OUTPUT",
    "SC_J2K": "miqa_node.report.outputs.sc_j2k:OUTPUT",
    "SC_RLE": "miqa_node.report.outputs.sc_rle:OUTPUT",
    "SEG": "miqa_node.report.outputs.seg:OUTPUT",
    "SEG_FRACTIONAL": "miqa_node.report.outputs.seg_fractional:OUTPUT",
    "SEG_LABELMAP": "miqa_node.report.outputs.seg_labelmap:OUTPUT",
    "SEG_LUNGS": "miqa_node.report.outputs.seg_lungs:OUTPUT",
    "SR": "miqa_node.report.outputs.sr:OUTPUT",
}

DESTINATIONS = {
    "cstore": "miqa_node.deliver.kinds.cstore:KIND",
    "folder": "miqa_node.deliver.kinds.folder:KIND",
    "stow": "miqa_node.deliver.kinds.stow:KIND",
    "webhook": "miqa_node.deliver.kinds.webhook:KIND",
}

BUILT_IN: Mapping[str, Mapping[str, str]] = {
    "seams": SEAMS,
    "commands": COMMANDS,
    "pages": PAGES,
    "sources": SOURCES,
    "units": UNITS,
    "measurements": MEASUREMENTS,
    "model_contracts": MODEL_CONTRACTS,
    "taxonomies": TAXONOMIES,
    "outputs": OUTPUTS,
    "destinations": DESTINATIONS,
}
