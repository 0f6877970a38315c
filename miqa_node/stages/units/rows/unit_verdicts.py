"""The one verdict of a unit: that of its newest judgement, held by the rows of all its members.

An instance represents the unit: assessment, results and flag are kept with it. Once a later one does, the earlier
judgement is kept with the requests to judge again (:mod:`.judgements`), as if it had been asked for: what was decided,
found and flagged stays on record, and results of then can be made again. So whoever reads the verdict of any member
reads that of the unit.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from miqa_node.core.domain.assessment import Assessment
from miqa_node.core.domain.instance import InstanceDigest
from miqa_node.core.domain.verdict import Disposition
from miqa_node.core.language.phrase import Phrase
from miqa_node.runtime.store import documents
from miqa_node.runtime.store.batches import batches
from miqa_node.runtime.store.database import Transaction, insert_or_ignore
from miqa_node.runtime.store.phrase_columns import stored
from miqa_node.runtime.store.tables import assessments, dispositions, reassessments
from miqa_node.stages.units.rows import judgements
from miqa_node.stages.units.rows.judgements import StandingFlag

SELF = "miqa-node"
WITH_UNIT = Phrase("More of its series came, and all was judged.")
"""Why an earlier representative has a later verdict."""


def represents(transaction: Transaction, digests: Sequence[InstanceDigest]) -> list[InstanceDigest]:
    """Those of some members with an assessment of their own, oldest first: one, or while more of it came several."""
    moments: list[tuple[datetime, InstanceDigest]] = []
    of = assessments.c
    for some in batches(digests):
        query = sa.select(of.digest, of.assessed_at).where(of.digest.in_(some))
        moments += [(row.assessed_at, InstanceDigest(row.digest)) for row in transaction.execute(query)]
    return [digest for _, digest in sorted(moments)]


def replace_earlier(
    transaction: Transaction, digest: InstanceDigest, members: Sequence[InstanceDigest], now: datetime
) -> None:
    """Record that a unit is represented by ``digest`` now: the judgements of its earlier representatives are replaced.

    What waits to be judged again with one of them has been judged with the unit.
    """
    others = [one for one in members if one != digest]
    flagged = _flagged(transaction, others)  # one that was given up has no assessment
    for one in dict.fromkeys((*represents(transaction, others), *flagged)):
        judgements.replace_in_force(transaction, one, SELF, WITH_UNIT, now)
    waits = reassessments.c.concluded_at.is_(None)
    for some in batches(others):
        done = sa.update(reassessments).where(reassessments.c.digest.in_(some), waits)
        transaction.execute(done.values(concluded_at=now, failure=WITH_UNIT))


def share(
    transaction: Transaction,
    digest: InstanceDigest | None,
    members: Sequence[InstanceDigest],
    study_instance_uid: str,
    disposition: Disposition,
    now: datetime,
) -> None:
    """Give members the verdict of their unit, unflagged: all but its representative ``digest``, which has it."""
    values = {
        "verdict": disposition.verdict.value,
        "flagged": False,
        "policy_version": disposition.policy_version,
        "scope": disposition.scope,
        "reasons": documents.dump_reasons(disposition.reasons),
        "rules": [],
        "search": None,
        "decided_at": now,
        **stored(certificate=disposition.certificate),
    }
    others = [one for one in members if one != digest]
    decided: set[str] = set()
    for some in batches(others):
        change = sa.update(dispositions).where(dispositions.c.digest.in_(some)).values(**values)
        decided |= set(transaction.execute(change.returning(dispositions.c.digest)).scalars())
    for one in others:
        if one not in decided:
            row = {"digest": one, "study_instance_uid": study_instance_uid, **values}
            insert_or_ignore(transaction, dispositions, row)


def standing_flags(transaction: Transaction, digests: Sequence[InstanceDigest]) -> list[StandingFlag]:
    """The judgements that flagged a unit, by members that are flagged still."""
    flags = (judgements.standing_flag(transaction, one) for one in _flagged(transaction, digests))
    return [flag for flag in flags if flag is not None]


def _flagged(transaction: Transaction, digests: Sequence[InstanceDigest]) -> list[InstanceDigest]:
    flagged: list[InstanceDigest] = []
    of = dispositions.c
    for some in batches(digests):
        query = sa.select(of.digest).where(of.digest.in_(some), of.flagged).order_by(of.digest)
        flagged += [InstanceDigest(one) for one in transaction.execute(query).scalars()]
    return flagged


@dataclass(frozen=True, slots=True)
class ReplacedJudgement:
    """A judgement that another one of the unit replaced."""

    assessment: Assessment | None
    flagged: bool
    rank: int


def replaced(transaction: Transaction, digests: Sequence[InstanceDigest], now: datetime) -> list[ReplacedJudgement]:
    """The judgements of some members that were replaced in the transaction of that moment."""
    rows: list[Any] = []
    of = reassessments.c
    for some in batches(digests):
        query = sa.select(of.earlier).where(of.digest.in_(some), of.concluded_at == now, of.earlier.is_not(None))
        rows += transaction.execute(query).scalars()
    return [
        ReplacedJudgement(
            None if one["assessment"] is None else documents.load_assessment(one["assessment"]),
            bool(one["flagged"]),
            int(one["rank"]),
        )
        for one in rows
    ]
