"""Decides a series again by its stored assessment, after a person said what it shows; nothing is measured anew."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

import sqlalchemy as sa

from miqa_node.core.domain.assessment import Assessment
from miqa_node.core.domain.decision import decide
from miqa_node.core.domain.instance import Header, InstanceDigest
from miqa_node.core.domain.policy import Disposition, Policy
from miqa_node.runtime.store import documents
from miqa_node.runtime.store.database import Transaction
from miqa_node.runtime.store.tables import assessments, dispositions
from miqa_node.stages.conclusion.rows import flagged_studies
from miqa_node.stages.units.rows import instances, series, unit_verdicts


def decide_again(
    transaction: Transaction,
    digest: InstanceDigest,
    assessment: Assessment,
    policy: Policy,
    silence: Callable[[Header], str],
    now: datetime,
) -> Disposition:
    """Store the changed assessment of a series' representative, and give all its members the verdict that follows.

    Sent reports stay as they are.
    """
    disposition, header = decide(assessment, policy), assessment.header
    if why := silence(assessment.known_header):
        disposition = disposition.silenced(why)
    document = documents.dump_assessment(assessment)
    transaction.execute(sa.update(assessments).where(assessments.c.digest == digest).values(document=document))
    members = [one.digest for one in series.files(transaction, header)]
    study = header.study_instance_uid
    decided = instances.decided_among(transaction, members)
    unit_verdicts.share(transaction, None, decided, study, disposition, now)
    if disposition.flagged:
        transaction.execute(sa.update(dispositions).where(dispositions.c.digest == digest).values(flagged=True))
        flagged_studies.flag(transaction, study, disposition.verdict, now)
    flagged_studies.follow(transaction, study, now, reopen=False)
    return disposition
