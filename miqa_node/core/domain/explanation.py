"""What is wrong with a series, where several measurements flag it: most faults raise more than their own measurement.

The fault that explains a pattern best is told first, others as also seen; so a person is not sent after the wrong one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from miqa_node.core.domain.rule import AppliedRule, LimitSide, Outcome, Subject, compared_number

ALSO_RAISES: Mapping[str, tuple[str, ...]] = {
    "slices_unreadable": ("slice_gaps", "series_incomplete"),
    "slices_blank": ("slice_disorder", "slice_jump", "slice_offset", "slices_repeated"),
    "lines_lost": (
        "slice_disorder", "slice_jump", "slice_offset", "slices_repeated", "mr_zipper", "mr_raw_lines", "mr_spikes",
        "mr_wrap",
    ),
    "slices_repeated": ("slice_disorder", "slice_overlaps"),
    "slices_differ": ("slice_jump", "slice_offset", "slice_disorder", "body_size", "hu_offset"),
    "slice_offset": ("slice_disorder", "hu_offset", "hu_air", "hu_fat"),
    "slice_jump": ("slice_disorder",),
    "mr_zipper": ("mr_raw_lines", "mr_spikes", "mr_ghost", "mr_doubled_contours", "mr_noise"),
    "mr_wrap": ("mr_ghost", "mr_zipper"),
    "mr_raw_lines": ("mr_ghost", "mr_doubled_contours"),
    "mr_spikes": ("mr_noise", "slice_disorder"),
    "mr_doubled_contours": ("mr_ghost",),
    "mr_noise": ("mr_ghost",),
    "metal_share": ("streak_direction", "streak_index", "hu_offset", "hu_fat", "ct_noise"),
    "truncation": ("hu_offset", "hu_fat", "streak_direction", "doubled_contours"),
    "streak_direction": ("hu_offset", "ct_noise", "normalised_noise", "noise_for_dose"),
    "ring_index": ("hu_offset",),
    "hu_air": ("ct_noise",),
}  # fmt: skip
"""By the measurement of a fault, others that it raises beyond their limits, too, by faults put into real series."""
LEAST_SHARE = 0.6
"""Of its own limit: from there on a measurement explains what others flag."""


def explained(rows: Iterable[AppliedRule]) -> dict[str, str]:
    """By each measurement or contradiction that flags and that another explains, this other one.

    One that does not flag explains, too, if it is nearly beyond its limit, and none that flags does.

    >>> def row(what, value, limit):
    ...     from miqa_node.core.domain.rule import Then
    ...     outcome = Outcome.FLAGS if value > limit else Outcome.WITHIN
    ...     return AppliedRule(Subject.MEASUREMENT, what, Then.REVIEW, "", outcome, (value,), (limit,), "above")
    >>> explained([row("mr_zipper", 20.0, 10.0), row("mr_raw_lines", 4.0, 3.0), row("mr_noise", 1.0, 2.3)])
    {'mr_raw_lines': 'mr_zipper'}
    >>> explained([row("mr_zipper", 7.0, 10.0), row("mr_raw_lines", 4.0, 3.0)])
    {'mr_raw_lines': 'mr_zipper'}
    """
    shares: dict[str, float] = {}
    flagging: dict[str, None] = {}
    for row in rows:
        if row.subject is Subject.FINDING:
            continue
        if row.outcome is Outcome.FLAGS:
            flagging[row.what] = None
        shares[row.what] = max(shares.get(row.what, 0.0), 1.0 if row.outcome is Outcome.FLAGS else _share(row))
    causes = sorted((one for one in ALSO_RAISES if shares.get(one, 0.0) >= LEAST_SHARE), key=lambda one: -shares[one])
    pairs = ((what, next((one for one in causes if what in ALSO_RAISES[one]), "")) for what in flagging)
    return {what: cause for what, cause in pairs if cause}


def _share(row: AppliedRule) -> float:
    """How near a measurement is to its limit from below; 0 where it has no such limit."""
    if row.outcome is not Outcome.WITHIN or row.side != LimitSide.ABOVE or not row.limits or row.limits[0] <= 0.0:
        return 0.0
    return compared_number(row.values) / row.limits[0]
