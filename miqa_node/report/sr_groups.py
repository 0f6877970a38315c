"""Fills the report's measurement groups: one for the image's measurements, and one for each finding that is present."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import highdicom.sr as hd
import numpy as np
from numpy.typing import NDArray

from miqa_node import __version__
from miqa_node.domain.anomaly import AnomalyScore
from miqa_node.domain.assessment import Assessment
from miqa_node.domain.codes import Code
from miqa_node.domain.delivery import SEG, SR
from miqa_node.domain.finding import Finding
from miqa_node.domain.policy import Disposition
from miqa_node.domain.prediction import PendingReason
from miqa_node.domain.review import Review
from miqa_node.report import codes, seg
from miqa_node.report.catalogue import voice
from miqa_node.report.content import coded
from miqa_node.report.finding_codes import certainty_code, finding_code
from miqa_node.report.mask import MarkedRegion
from miqa_node.report.measurement_codes import is_standard, measurement_code, unit_of
from miqa_node.report.narrative import narrative
from miqa_node.report.source import Source
from miqa_node.report.sr_review import evaluation, opinions, review_evaluations
from miqa_node.report.text import phrase, typed_text
from miqa_node.report.uids import Lineage

Group = hd.MeasurementsAndQualitativeEvaluations | hd.PlanarROIMeasurementsAndQualitativeEvaluations
"""A measurement group: TID 1501 of the whole image, TID 1410 of a region."""

LABEL_ROW = 0.08
"""Height of a label of two lines as a share of the frame; the image's own label is twice as high."""
MAX_COMMENT_CHARACTERS = 1024
OTHERS_OF_SERIES = "The other images of this series were not assessed either, except those with a report of their own."
FRAME_INSET = 0.05
"""The outline of the whole image lies so far inside it, so that a viewer shows it as a frame."""


def image_group(
    source: Source,
    assessment: Assessment,
    disposition: Disposition,
    lineage: Lineage,
    language: str,
    series: Sequence[Source] = (),
    frame: int = 0,
    review: Review | None = None,
    *,
    for_series: bool = False,
) -> hd.MeasurementsAndQualitativeEvaluations:
    """TID 1501 for the image: rating, verdict with its reasons, measurements, and everything in sentences.

    For a ``series`` the same for all its images; its place is on ``frame`` of ``source``, by default the judged one.
    With ``for_series`` it says that the other images of the series were not assessed either.
    """
    numbers = [number(codes.IMAGE_QUALITY_RATING, assessment.score, "{0:100}")]
    # Viewers show only the first few numbers of a group: what flagged comes first, then the indices that people know.
    flagged = {reason.name for reason in disposition.reasons}
    measured = sorted(assessment.measurements, key=lambda m: (m.name not in flagged, not is_standard(m.name)))
    numbers += [number(measurement_code(m.name), m.value, unit_of(m.name, m.unit)) for m in measured]
    numbers += _anomaly(assessment.anomaly)
    group = hd.MeasurementsAndQualitativeEvaluations(
        tracking_identifier=tracking("image", "Image quality", lineage),
        finding_type=coded(codes.IMAGE_QUALITY),
        algorithm_id=_algorithm(assessment, disposition),
        measurements=[number for number in numbers if number is not None],
        qualitative_evaluations=_evaluations(disposition)
        if review is None
        else review_evaluations(review, disposition),
        source_images=[source_image(one, whole=True) for one in series] or [source_image(source)],
    )
    comments = [] if review is None else [typed_text(review.sentence, MAX_COMMENT_CHARACTERS)]
    others = [OTHERS_OF_SERIES] if for_series else []
    for sentence in [*comments, *_sentences(assessment, disposition), *others]:
        group[0].ContentSequence.append(
            hd.TextContentItem(
                name=coded(codes.COMMENT),
                value=sentence,
                relationship_type=hd.RelationshipTypeValues.CONTAINS,
            )
        )
    group[0].ContentSequence.append(_narrative(assessment, disposition, language))
    place_group(group, source, 0, frame)
    return group


