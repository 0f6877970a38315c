"""Every table of the node. What each row means is said here once; migrations/ brings databases to this shape."""

from __future__ import annotations

from datetime import UTC, datetime

import sqlalchemy as sa


class UtcDateTime(sa.types.TypeDecorator[datetime]):
    """A moment in time: aware and UTC in Python, without zone in the database (SQLite knows none)."""

    impl = sa.DateTime
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: sa.Dialect) -> datetime | None:  # noqa: ARG002 - SQLAlchemy's signature
        """Refuse naive times, store UTC."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a time without zone cannot be stored")
        return value.astimezone(UTC).replace(tzinfo=None)

    def process_result_value(self, value: datetime | None, dialect: sa.Dialect) -> datetime | None:  # noqa: ARG002
        """Give UTC back."""
        return None if value is None else value.replace(tzinfo=UTC)


metadata = sa.MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "pk": "pk_%(table_name)s",
    }
)
Uid = sa.String(64)
Digest = sa.String(64)

# One row per study that something was received of. The only table with patient data besides the objects themselves.
studies = sa.Table(
    "studies",
    metadata,
    sa.Column("study_instance_uid", Uid, primary_key=True),
    sa.Column("accession_number", sa.Text, nullable=False, index=True),
    sa.Column("patient_id", sa.Text, nullable=False),
    sa.Column("patient_name", sa.Text, nullable=False),
    sa.Column("study_date", sa.String(8), nullable=False),
    sa.Column("study_description", sa.Text, nullable=False),
)

# One row per instance that C-STORE was answered for with success; "digest" is the SHA-256 of its data set.
# "conflicting": another instance with the same SOP Instance UID but other bytes came earlier.
instances = sa.Table(
    "instances",
    metadata,
    sa.Column("digest", Digest, primary_key=True),
    sa.Column("sop_instance_uid", Uid, nullable=False, index=True),
    sa.Column("sop_class_uid", Uid, nullable=False),
    sa.Column("series_instance_uid", Uid, nullable=False, index=True),
    sa.Column("study_instance_uid", Uid, sa.ForeignKey("studies.study_instance_uid"), nullable=False, index=True),
    sa.Column("modality", sa.String(16), nullable=False),
    sa.Column("body_part", sa.Text, nullable=False),
    sa.Column("view", sa.Text, nullable=False),
    sa.Column("station", sa.Text, nullable=False),
    sa.Column("header", sa.JSON, nullable=False),
    sa.Column("object_key", sa.Text, nullable=False),
    sa.Column("size_bytes", sa.BigInteger, nullable=False),
    sa.Column("calling_ae_title", sa.String(16), nullable=False),
    sa.Column("peer_address", sa.Text, nullable=False),
    sa.Column("received_at", UtcDateTime, nullable=False, index=True),
    sa.Column("conflicting", sa.Boolean, nullable=False),
)

# One row per assessed instance: the whole assessment as JSON, and the columns that queries ask for.
assessments = sa.Table(
    "assessments",
    metadata,
    sa.Column("digest", Digest, sa.ForeignKey("instances.digest"), primary_key=True),
    sa.Column("document", sa.JSON, nullable=False),
    sa.Column("score", sa.Float),
    sa.Column("model_name", sa.Text, nullable=False),
    sa.Column("model_version", sa.Text, nullable=False),
    sa.Column("model_sha256", sa.String(64), nullable=False),
    sa.Column("assessed_at", UtcDateTime, nullable=False),
)

# One row per decided instance: its verdict and the reasons.
dispositions = sa.Table(
    "dispositions",
    metadata,
    sa.Column("digest", Digest, sa.ForeignKey("instances.digest"), primary_key=True),
    sa.Column("study_instance_uid", Uid, nullable=False, index=True),
    sa.Column("verdict", sa.String(16), nullable=False),
    sa.Column("flagged", sa.Boolean, nullable=False),
    sa.Column("policy_version", sa.Text, nullable=False),
    sa.Column("scope", sa.Text, nullable=False),
    sa.Column("reasons", sa.JSON, nullable=False),
    sa.Column("decided_at", UtcDateTime, nullable=False),
    sa.Column("certificate", sa.Text, nullable=False, server_default=""),
)

# One row per DICOM object that the node made.
results = sa.Table(
    "results",
    metadata,
    sa.Column("sop_instance_uid", Uid, primary_key=True),
    sa.Column("digest", Digest, sa.ForeignKey("instances.digest"), nullable=False, index=True),
    sa.Column("sop_class_uid", Uid, nullable=False),
    sa.Column("kind", sa.String(16), nullable=False),
    sa.Column("object_key", sa.Text, nullable=False),
    sa.Column("made_at", UtcDateTime, nullable=False),
)

# The outbox: one row per result and destination. A lane that works on a row holds a lease; when the lane dies,
# the lease runs out.
deliveries = sa.Table(
    "deliveries",
    metadata,
    sa.Column("delivery_id", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True),
    sa.Column("sop_instance_uid", Uid, sa.ForeignKey("results.sop_instance_uid"), nullable=False),
    sa.Column("destination", sa.Text, nullable=False),
    sa.Column("state", sa.String(16), nullable=False),
    sa.Column("attempts", sa.Integer, nullable=False),
    sa.Column("next_attempt_at", UtcDateTime, nullable=False),
    sa.Column("lease_until", UtcDateTime),
    sa.Column("last_error", sa.Text, nullable=False),
    sa.Column("queued_at", UtcDateTime, nullable=False),
    sa.Column("sent_at", UtcDateTime),
    sa.UniqueConstraint("sop_instance_uid", "destination"),
    sa.Index("ix_deliveries_due", "destination", "state", "next_attempt_at"),
)

# One row per study that was ever flagged, with the state that people brought it to.
# "rank" orders verdicts, the worst highest.
worklist = sa.Table(
    "worklist",
    metadata,
    sa.Column("study_instance_uid", Uid, sa.ForeignKey("studies.study_instance_uid"), primary_key=True),
    sa.Column("verdict", sa.String(16), nullable=False),
    sa.Column("rank", sa.Integer, nullable=False),
    sa.Column("state", sa.String(16), nullable=False),
    sa.Column("flagged_at", UtcDateTime, nullable=False),
    sa.Column("claimed_by", sa.Text, nullable=False),
    sa.Column("resolution", sa.String(16)),
    sa.Column("resolved_by", sa.Text, nullable=False),
    sa.Column("resolved_at", UtcDateTime),
    sa.Column("comment", sa.Text, nullable=False),
    sa.Index("ix_worklist_state", "state", "flagged_at"),
)

# What happened to a worklist item, by whom and when; rows are only ever added.
worklist_events = sa.Table(
    "worklist_events",
    metadata,
    sa.Column("event_id", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True),
    sa.Column("study_instance_uid", Uid, nullable=False, index=True),
    sa.Column("at", UtcDateTime, nullable=False),
    sa.Column("action", sa.String(16), nullable=False),
    sa.Column("actor", sa.Text, nullable=False),
    sa.Column("comment", sa.Text, nullable=False),
)

# Decisions about which model package is active or runs as a shadow; rows are only ever added, the newest counts.
activations = sa.Table(
    "activations",
    metadata,
    sa.Column("activation_id", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True),
    sa.Column("slot", sa.String(16), nullable=False),
    sa.Column("package", sa.Text, nullable=False),
    sa.Column("action", sa.String(16), nullable=False),
    sa.Column("actor", sa.Text, nullable=False),
    sa.Column("comment", sa.Text, nullable=False),
    sa.Column("at", UtcDateTime, nullable=False),
    sa.Index("ix_activations_slot", "slot", "activation_id"),
)

# What a candidate package said of an image, silently: never part of a verdict, a report or the worklist.
shadow_assessments = sa.Table(
    "shadow_assessments",
    metadata,
    sa.Column("digest", Digest, sa.ForeignKey("instances.digest"), primary_key=True),
    sa.Column("package", sa.String(128), primary_key=True, index=True),
    sa.Column("model_sha256", sa.String(64), nullable=False),
    sa.Column("document", sa.JSON, nullable=False),
    sa.Column("verdict", sa.String(16), nullable=False),
    sa.Column("policy_version", sa.Text, nullable=False),
    sa.Column("assessed_at", UtcDateTime, nullable=False),
)

# Heartbeats: a process that is silent too long has its jobs handed to others.
executors = sa.Table(
    "executors",
    metadata,
    sa.Column("name", sa.String(64), primary_key=True),
    sa.Column("started_at", UtcDateTime, nullable=False),
    sa.Column("heartbeat_at", UtcDateTime, nullable=False),
)

# How often the assessment of an instance was begun; one that was never finished so often is quarantined.
attempts = sa.Table(
    "attempts",
    metadata,
    sa.Column("digest", Digest, sa.ForeignKey("instances.digest"), primary_key=True),
    sa.Column("begun", sa.Integer, nullable=False),
)
