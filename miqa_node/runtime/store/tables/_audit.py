"""The audit trail. Triggers of the migration refuse changes of sealed records."""

from __future__ import annotations

import sqlalchemy as sa

from miqa_node.runtime.store.tables._base import Digest, RowId, Uid, UtcDateTime, metadata
from miqa_node.runtime.store.tables.column_marks import CODE, DEVICE, SECRET, SITE, STAFF, kept

# Rows are added within the transaction of what they record, with "number" and "sha256" empty. Sealing fills these two
# and "patient" once (features/audit/rows.py). "at" is text, so that verification reads any byte as it is. "detail" is
# JSON.
audit_records = sa.Table(
    "audit_records",
    metadata,
    sa.Column("record_id", RowId, primary_key=True),
    sa.Column("number", sa.BigInteger, unique=True),
    sa.Column("at", sa.String(32), nullable=False, index=True, info=CODE),
    sa.Column("event", sa.String(32), nullable=False, info=CODE),
    sa.Column("actor", sa.Text, nullable=False, index=True, info=STAFF),
    sa.Column("means", sa.String(16), nullable=False, info=CODE),
    sa.Column("peer", sa.Text, nullable=False, info=DEVICE),
    sa.Column("failed", sa.Boolean, nullable=False),
    sa.Column(
        "patient",
        sa.String(32),
        nullable=False,
        index=True,
        info=kept("a pseudonym, which nobody can attribute without its key"),
    ),
    sa.Column("study", Uid, nullable=False, index=True),
    sa.Column("digest", Digest, nullable=False),
    sa.Column(
        "detail", sa.Text, nullable=False, info=kept("sealed: codes, UIDs and names of pages, nothing that people type")
    ),
    sa.Column("sha256", sa.String(64), info=SECRET),
)

# The key of the pseudonym of each patient in sealed records. Erasing a patient deletes the row.
audit_patients = sa.Table(
    "audit_patients",
    metadata,
    sa.Column(
        "patient_id",
        sa.Text,
        primary_key=True,
        info=kept("`forget` of the audit trail deletes the row of an erased patient"),
    ),
    sa.Column("key", sa.String(64), nullable=False, info=kept("goes with the row")),
    sa.Column("pseudonym", sa.String(32), nullable=False, unique=True, info=kept("goes with the row")),
)

# Places in the chain, by name: "head" is its end and "checkpoint" the last record that was pruned, both signed in
# "document"; "syslog <host>" is what was sent. "settings …" and "policy" hold in "document" what was in force last.
# "lease_until" is until when a process has the sending to itself.
audit_marks = sa.Table(
    "audit_marks",
    metadata,
    sa.Column("name", sa.String(200), primary_key=True, info=CODE),
    sa.Column("number", sa.BigInteger, nullable=False),
    sa.Column("sha256", sa.String(64), nullable=False, info=SECRET),
    sa.Column("document", sa.Text, nullable=False, info=SITE),
    sa.Column("lease_until", UtcDateTime),
)
