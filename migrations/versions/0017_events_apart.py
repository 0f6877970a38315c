"""Events are rows of their own, not results without an object

Revision ID: 0017
Revises: 0016
"""

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None

UPGRADE = (
    """UPDATE events SET
        event_type = (SELECT lower(replace(kind, '_', '.')) FROM results WHERE sop_instance_uid = event_id),
        digest = (SELECT digest FROM results WHERE sop_instance_uid = event_id),
        occurred_at = (SELECT made_at FROM results WHERE sop_instance_uid = event_id)""",
    """UPDATE deliveries SET event_id = sop_instance_uid, sop_instance_uid = NULL
        WHERE sop_instance_uid IN (SELECT event_id FROM events)""",
    "DELETE FROM results WHERE sop_instance_uid IN (SELECT event_id FROM events)",
)
DOWNGRADE = (
    """INSERT INTO results (sop_instance_uid, digest, sop_class_uid, kind, object_key, made_at)
        SELECT event_id, digest, '', upper(replace(event_type, '.', '_')), '', occurred_at FROM events""",
    "UPDATE deliveries SET sop_instance_uid = event_id WHERE event_id IS NOT NULL",
)


# SQLite changes a table by copying it, and cannot drop one that another refers to.
SET_ASIDE = ("CREATE TEMPORARY TABLE kept AS SELECT * FROM delivery_events", "DELETE FROM delivery_events")
PUT_BACK = ("INSERT INTO delivery_events SELECT * FROM kept", "DROP TABLE kept")


def upgrade() -> None:
    execute(SET_ASIDE)
    with op.batch_alter_table("events") as table:
        table.drop_constraint(op.f("fk_events_event_id_results"), type_="foreignkey")
        table.add_column(sa.Column("event_type", sa.String(32)))
        table.add_column(sa.Column("digest", sa.String(64)))
        table.add_column(sa.Column("occurred_at", sa.DateTime()))
    with op.batch_alter_table("deliveries") as table:
        table.alter_column("sop_instance_uid", existing_type=sa.String(64), nullable=True)
        table.add_column(sa.Column("event_id", sa.String(64)))
    execute(UPGRADE)
    with op.batch_alter_table("events") as table:
        for column, kind in (("event_type", sa.String(32)), ("digest", sa.String(64)), ("occurred_at", sa.DateTime())):
            table.alter_column(column, existing_type=kind, nullable=False)
        table.create_foreign_key(op.f("fk_events_digest_instances"), "instances", ["digest"], ["digest"])
        table.create_index(op.f("ix_events_digest"), ["digest"])
    with op.batch_alter_table("deliveries") as table:
        table.create_foreign_key(op.f("fk_deliveries_event_id_events"), "events", ["event_id"], ["event_id"])
        table.create_unique_constraint(op.f("uq_deliveries_event_id_destination"), ["event_id", "destination"])
    execute(PUT_BACK)


def downgrade() -> None:
    execute(SET_ASIDE)
    with op.batch_alter_table("deliveries") as table:
        table.drop_constraint(op.f("fk_deliveries_event_id_events"), type_="foreignkey")
        table.drop_constraint(op.f("uq_deliveries_event_id_destination"), type_="unique")
    execute(DOWNGRADE)
    with op.batch_alter_table("deliveries") as table:
        table.drop_column("event_id")
        table.alter_column("sop_instance_uid", existing_type=sa.String(64), nullable=False)
    with op.batch_alter_table("events") as table:
        table.drop_index(op.f("ix_events_digest"))
        table.drop_constraint(op.f("fk_events_digest_instances"), type_="foreignkey")
        for column in ("event_type", "digest", "occurred_at"):
            table.drop_column(column)
        table.create_foreign_key(op.f("fk_events_event_id_results"), "results", ["event_id"], ["sop_instance_uid"])
    execute(PUT_BACK)


def execute(statements: tuple[str, ...]) -> None:
    for statement in statements:
        op.execute(statement)
