"""Which reason decided: the order in which pages, reports and messages tell reasons and findings."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from miqa_node.core.domain.assessment import Assessment
from miqa_node.core.domain.evaluation import SHOWS_ANOTHER
from miqa_node.core.domain.explanation import explained
from miqa_node.core.domain.finding import Finding
from miqa_node.core.domain.rule import ANOMALY, AppliedRule, LimitSide, Outcome, Subject, compared_number
from miqa_node.core.domain.verdict import Disposition, Reason

PROCESSED_AGAIN = frozenset({"contrast_processing", "inverted", "inverted_look", "voi_clips_image"})
"""Reasons that another processing of the exposure cures; of two that lie as far beyond, the other comes first."""
PERCENTILES = 100.0


def deciding_first(disposition: Disposition) -> list[Reason]:
    """The reasons of a verdict, also of one that an earlier version gave, see :func:`in_order`."""
    return in_order(disposition.reasons, disposition.rules)


def in_order(reasons: Iterable[Reason], rows: Sequence[AppliedRule]) -> list[Reason]:
    """A wrong label first, then the worst verdict, then what lies furthest beyond its limit.

    Last of its verdict comes what another fault explains, and an unusual image, because unusual is not wrong.
    """
    excesses, cause_of = excess_by_name(rows), explained(rows)
    for name, cause in cause_of.items():  # it may be only nearly beyond its own limit
        excesses[cause] = max(excesses.get(cause, 0.0), excesses.get(name, 0.0))

    def place(reason: Reason) -> tuple[bool, int, bool, float, bool]:
        is_explained = reason.name in cause_of
        far, is_last = 0.0 if is_explained else excesses.get(reason.name, 0.0), is_explained or reason.name == ANOMALY
        is_cured = reason.name in PROCESSED_AGAIN
        return reason.name not in SHOWS_ANOTHER, -reason.verdict.rank, is_last, -far, is_cured

    return sorted(reasons, key=place)


def findings_in_order(assessment: Assessment, disposition: Disposition) -> tuple[list[Finding], list[Finding]]:
    """The findings that are present: those that flag, the deciding one first; the others, the strongest first."""
    present = {str(one.name): one for one in assessment.findings if one.present}
    flagging = [one.name for one in deciding_first(disposition) if one.verdict.flagged]
    first = [present.pop(name) for name in dict.fromkeys(flagging) if name in present]
    return first, sorted(present.values(), key=lambda one: -one.strength)


def excess_by_name(rows: Iterable[AppliedRule]) -> dict[str, float]:
    """How far what flags lies beyond its limit, by name: 0 at the limit, 1 at the largest value or twice a limit."""
    excesses: dict[str, float] = {}
    for row in rows:
        if row.outcome is Outcome.FLAGS:
            excesses[row.what] = max(excesses.get(row.what, 0.0), _excess(row))
    return excesses


def _excess(row: AppliedRule) -> float:
    if row.subject is Subject.CONTRADICTION or not (row.values and row.limits):
        return 1.0
    if row.what == ANOMALY:
        return (row.values[0] - row.limits[0]) / max(PERCENTILES - row.limits[0], 1e-9)
    if row.subject is Subject.FINDING:
        pairs = zip(row.values, row.limits, strict=False)
        return min((value - limit) / (1.0 - limit) if limit < 1.0 else 1.0 for value, limit in pairs)
    is_below = row.side.endswith(LimitSide.BELOW.value)
    limit = row.limits[0 if is_below else -1]
    distance = abs(compared_number(row.values) - limit)
    return min(distance / abs(limit), 1.0) if limit else 1.0