def finding_group(
    source: Source,
    assessment: Assessment,
    finding: Finding,
    region: MarkedRegion | None,
    row: int,
    lineage: Lineage,
    review: Review | None = None,
) -> Group:
    """TID 1410, referring to the finding's segment, or TID 1501 if it has none: certainty and severity.

    ``row`` counts the groups that have the whole image as their place, so that their labels do not overlap.
    """
    percents = (
        (certainty_code(finding), finding.probability),
        (codes.SEVERITY.code, finding.severity),
    )
    numbers = [number(name, round(100.0 * value, 1), "%") for name, value in percents]
    content: dict[str, Any] = {
        "tracking_identifier": tracking(finding.name, finding.name, lineage),
        "finding_category": coded(codes.IMAGE_QUALITY),
        "finding_type": coded(finding_code(finding)),
        "algorithm_id": _algorithm(assessment, None),
        "measurements": [number for number in numbers if number is not None],
        "qualitative_evaluations": [
            evaluation(codes.QUALITY_FINDING, finding.code),
            *opinions(review, finding),
        ],
    }
    group: Group
    if region is None:
        group = hd.MeasurementsAndQualitativeEvaluations(**content, source_images=[source_image(source)])
        place_group(group, source, row)
        return group
    group = hd.PlanarROIMeasurementsAndQualitativeEvaluations(
        **content, referenced_segment=segment_reference(source, region, lineage)
    )
    place_numbers(group, source, region.outline)
    return group


def unusual_group(
    source: Source, assessment: Assessment, anomaly: AnomalyScore, region: MarkedRegion, lineage: Lineage
) -> hd.PlanarROIMeasurementsAndQualitativeEvaluations:
    """TID 1410 for the unusual region, with the anomaly score of the whole image; it is not a quality finding."""
    name = region.subject.name
    group = hd.PlanarROIMeasurementsAndQualitativeEvaluations(
        tracking_identifier=tracking(name, name, lineage),
        finding_category=coded(codes.IMAGE_QUALITY),
        finding_type=coded(region.subject.kind),
        algorithm_id=_algorithm(assessment, None),
        measurements=[number for number in _anomaly(anomaly) if number is not None],
        referenced_segment=segment_reference(source, region, lineage),
    )
    place_numbers(group, source, region.outline)
    return group


def _anomaly(anomaly: AnomalyScore | None) -> list[hd.Measurement | None]:
    if anomaly is None:
        return []
    return [
        number(codes.ANOMALY_SCORE.code, anomaly.score, "1"),
        number(codes.ANOMALY_TRAINING.code, anomaly.training_percentile, "%"),
        number(codes.ANOMALY_SITE.code, anomaly.site_percentile, "%"),
    ]


def _evaluations(disposition: Disposition) -> list[hd.QualitativeEvaluation]:
    """Verdict and reasons in codes; an image that was not assessed has no verdict to code."""
    assessed = codes.QUALITY_ASSESSMENTS.get(disposition.verdict)
    if assessed is None:
        return []
    reasons = dict.fromkeys(reason.code for reason in disposition.reasons if reason.name not in set(PendingReason))
    return [
        evaluation(codes.QUALITY_CONTROL_STANDARD, codes.INSTITUTIONAL_STANDARD),
        evaluation(codes.QUALITY_ASSESSMENT, assessed),
        *(evaluation(codes.QUALITY_FINDING, code) for code in reasons),
    ]


def _sentences(assessment: Assessment, disposition: Disposition) -> list[str]:
    sentences = [
        f"{'PENDING REVIEW' if reason.name in set(PendingReason) else disposition.verdict}: {reason.text}"
        for reason in disposition.reasons
    ]
    if assessment.not_assessed and not any(assessment.not_assessed in sentence for sentence in sentences):
        sentences.append(f"NOT_ASSESSED by the model: {assessment.not_assessed}")
    if disposition.certificate:
        sentences.append(disposition.certificate)
    return [phrase(sentence, MAX_COMMENT_CHARACTERS) for sentence in sentences]


def _narrative(assessment: Assessment, disposition: Disposition, language: str) -> hd.TextContentItem:
    """The narrative as one text, with the language that it is in (TID 1204)."""
    item = hd.TextContentItem(
        name=coded(codes.NARRATIVE_SUMMARY),
        value="\r\n".join(phrase(sentence) for sentence in narrative(assessment, disposition, language)),
        relationship_type=hd.RelationshipTypeValues.CONTAINS,
    )
    item.ContentSequence = hd.ContentSequence([
        hd.CodeContentItem(
            name=coded(codes.LANGUAGE_OF_CONTENT),
            value=coded(voice(language).code),
            relationship_type=hd.RelationshipTypeValues.HAS_CONCEPT_MOD,
        )
    ])  # fmt: skip
    return item


