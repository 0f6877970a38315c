"""Fills the report's measurement groups: one for the image's measurements, and one per present finding."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import zip_longest

import numpy as np
from numpy.typing import NDArray

from miqa_node.core.domain.anomaly import AnomalyScore
from miqa_node.core.domain.assessment import Assessment
from miqa_node.core.domain.codes import Code
from miqa_node.core.domain.delivery import SR
from miqa_node.core.domain.finding import Finding
from miqa_node.core.domain.object_place import ChestRegion, ObjectPlace, ObjectRegion
from miqa_node.core.domain.prediction import PendingReason
from miqa_node.core.domain.shown_number import stated
from miqa_node.core.domain.verdict import Disposition, Verdict
from miqa_node.core.domain.worklist import Review
from miqa_node.core.language.catalogue import SOURCE, spoken
from miqa_node.core.words import codes
from miqa_node.core.words.algorithms import Algorithm, anomaly_maker, maker_of, makers_of, of_node
from miqa_node.core.words.finding_codes import certainty_code, finding_code
from miqa_node.core.words.makers import HEADER, makers_of_reason
from miqa_node.core.words.measurement_codes import is_standard, measurement_code, unit_of
from miqa_node.core.words.narrative import Part, sentences
from miqa_node.core.words.object_words import anatomy_of, main_of
from miqa_node.core.words.search_words import search_lists
from miqa_node.core.words.voice import voice
from miqa_node.stages.report.content_items import (
    ContentItem,
    Relationship,
    code_item,
    number_item,
    text_item,
)
from miqa_node.stages.report.mask import MarkedRegion
from miqa_node.stages.report.outputs.base import OutputContext
from miqa_node.stages.report.source import Source
from miqa_node.stages.report.sr_review import opinions, review_evaluations
from miqa_node.stages.report.sr_templates import (
    IMAGE_GROUP,
    REGION_GROUP,
    image_item,
    made_by,
    measurement_group,
    place,
    projects_over,
    tracked,
)
from miqa_node.stages.report.text import phrase, typed_text
from miqa_node.stages.report.uids import Lineage

LABEL_ROW = 0.08
"""Height of a label of two lines as a share of the frame; the image's own label is twice as high."""
MAX_COMMENT_CHARACTERS = 1024
OTHERS_OF_SERIES = "The other images of this series were not assessed either, except those with a report of their own."
FRAME_INSET = 0.05
"""Inset of the whole image's outline, so that viewers show it as a frame."""


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
    is_full: bool = True,
) -> ContentItem:
    """TID 1501 for the image: rating, verdict with reasons, measurements, and the narrative.

    For a ``series``, the same for all its images; its place is on ``frame`` of ``source``, by default the judged one.
    With ``for_series`` it states that the other images of the series were not assessed either. ``is_full``: with all
    numbers, else with those that are reasons.
    """
    rules = f"policy {disposition.policy_version} scope {disposition.scope}"
    group = measurement_group(
        IMAGE_GROUP,
        tracking("image", "Image quality", lineage),
        codes.IMAGE_QUALITY,
        made_by(of_node(), parameters=[rules]),
        numbers=[
            *number(codes.IMAGE_QUALITY_RATING, assessment.score, "{0:100}"),
            *_measured(assessment, disposition, of_node(), is_full=is_full),
        ],
        evaluations=_evaluations(disposition) if review is None else review_evaluations(review, disposition),
        places=[source_image(one, whole=True) for one in series],
    )
    comments = [] if review is None else [typed_text(review.sentence, MAX_COMMENT_CHARACTERS)]
    others = [OTHERS_OF_SERIES] if for_series else []
    for sentence in [*comments, *_reasons(assessment, disposition), *others]:
        group.children.append(text_item(codes.COMMENT, sentence))
    group.children.append(_narrative(assessment, disposition, language, is_full=is_full))
    place_group(group, source, 0, frame)
    return group


def package_groups(
    source: Source,
    assessment: Assessment,
    disposition: Disposition,
    row: int,
    lineage: Lineage,
    *,
    unusual: bool,
    is_full: bool,
) -> list[ContentItem]:
    """TID 1501 for the numbers of each package but the node's: measurements, and with ``unusual`` the anomaly score."""
    numbers: dict[Algorithm, list[ContentItem]] = {}
    for maker in dict.fromkeys(maker_of(one) for one in assessment.measurements):
        if maker != of_node():
            numbers[maker] = _measured(assessment, disposition, maker, is_full=is_full)
    if unusual and assessment.anomaly is not None:
        numbers.setdefault(anomaly_maker(assessment), []).extend(_anomaly(assessment.anomaly))
    groups = []
    for line, (maker, ones) in enumerate(((maker, ones) for maker, ones in numbers.items() if ones), row):
        name = f"Measured by {maker.name}"
        group = measurement_group(
            IMAGE_GROUP, tracking(f"measured:{maker.name}", name, lineage), codes.IMAGE_QUALITY, made_by(maker),
            numbers=ones,
        )  # fmt: skip
        place_group(group, source, line)
        groups.append(group)
    return groups


