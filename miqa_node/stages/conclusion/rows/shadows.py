"""Results of packages on the same images, side by side: the active package's and a shadow's."""

from __future__ import annotations

from dataclasses import dataclass

import sqlalchemy as sa

from miqa_node.core.domain.assessment import Assessment
from miqa_node.core.domain.instance import InstanceDigest
from miqa_node.core.domain.verdict import Disposition, Verdict
from miqa_node.runtime.store import documents
from miqa_node.runtime.store.database import Transaction, insert_or_ignore
from miqa_node.runtime.store.tables import assessments, dispositions, instances, shadow_assessments


@dataclass(frozen=True, slots=True)
class ShadowOpinion:
    """One package's result for one image, and the verdict of the policy at that time."""

    digest: InstanceDigest
    sop_instance_uid: str
    verdict: Verdict
    policy_version: str
    assessment: Assessment


def save(transaction: Transaction, package: str, assessment: Assessment, disposition: Disposition) -> bool:
    """Store a shadow's result separately from verdicts and reports; False if there already is one."""
    return insert_or_ignore(
        transaction,
        shadow_assessments,
        {
            "digest": assessment.digest,
            "package": package,
            "model_sha256": assessment.model.sha256 if assessment.model else "",
            "document": documents.dump_assessment(assessment),
            "verdict": disposition.verdict.value,
            "policy_version": disposition.policy_version,
            "assessed_at": assessment.assessed_at,
        },
    )


def opinions(transaction: Transaction, package: str, *, limit: int) -> dict[InstanceDigest, ShadowOpinion]:
    """The newest opinions of a package, as active package or as shadow, by image."""
    name, _, version = package.rpartition("-")
    active = (
        sa.select(
            assessments.c.digest,
            assessments.c.document,
            assessments.c.assessed_at,
            dispositions.c.verdict,
            dispositions.c.policy_version,
            instances.c.sop_instance_uid,
        )
        .join(dispositions, dispositions.c.digest == assessments.c.digest)
        .join(instances, instances.c.digest == assessments.c.digest)
        .where(assessments.c.model_name == name, assessments.c.model_version == version)
        .order_by(assessments.c.assessed_at.desc())
        .limit(limit)
    )
    shadow = (
        sa.select(
            shadow_assessments.c.digest,
            shadow_assessments.c.document,
            shadow_assessments.c.assessed_at,
            shadow_assessments.c.verdict,
            shadow_assessments.c.policy_version,
            instances.c.sop_instance_uid,
        )
        .join(instances, instances.c.digest == shadow_assessments.c.digest)
        .where(shadow_assessments.c.package == package)
        .order_by(shadow_assessments.c.assessed_at.desc())
        .limit(limit)
    )
    opinion_by_digest: dict[InstanceDigest, ShadowOpinion] = {}
    for query in (shadow, active):  # if both exist, the effective one wins
        for row in transaction.execute(query):
            digest = InstanceDigest(row.digest)
            opinion_by_digest[digest] = ShadowOpinion(
                digest,
                row.sop_instance_uid,
                Verdict(row.verdict),
                row.policy_version,
                documents.load_assessment(row.document),
            )
    return opinion_by_digest


def count(transaction: Transaction, package: str) -> int:
    """Number of shadow opinions of a package."""
    query = sa.select(sa.func.count()).select_from(shadow_assessments).where(shadow_assessments.c.package == package)
    return transaction.execute(query).scalar_one()
