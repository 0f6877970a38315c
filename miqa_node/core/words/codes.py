"""Codes of all concepts in results: standard codes where they exist, otherwise those of the scheme 99MIQA.

``SCHEME_99MIQA`` is the private scheme without the codes of findings and measurements; docs/reference/results.md
documents all of it, and a test compares the two.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from miqa_node.core.domain.codes import Code
from miqa_node.core.domain.verdict import Verdict
from miqa_node.core.domain.worklist import Resolution
from miqa_node.core.taxonomy.base import SCHEME

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
SOURCE = Code("260753009", "SCT", "Source")
PROCEDURE_REPORTED = Code("121058", "DCM", "Procedure reported")
IMAGING_MEASUREMENTS = Code("126010", "DCM", "Imaging Measurements")
MEASUREMENT_GROUP = Code("125007", "DCM", "Measurement Group")
TRACKING_IDENTIFIER = Code("112039", "DCM", "Tracking Identifier")
TRACKING_UID = Code("112040", "DCM", "Tracking Unique Identifier")
FINDING = Code("121071", "DCM", "Finding")
FINDING_SITE = Code("363698007", "SCT", "Finding Site")
SIDE = Code("272741003", "SCT", "Laterality")
ALGORITHM_NAME = Code("111001", "DCM", "Algorithm Name")
ALGORITHM_VERSION = Code("111003", "DCM", "Algorithm Version")
ALGORITHM_PARAMETERS = Code("111002", "DCM", "Algorithm Parameters")
US_ENGLISH = Code("en-US", "RFC5646", "English (United States)")
IMAGING_MEASUREMENT_REPORT = Code("126000", "DCM", "Imaging Measurement Report")
ARTIFICIAL_INTELLIGENCE = Code("123110", "DCM", "Artificial Intelligence")
HISTOGRAM_ANALYSIS = Code("123105", "DCM", "Histogram Analysis")
QUALITY_ISSUE = Code("113010", "DCM", "Quality Issue")
REJECTED_FOR_QUALITY = Code("113001", "DCM", "Rejected for Quality Reasons")
KEY_OBJECT_DESCRIPTION = Code("113012", "DCM", "Key Object Description")
DOCUMENT_TITLE_MODIFIER = Code("113011", "DCM", "Document Title Modifier")
ANATOMICAL_STRUCTURE = Code("91723000", "SCT", "Anatomical Structure")
LUNG = Code("39607008", "SCT", "Lung")
LUNG_APEX = Code("86598002", "SCT", "Apex of Lung")
MEDIASTINUM = Code("72410000", "SCT", "Mediastinum")
LATERALITY = {"left": Code("7771000", "SCT", "Left"), "right": Code("24028007", "SCT", "Right")}
SEGMENTATION = Code("113076", "DCM", "Segmentation")
SPATIAL_CONCEPT = Code("309825002", "SCT", "Spatial and Relational Concept")
BACKGROUND = Code("125040", "DCM", "Background")
SMOOTHING = Code("113087", "DCM", "Smoothing")
ACQUISITION_EQUIPMENT = Code("109101", "DCM", "Acquisition Equipment")
PROCESSING_ALGORITHM = Code("Newcode1", "99IHE", "Processing Algorithm")
"""As IHE AIR 1.1, section 6.5.3.1, has it for trial implementation; CID 7005 has no code for it."""
SOURCE_IMAGE = Code("121322", "DCM", "Source image for image processing operation")
ANATOMY_INCOMPLETE = Code("130576", "DCM", "Anatomy coverage incomplete")
METAL = Code("METAL_SHARE", SCHEME, "Metal")
PHYSICAL_OBJECT = Code("260787004", "SCT", "Physical object")
ASSESSMENT_BY_COMPARISON = Code("121375", "DCM", "Assessment By Comparison")  # CID 703
SEVERITY_ATTRIBUTE = Code("246112005", "SCT", "Severity")

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
    """A concept of the private scheme, its meaning, and the broader standard concept."""

    value: str
    meaning: str
    definition: str
    parent: Code = IMAGE_QUALITY

    @property
    def code(self) -> Code:
        """The concept as a DICOM code."""
        return Code(self.value, SCHEME, self.meaning)


SEVERITY = Concept(
    "SEVERITY",
    "Severity",
    "How strong a quality defect is, 0 to 100 %: 25, 50, 75 and 100 % are the four grades that "
    "docs/reference/findings.md defines for each defect in physical units.",
    SEVERITY_ATTRIBUTE,
)

PROJECTS_OVER = Concept(
    "PROJECTS_OVER",
    "Projects over",
    "Anatomy that something outside of the patient hides on the image; it is not in that organ.",
)

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
    "A place of the image that looks like none of the ordinary images: not a defect in itself.",
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
    "Whether the prediction is automated or waits for a person.",
    ARTIFICIAL_INTELLIGENCE,
)
AUTOMATED = Concept(
    "AUTOMATED",
    "Automated",
    "Confident enough, and the image of sufficient quality, so that the site automates it.",
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

QUALITY_ISSUE_WITHDRAWN = Concept(
    "QI_WITHDRAWN",
    "Quality issue withdrawn",
    "Title of a key object: the key object that it names no longer holds, because the image was judged again or a "
    "person found it good.",
    QUALITY_ISSUE,
)
READER_DECISION = Concept(
    "READER_DECISION", "Decision of a reader", "What a person decided about the image, against the node or with it."
)
READER_DECISIONS: dict[Resolution | None, Concept] = {
    Resolution.CONFIRMED: Concept("DEC_REJECTED", "Rejected", "The image is not to be used."),
    Resolution.RETAKEN: Concept(
        "DEC_RETAKE", "Retake requested", "The image is not to be used, a new exposure was requested."
    ),
    Resolution.DISMISSED: Concept("DEC_DISMISSED", "Dismissed", "The node was wrong, the image is good."),
    Resolution.ACCEPTED: Concept("DEC_ACCEPTED", "Accepted", "The image is good enough for its purpose."),
    None: Concept(
        "DEC_REOPENED", "Decision taken back", "The earlier decision no longer holds, and there is no new one yet."
    ),
}
READER_OPINION = Concept(
    "READER_OPINION", "Opinion of a reader on the finding", "Whether a person agrees that the finding is present."
)
AGREES = Concept("AGREES", "Agrees", "The person saw the finding, too.")
DISAGREES = Concept("DISAGREES", "Disagrees", "The person did not see the finding.")
AI_RESULT_ASSESSMENT = Concept(
    "AI_RESULT_ASMT",
    "AI result assessment",
    "Type of content assessment (extends CID 701): a person compared a report of the node with its images.",
    QUALITY_ASSESSMENT,
)
LANDMARKS: dict[str, Concept] = {
    "apex": Concept("LM_APEX", "Apex of the lung", "Top of the lung field.", IMAGE_REGION),
    "cpa": Concept("LM_CPA", "Costophrenic angle", "Lateral costophrenic angle of the lung.", IMAGE_REGION),
    "dome": Concept("LM_DOME", "Dome of the diaphragm", "Highest point of a hemidiaphragm.", IMAGE_REGION),
    "clav": Concept("LM_CLAVICLE", "Medial end of the clavicle", "Middle of its medial end.", IMAGE_REGION),
    "lat": Concept("LM_RIB_CAGE", "Widest inner rib cage", "Where it is widest beside the lung.", IMAGE_REGION),
    "spine_clav": Concept(
        "LM_SPINE_TOP", "Spine between the clavicles", "Midline at the height of their ends.", IMAGE_REGION
    ),
    "spine_low": Concept(
        "LM_SPINE_LOW", "Spine between the domes", "Midline at the height of the domes.", IMAGE_REGION
    ),
}
"""Anatomical points, by kind."""

SCHEME_99MIQA: tuple[Concept, ...] = (
    *LANDMARKS.values(),
    PREDICTION,
    PREDICTED_LABEL,
    PREDICTION_CERTAINTY,
    PREDICTION_STATUS,
    AUTOMATED,
    PENDING_REVIEW,
    PREDICTION_REGION,
    SEVERITY,
    PROJECTS_OVER,
    ANOMALY_SCORE,
    ANOMALY_TRAINING,
    ANOMALY_SITE,
    UNUSUAL_REGION,
    CONTRAST_ENHANCEMENT,
    QUALITY_ISSUE_WITHDRAWN,
    READER_DECISION,
    *READER_DECISIONS.values(),
    READER_OPINION,
    AGREES,
    DISAGREES,
    AI_RESULT_ASSESSMENT,
)

UNITS: dict[str, str] = {  # UCUM code: meaning
    "1": "no units",
    "%": "percent",
    "{0:100}": "range: 0:100",
    "mm": "millimeter",
    "cm3": "cubic centimeter",
    "deg": "degree",
    "{ribs}": "ribs",
    "{sides}": "sides",
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
    "mGy.cm": "milligray centimeter",
    "[hnsf'U]": "Hounsfield unit",
}


def private_value(name: str) -> str:
    """A stable code value made from a name, of at most 16 characters (PS3.5 6.2, SH).

    >>> private_value("slice_gap"), private_value("some_new_measurement")
    ('SLICE_GAP', 'SOME_NEW_ME_3AE4')
    """
    value = name.upper()
    return value if len(value) <= 16 else f"{value[:11]}_{hashlib.sha256(name.encode()).hexdigest()[:4].upper()}"


def unit_code(unit: str) -> Code:
    """The UCUM unit with its meaning."""
    return Code(unit, "UCUM", UNITS.get(unit, unit))


def procedure_code(modality: str) -> Code:
    """The procedure reported (CID 100), as far as the modality determines it."""
    return PROCEDURES.get(modality, IMAGING_PROCEDURE)