def number(name: Code, value: float | None, unit: str) -> hd.Measurement | None:
    """TID 300; nothing if there is no finite number."""
    if value is None or not math.isfinite(value):
        return None
    # Six significant digits: more would be noise, and viewers show the number as it is written.
    return hd.Measurement(name=coded(name), value=float(f"{value:.6g}"), unit=coded(codes.unit_code(unit)))


def place_group(group: hd.ContentSequence, source: Source, row: int, frame: int = 0) -> None:
    """Row 10c of TID 1501: the group is about the whole image. OHIF loses its viewport over a group with no place."""
    if source.has_pixels:
        place = _place(_whole_image(source, row), codes.IMAGE_REGION, source, frame)
        place.RelationshipType = hd.RelationshipTypeValues.CONTAINS.value
        group[0].ContentSequence.append(place)


def place_numbers(group: hd.ContentSequence, source: Source, outline: NDArray[np.float64]) -> None:
    """Add the part of the image that each number was inferred from (TID 320), for the same reason.

    A group of TID 1410 that refers to a segment must not have a region of its own. This comes after the group is
    built because highdicom refuses places there, which the template, being extensible, allows.
    """
    for item in group[0].ContentSequence:
        if item.ValueType == "NUM":
            item.ContentSequence = hd.ContentSequence([_place(outline, codes.SOURCE_OF_MEASUREMENT, source)])


def _place(outline: NDArray[np.float64], purpose: Code, source: Source, frame: int = 0) -> hd.CoordinatesForMeasurement:
    # Not hd.ImageRegion: it reads highdicom's tables of the whole standard, 130 MB in memory.
    image = hd.SourceImageForRegion(
        source.sop_class_uid,
        source.sop_instance_uid,
        [frame or source.frame] if source.number_of_frames > 1 else None,
    )
    return hd.CoordinatesForMeasurement(hd.GraphicTypeValues.POLYLINE, outline, image, coded(purpose))


def segment_reference(source: Source, region: MarkedRegion, lineage: Lineage) -> hd.ReferencedSegmentationFrame:
    """The frame and segment of a region."""
    reference = hd.ReferencedSegmentationFrame(
        sop_class_uid=seg.SOP_CLASS_UID,
        sop_instance_uid=lineage.uid(SEG, "instance"),
        frame_number=region.segment_number,
        segment_number=region.segment_number,
        source_image=hd.SourceImageForSegmentation(source.sop_class_uid, source.sop_instance_uid, source.frame_numbers),
    )
    # PS3.3 10.3 allows one of the two numbers; the class writes both. Here frames and segments count alike.
    del reference[0].ReferencedSOPSequence[0].ReferencedSegmentNumber
    return reference


def _whole_image(source: Source, row: int) -> NDArray[np.float64]:
    """The frame around the image. Viewers write the label at its first two points: down the left side, row by row."""
    top, left = source.rows * FRAME_INSET, source.columns * FRAME_INSET
    bottom, right = source.rows - top, source.columns - left
    start = top + (bottom - top) * min(LABEL_ROW * (row + 1 if row else 0), 0.9)
    begin = [[left, start], [left, start + 1.0]]
    return np.array([*begin, [left, bottom], [right, bottom], [right, top], [left, top], begin[0]])


def tracking(role: str, identifier: str, lineage: Lineage) -> hd.TrackingIdentifier:
    """The identifier that a group shares with its segment; the same for the same lineage and role."""
    return hd.TrackingIdentifier(uid=lineage.uid(SR, "tracking", role), identifier=identifier)


def _algorithm(assessment: Assessment, disposition: Disposition | None) -> hd.AlgorithmIdentification:
    """TID 4019: the model package, or the node's own measurements where no model judged."""
    model = assessment.model
    parameters = [f"model sha256 {model.sha256}"] if model else []
    if disposition is not None:
        parameters.append(phrase(f"policy {disposition.policy_version} scope {disposition.scope}"))
    return hd.AlgorithmIdentification(
        name=phrase(model.name) if model else "miqa-node measurements",
        version=phrase(model.version) if model else __version__,
        parameters=parameters or None,
    )


def source_image(source: Source, *, whole: bool = False) -> hd.SourceImageForMeasurementGroup:
    """An image that a group is about; with ``whole`` all its frames."""
    frames = None if whole else source.frame_numbers
    return hd.SourceImageForMeasurementGroup(source.sop_class_uid, source.sop_instance_uid, frames)
