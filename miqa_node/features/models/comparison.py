"""Compares the results of two packages on the same images: their agreement, and flags raised by only one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from miqa_node.core.domain.assessment import Assessment
from miqa_node.core.domain.finding import FindingName
from miqa_node.core.domain.verdict import Verdict
from miqa_node.core.taxonomy.lookup import finding_names
from miqa_node.libraries.plain_statistics.agreement import agreement


@dataclass(frozen=True, slots=True)
class AssessmentPair:
    """Both packages' assessments of one image; ``uid`` is its SOP Instance UID."""

    uid: str
    first: Assessment
    second: Assessment
    first_verdict: Verdict
    second_verdict: Verdict


@dataclass(frozen=True, slots=True)
class PackageAgreement:
    """One finding over all images that both packages judged.

    The counts are images where both, only one or neither reports it; differences are of calibrated probabilities.
    """

    finding: FindingName
    both: int
    only_first: int
    only_second: int
    neither: int
    mean_difference: float
    largest_difference: float


@dataclass(frozen=True, slots=True)
class PackageComparison:
    """``agreement`` is the share of equal verdicts, ``kappa`` Cohen's, corrected for chance; None without images.

    ``verdicts`` counts (first's verdict, second's verdict, images).
    """

    images: int
    agreement: float | None
    kappa: float | None
    verdicts: tuple[tuple[Verdict, Verdict, int], ...]
    findings: tuple[PackageAgreement, ...]
    flagged_only_by_first: tuple[str, ...]
    flagged_only_by_second: tuple[str, ...]
    mean_score_difference: float | None


def compare(pairs: Sequence[AssessmentPair]) -> PackageComparison:
    """Compare; the order of pairs is the order of the UIDs."""
    table = Counter((pair.first_verdict, pair.second_verdict) for pair in pairs)
    agreed = agreement(table)
    scores = [
        pair.second.score - pair.first.score
        for pair in pairs
        if pair.first.score is not None and pair.second.score is not None
    ]
    return PackageComparison(
        images=len(pairs),
        agreement=agreed.observed,
        kappa=agreed.kappa,
        verdicts=tuple((a, b, table[a, b]) for a in Verdict for b in Verdict if table[a, b]),
        findings=tuple(row for name in _names(pairs) if (row := _finding(pairs, name)) is not None),
        flagged_only_by_first=tuple(p.uid for p in pairs if p.first_verdict.flagged and not p.second_verdict.flagged),
        flagged_only_by_second=tuple(p.uid for p in pairs if p.second_verdict.flagged and not p.first_verdict.flagged),
        mean_score_difference=sum(scores) / len(scores) if scores else None,
    )


def _names(pairs: Sequence[AssessmentPair]) -> Iterable[FindingName]:
    """The findings of the taxonomy in its order, then those known only to packages."""
    return dict.fromkeys((*finding_names(), *(finding.name for pair in pairs for finding in pair.first.findings)))


def _finding(pairs: Sequence[AssessmentPair], name: FindingName) -> PackageAgreement | None:
    rows = [(a, b) for p in pairs if (a := p.first.finding(name)) is not None and (b := p.second.finding(name))]
    if not rows:
        return None
    presence = Counter((a.present, b.present) for a, b in rows)
    differences = [abs(a.probability - b.probability) for a, b in rows]
    return PackageAgreement(
        finding=name,
        both=presence[True, True],
        only_first=presence[True, False],
        only_second=presence[False, True],
        neither=presence[False, False],
        mean_difference=sum(differences) / len(differences),
        largest_difference=max(differences),
    )
