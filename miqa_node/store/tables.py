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
    sa.Column("patient_id", sa.Text, nullable=False, index=True),
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
    sa.Column("operator", sa.Text, nullable=False, server_default=""),
    sa.Index("ix_instances_station", "station", "received_at"),
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
    sa.Index("ix_dispositions_decided_at", "decided_at", "verdict"),
)

# One row per DICOM object that the node made, and per event for webhooks, whose identifier stands in the UID's place.
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
# the lease runs out. "commit_at": when to ask for storage commitment (again); "transaction_uid": the last request.
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
    sa.Column("transaction_uid", Uid, index=True),
    sa.Column("commit_at", UtcDateTime),
    sa.Column("commit_attempts", sa.Integer, nullable=False, server_default="0"),
    sa.Column("committed_at", UtcDateTime),
    sa.UniqueConstraint("sop_instance_uid", "destination"),
    sa.Index("ix_deliveries_due", "destination", "state", "next_attempt_at"),
    sa.Index("ix_deliveries_state", "state"),
    sa.Index("ix_deliveries_commit", "destination", "commit_at"),
)

# What webhooks were last told of a study ("outcome", and the "rank" of its verdict), and how many events there were.
# "look_at": when there may be something new to tell; none when there is not.
announcements = sa.Table(
    "announcements",
    metadata,
    sa.Column("study_instance_uid", Uid, sa.ForeignKey("studies.study_instance_uid"), primary_key=True),
    sa.Column("outcome", sa.String(16), nullable=False),
    sa.Column("rank", sa.Integer, nullable=False),
    sa.Column("sequence", sa.Integer, nullable=False),
    sa.Column("look_at", UtcDateTime, index=True),
)

# What each event says, as JSON.
events = sa.Table(
    "events",
    metadata,
    sa.Column("event_id", Uid, sa.ForeignKey("results.sop_instance_uid"), primary_key=True),
    sa.Column("body", sa.Text, nullable=False),
)

# Requests of peers for storage commitment; "objects" are pairs of SOP class and instance UID. Without
# "next_attempt_at" nothing is left to do: the peer has its report, or it was given up.
commitment_requests = sa.Table(
    "commitment_requests",
    metadata,
    sa.Column("transaction_uid", Uid, primary_key=True),
    sa.Column("calling_ae_title", sa.String(16), primary_key=True),
    sa.Column("called_ae_title", sa.String(16), nullable=False),
    sa.Column("peer_address", sa.Text, nullable=False),
    sa.Column("objects", sa.JSON, nullable=False),
    sa.Column("requested_at", UtcDateTime, nullable=False),
    sa.Column("attempts", sa.Integer, nullable=False),
    sa.Column("next_attempt_at", UtcDateTime, index=True),
    sa.Column("reported_at", UtcDateTime),
    sa.Column("last_error", sa.Text, nullable=False),
)

# What other systems said about images when they took them out of use (IHE IOCM), one row per note and image.
# Without "digest" the note waits for its image.
rejection_notes = sa.Table(
    "rejection_notes",
    metadata,
    sa.Column("note_uid", Uid, primary_key=True),
    sa.Column("sop_instance_uid", Uid, primary_key=True, index=True),
    sa.Column("title", sa.String(16), nullable=False),
    sa.Column("reason", sa.String(16), nullable=False),
    sa.Column("sender", sa.Text, nullable=False),
    sa.Column("noted_at", UtcDateTime, nullable=False),
    sa.Column("digest", Digest, index=True),
)

# What people did with deliveries; rows are only ever added.
delivery_events = sa.Table(
    "delivery_events",
    metadata,
    sa.Column("event_id", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True),
    sa.Column("delivery_id", sa.BigInteger, sa.ForeignKey("deliveries.delivery_id"), nullable=False, index=True),
    sa.Column("at", UtcDateTime, nullable=False),
    sa.Column("action", sa.String(16), nullable=False),
    sa.Column("actor", sa.Text, nullable=False),
    sa.Column("comment", sa.Text, nullable=False),
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
    sa.Index("ix_worklist_newest", "flagged_at", "rank", "study_instance_uid"),
    sa.Index(
        "ix_worklist_unresolved_newest",
        "flagged_at",
        "rank",
        "study_instance_uid",
        sqlite_where=sa.text("state != 'RESOLVED'"),
        postgresql_where=sa.text("state != 'RESOLVED'"),
    ),
    sa.Index(
        "ix_worklist_unresolved_worst",
        "rank",
        "flagged_at",
        "study_instance_uid",
        sqlite_where=sa.text("state != 'RESOLVED'"),
        postgresql_where=sa.text("state != 'RESOLVED'"),
    ),
    sa.Index("ix_worklist_claimed_by", "claimed_by", "flagged_at"),
)

