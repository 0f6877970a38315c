"""Says every concept of a result in codes: the standard's where it has one, else those of the scheme 99MIQA.

``SCHEME_99MIQA`` is the whole private scheme; docs/reference/results.md holds it for readers, and a test compares.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from miqa_node.domain import codes
from miqa_node.domain.codes import Code
from miqa_node.domain.finding import FindingName
from miqa_node.domain.policy import Verdict

SCHEME = "99MIQA"

IMAGE_QUALITY = Code("111101", "DCM", "Image Quality")
IMAGE_QUALITY_RATING = Code("111029", "DCM", "Image Quality Rating")
QUALITY_ASSESSMENT = Code("111050", "DCM", "Quality Assessment")
QUALITY_CONTROL_STANDARD = Code("111051", "DCM", "Quality Control Standard")
QUALITY_FINDING = Code("111052", "DCM", "Quality Finding")
INSTITUTIONAL_STANDARD = Code("111240", "DCM", "Institutionally defined quality control standard")
CERTAINTY_OF_FINDING = Code("111012", "DCM", "Certainty of Finding")
COMMENT = Code("121106", "DCM", "Comment")
NARRATIVE_SUMMARY = Code("111412", "DCM", "Narrative Summary")
LANGUAGE_OF_CONTENT = Code("121049", "DCM", "Language of Content Item and Descendants")
IMAGE_REGION = Code("111030", "DCM", "Image Region")
SOURCE_OF_MEASUREMENT = Code("121112", "DCM", "Source of Measurement")
IMAGING_MEASUREMENT_REPORT = Code("126000", "DCM", "Imaging Measurement Report")
ARTIFICIAL_INTELLIGENCE = Code("123110", "DCM", "Artificial Intelligence")
HISTOGRAM_ANALYSIS = Code("123105", "DCM", "Histogram Analysis")
QUALITY_ISSUE = Code("113010", "DCM", "Quality Issue")
REJECTED_FOR_QUALITY = Code("113001", "DCM", "Rejected for Quality Reasons")
KEY_OBJECT_DESCRIPTION = Code("113012", "DCM", "Key Object Description")
DOCUMENT_TITLE_MODIFIER = Code("113011", "DCM", "Document Title Modifier")
SEGMENTATION = Code("113076", "DCM", "Segmentation")
SMOOTHING = Code("113087", "DCM", "Smoothing")
ACQUISITION_EQUIPMENT = Code("109101", "DCM", "Acquisition Equipment")
SOURCE_IMAGE = Code("121322", "DCM", "Source image for image processing operation")
ANATOMY_INCOMPLETE = Code("130576", "DCM", "Anatomy coverage incomplete")
FOREIGN_BODY = Code("19227008", "SCT", "Foreign body")
PHYSICAL_OBJECT = Code("260787004", "SCT", "Physical object")
SPATIAL_CONCEPT = Code("309825002", "SCT", "Spatial and Relational Concept")
SEVERITY_ATTRIBUTE = Code("246112005", "SCT", "Severity")
SIGNAL_TO_NOISE = Code("113060", "DCM", "Signal to noise")

QUALITY_ASSESSMENTS: dict[Verdict, Code] = {  # CID 6044
    Verdict.REJECT: Code("111235", "DCM", "Unusable - Quality renders image unusable"),
    Verdict.REVIEW: Code("111236", "DCM", "Usable - Does not meet the quality control standard"),
    Verdict.ACCEPT: Code("111237", "DCM", "Usable - Meets the quality control standard"),
}

PROCEDURES: dict[str, Code] = {  # CID 100, by modality
    "CT": Code("25045-6", "LN", "CT unspecified body region"),
    "MR": Code("25056-3", "LN", "MRI unspecified body region"),
    "PT": Code("44136-0", "LN", "PET unspecified body region"),
}
IMAGING_PROCEDURE = Code("363679005", "SCT", "Imaging procedure")


@dataclass(frozen=True, slots=True)
class Concept:
    """A concept of the private scheme, what it means, and the standard concept that it is a kind of."""

    value: str
    meaning: str
    definition: str
    parent: Code = IMAGE_QUALITY

    @property
    def code(self) -> Code:
        """The concept as DICOM writes it."""
        return Code(self.value, SCHEME, self.meaning)


SEVERITY = Concept(
    "SEVERITY",
    "Severity",
    "How strong a quality defect is, 0 to 100 %: 25, 50, 75 and 100 % are the four grades that "
    "docs/reference/findings.md defines for each defect in physical units.",
    SEVERITY_ATTRIBUTE,
)

MEASUREMENTS: dict[str, Concept] = {
    "laplacian_variance": Concept(
        "LAPLACIAN_VAR", "Variance of Laplacian", "Variance of the Laplacian of the image: detail and noise together."
    ),
    "tenengrad": Concept("TENENGRAD", "Tenengrad", "Mean squared Sobel gradient of the image: strength of edges."),
    "edge_slope_10_90": Concept(
        "EDGE_SLOPE_10_90",
        "Edge width 10-90 %",
        "Distance over which strong edges rise from 10 to 90 %: smaller is sharper.",
    ),
    "edge_width_10_90": Concept(
        "EDGE_WIDTH_10_90",
        "Edge width in pixels",
        "The same distance counted in pixels, which needs no pixel spacing.",
    ),
    "noise_sigma": Concept(
        "NOISE_SIGMA",
        "Noise",
        "Standard deviation of the noise, from the median absolute deviation of the finest detail.",
    ),
    "noise_share": Concept("NOISE_SHARE", "Noise share of contrast", "Noise over P99 minus P1 of the stored values."),
    "local_variance_mode": Concept(
        "LOCAL_VAR_MODE",
        "Mode of local variance",
        "Most frequent variance of small neighbourhoods: noise of smooth regions.",
    ),
    "snr_lung": Concept(
        "SNR_LUNG", "Signal to noise in lung", "Mean of the lung field over its noise.", SIGNAL_TO_NOISE
    ),
    "cnr_lung_mediastinum": Concept(
        "CNR_LUNG_MED",
        "Contrast to noise of lung to mediastinum",
        "Difference of the means of lung field and mediastinum over the noise.",
        SIGNAL_TO_NOISE,
    ),
    "entropy": Concept("ENTROPY", "Entropy of grey values", "Shannon entropy of the histogram of presentation values."),
    "brightness": Concept(
        "BRIGHTNESS", "Mean brightness", "Mean of the presentation values, 0 % black to 100 % white."
    ),
    "contrast": Concept("CONTRAST_SD", "Contrast", "Standard deviation of the presentation values."),
    "used_range_share": Concept(
        "USED_RANGE",
        "Used share of value range",
        "P99 minus P1 of the stored values over the range that they could have.",
    ),
    "pixels_at_minimum": Concept(
        "AT_MINIMUM", "Pixels at lowest value", "Share of the pixels that have the lowest stored value."
    ),
    "pixels_at_maximum": Concept(
        "AT_MAXIMUM", "Pixels at highest value", "Share of the pixels that have the highest stored value."
    ),
    "clipped_by_voi": Concept(
        "CLIPPED_BY_VOI", "Clipped by window", "Share of the pixels that the display window makes black or white."
    ),
    "grid_peak": Concept(
        "GRID_PEAK", "Grid line strength", "Height of the strongest line in the spectrum above its surroundings."
    ),
    "grid_frequency": Concept("GRID_FREQUENCY", "Grid line frequency", "Spatial frequency of that line."),
    "blockiness": Concept(
        "BLOCKINESS",
        "Blockiness",
        "Steps across the borders of 8 x 8 blocks over steps elsewhere: trace of compression.",
    ),
    "left_right_symmetry": Concept(
        "LR_SYMMETRY", "Left-right symmetry", "Correlation of the image with its mirror image."
    ),
    "border_contact": Concept(
        "BORDER_CONTACT", "Anatomy at image border", "Share of the image border that the body touches."
    ),
    "slice_count": Concept("SLICES", "Number of slices", "Slices of the series that lie in one stack."),
    "slices_unreadable": Concept("UNREADABLE", "Unreadable slices", "Slices whose pixels could not be decoded."),
    "slice_distance": Concept(
        "SLICE_DISTANCE", "Distance of slices", "Median distance of neighbouring slices along their normal."
    ),
    "slice_gaps": Concept(
        "SLICE_GAPS", "Gaps between slices", "Neighbours further apart than 110 % of the median distance."
    ),
    "slice_gap_largest": Concept("LARGEST_GAP", "Largest gap", "Largest distance of neighbouring slices."),
    "coverage": Concept("COVERAGE", "Coverage", "Extent of the stack along its normal."),
    "slice_jump": Concept(
        "SLICE_JUMP", "Jump between slices", "Largest deviation of a slice's mean signal from that of its neighbours."
    ),
    "ct_noise": Concept(
        "CT_NOISE", "Noise in soft tissue", "Most frequent standard deviation in 6 mm windows of 0 to 100 HU."
    ),
    "nps_peak": Concept(
        "NPS_PEAK", "Peak frequency of noise", "Frequency with the highest noise power in soft tissue."
    ),
    "air_noise": Concept("AIR_NOISE", "Noise in air", "Median over slices of the standard deviation of air."),
    "streak_index": Concept(
        "STREAK_INDEX", "Streak index", "Largest standard deviation of 6 mm means of the air around the body."
    ),
    "metal_share": Concept("METAL_SHARE", "Metal", "Share of the body above 3000 HU."),
    "truncation": Concept(
        "TRUNCATION", "Truncation", "Largest share of the edge of the field of view that the body touches on a slice."
    ),
    "mr_snr": Concept(
        "MR_SNR", "Signal to noise of foreground", "Median over standard deviation of the foreground.", SIGNAL_TO_NOISE
    ),
    "mr_snr_dietrich": Concept(
        "MR_SNR_DIETRICH",
        "Signal to noise against air",
        "Median of the foreground over the standard deviation of air, corrected for magnitude images.",
        SIGNAL_TO_NOISE,
    ),
    "mr_fber": Concept(
        "MR_FBER", "Foreground to background energy", "Median squared signal of the foreground over that of air."
    ),
    "mr_efc": Concept(
        "MR_EFC", "Entropy focus criterion", "Entropy of the signal over its greatest value: ghosts and blur raise it."
    ),
    "mr_ghost": Concept(
        "MR_GHOST", "Ghost to signal ratio", "Signal of air half a field away along phase, over other air, per signal."
    ),
    "mr_wrap": Concept(
        "MR_WRAP", "Body at end of phase direction", "Largest share of the two ends of phase encoding with signal."
    ),
}
"""Concepts of the measurements that have no standard code, by the name of the measurement."""

STANDARD_MEASUREMENTS: dict[str, Code] = {
    "exposure_index": Code("113845", "DCM", "Exposure Index"),
    "target_exposure_index": Code("113846", "DCM", "Target Exposure Index"),
    "deviation_index": Code("113847", "DCM", "Deviation Index"),
    "ctdi_vol": Code("113830", "DCM", "Mean CTDIvol"),
}

FINDINGS: dict[FindingName, Code | Concept] = {
    FindingName.MOTION_BLUR: codes.MOTION_BLUR,
    FindingName.UNSHARP: Concept(
        "UNSHARP",
        "Unsharp image",
        "Loss of sharpness that is not motion: focus, distance, phosphor.",
        codes.IMAGE_ARTIFACT,
    ),
    FindingName.NOISE_UNDEREXPOSURE: codes.UNDER_EXPOSED,
    FindingName.OVEREXPOSURE_SATURATION: codes.OVER_EXPOSED,
    FindingName.CONTRAST_PROCESSING: Concept(
        "CONTRAST",
        "Unsuitable contrast",
        "Too little contrast, wrong windowing, too few grey levels or too strong compression.",
        codes.INAPPROPRIATE_PROCESSING,
    ),
    FindingName.GRID_ARTIFACT: codes.GRID_ARTIFACT,
    FindingName.CLIPPED_ANATOMY: ANATOMY_INCOMPLETE,
    FindingName.ROTATION_ORIENTATION: Concept(
        "ROTATION",
        "Rotated or wrongly oriented",
        "Rotation in the image plane, or a flipped or turned image.",
        codes.POSITIONING,
    ),
    FindingName.FOREIGN_OBJECT: FOREIGN_BODY,
    FindingName.DETECTOR_OVERLAY_ARTIFACT: codes.DETECTOR_ARTIFACT,
    FindingName.DOUBLE_EXPOSURE: codes.DOUBLE_EXPOSURE,
    FindingName.GATE: Concept(
        "OUT_OF_SCOPE",
        "Outside the model's scope",
        "The image is not of the kind that the model judges: inverted, another body part or view, or blank.",
        codes.OTHER_FAILURE,
    ),
}


def _certainty(value: str, of_what: str) -> Concept:
    definition = f"Calibrated probability of {of_what}, 0 to 100 %."
    return Concept(value, f"Certainty of {of_what}", definition, CERTAINTY_OF_FINDING)


CERTAINTIES: dict[FindingName, Concept] = {
    FindingName.MOTION_BLUR: _certainty("P_MOTION_BLUR", "motion blur"),
    FindingName.UNSHARP: _certainty("P_UNSHARP", "unsharpness"),
    FindingName.NOISE_UNDEREXPOSURE: _certainty("P_UNDEREXPOSED", "underexposure"),
    FindingName.OVEREXPOSURE_SATURATION: _certainty("P_OVEREXPOSED", "overexposure"),
    FindingName.CONTRAST_PROCESSING: _certainty("P_CONTRAST", "unsuitable contrast"),
    FindingName.GRID_ARTIFACT: _certainty("P_GRID", "grid artifact"),
    FindingName.CLIPPED_ANATOMY: _certainty("P_CLIPPED", "clipped anatomy"),
    FindingName.ROTATION_ORIENTATION: _certainty("P_ROTATION", "rotation"),
    FindingName.FOREIGN_OBJECT: _certainty("P_FOREIGN", "foreign object"),
    FindingName.DETECTOR_OVERLAY_ARTIFACT: _certainty("P_DETECTOR", "detector artifact"),
    FindingName.DOUBLE_EXPOSURE: _certainty("P_DOUBLE", "double exposure"),
    FindingName.GATE: _certainty("P_OUT_OF_SCOPE", "image outside the model's scope"),
}
"""The probability of a finding. One concept for each, because viewers show a number with its own name and nothing
else: "Certainty of Finding 93 %" would not say of which."""

ANOMALY_SCORE = Concept(
    "ANOMALY_SCORE",
    "Anomaly score",
    "How soon random cuts separate the image from ordinary ones (Isolation Forest), 0 to 1: higher is more unusual.",
)
ANOMALY_TRAINING = Concept(
    "ANOMALY_TRAINING",
    "Anomaly percentile, training",
    "Share of the images that the model learned from that are less unusual.",
)
ANOMALY_SITE = Concept(
    "ANOMALY_SITE",
    "Anomaly percentile, site",
    "Share of the images of the site's own baseline that are less unusual.",
)

UNUSUAL_REGION = Concept(
    "UNUSUAL_REGION",
    "Unusual region",
    "A place of the image that looks like none of the ordinary images: no defect by itself.",
)
CONTRAST_ENHANCEMENT = Concept(
    "CONTRAST_ENH",
    "Local contrast enhancement",
    "Derivation: differences between neighbouring parts of the image were made larger, on one or on several scales.",
)

PREDICTION = Concept(
    "PREDICTION",
    "Prediction, decision support, not diagnosis",
    "What a classification package beside the quality model says of the image. It is decision support, not diagnosis.",
    ARTIFICIAL_INTELLIGENCE,
)
PREDICTED_LABEL = Concept(
    "PREDICTED_LABEL",
    "Predicted label",
    "A label that has no code of its own; the comment of the group names it.",
    ARTIFICIAL_INTELLIGENCE,
)
PREDICTION_CERTAINTY = Concept(
    "P_PREDICTION",
    "Certainty of prediction",
    "Calibrated probability of the label that the package gives, 0 to 100 %.",
    CERTAINTY_OF_FINDING,
)
PREDICTION_STATUS = Concept(
    "PRED_STATUS",
    "Status of prediction",
    "Whether the prediction stands by itself or waits for a person.",
    ARTIFICIAL_INTELLIGENCE,
)
AUTOMATED = Concept(
    "AUTOMATED",
    "Automated",
    "Sure enough, of an image of sufficient quality, so that the site lets it stand by itself.",
    ARTIFICIAL_INTELLIGENCE,
)
PENDING_REVIEW = Concept(
    "PENDING_REVIEW",
    "Pending review",
    "Not to be used before a person has looked: low confidence, quality, an unusual image, or no prediction.",
    ARTIFICIAL_INTELLIGENCE,
)
PREDICTION_REGION = Concept(
    "PRED_REGION",
    "Region of prediction",
    "Where the package looked for the label that it gives, by gradients: neither a border of a lesion nor a diagnosis.",
    ARTIFICIAL_INTELLIGENCE,
)

SCHEME_99MIQA: tuple[Concept, ...] = (
    PREDICTION,
    PREDICTED_LABEL,
    PREDICTION_CERTAINTY,
    PREDICTION_STATUS,
    AUTOMATED,
    PENDING_REVIEW,
    PREDICTION_REGION,
    SEVERITY,
    ANOMALY_SCORE,
    ANOMALY_TRAINING,
    ANOMALY_SITE,
    UNUSUAL_REGION,
    CONTRAST_ENHANCEMENT,
    *CERTAINTIES.values(),
    *(concept for concept in FINDINGS.values() if isinstance(concept, Concept)),
    *MEASUREMENTS.values(),
)

NAMED_UNITS = {
    "slice_count": "{slices}",
    "slice_gaps": "{gaps}",
    "slices_unreadable": "{slices}",
    "deviation_index": "{index}",
}
"""UCUM annotations, each the same as 1, for what is often zero: OHIF leaves out a zero, and of "0 1" shows the 1."""

UNITS: dict[str, str] = {  # UCUM code: meaning
    "1": "no units",
    "%": "percent",
    "{0:100}": "range: 0:100",
    "mm": "millimeter",
    "{slices}": "slices",
    "{gaps}": "gaps",
    "{index}": "index",
    "{pixel}": "pixels",
    "{pixels}": "pixels",
    "1/{pixel}": "per pixel",
    "dB": "decibel",
    "{lp}/mm": "line pairs per millimeter",
    "/mm": "per millimeter",
    "1/mm": "per millimeter",
    "bit": "bit",
    "uGy": "microgray",
    "mGy": "milligray",
    "[hnsf'U]": "Hounsfield unit",
}


def finding_code(name: FindingName) -> Code:
    """What was found, as exactly as a code says it; the reason of CID 7011 stands beside it."""
    concept = FINDINGS[name]
    return concept.code if isinstance(concept, Concept) else concept


def segment_codes(name: FindingName) -> tuple[Code, Code]:
    """(category, type) of a finding's segment, PS3.16 CID 7150 and, for what is a thing, CID 7158."""
    category = PHYSICAL_OBJECT if name is FindingName.FOREIGN_OBJECT else SPATIAL_CONCEPT
    return category, finding_code(name)


def measurement_code(name: str) -> Code:
    """The concept of a measurement; one that this table does not know gets a stable value made from its name.

    >>> measurement_code("deviation_index").value, measurement_code("some_new_measurement").value
    ('113847', 'SOME_NEW_ME_3AE4')
    """
    if standard := STANDARD_MEASUREMENTS.get(name):
        return standard
    if concept := MEASUREMENTS.get(name):
        return concept.code
    value = name.upper()
    if len(value) > 16:
        value = f"{value[:11]}_{hashlib.sha256(name.encode()).hexdigest()[:4].upper()}"
    return Code(value, SCHEME, name.replace("_", " ").capitalize()[:64])


def unit_of(name: str, unit: str) -> str:
    """The unit in which reports say a measurement.

    >>> unit_of("slice_gaps", "1"), unit_of("coverage", "mm")
    ('{gaps}', 'mm')
    """
    return NAMED_UNITS.get(name, unit)


def unit_code(unit: str) -> Code:
    """The UCUM unit with its meaning."""
    return Code(unit, "UCUM", UNITS.get(unit, unit))


def procedure_code(modality: str) -> Code:
    """The procedure reported (CID 100) as far as the modality tells it."""
    return PROCEDURES.get(modality, IMAGING_PROCEDURE)
