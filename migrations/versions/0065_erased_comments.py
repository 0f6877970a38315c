"""What erasures of earlier versions left is emptied, and results keep the settings that they were made with

Comments, the words of peers, protocols, and ended legal holds are emptied.

Revision ID: 0065
Revises: 0064
"""

import hashlib
import json
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0065"
down_revision = "0064"
branch_labels = None
depends_on = None


def _table(name: str, *columns: str) -> sa.TableClause:
    return sa.table(name, *(sa.column(one) for one in columns))


HEADER = sa.column("header", sa.JSON())
instances = sa.table("instances", *map(sa.column, ("digest", "study_instance_uid", "removal_cause")), HEADER)
copies = sa.table("copies", *map(sa.column, ("digest", "of")), sa.column("header", sa.JSON()))
phantom_series = _table("phantom_series", "study_instance_uid", "comment")
conflicts = _table("patient_conflicts", "study_instance_uid", "comment")
holds = _table(
    "legal_holds", "hold_id", "study_instance_uid", "patient_id", "authority", "reason", "clearing_reason", "cleared_at"
)
results = _table("results", "sop_instance_uid", "digest")
events = _table("events", "event_id", "digest")
WORDS = {"last_error": "", "last_error_phrase": sa.null(), "note": "", "note_phrase": sa.null()}
deliveries = _table("deliveries", "delivery_id", "sop_instance_uid", "event_id", *WORDS)
delivery_events = _table("delivery_events", "delivery_id", "comment")
erasures = _table("erasures", "salt", "patient_sha256", "authority")
NO_HOLD = {"patient_id": "", "authority": "", "reason": "", "clearing_reason": ""}


def upgrade() -> None:
    op.add_column("results", sa.Column("made_with", sa.JSON()))
    is_erased = instances.c.removal_cause == "erasure"
    digests, studies = sa.select(instances.c.digest).where(is_erased), sa.select(instances.c.study_instance_uid)
    studies = studies.where(is_erased)
    of_results = sa.select(results.c.sop_instance_uid).where(results.c.digest.in_(digests))
    of_events = sa.select(events.c.event_id).where(events.c.digest.in_(digests))
    own = sa.or_(deliveries.c.sop_instance_uid.in_(of_results), deliveries.c.event_id.in_(of_events))
    acted = delivery_events.c.delivery_id.in_(sa.select(deliveries.c.delivery_id).where(own))
    for change in (
        sa.update(phantom_series).where(phantom_series.c.study_instance_uid.in_(studies)).values(comment=""),
        sa.update(conflicts).where(conflicts.c.study_instance_uid.in_(studies)).values(comment=""),
        sa.update(holds)
        .where(holds.c.cleared_at.is_not(None), holds.c.study_instance_uid.in_(studies))
        .values(NO_HOLD),
        sa.update(deliveries).where(own).values(WORDS),
        sa.update(delivery_events).where(acted).values(comment=""),
    ):
        op.execute(change)
    _empty_protocols(instances, instances.c.digest.in_(digests))
    _empty_protocols(copies, copies.c.of.in_(digests))
    _empty_holds()


def _empty_protocols(table: sa.TableClause, erased: sa.ColumnElement[bool]) -> None:
    connection = op.get_bind()
    for row in connection.execute(sa.select(table.c.digest, table.c.header).where(erased)).all():
        header = row.header if isinstance(row.header, dict) else json.loads(row.header)
        if header.get("protocol_name"):
            change = sa.update(table).where(table.c.digest == row.digest)
            connection.execute(change.values(header=header | {"protocol_name": ""}))


def _empty_holds() -> None:
    """Ended holds of erased patients, who are known by the salted digests of the proofs."""
    connection = op.get_bind()
    proofs = connection.execute(sa.select(erasures)).all()
    of_patients = sa.select(holds).where(holds.c.cleared_at.is_not(None), holds.c.patient_id != "")
    for hold in connection.execute(of_patients).all():
        if any(_is_about(proof, hold) for proof in proofs):
            connection.execute(sa.update(holds).where(holds.c.hold_id == hold.hold_id).values(NO_HOLD))


def _is_about(proof: sa.Row[Any], hold: sa.Row[Any]) -> bool:
    """A hold without authority, as earlier versions made them, is about everybody with the ID."""
    authority = proof.authority if hold.authority is None else hold.authority
    text = f"{hold.patient_id}\n\n{authority}" if authority else hold.patient_id
    return str(proof.patient_sha256) == hashlib.sha256(f"{proof.salt}:{text}".encode()).hexdigest()


def downgrade() -> None:
    """What was emptied does not come back."""
    op.drop_column("results", "made_with")