# What a flagged study can be found by: one row for each modality, body part, view, station and reason of its flagged
# images, as "station:ROOM 1". One column, so that the database knows how common each is.
worklist_facets = sa.Table(
    "worklist_facets",
    metadata,
    sa.Column("study_instance_uid", Uid, sa.ForeignKey("worklist.study_instance_uid"), primary_key=True),
    sa.Column("label", sa.Text, primary_key=True),
    sa.Index("ix_worklist_facets_label", "label", "study_instance_uid"),
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
    sa.Column("assessed_at", UtcDateTime, nullable=False, index=True),
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

# One row per decided exposure, narrow, for counting: what it was, where and when it was made, what became of it.
# "day" and "acquired_at" are the hospital's local time. "changed_at" is what the roll-up looks at; "binned" says that
# its measurements are in measurement_weeks.
acquisitions = sa.Table(
    "acquisitions",
    metadata,
    sa.Column("digest", Digest, sa.ForeignKey("instances.digest"), primary_key=True),
    sa.Column("day", sa.Date, nullable=False),
    sa.Column("acquired_at", sa.DateTime, nullable=False),
    sa.Column("patient_key", sa.String(20), nullable=False),
    sa.Column("modality", sa.String(16), nullable=False),
    sa.Column("room", sa.Text, nullable=False),
    sa.Column("station", sa.Text, nullable=False),
    sa.Column("detector", sa.Text, nullable=False),
    sa.Column("operator", sa.Text, nullable=False),
    sa.Column("body_part", sa.Text, nullable=False),
    sa.Column("view", sa.Text, nullable=False),
    sa.Column("laterality", sa.String(16), nullable=False),
    sa.Column("shift", sa.Text, nullable=False),
    sa.Column("exposure_index", sa.Float),
    sa.Column("target_exposure_index", sa.Float),
    sa.Column("deviation_index", sa.Float),
    sa.Column("verdict", sa.String(16), nullable=False),
    sa.Column("model", sa.Text, nullable=False),
    sa.Column("archived", sa.Boolean, nullable=False),
    sa.Column("repeated", sa.Boolean, nullable=False),
    sa.Column("rejected", sa.Boolean, nullable=False),
    sa.Column("reject_reason", sa.String(16), nullable=False),
    sa.Column("judged_bad", sa.Boolean),
    sa.Column("binned", sa.Boolean, nullable=False),
    sa.Column("changed_at", UtcDateTime, nullable=False, index=True),
    sa.Index("ix_acquisitions_day", "day"),
    sa.Index("ix_acquisitions_room", "room", "day"),
    sa.Index("ix_acquisitions_patient", "patient_key", "acquired_at"),
    sa.Index(
        "ix_acquisitions_escaped",
        "day",
        sqlite_where=sa.text("judged_bad AND archived AND NOT rejected"),
        postgresql_where=sa.text("judged_bad AND archived AND NOT rejected"),
    ),
    sa.Index(
        "ix_acquisitions_unbinned",
        "digest",
        sqlite_where=sa.text("NOT binned"),
        postgresql_where=sa.text("NOT binned"),
    ),
)

# One row per finding that is present in an exposure, with the place of its peak as fractions of width and height.
acquisition_findings = sa.Table(
    "acquisition_findings",
    metadata,
    sa.Column("digest", Digest, sa.ForeignKey("instances.digest"), primary_key=True),
    sa.Column("finding", sa.String(32), primary_key=True),
    sa.Column("day", sa.Date, nullable=False),
    sa.Column("detector", sa.Text, nullable=False),
    sa.Column("patient_key", sa.String(20), nullable=False),
    sa.Column("x", sa.Float),
    sa.Column("y", sa.Float),
    sa.Index("ix_acquisition_findings_finding", "finding", "day"),
)

# One row per judgement of an image by a person or another system; rows are only ever added, each person's newest
# counts. "findings" is null when the image is bad and nobody said how; "sampled" is the probability with which the
# image was chosen to be judged; "source_uid" is the object that brought the judgement, where one did.
labels = sa.Table(
    "labels",
    metadata,
    sa.Column("label_id", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True),
    sa.Column("digest", Digest, sa.ForeignKey("instances.digest"), nullable=False, index=True),
    sa.Column("at", UtcDateTime, nullable=False, index=True),
    sa.Column("actor", sa.Text, nullable=False),
    sa.Column("origin", sa.String(16), nullable=False),
    sa.Column("bad", sa.Boolean, nullable=False),
    sa.Column("rejects", sa.Boolean, nullable=False),
    sa.Column("findings", sa.JSON(none_as_null=True)),
    sa.Column("reason", sa.String(16), nullable=False),
    sa.Column("regions", sa.JSON, nullable=False),
    sa.Column("blind", sa.Boolean, nullable=False),
    sa.Column("sampled", sa.Float, nullable=False),
    sa.Column("source_uid", Uid, nullable=False),
    sa.Column("verdict", sa.String(16), nullable=False),
    sa.Column("model_name", sa.Text, nullable=False),
    sa.Column("model_version", sa.Text, nullable=False),
    sa.Column("model_sha256", sa.String(64), nullable=False),
    sa.Column("policy_version", sa.Text, nullable=False),
)

# What the model had said of each finding of a labelled image, beside what the label says of it (null: unknown).
label_findings = sa.Table(
    "label_findings",
    metadata,
    sa.Column("label_id", sa.BigInteger, sa.ForeignKey("labels.label_id"), primary_key=True, autoincrement=False),
    sa.Column("finding", sa.String(32), primary_key=True),
    sa.Column("probability", sa.Float, nullable=False),
    sa.Column("present", sa.Boolean, nullable=False),
    sa.Column("labelled", sa.Boolean),
)

# Images that people are asked to judge although nothing flagged them: audits of accepted images, and second readings.
# "share" is the probability with which the image was drawn.
requests = sa.Table(
    "label_requests",
    metadata,
    sa.Column("digest", Digest, sa.ForeignKey("instances.digest"), primary_key=True),
    sa.Column("kind", sa.String(16), primary_key=True),
    sa.Column("share", sa.Float, nullable=False),
    sa.Column("asked_at", UtcDateTime, nullable=False),
    sa.Column("first_reader", sa.Text, nullable=False),
    sa.Column("answered_at", UtcDateTime, index=True),
)

# The roll-up: counts of one day, one modality and one value of a dimension ("room", "shift" …; "all" has one value);
# the same again of the images of each room and of each body part alone ("within" and what of it, else empty).
# Sums of deviation index and of the logarithm of exposure index give means and spreads of any period.
acquisition_days = sa.Table(
    "acquisition_days",
    metadata,
    sa.Column("day", sa.Date, primary_key=True),
    sa.Column("modality", sa.String(16), primary_key=True),
    sa.Column("within", sa.String(16), primary_key=True),
    sa.Column("within_value", sa.Text, primary_key=True),
    sa.Column("dimension", sa.String(16), primary_key=True),
    sa.Column("value", sa.Text, primary_key=True),
    *(
        sa.Column(name, sa.Integer, nullable=False)
        for name in ("images", "judged", "flagged", "rejected", "repeated", "escaped", "suspected")
    ),
    sa.Column("di_count", sa.Integer, nullable=False),
    sa.Column("di_sum", sa.Float, nullable=False),
    sa.Column("di_squares", sa.Float, nullable=False),
    sa.Column("di_low", sa.Integer, nullable=False),
    sa.Column("di_high", sa.Integer, nullable=False),
    sa.Column("ei_count", sa.Integer, nullable=False),
    sa.Column("ei_log_sum", sa.Float, nullable=False),
    sa.Index("ix_acquisition_days_dimension", "within", "within_value", "dimension", "day"),
)

# How often a measurement fell into a bin, by ISO week (its Monday) and station ("" for all stations together);
# statistics/bins.py says what bins are.
measurement_weeks = sa.Table(
    "measurement_weeks",
    metadata,
    sa.Column("week", sa.Date, primary_key=True),
    sa.Column("station", sa.Text, primary_key=True),
    sa.Column("measurement", sa.String(64), primary_key=True),
    sa.Column("bin", sa.Integer, primary_key=True),
    sa.Column("count", sa.Integer, nullable=False),
)

# Until when changes of acquisitions are in the roll-up.
rollup_marks = sa.Table(
    "rollup_marks",
    metadata,
    sa.Column("name", sa.String(32), primary_key=True),
    sa.Column("until", UtcDateTime, nullable=False),
)

# Accounts of people and programs. "password_hash" is empty for those who sign on elsewhere or not at all;
# "subject" is issuer and subject of the site's sign-on (OIDC). Accounts are disabled, never removed.
users = sa.Table(
    "users",
    metadata,
    sa.Column("name", sa.String(64), primary_key=True),
    sa.Column("role", sa.String(16), nullable=False),
    sa.Column("password_hash", sa.Text, nullable=False),
    sa.Column("subject", sa.Text, unique=True),
    sa.Column("disabled", sa.Boolean, nullable=False),
    sa.Column("created_at", UtcDateTime, nullable=False),
)

# One row per browser that is signed in. Only the SHA-256 of what the cookie holds is kept.
sessions = sa.Table(
    "sessions",
    metadata,
    sa.Column("token_sha256", sa.String(64), primary_key=True),
    sa.Column("name", sa.String(64), sa.ForeignKey("users.name"), nullable=False, index=True),
    sa.Column("started_at", UtcDateTime, nullable=False),
    sa.Column("seen_at", UtcDateTime, nullable=False),
)

# Tokens of programs; only their SHA-256 is kept. "scopes" are words with a space between.
tokens = sa.Table(
    "tokens",
    metadata,
    sa.Column("token_id", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True),
    sa.Column("token_sha256", sa.String(64), nullable=False, unique=True),
    sa.Column("name", sa.String(64), sa.ForeignKey("users.name"), nullable=False, index=True),
    sa.Column("label", sa.Text, nullable=False),
    sa.Column("scopes", sa.Text, nullable=False),
    sa.Column("created_at", UtcDateTime, nullable=False),
    sa.Column("expires_at", UtcDateTime),
    sa.Column("used_at", UtcDateTime),
    sa.Column("revoked_at", UtcDateTime),
)

# Links that may be used once: to set the node up ("name" is empty), or to choose a password.
invitations = sa.Table(
    "invitations",
    metadata,
    sa.Column("token_sha256", sa.String(64), primary_key=True),
    sa.Column("name", sa.String(64), nullable=False),
    sa.Column("expires_at", UtcDateTime, nullable=False),
)

# Who signed in, or tried to; rows are only ever added. A name that no account has is not written down: it may be a
# password that was typed into the wrong field.
sign_ins = sa.Table(
    "sign_ins",
    metadata,
    sa.Column("sign_in_id", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True),
    sa.Column("at", UtcDateTime, nullable=False),
    sa.Column("name", sa.String(64), nullable=False),
    sa.Column("peer_address", sa.Text, nullable=False),
    sa.Column("means", sa.String(16), nullable=False),
    sa.Column("outcome", sa.String(16), nullable=False),
    sa.Index("ix_sign_ins_name", "name", "at"),
    sa.Index("ix_sign_ins_peer_address", "peer_address", "at"),
)

# What administrators did with accounts and tokens, by page or command; rows are only ever added.
account_events = sa.Table(
    "account_events",
    metadata,
    sa.Column("event_id", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True),
    sa.Column("at", UtcDateTime, nullable=False),
    sa.Column("name", sa.String(64), nullable=False, index=True),
    sa.Column("action", sa.String(16), nullable=False),
    sa.Column("actor", sa.Text, nullable=False),
    sa.Column("detail", sa.Text, nullable=False),
)

# What an enhancement does to the images that people drew on in the days from "since" to "until", each time that it was
# measured; rows are only ever added, the newest of a method counts.
enhancement_figures = sa.Table(
    "enhancement_figures",
    metadata,
    sa.Column("figures_id", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True),
    sa.Column("method", sa.String(64), nullable=False),
    sa.Column("made_at", UtcDateTime, nullable=False),
    sa.Column("since", sa.Date, nullable=False),
    sa.Column("until", sa.Date, nullable=False),
    sa.Column("images", sa.Integer, nullable=False),
    *(sa.Column(name, sa.Float, nullable=False) for name in ("psnr_db", "ssim", "psnr_marked_db", "ssim_marked")),
)

# One row per CT or MR series that something was received of. "pending": what arrived last has not been assessed yet.
series = sa.Table(
    "series",
    metadata,
    sa.Column("series_instance_uid", Uid, primary_key=True),
    sa.Column("modality", sa.String(16), nullable=False),
    sa.Column("expected", sa.Integer, nullable=False),
    sa.Column("arrived_at", UtcDateTime, nullable=False),
    sa.Column("pending", sa.Boolean, nullable=False),
    sa.Index("ix_series_pending", "pending", "arrived_at"),
)

# Monthly reports that lie in the object store, by month ("2026-10").
analysis_reports = sa.Table(
    "analysis_reports",
    metadata,
    sa.Column("month", sa.String(7), primary_key=True),
    sa.Column("made_at", UtcDateTime, nullable=False),
)
