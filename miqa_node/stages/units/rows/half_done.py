"""Images that a version with two stages has assessed but not decided: they are decided, not judged once more.

Earlier versions stored an assessment first, and the verdict in a second stage of the same job. A node may be upgraded
in between, and processes of both versions may share a database (docs/how-to/upgrade.md). Release 0.1 finishes their
jobs; this module goes with release 0.2, and so does the column ``document`` of ``reassessments``.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from miqa_node.core.domain.assessment import Assessment
from miqa_node.core.domain.instance import InstanceDigest
from miqa_node.runtime.store import documents
from miqa_node.runtime.store.database import Transaction
from miqa_node.runtime.store.prepared import DriverStatement
from miqa_node.runtime.store.tables import assessments, dispositions, instances


def state(transaction: Transaction, digest: InstanceDigest) -> tuple[bool, Assessment | None]:
    """Whether the instance has a verdict, and if not, the assessment that waits for one."""
    row = _STATE.run(transaction, {"this": digest})
    waits = row is not None and row.decided is None and row.document is not None
    return row is not None and row.decided is not None, documents.load_assessment(row.document) if waits else None


def again(row: Any) -> Assessment | None:
    """The new assessment of an instance to be judged again, from its row of ``reassessments``."""
    return None if row.document is None else documents.load_assessment(row.document)


_STATE = DriverStatement(
    lambda _dialect: (
        sa.select(dispositions.c.digest.label("decided"), assessments.c.document)
        .select_from(
            instances.outerjoin(dispositions, dispositions.c.digest == instances.c.digest).outerjoin(
                assessments, sa.and_(assessments.c.digest == instances.c.digest, dispositions.c.digest.is_(None))
            )
        )
        .where(instances.c.digest == sa.bindparam("this", type_=instances.c.digest.type))
    )
)
