"""Which rule of a scope a reason comes from: rule and reason have the same key."""

from __future__ import annotations

import re

from miqa_node.core.domain.finding import humanised
from miqa_node.core.domain.prediction import PENDING_NAMES
from miqa_node.core.domain.reason_texts import NOISIER, UNUSUAL
from miqa_node.core.domain.rule import LimitSide
from miqa_node.core.domain.verdict import Reason, Verdict
from miqa_node.core.language.phrase import Phrase

RuleKey = tuple[str, str, str]
"""Name of the reason, verdict, and side of the limit or of the usual range, which only a measurement has."""
_VERSION = re.compile(r"-\d[\w.]*$")
_OF_RANGES = ((NOISIER, LimitSide.ABOVE), *((UNUSUAL[side.value], side) for side in LimitSide))


def key_of(reason: Reason) -> RuleKey:
    """The key of the rule that gave the reason; that of a prediction that waits is its package's."""
    text = reason.text
    if reason.name in PENDING_NAMES:
        package = text.values.get("package", "") if isinstance(text, Phrase) else text.partition(":")[0]
        return package_key(package)
    for words, of_range in _OF_RANGES:
        if text.startswith(f"{words}: "):
            return usual_key(reason.name, of_range)
    message = text.message if isinstance(text, Phrase) else text
    is_measured = "{measurement}" in message or message.startswith(f"{humanised(reason.name)} ")
    sides = [side.value for side in LimitSide if f" {side.value} " in message] if is_measured else []
    return reason.name, reason.verdict.value, sides[0] if len(sides) == 1 else ""


def usual_key(measurement: str, side: LimitSide) -> RuleKey:
    """The key of a rule about the usual range of a machine, which is no limit of the measurement."""
    return measurement, Verdict.REVIEW.value, f"usual {side.value}"


def package_key(label: str) -> RuleKey:
    """The key of a further package, ``NAME`` or ``NAME-VERSION``: of whatever version.

    >>> package_key("pneumonia-ensemble-0.3") == package_key("pneumonia-ensemble")
    True
    """
    return f"package:{_VERSION.sub('', label)}", Verdict.ACCEPT.value, ""
