"""The subject of a segment, a finding or an unusual place, with its codes, colour and description."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from miqa_node.core.domain.anomaly import AnomalyScore
from miqa_node.core.domain.assessment import Assessment, Measurement
from miqa_node.core.domain.codes import Code
from miqa_node.core.domain.finding import Finding
from miqa_node.core.domain.landmarks import Landmarks, patient_side, side_words
from miqa_node.core.domain.prediction import DECISION_SUPPORT, Prediction
from miqa_node.core.taxonomy.lookup import finding_entries, finding_words
from miqa_node.core.words import codes
from miqa_node.core.words.algorithms import NODE, Algorithm, anomaly_maker, maker_of, makers_of, of_label
from miqa_node.core.words.finding_codes import segment_codes
from miqa_node.core.words.measurement_codes import measurement_code
from miqa_node.core.words.object_words import titles_of

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
    algorithm: Algorithm = NODE
    """Whose network, or whose measurement, drew it."""
    side: Code | None = None
    """The side of the patient of a structure that there are two of."""
    finding: Finding | None = field(default=None, compare=False)
    """The finding, if it is one; of an object with the place of its regions on one side of the patient alone."""


def of_finding(finding: Finding, assessment: Assessment) -> SegmentSubject:
    """A present finding."""
    category, kind = segment_codes(finding)
    entry = finding_entries().get(finding.name)
    places = "; ".join(titles_of(finding)) + ". " if finding.place is not None else ""
    text = f"{places}Certainty {finding.probability:.0%}, severity {finding.severity:.0%}"
    words = finding_words(finding).title
    colour = FOREIGN_FINDING if entry is None else entry.colour
    drawn_by = makers_of(finding, assessment)[0]
    return SegmentSubject(
        finding.name, category, kind, colour, text, words, finding.probability, algorithm=drawn_by, finding=finding
    )


def of_object(finding: Finding, assessment: Assessment) -> tuple[SegmentSubject, ...]:
    """A finding; an object once for each side of the patient on which it has regions, what matters most first."""
    sides = () if finding.place is None else finding.place.by_side()
    here = [of_finding(replace(finding, place=side), assessment) for side in sides] or [of_finding(finding, assessment)]
    return (here[0], *(replace(one, name=f"{one.name}:{number}") for number, one in enumerate(here[1:], 2)))


def of_anomaly(anomaly: AnomalyScore, assessment: Assessment) -> SegmentSubject:
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
        algorithm=anomaly_maker(assessment),
    )


def of_measurement(measurement: Measurement) -> SegmentSubject:
    """The masks of a measurement on the slices of a CT or MR series."""
    code = measurement_code(measurement.name)
    category, kind, words = MARKS.get(measurement.name, (codes.SPATIAL_CONCEPT, code, code.meaning))
    text = f"{words}: {measurement.value:.4g} {measurement.unit} of the series"
    colour = COLOURS.get(measurement.name, OTHER_MARK)
    made_by = maker_of(measurement)
    return SegmentSubject(measurement.name, category, kind, colour, text, words, where="marked", algorithm=made_by)


def subject_of_measurement(name: str, assessment: Assessment) -> SegmentSubject:
    """The same by name."""
    measurement = assessment.measurement(name)
    assert measurement is not None, "masks exist only of what was measured"  # noqa: S101
    return of_measurement(measurement)


def of_lung(image_side: str, landmarks: Landmarks, orientation: tuple[str, ...]) -> SegmentSubject:
    """The lung at a side of the image, named by the side of the patient."""
    side = patient_side(image_side, orientation)
    return SegmentSubject(
        lung_name(image_side, orientation), codes.ANATOMICAL_STRUCTURE, codes.LUNG,
        COLOURS[f"lung_{side or image_side}"],
        "Visible lung, without the parts behind heart and diaphragm", f"Lung, {side_words(image_side, orientation)}",
        algorithm=of_label(landmarks.package, landmarks.sha256), side=codes.LATERALITY.get(side),
    )  # fmt: skip


def lung_name(image_side: str, orientation: tuple[str, ...]) -> str:
    """Name of the subject of a lung; where the sides of the patient are unknown, by the image's."""
    side = patient_side(image_side, orientation)
    return f"lung_field:{side}" if side else f"lung_field:image_{image_side}"


MARKS: dict[str, tuple[Code, Code, str]] = {
    "metal_share": (codes.PHYSICAL_OBJECT, codes.METAL, "Metal, above 3000 HU"),
    "truncation": (codes.SPATIAL_CONCEPT, codes.ANATOMY_INCOMPLETE, "Body cut off by the field of view"),
    "mr_wrap": (codes.SPATIAL_CONCEPT, codes.ANATOMY_INCOMPLETE, "Body at the end of the phase direction"),
}
"""(category, kind, words) of the masks, by measurement; others are of the kind that the measurement's own code says."""


def of_prediction(prediction: Prediction) -> SegmentSubject:
    """The place behind a prediction; decision support, not diagnosis."""
    return SegmentSubject(
        prediction_name(prediction.package),
        codes.SPATIAL_CONCEPT,
        codes.PREDICTION_REGION.code,
        COLOURS[PREDICTION],
        prediction.sentence,
        f"{prediction.label} ({DECISION_SUPPORT})",
        prediction.confidence,
        algorithm=of_label(prediction.package, prediction.sha256),
    )


def prediction_name(package: str) -> str:
    """Name of the subject of a package's prediction."""
    return f"{PREDICTION}:{package}"


def is_prediction(name: str) -> bool:
    """Whether a subject of this name is the place behind a prediction."""
    return name.startswith(f"{PREDICTION}:")
