"""What the pages look for: facets of flagged studies, and indexes that keep lists quick with a million images

Revision ID: 0008
Revises: 0007
"""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

UNRESOLVED = sa.text("state != 'RESOLVED'")


def upgrade() -> None:
    op.create_table(
        "worklist_facets",
        sa.Column("study_instance_uid", sa.String(length=64), nullable=False),
        sa.Column("label", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["study_instance_uid"], ["worklist.study_instance_uid"], name=op.f("fk_worklist_facets_study_instance_uid")
        ),
        sa.PrimaryKeyConstraint("study_instance_uid", "label", name=op.f("pk_worklist_facets")),
    )
    op.create_index("ix_worklist_facets_label", "worklist_facets", ["label", "study_instance_uid"])
    newest = ["flagged_at", "rank", "study_instance_uid"]
    worst = ["rank", "flagged_at", "study_instance_uid"]
    partial: dict[str, Any] = {"sqlite_where": UNRESOLVED, "postgresql_where": UNRESOLVED}
    op.create_index("ix_worklist_newest", "worklist", newest)
    op.create_index("ix_worklist_unresolved_newest", "worklist", newest, **partial)
    op.create_index("ix_worklist_unresolved_worst", "worklist", worst, **partial)
    op.create_index("ix_worklist_claimed_by", "worklist", ["claimed_by", "flagged_at"])
    op.create_index(op.f("ix_studies_patient_id"), "studies", ["patient_id"])
    op.create_index("ix_dispositions_decided_at", "dispositions", ["decided_at", "verdict"])
    op.create_index("ix_deliveries_state", "deliveries", ["state"])
    op.create_index("ix_instances_station", "instances", ["station", "received_at"])
    _fill_facets()


def _fill_facets() -> None:
    connection = op.get_bind()
    instances = sa.table("instances", *map(sa.column, ("digest", "modality", "body_part", "view", "station")))
    dispositions = sa.table(
        "dispositions",
        sa.column("digest"),
        sa.column("study_instance_uid"),
        sa.column("flagged", sa.Boolean),
        sa.column("reasons", sa.JSON),
    )
    worklist = sa.table("worklist", sa.column("study_instance_uid"))
    facets = sa.table("worklist_facets", sa.column("study_instance_uid"), sa.column("label"))
    rows = connection.execute(
        sa.select(
            dispositions.c.study_instance_uid,
            dispositions.c.reasons,
            *(instances.c[name] for name in ("modality", "body_part", "view", "station")),
        )
        .join(instances, instances.c.digest == dispositions.c.digest)
        .join(worklist, worklist.c.study_instance_uid == dispositions.c.study_instance_uid)
        .where(dispositions.c.flagged)
    ).all()
    found = {
        (row.study_instance_uid, f"{kind}:{value}")
        for row in rows
        for kind, values in (
            ("modality", [row.modality]),
            ("body_part", [row.body_part]),
            ("view", [row.view]),
            ("station", [row.station]),
            ("reason", [reason["name"] for reason in row.reasons]),
        )
        for value in values
        if value
    }
    if found:
        connection.execute(
            sa.insert(facets), [{"study_instance_uid": study, "label": label} for study, label in sorted(found)]
        )


def downgrade() -> None:
    for table, index in (
        ("instances", "ix_instances_station"),
        ("deliveries", "ix_deliveries_state"),
        ("dispositions", "ix_dispositions_decided_at"),
        ("studies", "ix_studies_patient_id"),
        ("worklist", "ix_worklist_claimed_by"),
        ("worklist", "ix_worklist_unresolved_worst"),
        ("worklist", "ix_worklist_unresolved_newest"),
        ("worklist", "ix_worklist_newest"),
    ):
        op.drop_index(index, table)
    op.drop_table("worklist_facets")