def _measured(
    assessment: Assessment, disposition: Disposition, maker: Algorithm, *, is_full: bool
) -> list[ContentItem]:
    """The measurements that one package, or the node, took; all, or those that are reasons.

    Viewers show only the first few numbers of a group: flagging measurements come first, then well-known indices.
    """
    flagged = {reason.name for reason in disposition.reasons}
    own = [one for one in assessment.measurements if maker_of(one) == maker and (is_full or one.name in flagged)]
    ordered = sorted(own, key=lambda m: (m.name not in flagged, not is_standard(m.name)))
    return [one for m in ordered for one in number(measurement_code(m.name), m.value, unit_of(m.name, m.unit))]


def finding_group(
    context: OutputContext, finding: Finding, region: MarkedRegion | None, row: int, *, is_full: bool
) -> ContentItem:
    """TID 1410 with the outlines of its place, or TID 1501 if it has none; ``is_full``: its severity, too.

    An object has a group for each side of the patient; what is said of all of it stands in the first. ``row`` counts
    the groups placed on the whole image, so that their labels do not overlap.
    """
    source, name = context.source, finding.name if region is None else region.subject.name
    percents = [(certainty_code(finding), finding.probability)]
    percents += [(codes.SEVERITY.code, finding.severity)] if is_full else []
    numbers = [one for key, value in percents for one in number(key, round(100.0 * value, 2), "%")]
    opinion = [code_item(codes.QUALITY_FINDING, finding.code), *opinions(context.review, finding)]
    is_first = name == finding.name
    group = measurement_group(
        IMAGE_GROUP if region is None else REGION_GROUP,
        tracking(name, name, context.lineage),
        finding_code(finding),
        made_by(*makers_of(finding, context.assessment)),
        numbers=numbers if is_first else (),
        evaluations=opinion if is_first else (),
    )
    if region is None:
        region_of_texts = main_of(finding)
        group.children += [
            projects_over(*one) for one in ([] if region_of_texts is None else anatomy_codes(region_of_texts))
        ]
        place_group(group, source, row)
    else:
        place_region(group, source, region)
    return group


def anatomy_codes(place: ObjectPlace | ObjectRegion) -> list[tuple[Code, Code | None]]:
    """The anatomy that a place is over, and its side; nothing where that is unknown, or beside the chest."""
    anatomy = anatomy_of(place)
    if anatomy is ChestRegion.LUNG:
        return [(codes.LUNG_APEX if place.apex else codes.LUNG, codes.LATERALITY.get(place.side))]
    return [(codes.MEDIASTINUM, None)] if anatomy is ChestRegion.MEDIASTINUM else []


def unusual_group(source: Source, anomaly: AnomalyScore, region: MarkedRegion, lineage: Lineage) -> ContentItem:
    """TID 1410 for the unusual region, with the anomaly score of the whole image; it is not a quality finding."""
    name = region.subject.name
    group = measurement_group(
        REGION_GROUP,
        tracking(name, name, lineage),
        region.subject.kind,
        made_by(region.subject.algorithm),
        numbers=_anomaly(anomaly),
    )
    place_region(group, source, region)
    return group


def _anomaly(anomaly: AnomalyScore | None) -> list[ContentItem]:
    if anomaly is None:
        return []
    return [
        *number(codes.ANOMALY_SCORE.code, anomaly.score, "1"),
        *number(codes.ANOMALY_TRAINING.code, anomaly.training_percentile, "%"),
        *number(codes.ANOMALY_SITE.code, anomaly.site_percentile, "%"),
    ]


def _evaluations(disposition: Disposition) -> list[ContentItem]:
    """Coded verdict and reasons; an image that was not assessed has no coded verdict."""
    assessed = codes.QUALITY_ASSESSMENTS.get(disposition.verdict)
    if assessed is None:
        return []
    reasons = dict.fromkeys(reason.code for reason in disposition.reasons if reason.name not in set(PendingReason))
    return [
        code_item(codes.QUALITY_CONTROL_STANDARD, codes.INSTITUTIONAL_STANDARD),
        code_item(codes.QUALITY_ASSESSMENT, assessed),
        *(code_item(codes.QUALITY_FINDING, code) for code in reasons),
    ]


