"""Which of two entries about the same stays: of a place, one rule is about each what and then."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from miqa_node.core.domain.rule import ANOMALY, LimitSide, Subject
from miqa_node.core.taxonomy.entries import number
from miqa_node.core.taxonomy.rule_tables import USUAL

Entry = dict[str, Any]


def are_rivals(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Whether two entries of a place compete, so that one of them must include the other."""
    return _about(one) == _about(other)


def winner(earlier: Entry, later: Entry) -> Entry:
    """The one that flags whatever either of them flagged; ValueError if neither does.

    Of contradictions the last one counted, and of anomalies the first.
    """
    if Subject.CONTRADICTION in later:
        return later
    if earlier == later or later.get("measurement") == ANOMALY:
        return earlier
    for one, other in ((earlier, later), (later, earlier)):
        if _includes(one, other):
            return one
    raise ValueError(
        "another rule of the scope asks for the same verdict for the same reason, beyond other limits, and rules "
        "cannot say that either is enough. Write one with the limits that are to hold, and convert again."
    )


def _about(entry: Mapping[str, Any]) -> tuple[object, ...]:
    subject = next(one for one in Subject if one in entry)
    side = next((one for one in LimitSide if one in entry), "")
    then = "" if subject is Subject.CONTRADICTION or entry[subject] == ANOMALY else entry["then"]
    return subject, str(entry[subject]), then, side, bool(side) and entry[side] == USUAL


def _includes(wide: Mapping[str, Any], narrow: Mapping[str, Any]) -> bool:
    if Subject.MEASUREMENT in wide:
        side = next((one for one in LimitSide if one in wide), LimitSide.ABOVE)
        apart = wide.get("reason") != narrow.get("reason") or USUAL in (wide[side], narrow[side])
        further = number(narrow, side, 0.0) - number(wide, side, 0.0) if not apart else -1.0
        return not apart and (further >= 0.0 if side is LimitSide.ABOVE else further <= 0.0)
    lower = all(number(wide, key, 0.0) <= number(narrow, key, 0.0) for key in ("min_probability", "min_severity"))
    over = not wide.get("over") or (narrow.get("over") and {*narrow["over"]} <= {*wide["over"]})
    return lower and bool(over) and wide.get("soft") == narrow.get("soft")
