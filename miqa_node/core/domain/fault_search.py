"""What a series was searched for: each fault is found, not found, or not looked for, and then why not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from miqa_node.core.domain.acceptance import LEAST_FOUND, labels, share_words
from miqa_node.core.domain.assessment import Assessment
from miqa_node.core.domain.evaluation import Evaluation
from miqa_node.core.domain.explanation import explained
from miqa_node.core.domain.measurand import label_of, measurand_of
from miqa_node.core.domain.moderate_fault import (
    OTHER_FAULTS,
    FaultSearch,
    ModerateFault,
    OpenFault,
    SeriesSearch,
    faults_of,
)
from miqa_node.core.domain.policy import Policy
from miqa_node.core.domain.rule import AppliedRule, Outcome, Rule, Subject, Then
from miqa_node.core.language.phrase import Phrase

Limit = tuple[Rule, AppliedRule | None]
"""A rule that flags, with what it came to; None if there was no number."""


def search_of(assessment: Assessment, policy: Policy) -> SeriesSearch | None:
    """The lists of a series of CT or MR by the policy; None of another modality."""
    modality = assessment.header.modality
    if not (moderate := faults_of(modality)):
        return None
    faults = [*moderate, *(one for one in OTHER_FAULTS if modality in one.modalities)]
    unread = "" if assessment.decoder else assessment.not_assessed
    if apart := assessment.phantom or assessment.derived or assessment.unfit or unread:
        return SeriesSearch((), tuple(OpenFault(one.name, one.title, apart) for one in faults))
    assessment = replace(assessment, header=assessment.known_header)
    evaluation = Evaluation(assessment, policy)
    limits = _limits(evaluation)
    named = {what for one in faults for what in one.measurements}
    others = dict.fromkeys(rule.what for rule, _ in limits if rule.what not in named)
    titles = {what: policy.titles.get(what) or label_of(what) for what in others}
    faults += [ModerateFault(what, title, title, (what,)) for what, title in titles.items()]
    searches = [_search(one, limits, evaluation, assessment) for one in faults]
    return SeriesSearch(
        tuple(one for one in searches if isinstance(one, FaultSearch)),
        tuple(one for one in searches if isinstance(one, OpenFault)),
    )


def _limits(evaluation: Evaluation) -> list[Limit]:
    """The rules that flag such a series; of findings, and of usual ranges, those that had something to look at."""
    rows = [(rule, row) for rule, row in evaluation.rows() if rule.then in (Then.REVIEW, Then.REJECT)]
    idle = (one for one in evaluation.flagging if one.subject is Subject.MEASUREMENT and not one.is_usual)
    return [*rows, *((rule, None) for rule in idle if not any(one is rule for one, _ in rows))]


def _search(
    fault: ModerateFault, limits: Sequence[Limit], evaluation: Evaluation, assessment: Assessment
) -> FaultSearch | OpenFault:
    own = [(rule, row) for rule, row in limits if rule.what in fault.measurements]
    causes = explained(row for _, row in limits if row is not None).values()
    for rule, row in own:
        if rule.what in causes or (row is not None and row.outcome is Outcome.FLAGS):
            return FaultSearch(fault.name, label_of(rule.what), found=True)  # the title has the size that was tried
    obstacles = [_obstacle(fault, *one, evaluation, assessment) for one in own]
    if not all(why for _, why in obstacles or [(0, _unlimited(fault, assessment))]):
        return FaultSearch(fault.name, fault.title, found=False)
    _, why = max(obstacles, key=lambda one: one[0], default=(0, _unlimited(fault, assessment)))
    return OpenFault(fault.name, fault.title, why)


def _obstacle(
    fault: ModerateFault, rule: Rule, row: AppliedRule | None, evaluation: Evaluation, assessment: Assessment
) -> tuple[int, str]:
    """Why a limit does not tell of the fault, empty if it does; of several the one with the highest number is told."""
    if row is None:
        return 0, _unmeasured(rule.what, assessment)
    if row.outcome in (Outcome.HINT, Outcome.HELD):
        name, why = labels((rule.what,)), row.why
        return 3, Phrase(
            "{measurement} is beyond its limit, which is only a hint here: {why}", measurement=name, why=why
        )
    if why := evaluation.lack(rule):
        return 1, why
    if (share := evaluation.share(fault.name)) < LEAST_FOUND:
        least = f"{LEAST_FOUND:.2f}"
        return 2, Phrase(
            "it was found in too few of the series in which it was tried ({share} of them; {least} is asked for)",
            share=share_words(share), least=least,
        )  # fmt: skip
    return 0, ""


def _unmeasured(name: str, assessment: Assessment) -> str:
    """Why there is no number; empty if that means that there is no such fault."""
    reason = next((one.reason for one in assessment.left_out if name in one.measurements), "")
    measurand = measurand_of(name)
    if measurand is not None and measurand.is_of_fault and reason == measurand.left_out:
        return ""
    why = reason or Phrase("header or pixels do not show it")
    return Phrase("{measurement} could not be measured: {why}", measurement=labels((name,)), why=why)


def _unlimited(fault: ModerateFault, assessment: Assessment) -> str:
    """Why no rule is about it."""
    names, unlimited = fault.measurements, Phrase("no rule of the policy limits what shows it")
    if any(assessment.measurement(name) is not None for name in names):
        return unlimited
    left_out = [name for name in names if any(name in one.measurements for one in assessment.left_out)]
    if not left_out:
        return Phrase("nothing that is measured here shows it")
    return _unmeasured(left_out[0], assessment) or unlimited
