"""Series that versions before 0064 judged more than once, each time for a part of their slices: one verdict each.

They follow the rule of every later judgement, on record. Neither reports nor messages are sent again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from miqa_node.core.domain.instance import InstanceDigest, StudyInstanceUid
from miqa_node.core.domain.judgement import Judgement
from miqa_node.core.domain.reassessment import lifts_flag, with_flag
from miqa_node.core.language.phrase import Phrase
from miqa_node.runtime.store import documents
from miqa_node.runtime.store.database import Transaction
from miqa_node.runtime.store.tables import assessments, dispositions, instances, series
from miqa_node.stages.conclusion.rows import flagged_studies
from miqa_node.stages.units.rows import instances as instance_rows
from miqa_node.stages.units.rows import series as series_rows
from miqa_node.stages.units.rows import unit_verdicts

ONE_VERDICT = Phrase("A series has one verdict now: that of its newest judgement.")


def studies(transaction: Transaction, after: str, limit: int) -> list[StudyInstanceUid]:
    """Studies with several slices that have assessments of their own, by UID from ``after`` on."""
    of = instances.c
    query = (
        sa.select(of.study_instance_uid)
        .join(assessments, assessments.c.digest == of.digest)
        .join(series, series.c.series_instance_uid == of.series_instance_uid)
        .where(of.study_instance_uid > after)
        .group_by(of.study_instance_uid)
        .having(sa.func.count() > 1)
        .order_by(of.study_instance_uid)
        .limit(limit)
    )
    return [StudyInstanceUid(uid) for uid in transaction.execute(query).scalars()]


@dataclass(frozen=True, slots=True)
class Unity:
    """A series with several judgements: the newest, with the verdict that follows, and the members of the others."""

    judgement: Judgement
    others: tuple[InstanceDigest, ...]


def doubles(transaction: Transaction, study: StudyInstanceUid) -> list[Unity]:
    """The series of a study that have several judgements."""
    of = instances.c
    query = (
        sa.select(of.digest, of.header)
        .join(assessments, assessments.c.digest == of.digest)
        .join(series, series.c.series_instance_uid == of.series_instance_uid)
        .join(dispositions, dispositions.c.digest == of.digest)
        .where(of.study_instance_uid == study)
        .order_by(assessments.c.assessed_at, of.digest)
    )
    stacks: dict[tuple[str, ...], list[InstanceDigest]] = {}
    for row in transaction.execute(query).all():
        uids = series_rows.uids_of(transaction, documents.load_header(row.header))
        stacks.setdefault(uids, []).append(InstanceDigest(row.digest))
    unities = (_double(transaction, digests) for digests in stacks.values() if len(digests) > 1)
    return [one for one in unities if one is not None]


def _double(transaction: Transaction, digests: Sequence[InstanceDigest]) -> Unity | None:
    newest = digests[-1]
    assessment = instance_rows.load_assessment(transaction, newest)
    disposition = instance_rows.load_disposition(transaction, newest)
    if assessment is None or disposition is None:
        return None
    flags = unit_verdicts.standing_flags(transaction, digests[:-1])
    lasting = [one for one in flags if not lifts_flag(assessment, disposition, one.assessment, one.reasons)]
    if lasting and not disposition.flagged:
        disposition = with_flag(disposition, [reason.text for flag in lasting for reason in flag.reasons])
    return Unity(Judgement(instance_rows.load(transaction, newest), assessment, disposition), tuple(digests[:-1]))


def unite(transaction: Transaction, series: Unity, now: datetime) -> None:
    """Give all decided members of a series its newest verdict."""
    instance, disposition = series.judgement.instance, series.judgement.disposition
    study = instance.header.study_instance_uid
    decided = instance_rows.decided_among(
        transaction, [one.digest for one in series_rows.files(transaction, instance.header)]
    )
    unit_verdicts.replace_earlier(transaction, instance.digest, decided, now)
    unit_verdicts.share(transaction, instance.digest, decided, study, disposition, now)
    values = {
        "reasons": documents.dump_reasons(disposition.reasons),
        "flagged": disposition.flagged,
        "decided_at": now,
    }
    transaction.execute(sa.update(dispositions).where(dispositions.c.digest == instance.digest).values(**values))
    flagged_studies.follow(transaction, study, now, reopen=False, why=ONE_VERDICT, tell=False)
