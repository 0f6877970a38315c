"""Fills a measurement group of the report with the prediction of a package other than the quality model."""

from __future__ import annotations

from miqa_node.core.domain.prediction import DECISION_SUPPORT, Prediction, PredictionStatus
from miqa_node.core.words import codes
from miqa_node.core.words.algorithms import of_label
from miqa_node.core.words.subject import prediction_name
from miqa_node.stages.report.content_items import ContentItem, code_item, text_item
from miqa_node.stages.report.mask import MarkedRegion
from miqa_node.stages.report.source import Source
from miqa_node.stages.report.sr_groups import (
    MAX_COMMENT_CHARACTERS,
    number,
    place_group,
    place_region,
    tracking,
)
from miqa_node.stages.report.sr_templates import IMAGE_GROUP, REGION_GROUP, made_by, measurement_group
from miqa_node.stages.report.text import phrase
from miqa_node.stages.report.uids import Lineage

STATUSES = {PredictionStatus.AUTOMATED: codes.AUTOMATED, PredictionStatus.PENDING_REVIEW: codes.PENDING_REVIEW}


def prediction_group(
    source: Source, prediction: Prediction, region: MarkedRegion | None, row: int, lineage: Lineage
) -> ContentItem:
    """TID 1410 if it has a segment, otherwise TID 1501: label, certainty, status, and the reason if it waits.

    ``row`` counts the groups placed on the whole image, so that their labels do not overlap.
    """
    name = prediction_name(prediction.package)
    certainty = 100.0 * prediction.confidence if prediction.label else None
    group = measurement_group(
        IMAGE_GROUP if region is None else REGION_GROUP,
        tracking(name, name, lineage),
        prediction.code or codes.PREDICTED_LABEL.code,
        made_by(of_label(prediction.package, prediction.sha256)),
        category=codes.PREDICTION.code,
        numbers=number(codes.PREDICTION_CERTAINTY.code, certainty, "%"),
        evaluations=[code_item(codes.PREDICTION_STATUS.code, STATUSES[prediction.status].code)],
    )
    for sentence in _sentences(prediction):
        group.children.append(text_item(codes.COMMENT, phrase(sentence, MAX_COMMENT_CHARACTERS)))
    if region is None:
        place_group(group, source, row)
    else:
        place_region(group, source, region)
    return group


def _sentences(prediction: Prediction) -> list[str]:
    scores = ", ".join(f"{label} {score:.3f}" for label, score in prediction.scores.items())
    why = [one.text for one in prediction.pending] or [prediction.automated_by]
    sentences = [prediction.sentence, *filter(None, why)]
    return [*sentences, f"Scores: {scores} ({DECISION_SUPPORT})"] if scores else sentences
