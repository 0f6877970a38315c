"""How many images and series each rule of the policy in force flagged lately."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from miqa_node.core.domain.policy import OF_LIMITS
from miqa_node.core.domain.prediction import PENDING_NAMES
from miqa_node.core.domain.rule import Outcome
from miqa_node.core.domain.verdict import Verdict
from miqa_node.core.language.phrase import Phrase
from miqa_node.runtime.store import documents
from miqa_node.runtime.store.database import Transaction
from miqa_node.runtime.store.tables import assessments, dispositions


@dataclass(frozen=True, slots=True)
class RuleCounts:
    """What was judged by one version of the policy from ``since`` on; ``since`` is None if nothing was.

    ``judged`` and ``flagged`` are by place, ``by_rule`` is by the number of the rule, of which an image may meet
    several, and ``by_package`` by the name and version of a package whose prediction waits.
    """

    since: datetime | None
    judged: Mapping[str, int]
    flagged: Mapping[str, int]
    by_rule: Mapping[int, int]
    by_package: Mapping[str, int]


def rule_counts(transaction: Transaction, version: str, since: datetime) -> RuleCounts:
    """Of the newest verdict of each image and series; of a series the row that represents it counts.

    ``version`` is without the site's confirmed limits: sets of these change no rule.
    """
    of = dispositions.c
    of_version = sa.or_(
        of.policy_version == version, of.policy_version.startswith(f"{version}{OF_LIMITS}", autoescape=True)
    )
    counted = (of.decided_at >= since, of_version, of.digest == assessments.c.digest)
    wholes = sa.select(of.scope, sa.func.count(), sa.func.min(of.decided_at)).where(*counted).group_by(of.scope)
    judged, first = Counter[str](), []
    for scope, count, earliest in transaction.execute(wholes):
        judged[scope] += count
        first.append(earliest)
    asks = sa.or_(of.verdict.in_([one.value for one in Verdict if one.flagged]), of.flagged)
    flagged, by_rule, by_package = Counter[str](), Counter[int](), Counter[str]()
    for scope, reasons, rules in transaction.execute(sa.select(of.scope, of.reasons, of.rules).where(*counted, asks)):
        flagged[scope] += 1
        by_rule.update({one.number for one in documents.load_rules(rules) if one.outcome is Outcome.FLAGS})
        waiting = [one.text for one in documents.load_reasons(reasons) if one.name in PENDING_NAMES]
        by_package.update({one.values.get("package", "") for one in waiting if isinstance(one, Phrase)})
    return RuleCounts(min(first, default=None), judged, flagged, by_rule, by_package)
