"""What a segment shows: a finding, or only that a place is unusual; how it is coded, coloured and described."""

from __future__ import annotations

from dataclasses import dataclass

from miqa_node.domain.anomaly import AnomalyScore
from miqa_node.domain.assessment import Measurement
from miqa_node.domain.codes import Code
from miqa_node.domain.finding import FINDING_WORDS, Finding, FindingName
from miqa_node.domain.prediction import DECISION_SUPPORT, Prediction
from miqa_node.report import codes

PREDICTION = "prediction"
"""With a package after it: name of the subject that shows what a prediction was read from."""
UNUSUAL_REGION = "unusual_region"
"""Name of the subject that is no finding: nothing need be wrong there."""

# One colour per subject, the same in every study, as CIELab (PS3.3 C.10.7.1.1): L 0-100, a and b -128..127.
COLOURS: dict[str, tuple[float, float, float]] = {
    FindingName.MOTION_BLUR: (67.0, 43.0, 74.0),
    FindingName.UNSHARP: (76.0, 10.0, 75.0),
    FindingName.NOISE_UNDEREXPOSURE: (60.0, 0.0, -45.0),
    FindingName.OVEREXPOSURE_SATURATION: (92.0, -15.0, 85.0),
    FindingName.CONTRAST_PROCESSING: (75.0, -40.0, -10.0),
    FindingName.GRID_ARTIFACT: (80.0, -60.0, 60.0),
    FindingName.CLIPPED_ANATOMY: (55.0, 75.0, -45.0),
    FindingName.ROTATION_ORIENTATION: (62.0, 55.0, -55.0),
    FindingName.FOREIGN_OBJECT: (54.0, 78.0, 62.0),
    FindingName.DETECTOR_OVERLAY_ARTIFACT: (85.0, -50.0, 10.0),
    FindingName.DOUBLE_EXPOSURE: (70.0, 40.0, 10.0),
    FindingName.GATE: (70.0, 0.0, 0.0),
    PREDICTION: (60.0, 98.0, -60.0),
    UNUSUAL_REGION: (88.0, -20.0, -20.0),
    "metal_share": (54.0, 78.0, 62.0),
    "truncation": (55.0, 75.0, -45.0),
    "mr_wrap": (55.0, 75.0, -45.0),
}


@dataclass(frozen=True, slots=True)
class Subject:
    """``name`` tracks it through the objects; category and kind are PS3.16 CID 7150 and what was found.

    ``words`` is what people call it, ``certainty`` the probability of a finding.
    """

    name: str
    category: Code
    kind: Code
    colour: tuple[float, float, float]
    description: str
    words: str
    certainty: float | None = None
    where: str = "where the model looked"
    """What its colour on a picture means."""
    algorithm: tuple[str, str] | None = None
    """Name and version of the package that saw it, where that is not the quality package."""


def of_finding(finding: Finding) -> Subject:
    """A finding that is present."""
    category, kind = codes.segment_codes(finding.name)
    text = f"Certainty {finding.probability:.0%}, severity {finding.severity:.0%}"
    words = FINDING_WORDS[finding.name]
    return Subject(finding.name.value, category, kind, COLOURS[finding.name], text, words, finding.probability)


def of_anomaly(anomaly: AnomalyScore) -> Subject:
    """An unusual place, which is never a defect by itself."""
    text = f"{anomaly.sentence}. Unusual is not wrong"
    kind = codes.UNUSUAL_REGION.code
    return Subject(
        UNUSUAL_REGION,
        codes.SPATIAL_CONCEPT,
        kind,
        COLOURS[UNUSUAL_REGION],
        text,
        kind.meaning,
        where="unlike other images",
    )


def of_measurement(measurement: Measurement) -> Subject:
    """What a measurement of a CT or MR series marks on its slices."""
    category, kind, words = MARKS[measurement.name]
    text = f"{words}: {measurement.value:.4g} {measurement.unit} of the series"
    return Subject(measurement.name, category, kind, COLOURS[measurement.name], text, words, where="marked")


MARKS: dict[str, tuple[Code, Code, str]] = {
    "metal_share": (codes.PHYSICAL_OBJECT, codes.FOREIGN_BODY, "Metal, above 3000 HU"),
    "truncation": (codes.SPATIAL_CONCEPT, codes.ANATOMY_INCOMPLETE, "Body cut off by the field of view"),
    "mr_wrap": (codes.SPATIAL_CONCEPT, codes.ANATOMY_INCOMPLETE, "Body at the end of the phase direction"),
}
"""(category, kind, words) of what is marked, by measurement."""


def of_prediction(prediction: Prediction) -> Subject:
    """What a prediction was read from; decision support, not diagnosis."""
    package, _, version = prediction.package.rpartition("-")
    return Subject(
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
