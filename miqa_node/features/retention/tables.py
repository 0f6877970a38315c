"""Proofs of erasures, and whether the node began without images."""

from __future__ import annotations

import sqlalchemy as sa

from miqa_node.runtime.store.tables import RowId, UtcDateTime, metadata
from miqa_node.runtime.store.tables.column_marks import CODE, STAFF, UIDS, kept

# Erasures of patients; rows are only ever added. "patient_sha256" is of "salt", a colon and the text of the patient's
# key; "images" are digests, "results" SOP Instance UIDs. "authority" is null if it was unknown, as it was in earlier
# versions.
erasures = sa.Table(
    "erasures",
    metadata,
    sa.Column("erasure_id", RowId, primary_key=True),
    sa.Column("at", UtcDateTime, nullable=False),
    sa.Column("actor", sa.Text, nullable=False, info=STAFF),
    sa.Column(
        "reason",
        sa.Text,
        nullable=False,
        info=kept("part of the signed proof; the page says not to name the patient in it"),
    ),
    sa.Column("salt", sa.String(32), nullable=False, info=CODE),
    sa.Column(
        "patient_sha256", sa.String(64), nullable=False, info=kept("salted: only who knows the Patient ID can check it")
    ),
    sa.Column("studies", sa.Integer, nullable=False),
    sa.Column("images", sa.JSON, nullable=False, info=UIDS),
    sa.Column("results", sa.JSON, nullable=False, info=UIDS),
    sa.Column("authority", sa.Text, info=kept("names a hospital, not a patient")),
)

# One row: whether no image had been received when this table was made (setting retention.enabled).
origin = sa.Table("origin", metadata, sa.Column("began_empty", sa.Boolean, primary_key=True))
