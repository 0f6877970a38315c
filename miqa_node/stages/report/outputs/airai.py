"""Makes Content Assessment Results (PS3.3 A.81) from a person's decision about a report, for IHE AIRAI.

The IOD has no reference to a predecessor. All assessments of a report share an Assessment Set ID; the newest counts.
"""

from __future__ import annotations

from collections.abc import Iterator

from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from miqa_node.core.domain.delivery import SR, ResultKind
from miqa_node.core.domain.implementation import MANUFACTURER
from miqa_node.core.domain.verdict import Verdict
from miqa_node.core.domain.worklist import Review
from miqa_node.core.taxonomy.lookup import finding_title, finding_words
from miqa_node.core.words import codes
from miqa_node.stages.report.code_items import code_sequence
from miqa_node.stages.report.content import person_name
from miqa_node.stages.report.instance import reference
from miqa_node.stages.report.made import ReportSettings
from miqa_node.stages.report.outputs import sr
from miqa_node.stages.report.outputs.base import Draft, Output, OutputContext
from miqa_node.stages.report.sr_review import DECISION_MEANS
from miqa_node.stages.report.text import typed_text
from miqa_node.stages.report.uids import derive_uid

SOP_CLASS_UID = "1.2.840.10008.5.1.4.1.1.90.1"
AIRAI = ResultKind("AIRAI")

_CONSISTENT, _MINOR, _MODERATE, _MAJOR = _SIGNIFICANCE = ("CONSISTENT", "MINOR", "MODERATE", "MAJOR")
"""Enumerated values of Observation Significance (0082,0008), in their order."""
_SUMMARY = {_CONSISTENT: "PASSED", _MINOR: "PASSED", _MODERATE: "INCONCLUSIVE", _MAJOR: "FAILED"}
_BETWEEN = {  # (verdict of the node, meaning of the decision); every other disagreement is MAJOR
    (Verdict.REVIEW, Verdict.REJECT): _CONSISTENT,  # the node asked for a decision and got one
    (Verdict.ACCEPT, Verdict.REVIEW): _MINOR,
    (Verdict.REJECT, Verdict.REVIEW): _MODERATE,
}


def make_assessment(context: OutputContext) -> Draft | None:
    """The assessment of the first report of this judgement; None without a decision.

    An amended report is the person's own, so it is never the assessed one.
    """
    review = context.review
    if review is None:
        return None
    made = context.begin(OUTPUT)
    del made.ContentDate, made.ContentTime  # not in this IOD; Instance Creation Date and Time are those of the decision
    observations = list(_observations(review, context))
    worst = max((item.ObservationSignificance for item in observations), key=_SIGNIFICANCE.index)
    made.OperatorsName = person_name(review.actor)
    made.AssessmentLabel = "Decision about the image"
    made.AssessmentTypeCodeSequence = code_sequence(codes.AI_RESULT_ASSESSMENT.code)
    made.AssessmentSetID = context.lineage.uid(AIRAI, "set")
    made.AssessmentRequesterSequence = Sequence([_node(context.settings)])
    made.AssessedSOPInstanceSequence = Sequence([_assessed(context)])
    made.AssessmentSummary = _SUMMARY[worst]
    made.AssessmentSummaryDescription = typed_text(review.sentence)
    made.NumberOfAssessmentObservations = len(observations)
    made.AssessmentObservationsSequence = Sequence(observations)
    made.ReferencedSeriesSequence = _references(context)
    return Draft(made)


def _observations(review: Review, context: OutputContext) -> Iterator[Dataset]:
    """One observation about the verdict, one per finding that the person commented on, one per missing finding."""
    verdict = context.disposition.verdict
    if review.resolution is None:
        yield _observation(_MODERATE, review.sentence)
        return
    yield _observation(_between(verdict, DECISION_MEANS[review.resolution]), f"{verdict.words}: {review.sentence}")
    present = [finding for finding in context.assessment.findings if finding.present]
    for finding in present:
        agrees = review.agrees_on(finding.name)
        if agrees is not None:
            opinion = (codes.AGREES if agrees else codes.DISAGREES).meaning
            yield _observation(_CONSISTENT if agrees else _MODERATE, f"{finding_words(finding).title}: {opinion}")
    for name in review.findings or ():
        if name not in {finding.name for finding in present}:
            yield _observation(_MODERATE, f"{finding_title(name)}: not in the report")


def _between(verdict: Verdict, meant: Verdict) -> str:
    if verdict is Verdict.NOT_ASSESSED:
        return _MINOR  # the report states nothing that could be wrong
    return _CONSISTENT if meant is verdict else _BETWEEN.get((verdict, meant), _MAJOR)


def _observation(significance: str, description: str) -> Dataset:
    item = Dataset()
    item.ObservationSignificance = significance
    item.ObservationDescription = typed_text(description)
    item.ObservationBasisCodeSequence = code_sequence(codes.ASSESSMENT_BY_COMPARISON)
    item.StructuredConstraintObservationSequence = Sequence()
    return item


def _node(settings: ReportSettings) -> Dataset:
    """The node as the device that requested the decision (PS3.3 table C.17-3b)."""
    item = Dataset()
    item.ObserverType = "DEV"
    item.Manufacturer = item.ManufacturerModelName = MANUFACTURER
    item.StationName = typed_text(settings.node_name, 16)
    item.DeviceUID = derive_uid("device", settings.node_name)
    item.InstitutionName = ""
    item.InstitutionCodeSequence = Sequence()
    return item


def _assessed(context: OutputContext) -> Dataset:
    """The report, and the images with which the person compared it."""
    item = reference(sr.SOP_CLASS_UID, context.lineage.uid(SR, "instance"))
    item.ReferencedComparisonSOPInstanceSequence = Sequence(
        [reference(image.sop_class_uid, image.sop_instance_uid) for image in context.series or [context.source]]
    )
    return item


def _references(context: OutputContext) -> Sequence:
    """Common Instance Reference (PS3.3 C.12.2): the report and the images, all of one study, by series."""
    series = {context.lineage.uid(SR, "series"): [reference(sr.SOP_CLASS_UID, context.lineage.uid(SR, "instance"))]}
    for image in context.series or [context.source]:
        of_series = series.setdefault(image.series_instance_uid, [])
        of_series.append(reference(image.sop_class_uid, image.sop_instance_uid))
    items = Sequence()
    for uid, references in series.items():
        item = Dataset()
        item.SeriesInstanceUID, item.ReferencedInstanceSequence = uid, Sequence(references)
        items.append(item)
    return items


OUTPUT = Output(
    kind=AIRAI,
    modality="ASMT",
    series_number=9910,
    description="Assessment of the image quality report",
    sop_class_uid=SOP_CLASS_UID,
    make=make_assessment,
    only_flagged=False,
    of_decisions=True,
)