def _reasons(assessment: Assessment, disposition: Disposition) -> list[str]:
    texts = [
        f"{'Pending review' if reason.name in set(PendingReason) else disposition.verdict.words}: {reason.text}"
        + (f" ({HEADER})" if makers_of_reason(reason, assessment) == (HEADER,) else "")
        for reason in disposition.reasons
    ]
    if assessment.not_assessed and not any(assessment.not_assessed in text for text in texts):
        texts.append(f"{Verdict.NOT_ASSESSED.words} by the model: {assessment.not_assessed}")
    if disposition.certificate:
        texts.append(disposition.certificate)
    return [phrase(text, MAX_COMMENT_CHARACTERS) for text in texts]


def _narrative(assessment: Assessment, disposition: Disposition, language: str, *, is_full: bool) -> ContentItem:
    """The narrative as one text; its language (TID 1204) is the report's, unless it says another.

    Without ``is_full`` it leaves out what only tells numbers. Last is what a series was searched for.
    """
    parts = sentences(assessment, disposition, language)
    texts = [one.text for one in parts if is_full or one.part not in (Part.MEASUREMENT, Part.ANOMALY)]
    with spoken(language):
        texts += [] if disposition.search is None else search_lists(disposition.search)
    item = text_item(codes.NARRATIVE_SUMMARY, "\r\n".join(map(phrase, texts)))
    if language != SOURCE:
        item.children = [code_item(codes.LANGUAGE_OF_CONTENT, voice(language).code, Relationship.HAS_CONCEPT_MOD)]
    return item


def number(name: Code, value: float | None, unit: str) -> list[ContentItem]:
    """TID 300; nothing without a finite number."""
    if value is None or not math.isfinite(value):
        return []
    return [number_item(name, stated(value), codes.unit_code(unit))]  # viewers show it unformatted


def place_group(group: ContentItem, source: Source, row: int, frame: int = 0) -> None:
    """Row 10c of TID 1501: the group applies to the whole image. OHIF loses its viewport on a group without a place."""
    if not source.has_pixels:
        group.children.append(source_image(source))
    else:
        frames = [frame or source.frame] if source.number_of_frames > 1 else None
        outline = _whole_image(source, row)
        group.children.append(place(codes.IMAGE_REGION, "POLYLINE", outline, source, frames, Relationship.CONTAINS))


def place_region(group: ContentItem, source: Source, region: MarkedRegion) -> None:
    """The outlines of a region; its segment, with the same Tracking Unique Identifier, is what they enclose.

    What an object projects over is said of the group, or of each outline, if some of them are beside the chest.
    """
    frames = [source.frame] if source.number_of_frames > 1 else None
    parts: Sequence[ObjectPlace | ObjectRegion] = region.over or _places_of(region)
    over = dict.fromkeys(one for part in parts for one in anatomy_codes(part))
    is_of_each = bool(over) and not all(map(anatomy_codes, parts))
    statements = {one: projects_over(*one) for one in over}
    group.children += statements.values()
    for outline, part in zip_longest(region.outlines, parts):
        hidden = anatomy_codes(part) if is_of_each and part is not None else []
        relationship = Relationship.INFERRED_FROM if hidden else Relationship.CONTAINS
        parent = statements[hidden[0]] if hidden else group
        parent.children.append(place(codes.IMAGE_REGION, "POLYLINE", outline, source, frames, relationship))


def _places_of(region: MarkedRegion) -> list[ObjectPlace]:
    """The one place of an object that an earlier version judged."""
    finding = region.subject.finding
    return [] if finding is None or finding.place is None else [finding.place]


def _whole_image(source: Source, row: int) -> NDArray[np.float64]:
    """The frame around the image. Viewers write the label at its first two points: down the left side, row by row."""
    top, left = source.rows * FRAME_INSET, source.columns * FRAME_INSET
    bottom, right = source.rows - top, source.columns - left
    start = top + (bottom - top) * min(LABEL_ROW * (row + 1 if row else 0), 0.9)
    begin = [[left, start], [left, start + 1.0]]
    return np.array([*begin, [left, bottom], [right, bottom], [right, top], [left, top], begin[0]])


def tracking(role: str, identifier: str, lineage: Lineage) -> list[ContentItem]:
    """The identifier shared by a group and its segment; the same for the same lineage and role."""
    return tracked(lineage.uid(SR, "tracking", role), identifier)


def source_image(source: Source, *, whole: bool = False) -> ContentItem:
    """The source image of a group; with ``whole`` all its frames."""
    frames = None if whole else source.frame_numbers
    return image_item(codes.SOURCE_OF_MEASUREMENT, source, Relationship.CONTAINS, frames)
