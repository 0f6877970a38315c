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
        "mr_wrap", "mr_doubled_contours",
    ),
    "slices_repeated": ("slice_disorder", "slice_overlaps"),
    "slices_differ": ("slice_jump", "slice_offset", "slice_disorder", "body_size", "hu_offset"),
    "slice_offset": ("slice_disorder", "hu_offset", "hu_air", "hu_fat"),
    "slice_jump": ("slice_disorder",),
    "mr_zipper": ("mr_raw_lines", "mr_spikes", "mr_ghost", "mr_doubled_contours"),
    "mr_wrap": ("mr_ghost", "mr_zipper"),
    "mr_raw_lines": ("mr_ghost", "mr_doubled_contours"),
    "mr_spikes": ("mr_noise",),
    "mr_doubled_contours": ("mr_ghost",),
    "mr_noise": ("mr_ghost",),
    "metal_share": ("streak_direction", "streak_index", "hu_offset", "hu_fat", "ct_noise"),
    "truncation": ("hu_offset", "hu_fat", "streak_direction", "doubled_contours"),
    "streak_direction": ("hu_offset", "ct_noise", "normalised_noise", "noise_for_dose"),
    "ring_index": ("hu_offset",),
    "hu_air": ("ct_noise",),
}  # fmt: skip
"""By the measurement of a fault, others that it raises beyond their limits, too, by faults put into real series."""
NEARLY: Mapping[str, float] = {"mr_zipper": 0.6}
"""Of these nothing unaltered comes near their limit: from this share of it on they explain what others flag."""


def explained(rows: Iterable[AppliedRule]) -> dict[str, str]:
    """By each measurement or contradiction that flags and that another explains, this other one.

    One of ``NEARLY`` explains, too, where it is nearly beyond its limit.

    >>> def row(what, value, limit):
    ...     from miqa_node.core.domain.rule import Then
    ...     outcome = Outcome.FLAGS if value > limit else Outcome.WITHIN
    ...     return AppliedRule(Subject.MEASUREMENT, what, Then.REVIEW, "", outcome, (value,), (limit,), "above")
    >>> explained([row("mr_zipper", 20.0, 10.0), row("mr_raw_lines", 4.0, 3.0), row("mr_noise", 1.0, 2.3)])
    {'mr_raw_lines': 'mr_zipper'}
    >>> explained([row("mr_zipper", 7.0, 10.0), row("mr_raw_lines", 4.0, 3.0)])
    {'mr_raw_lines': 'mr_zipper'}
    """
    flagging: dict[str, None] = {}
    near: dict[str, None] = {}
    for row in rows:
        if row.subject is Subject.FINDING:
            continue
        if row.outcome is Outcome.FLAGS:
            flagging[row.what] = None
        elif _is_nearly_beyond(row):
            near[row.what] = None
    causes = [one for some in (flagging, near) for one in some if one in ALSO_RAISES]
    pairs = ((what, next((one for one in causes if what in ALSO_RAISES[one]), "")) for what in flagging)
    return {what: cause for what, cause in pairs if cause}


def _is_nearly_beyond(row: AppliedRule) -> bool:
    is_compared = row.outcome is Outcome.WITHIN and row.side == LimitSide.ABOVE and row.what in NEARLY
    return is_compared and compared_number(row.values) >= NEARLY[row.what] * row.limits[0]
