"""The subject of a segment, a finding or an unusual place, with its codes, colour and description."""

from __future__ import annotations

from dataclasses import dataclass

from miqa_node.core.domain.anomaly import AnomalyScore
from miqa_node.core.domain.assessment import Assessment, Measurement
from miqa_node.core.domain.codes import Code
from miqa_node.core.domain.finding import Finding
from miqa_node.core.domain.landmarks import Landmarks, patient_side
from miqa_node.core.domain.prediction import DECISION_SUPPORT, Prediction
from miqa_node.core.taxonomy.lookup import finding_entries, finding_words
from miqa_node.core.words import codes
from miqa_node.core.words.algorithms import name_and_version
from miqa_node.core.words.finding_codes import segment_codes
from miqa_node.core.words.measurement_codes import measurement_code

PREDICTION = "prediction"
"""Prefix of the subject of a prediction, followed by the package."""
UNUSUAL_REGION = "unusual_region"
"""Name of the subject of an unusual place, which is not a finding: nothing need be wrong there."""

# One colour per subject, the same in every study, as CIELab (PS3.3 C.10.7.1.1): L 0-100, a and b -128..127.
COLOURS: dict[str, tuple[float, float, float]] = {
    PREDICTION: (60.0, 98.0, -60.0),
    UNUSUAL_REGION: (88.0, -20.0, -20.0),
    "metal_share": (54.0, 78.0, 62.0),
    "truncation": (55.0, 75.0, -45.0),
    "mr_wrap": (55.0, 75.0, -45.0),
    "lung_left": (75.0, -10.0, -35.0),
    "lung_right": (75.0, -45.0, 40.0),
}
OTHER_MARK = (72.0, 25.0, 70.0)
"""Colour of what a measurement marks that is not in :data:`MARKS`: outlier slices, and marks of plug-ins."""
FOREIGN_FINDING = (65.0, 50.0, 40.0)
"""Colour of a finding that is in no taxonomy."""


@dataclass(frozen=True, slots=True)
class SegmentSubject:
    """``name`` tracks it across objects; category and kind are from PS3.16 CID 7150 and the finding itself.

    ``words`` is its plain name, ``certainty`` the probability of a finding.
    """

    name: str
    category: Code
    kind: Code
    colour: tuple[float, float, float]
    description: str
    words: str
    certainty: float | None = None
    where: str = "where the model looked"
    """The meaning of its colour on a picture."""
    algorithm: tuple[str, str] | None = None
    """Name and version of its package, if other than the quality package."""
    side: Code | None = None
    """The side of the patient of a structure that there are two of."""


def of_finding(finding: Finding) -> SegmentSubject:
    """A present finding."""
    category, kind = segment_codes(finding)
    entry = finding_entries().get(finding.name)
    text = f"Certainty {finding.probability:.0%}, severity {finding.severity:.0%}"
    words = finding_words(finding).title
    colour = FOREIGN_FINDING if entry is None else entry.colour
    return SegmentSubject(finding.name, category, kind, colour, text, words, finding.probability)


def of_anomaly(anomaly: AnomalyScore) -> SegmentSubject:
    """An unusual place, which by itself is never a defect."""
    text = f"{anomaly.sentence}. Unusual is not wrong"
    kind = codes.UNUSUAL_REGION.code
    return SegmentSubject(
        UNUSUAL_REGION,
        codes.SPATIAL_CONCEPT,
        kind,
        COLOURS[UNUSUAL_REGION],
        text,
        kind.meaning,
        where="unlike other images",
    )


def of_measurement(measurement: Measurement) -> SegmentSubject:
    """The masks of a measurement on the slices of a CT or MR series."""
    code = measurement_code(measurement.name)
    category, kind, words = MARKS.get(measurement.name, (codes.SPATIAL_CONCEPT, code, code.meaning))
    text = f"{words}: {measurement.value:.4g} {measurement.unit} of the series"
    colour = COLOURS.get(measurement.name, OTHER_MARK)
    return SegmentSubject(measurement.name, category, kind, colour, text, words, where="marked")


def subject_of_measurement(name: str, assessment: Assessment) -> SegmentSubject:
    """The same by name."""
    measurement = assessment.measurement(name)
    assert measurement is not None, "masks exist only of what was measured"  # noqa: S101
    return of_measurement(measurement)


def of_lung(image_side: str, landmarks: Landmarks, orientation: tuple[str, ...]) -> SegmentSubject:
    """The lung at a side of the image, named by the side of the patient."""
    side = patient_side(image_side, orientation)
    return SegmentSubject(
        f"lung_field:{side}", codes.ANATOMICAL_STRUCTURE, codes.LUNG, COLOURS[f"lung_{side}"],
        "Visible lung, without the parts behind heart and diaphragm", f"Lung, patient's {side}",
        algorithm=name_and_version(landmarks.package), side=codes.LATERALITY[side],
    )  # fmt: skip


MARKS: dict[str, tuple[Code, Code, str]] = {
    "metal_share": (codes.PHYSICAL_OBJECT, codes.FOREIGN_BODY, "Metal, above 3000 HU"),
    "truncation": (codes.SPATIAL_CONCEPT, codes.ANATOMY_INCOMPLETE, "Body cut off by the field of view"),
    "mr_wrap": (codes.SPATIAL_CONCEPT, codes.ANATOMY_INCOMPLETE, "Body at the end of the phase direction"),
}
"""(category, kind, words) of the masks, by measurement; others are of the kind that the measurement's own code says."""


def of_prediction(prediction: Prediction) -> SegmentSubject:
    """The place behind a prediction; decision support, not diagnosis."""
    package, _, version = prediction.package.rpartition("-")
    return SegmentSubject(
        prediction_name(prediction.package),
        codes.SPATIAL_CONCEPT,
        codes.PREDICTION_REGION.code,
        COLOURS[PREDICTION],
        prediction.sentence,
        f"{prediction.label} ({DECISION_SUPPORT})",
        prediction.confidence,
        algorithm=(package, version),
    )


def prediction_name(package: str) -> str:
    """Name of the subject of a package's prediction."""
    return f"{PREDICTION}:{package}"
