"""Fills a measurement group of the report with the prediction of a package beside the quality model."""

from __future__ import annotations

from typing import Any

import highdicom.sr as hd

from miqa_node.domain.prediction import DECISION_SUPPORT, Prediction, PredictionStatus
from miqa_node.report import codes
from miqa_node.report.content import coded
from miqa_node.report.mask import MarkedRegion
from miqa_node.report.source import Source
from miqa_node.report.sr_groups import (
    MAX_COMMENT_CHARACTERS,
    Group,
    number,
    place_group,
    place_numbers,
    segment_reference,
    source_image,
    tracking,
)
from miqa_node.report.sr_review import evaluation
from miqa_node.report.subject import prediction_name
from miqa_node.report.text import phrase
from miqa_node.report.uids import Lineage

STATUSES = {PredictionStatus.AUTOMATED: codes.AUTOMATED, PredictionStatus.PENDING_REVIEW: codes.PENDING_REVIEW}


def prediction_group(
    source: Source, prediction: Prediction, region: MarkedRegion | None, row: int, lineage: Lineage
) -> Group:
    """TID 1410 where there is a segment of it, else TID 1501: label, certainty, status, and the reason if it waits.

    ``row`` counts the groups that have the whole image as their place, so that their labels do not overlap.
    """
    name = prediction_name(prediction.package)
    certainty = 100.0 * prediction.confidence if prediction.label else None
    content: dict[str, Any] = {
        "tracking_identifier": tracking(name, name, lineage),
        "finding_category": coded(codes.PREDICTION.code),
        "finding_type": coded(prediction.code or codes.PREDICTED_LABEL.code),
        "algorithm_id": _algorithm(prediction),
        "measurements": [one for one in [number(codes.PREDICTION_CERTAINTY.code, certainty, "%")] if one is not None],
        "qualitative_evaluations": [evaluation(codes.PREDICTION_STATUS.code, STATUSES[prediction.status].code)],
    }
    group: Group
    if region is None:
        group = hd.MeasurementsAndQualitativeEvaluations(**content, source_images=[source_image(source)])
    else:
        reference = segment_reference(source, region, lineage)
        group = hd.PlanarROIMeasurementsAndQualitativeEvaluations(**content, referenced_segment=reference)
    for sentence in _sentences(prediction):
        item = hd.TextContentItem(
            name=coded(codes.COMMENT),
            value=phrase(sentence, MAX_COMMENT_CHARACTERS),
            relationship_type=hd.RelationshipTypeValues.CONTAINS,
        )
        group[0].ContentSequence.append(item)
    if region is None:
        place_group(group, source, row)
    else:
        place_numbers(group, source, region.outline)
    return group


def _sentences(prediction: Prediction) -> list[str]:
    scores = ", ".join(f"{label} {score:.3f}" for label, score in prediction.scores.items())
    sentences = [prediction.sentence, *(one.text for one in prediction.pending)]
    return [*sentences, f"Scores: {scores} ({DECISION_SUPPORT})"] if scores else sentences


def _algorithm(prediction: Prediction) -> hd.AlgorithmIdentification:
    """TID 4019."""
    package, _, version = prediction.package.rpartition("-")
    return hd.AlgorithmIdentification(
        name=phrase(package or prediction.package),
        version=phrase(version or "unknown"),
        parameters=[f"model sha256 {prediction.sha256}"] if prediction.sha256 else None,
    )
