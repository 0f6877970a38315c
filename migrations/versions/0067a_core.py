"""What several features and stages use

Revision ID: 0067a
Revises:
"""

import sqlalchemy as sa
from alembic import op

revision = "0067a"
down_revision = None
branch_labels = None
depends_on = None

SERIAL = sa.BigInteger().with_variant(sa.Integer, "sqlite")
FINDING = sa.String(64).with_variant(sa.String(32), "sqlite")
"""The type of today; SQLite keeps no lengths, and says what it said at first."""
BARE = "removed_at IS NOT NULL AND artifacts_removed_at IS NULL"
PROMISED = "promised_at IS NOT NULL AND archived_at IS NULL AND removed_at IS NULL"
UNDELETED = """(removed_at IS NOT NULL AND deleted_at IS NULL)
    OR (artifacts_removed_at IS NOT NULL AND artifacts_deleted_at IS NULL)"""
UNRESOLVED = "state != 'RESOLVED'"
INDEXES: list[tuple[str, str, list[str | sa.TextClause], str]] = [
    ("ix_acquisition_days_dimension", "acquisition_days", ["within", "within_value", "dimension", "day"], ""),
    ("ix_activations_slot", "activations", ["slot", "activation_id"], ""),
    ("ix_decisions_unreported", "decisions", ["decision_id"], "reported_at IS NULL"),
    ("ix_series_pending", "series", ["pending", "arrived_at"], ""),
    ("ix_sign_ins_name", "sign_ins", ["name", "at"], ""),
    ("ix_sign_ins_peer_address", "sign_ins", ["peer_address", "at"], ""),
    ("ix_instances_bare", "instances", ["removed_at"], BARE),
    ("ix_instances_bare_since", "instances", ["received_at", "digest"], BARE),
    ("ix_instances_kept", "instances", ["received_at"], "removed_at IS NULL"),
    (
        "ix_instances_kept_since",
        "instances",
        [sa.text("coalesce(restored_at, received_at)"), "digest"],
        "removed_at IS NULL",
    ),
    ("ix_instances_patient_number", "instances", ["patient_number", "received_at", "digest"], ""),
    ("ix_instances_promised", "instances", ["archive_asked_at"], PROMISED),
    ("ix_instances_station", "instances", ["station", "received_at"], ""),
    ("ix_instances_undeleted", "instances", ["digest"], UNDELETED),
    ("ix_notices_state", "notices", ["state", "next_attempt_at"], ""),
    ("ix_worklist_claimed_by", "worklist", ["claimed_by", "flagged_at"], ""),
    ("ix_worklist_newest", "worklist", ["flagged_at", "rank", "study_instance_uid"], ""),
    ("ix_worklist_state", "worklist", ["state", "flagged_at"], ""),
    ("ix_worklist_unresolved_newest", "worklist", ["flagged_at", "rank", "study_instance_uid"], UNRESOLVED),
    ("ix_worklist_unresolved_severe", "worklist", ["rank", "severity", "flagged_at", "study_instance_uid"], UNRESOLVED),
    ("ix_worklist_unresolved_study", "worklist", ["study_instance_uid", "flagged_at", "rank"], UNRESOLVED),
    ("ix_worklist_unresolved_worst", "worklist", ["rank", "flagged_at", "study_instance_uid"], UNRESOLVED),
    ("ix_acquisition_findings_finding", "acquisition_findings", ["finding", "day"], ""),
    ("ix_acquisitions_escaped", "acquisitions", ["day"], "judged_bad AND archived AND NOT rejected"),
    ("ix_acquisitions_patient", "acquisitions", ["patient_key", "acquired_at"], ""),
    ("ix_acquisitions_room", "acquisitions", ["room", "day"], ""),
    ("ix_acquisitions_unbinned", "acquisitions", ["digest"], "NOT binned"),
    ("ix_copies_waits", "copies", ["of"], "waits"),
    ("ix_dispositions_decided_at", "dispositions", ["decided_at", "verdict"], ""),
    ("ix_results_study_instance_uid", "results", ["study_instance_uid", "made_at"], ""),
    ("ix_worklist_facets_label", "worklist_facets", ["label", "study_instance_uid"], ""),
    ("ix_deliveries_commit", "deliveries", ["destination", "commit_at"], ""),
    ("ix_deliveries_due", "deliveries", ["destination", "state", "next_attempt_at"], ""),
    ("ix_deliveries_sent", "deliveries", ["destination", "sent_at"], ""),
]
PRUNED = "OLD.number IS NULL OR OLD.number > coalesce((SELECT number FROM audit_marks WHERE name = 'checkpoint'), 0)"
REFUSE = "SELECT RAISE(ABORT, 'records of the audit trail cannot be changed')"
GUARDS = {
    "sqlite": (
        f"""CREATE TRIGGER audit_records_kept BEFORE UPDATE ON audit_records
        WHEN OLD.number IS NOT NULL BEGIN {REFUSE}; END""",
        f"CREATE TRIGGER audit_records_there BEFORE DELETE ON audit_records WHEN {PRUNED} BEGIN {REFUSE}; END",
    ),
    "postgresql": (
        f"""CREATE FUNCTION audit_records_guard() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
        IF (TG_OP = 'UPDATE' AND OLD.number IS NOT NULL) OR (TG_OP = 'DELETE' AND ({PRUNED}))
        THEN RAISE EXCEPTION 'records of the audit trail cannot be changed'; END IF;
        IF TG_OP = 'DELETE' THEN RETURN OLD; END IF; RETURN NEW; END $$""",
        """CREATE TRIGGER audit_records_kept BEFORE UPDATE OR DELETE ON audit_records
        FOR EACH ROW EXECUTE FUNCTION audit_records_guard()""",
    ),
}
"""Records of the audit trail that are sealed with a number stay as they are."""


def upgrade() -> None:
    op.create_table(
        "account_events",
        sa.Column("event_id", SERIAL, primary_key=True),
        sa.Column("at", sa.DateTime, nullable=False),
        sa.Column("name", sa.String(64), nullable=False, index=True),
        sa.Column("action", sa.String(16), nullable=False),
        sa.Column("actor", sa.Text, nullable=False),
        sa.Column("detail", sa.Text, nullable=False),
    )
    op.create_table(
        "acquisition_days",
        sa.Column("day", sa.Date, primary_key=True),
        sa.Column("modality", sa.String(16), primary_key=True),
        sa.Column("within", sa.String(16), primary_key=True),
        sa.Column("within_value", sa.Text, primary_key=True),
        sa.Column("dimension", sa.String(16), primary_key=True),
        sa.Column("value", sa.Text, primary_key=True),
        sa.Column("images", sa.Integer, nullable=False),
        sa.Column("judged", sa.Integer, nullable=False),
        sa.Column("flagged", sa.Integer, nullable=False),
        sa.Column("rejected", sa.Integer, nullable=False),
        sa.Column("repeated", sa.Integer, nullable=False),
        sa.Column("escaped", sa.Integer, nullable=False),
        sa.Column("suspected", sa.Integer, nullable=False),
        sa.Column("decided", sa.Integer, nullable=False, server_default="0"),
        sa.Column("di_count", sa.Integer, nullable=False),
        sa.Column("di_sum", sa.Float, nullable=False),
        sa.Column("di_squares", sa.Float, nullable=False),
        sa.Column("di_low", sa.Integer, nullable=False),
        sa.Column("di_high", sa.Integer, nullable=False),
        sa.Column("ei_count", sa.Integer, nullable=False),
        sa.Column("ei_log_sum", sa.Float, nullable=False),
    )
    op.create_table(
        "activations",
        sa.Column("activation_id", SERIAL, primary_key=True),
        sa.Column("slot", sa.String(16), nullable=False),
        sa.Column("package", sa.Text, nullable=False),
        sa.Column("action", sa.String(16), nullable=False),
        sa.Column("actor", sa.Text, nullable=False),
        sa.Column("comment", sa.Text, nullable=False),
        sa.Column("at", sa.DateTime, nullable=False),
    )
    op.create_table(
        "audit_marks",
        sa.Column("name", sa.String(200), primary_key=True),
        sa.Column("number", sa.BigInteger, nullable=False),
        sa.Column("sha256", sa.String(64), nullable=False),
        sa.Column("document", sa.Text, nullable=False),
        sa.Column("lease_until", sa.DateTime),
    )
    op.create_table(
        "audit_patients",
        sa.Column("patient_id", sa.Text, primary_key=True),
        sa.Column("key", sa.String(64), nullable=False),
        sa.Column("pseudonym", sa.String(32), nullable=False, unique=True),
    )
    op.create_table(
        "audit_records",
        sa.Column("record_id", SERIAL, primary_key=True),
        sa.Column("number", sa.BigInteger, unique=True),
        sa.Column("at", sa.String(32), nullable=False, index=True),
        sa.Column("event", sa.String(32), nullable=False),
        sa.Column("actor", sa.Text, nullable=False, index=True),
        sa.Column("means", sa.String(16), nullable=False),
        sa.Column("peer", sa.Text, nullable=False),
        sa.Column("failed", sa.Boolean, nullable=False),
        sa.Column("patient", sa.String(32), nullable=False, index=True),
        sa.Column("study", sa.String(64), nullable=False, index=True),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("detail", sa.Text, nullable=False),
        sa.Column("sha256", sa.String(64)),
    )
    op.create_table(
        "body_parts",
        sa.Column("body_part", sa.Text, primary_key=True),
        sa.Column("began_at", sa.DateTime, nullable=False),
        sa.Column("ended_at", sa.DateTime),
        sa.Column("actor", sa.Text, nullable=False),
        sa.Column("comment", sa.Text, nullable=False),
    )
    op.create_table(
        "commitment_requests",
        sa.Column("transaction_uid", sa.String(64), primary_key=True),
        sa.Column("calling_ae_title", sa.String(16), primary_key=True),
        sa.Column("called_ae_title", sa.String(16), nullable=False),
        sa.Column("peer_address", sa.Text, nullable=False),
        sa.Column("objects", sa.JSON, nullable=False),
        sa.Column("requested_at", sa.DateTime, nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("next_attempt_at", sa.DateTime, index=True),
        sa.Column("reported_at", sa.DateTime),
        sa.Column("last_error", sa.Text, nullable=False),
    )
    op.create_table(
        "compatibility",
        sa.Column("oldest_schema", sa.String(32), primary_key=True),
    )
    op.create_table(
        "confirmed_ranges",
        sa.Column("history", sa.String(16), primary_key=True),
        sa.Column("station", sa.Text, nullable=False, index=True),
        sa.Column("ranges", sa.JSON, nullable=False),
        sa.Column("confirmed_at", sa.DateTime, nullable=False),
        sa.Column("actor", sa.Text, nullable=False),
    )
    op.create_table(
        "decisions",
        sa.Column("decision_id", SERIAL, primary_key=True),
        sa.Column("study_instance_uid", sa.String(64), nullable=False, index=True),
        sa.Column("at", sa.DateTime, nullable=False),
        sa.Column("actor", sa.Text, nullable=False),
        sa.Column("resolution", sa.String(16)),
        sa.Column("reason", sa.String(16), nullable=False),
        sa.Column("comment", sa.Text, nullable=False),
        sa.Column("images", sa.JSON, nullable=False),
        sa.Column("withdraws", sa.BigInteger, index=True),
        sa.Column("reported_at", sa.DateTime),
    )
    op.create_table(
        "destination_checks",
        sa.Column("destination", sa.String(64), primary_key=True),
        sa.Column("node", sa.String(64), primary_key=True),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("address", sa.Text, nullable=False),
        sa.Column("by_option", sa.Boolean, nullable=False),
        sa.Column("answers", sa.Boolean, nullable=False),
        sa.Column("detail", sa.Text, nullable=False),
        sa.Column("detail_phrase", sa.JSON),
        sa.Column("breaker_open", sa.Boolean, nullable=False),
        sa.Column("since", sa.DateTime, nullable=False),
        sa.Column("checked_at", sa.DateTime, nullable=False),
    )
    op.create_table(
        "destination_holds",
        sa.Column("destination", sa.String(64), primary_key=True),
        sa.Column("held_at", sa.DateTime, nullable=False),
        sa.Column("actor", sa.Text, nullable=False),
        sa.Column("comment", sa.Text, nullable=False),
    )
    op.create_table(
        "disk_samples",
        sa.Column("node", sa.String(64), primary_key=True),
        sa.Column("at", sa.DateTime, primary_key=True),
        sa.Column("total_bytes", sa.BigInteger, nullable=False),
        sa.Column("free_bytes", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "executors",
        sa.Column("name", sa.String(64), primary_key=True),
        sa.Column("started_at", sa.DateTime, nullable=False),
        sa.Column("heartbeat_at", sa.DateTime, nullable=False),
        sa.Column("holder", sa.Text),
    )
    op.create_table(
        "invitations",
        sa.Column("token_sha256", sa.String(64), primary_key=True),
        sa.Column("name", sa.String(64), nullable=False),
        sa.Column("expires_at", sa.DateTime, nullable=False),
    )
    op.create_table(
        "legal_holds",
        sa.Column("hold_id", SERIAL, primary_key=True),
        sa.Column("study_instance_uid", sa.String(64), nullable=False, index=True),
        sa.Column("patient_id", sa.Text, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("set_by", sa.Text, nullable=False),
        sa.Column("set_at", sa.DateTime, nullable=False),
        sa.Column("cleared_by", sa.Text, nullable=False),
        sa.Column("cleared_at", sa.DateTime),
        sa.Column("clearing_reason", sa.Text, nullable=False),
        sa.Column("authority", sa.Text),
    )
    op.create_table(
        "patient_conflicts",
        sa.Column("study_instance_uid", sa.String(64), primary_key=True),
        sa.Column("found_at", sa.DateTime, nullable=False),
        sa.Column("resolved_at", sa.DateTime),
        sa.Column("resolved_by", sa.Text, nullable=False),
        sa.Column("comment", sa.Text, nullable=False),
    )
    op.create_table(
        "patient_readings",
        sa.Column("place", sa.SmallInteger, primary_key=True),
        sa.Column("rules", sa.String(64), nullable=False),
        sa.Column("after_study", sa.String(64), nullable=False),
        sa.Column("images_left", sa.Integer, nullable=False),
        sa.Column("done_at", sa.DateTime),
    )
    op.create_table(
        "patients",
        sa.Column("patient_number", SERIAL, primary_key=True),
        sa.Column("patient_id", sa.Text, nullable=False),
        sa.Column("authority", sa.Text, nullable=False),
        sa.Column("is_known", sa.Boolean, nullable=False),
        sa.Column("scope", sa.String(64), nullable=False),
        sa.Column("patient_name", sa.Text, nullable=False),
        sa.Column("patient_birth_date", sa.String(8), nullable=False),
        sa.Column("named_at", sa.DateTime, nullable=False),
        sa.UniqueConstraint("patient_id", "authority", "is_known", "scope"),
    )
    op.create_table(
        "pseudonym_keys",
        sa.Column("place", sa.Text, primary_key=True),
        sa.Column("fingerprint", sa.String(16), nullable=False),
        sa.Column("used_at", sa.DateTime, nullable=False),
    )
    op.create_table(
        "rejection_notes",
        sa.Column("note_uid", sa.String(64), primary_key=True),
        sa.Column("sop_instance_uid", sa.String(64), primary_key=True, index=True),
        sa.Column("title", sa.String(16), nullable=False),
        sa.Column("reason", sa.String(16), nullable=False),
        sa.Column("sender", sa.Text, nullable=False),
        sa.Column("noted_at", sa.DateTime, nullable=False),
        sa.Column("digest", sa.String(64), index=True),
        sa.Column("revoked_at", sa.DateTime),
        sa.Column("made_at", sa.String(21)),
    )
    op.create_table(
        "retention_clock",
        sa.Column("place", sa.SmallInteger, primary_key=True),
        sa.Column("seen_at", sa.DateTime, nullable=False),
        sa.Column("confirmed_at", sa.DateTime),
        sa.Column("waits_since", sa.DateTime),
    )
    op.create_table(
        "rollup_marks",
        sa.Column("name", sa.String(32), primary_key=True),
        sa.Column("until", sa.DateTime, nullable=False),
    )
    op.create_table(
        "senders",
        sa.Column("calling_ae_title", sa.String(16), primary_key=True),
        sa.Column("peer_address", sa.String(64), primary_key=True),
        sa.Column("seen_at", sa.DateTime, nullable=False, index=True),
        sa.Column("admitted_at", sa.DateTime),
        sa.Column("refused_at", sa.DateTime),
        sa.Column("refusals", sa.Integer, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("hint", sa.Text, nullable=False),
        sa.Column("hint_phrase", sa.JSON),
    )
    op.create_table(
        "series",
        sa.Column("series_instance_uid", sa.String(64), primary_key=True),
        sa.Column("modality", sa.String(16), nullable=False),
        sa.Column("expected", sa.Integer, nullable=False),
        sa.Column("arrived_at", sa.DateTime, nullable=False),
        sa.Column("pending", sa.Boolean, nullable=False),
    )
    op.create_table(
        "sign_ins",
        sa.Column("sign_in_id", SERIAL, primary_key=True),
        sa.Column("at", sa.DateTime, nullable=False),
        sa.Column("name", sa.String(64), nullable=False),
        sa.Column("peer_address", sa.Text, nullable=False),
        sa.Column("means", sa.String(16), nullable=False),
        sa.Column("outcome", sa.String(16), nullable=False),
    )
    op.create_table(
        "site_limits",
        sa.Column("number", sa.Integer, primary_key=True),
        sa.Column("proposed_at", sa.DateTime, nullable=False),
        sa.Column("document", sa.JSON),
        sa.Column("confirmed_at", sa.DateTime),
        sa.Column("actor", sa.Text, nullable=False),
        sa.Column("comment", sa.Text, nullable=False),
    )
    op.create_table(
        "studies",
        sa.Column("study_instance_uid", sa.String(64), primary_key=True),
        sa.Column("accession_number", sa.Text, nullable=False, index=True),
        sa.Column("patient_id", sa.Text, nullable=False, index=True),
        sa.Column("patient_name", sa.Text, nullable=False),
        sa.Column("study_date", sa.String(8), nullable=False),
        sa.Column("study_description", sa.Text, nullable=False),
        sa.Column("patient_number", sa.BigInteger, index=True),
    )
    op.create_table(
        "users",
        sa.Column("name", sa.String(64), primary_key=True),
        sa.Column("role", sa.String(16), nullable=False),
        sa.Column("password_hash", sa.Text, nullable=False),
        sa.Column("subject", sa.Text, unique=True),
        sa.Column("disabled", sa.Boolean, nullable=False),
        sa.Column("created_at", sa.DateTime, nullable=False),
    )
    op.create_table(
        "worklist_events",
        sa.Column("event_id", SERIAL, primary_key=True),
        sa.Column("study_instance_uid", sa.String(64), nullable=False, index=True),
        sa.Column("at", sa.DateTime, nullable=False),
        sa.Column("action", sa.String(16), nullable=False),
        sa.Column("actor", sa.Text, nullable=False),
        sa.Column("comment", sa.Text, nullable=False),
        sa.Column("comment_phrase", sa.JSON),
    )
    op.create_table(
        "announcements",
        sa.Column(
            "study_instance_uid",
            sa.String(64),
            sa.ForeignKey("studies.study_instance_uid", name="fk_announcements_study_instance_uid_studies"),
            primary_key=True,
        ),
        sa.Column("outcome", sa.String(16), nullable=False),
        sa.Column("rank", sa.Integer, nullable=False),
        sa.Column("sequence", sa.Integer, nullable=False),
        sa.Column("look_at", sa.DateTime, index=True),
    )
    op.create_table(
        "half_sign_ins",
        sa.Column("token_sha256", sa.String(64), primary_key=True),
        sa.Column("name", sa.String(64), sa.ForeignKey("users.name"), nullable=False),
        sa.Column("target", sa.Text, nullable=False),
        sa.Column("expires_at", sa.DateTime, nullable=False),
    )
    op.create_table(
        "instances",
        sa.Column("digest", sa.String(64), primary_key=True),
        sa.Column("sop_instance_uid", sa.String(64), nullable=False, index=True),
        sa.Column("sop_class_uid", sa.String(64), nullable=False),
        sa.Column("series_instance_uid", sa.String(64), nullable=False, index=True),
        sa.Column(
            "study_instance_uid", sa.String(64), sa.ForeignKey("studies.study_instance_uid"), nullable=False, index=True
        ),
        sa.Column("modality", sa.String(16), nullable=False),
        sa.Column("body_part", sa.Text, nullable=False),
        sa.Column("view", sa.Text, nullable=False),
        sa.Column("station", sa.Text, nullable=False),
        sa.Column("header", sa.JSON, nullable=False),
        sa.Column("object_key", sa.Text, nullable=False),
        sa.Column("size_bytes", sa.BigInteger, nullable=False),
        sa.Column("calling_ae_title", sa.String(16), nullable=False),
        sa.Column("peer_address", sa.Text, nullable=False),
        sa.Column("received_at", sa.DateTime, nullable=False, index=True),
        sa.Column("conflicting", sa.Boolean, nullable=False),
        sa.Column("operator", sa.Text, nullable=False, server_default=""),
        sa.Column("promised_at", sa.DateTime),
        sa.Column("archived_at", sa.DateTime),
        sa.Column("archive_asked_at", sa.DateTime),
        sa.Column("restored_at", sa.DateTime),
        sa.Column("copy_digest", sa.String(64)),
        sa.Column("file_bytes", sa.BigInteger),
        sa.Column("verified_at", sa.DateTime),
        sa.Column("removed_at", sa.DateTime),
        sa.Column("removal_cause", sa.String(16), nullable=False, server_default=""),
        sa.Column("deleted_at", sa.DateTime),
        sa.Column("artifacts_removed_at", sa.DateTime),
        sa.Column("artifacts_deleted_at", sa.DateTime),
        sa.Column("generation", sa.Integer, nullable=False, server_default="0"),
        sa.Column("patient_number", sa.BigInteger),
    )
    op.create_table(
        "notices",
        sa.Column("notice_id", SERIAL, primary_key=True),
        sa.Column(
            "account", sa.String(64), sa.ForeignKey("users.name", name="fk_notices_account_users"), nullable=False
        ),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("subject", sa.String(128), nullable=False),
        sa.Column("since", sa.DateTime, nullable=False),
        sa.Column("until", sa.DateTime, nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("next_attempt_at", sa.DateTime, nullable=False),
        sa.Column("last_error", sa.Text, nullable=False),
        sa.Column("last_error_phrase", sa.JSON),
        sa.Column("made_at", sa.DateTime, nullable=False),
        sa.Column("sent_at", sa.DateTime),
        sa.UniqueConstraint("account", "kind", "subject"),
    )
    op.create_table(
        "patient_names",
        sa.Column("patient_number", SERIAL, sa.ForeignKey("patients.patient_number"), primary_key=True),
        sa.Column("patient_name", sa.Text, primary_key=True),
        sa.Column("patient_birth_date", sa.String(8), primary_key=True),
        sa.Column("named_at", sa.DateTime, nullable=False),
    )
    op.create_table(
        "recovery_codes",
        sa.Column("code_sha256", sa.String(64), primary_key=True),
        sa.Column("name", sa.String(64), sa.ForeignKey("users.name"), nullable=False, index=True),
    )
    op.create_table(
        "second_factors",
        sa.Column("name", sa.String(64), sa.ForeignKey("users.name"), primary_key=True),
        sa.Column("key", sa.Text, nullable=False),
        sa.Column("confirmed_at", sa.DateTime),
        sa.Column("step", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "sessions",
        sa.Column("token_sha256", sa.String(64), primary_key=True),
        sa.Column("name", sa.String(64), sa.ForeignKey("users.name"), nullable=False, index=True),
        sa.Column("started_at", sa.DateTime, nullable=False),
        sa.Column("seen_at", sa.DateTime, nullable=False),
        sa.Column("provider_sid", sa.Text),
        sa.Column("sealed", sa.Text),
        sa.Column("checked_at", sa.DateTime),
        sa.Column("asked_at", sa.DateTime),
    )
    op.create_table(
        "tokens",
        sa.Column("token_id", SERIAL, primary_key=True),
        sa.Column("token_sha256", sa.String(64), nullable=False, unique=True),
        sa.Column("name", sa.String(64), sa.ForeignKey("users.name"), nullable=False, index=True),
        sa.Column("label", sa.Text, nullable=False),
        sa.Column("scopes", sa.Text, nullable=False),
        sa.Column("created_at", sa.DateTime, nullable=False),
        sa.Column("expires_at", sa.DateTime),
        sa.Column("used_at", sa.DateTime),
        sa.Column("revoked_at", sa.DateTime),
    )
    op.create_table(
        "worklist",
        sa.Column("study_instance_uid", sa.String(64), sa.ForeignKey("studies.study_instance_uid"), primary_key=True),
        sa.Column("verdict", sa.String(16), nullable=False),
        sa.Column("rank", sa.Integer, nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("flagged_at", sa.DateTime, nullable=False),
        sa.Column("claimed_by", sa.Text, nullable=False),
        sa.Column("resolution", sa.String(16)),
        sa.Column("resolved_by", sa.Text, nullable=False),
        sa.Column("resolved_at", sa.DateTime),
        sa.Column("comment", sa.Text, nullable=False),
        sa.Column("decision_id", sa.BigInteger),
        sa.Column("retaken_at", sa.DateTime),
        sa.Column("severity", sa.Integer, nullable=False, server_default="0"),
    )
    op.create_table(
        "acquisition_findings",
        sa.Column("digest", sa.String(64), sa.ForeignKey("instances.digest"), primary_key=True),
        sa.Column("finding", FINDING, primary_key=True),
        sa.Column("day", sa.Date, nullable=False),
        sa.Column("detector", sa.Text, nullable=False),
        sa.Column("patient_key", sa.String(20), nullable=False),
        sa.Column("x", sa.Float),
        sa.Column("y", sa.Float),
    )
    op.create_table(
        "acquisitions",
        sa.Column("digest", sa.String(64), sa.ForeignKey("instances.digest"), primary_key=True),
        sa.Column("day", sa.Date, nullable=False, index=True),
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
        sa.Column("changed_at", sa.DateTime, nullable=False, index=True),
        sa.Column("moment", sa.DateTime),
    )
    op.create_table(
        "assessments",
        sa.Column("digest", sa.String(64), sa.ForeignKey("instances.digest"), primary_key=True),
        sa.Column("document", sa.JSON, nullable=False),
        sa.Column("score", sa.Float),
        sa.Column("model_name", sa.Text, nullable=False),
        sa.Column("model_version", sa.Text, nullable=False),
        sa.Column("model_sha256", sa.String(64), nullable=False),
        sa.Column("assessed_at", sa.DateTime, nullable=False),
    )
    op.create_table(
        "attempts",
        sa.Column("digest", sa.String(64), sa.ForeignKey("instances.digest"), primary_key=True),
        sa.Column("begun", sa.Integer, nullable=False),
        sa.Column("began_at", sa.DateTime),
    )
    op.create_table(
        "copies",
        sa.Column("digest", sa.String(64), primary_key=True),
        sa.Column("of", sa.String(64), sa.ForeignKey("instances.digest"), nullable=False, index=True),
        sa.Column("header", sa.JSON, nullable=False),
        sa.Column("size_bytes", sa.BigInteger, nullable=False),
        sa.Column("file_bytes", sa.BigInteger),
        sa.Column("calling_ae_title", sa.String(16), nullable=False),
        sa.Column("peer_address", sa.Text, nullable=False),
        sa.Column("received_at", sa.DateTime, nullable=False),
        sa.Column("is_lossy", sa.Boolean, nullable=False),
        sa.Column("waits", sa.Boolean, nullable=False),
    )
    op.create_table(
        "damages",
        sa.Column("object_key", sa.Text, primary_key=True),
        sa.Column(
            "digest",
            sa.String(64),
            sa.ForeignKey("instances.digest", name="fk_damages_digest_instances"),
            nullable=False,
        ),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("found_at", sa.DateTime, nullable=False),
    )
    op.create_table(
        "dispositions",
        sa.Column("digest", sa.String(64), sa.ForeignKey("instances.digest"), primary_key=True),
        sa.Column("study_instance_uid", sa.String(64), nullable=False, index=True),
        sa.Column("verdict", sa.String(16), nullable=False),
        sa.Column("flagged", sa.Boolean, nullable=False),
        sa.Column("policy_version", sa.Text, nullable=False),
        sa.Column("scope", sa.Text, nullable=False),
        sa.Column("reasons", sa.JSON, nullable=False),
        sa.Column("decided_at", sa.DateTime, nullable=False),
        sa.Column("certificate", sa.Text, nullable=False, server_default=""),
        sa.Column("certificate_phrase", sa.JSON),
    )
    op.create_table(
        "events",
        sa.Column("event_id", sa.String(64), primary_key=True),
        sa.Column("event_type", sa.String(32), nullable=False),
        sa.Column(
            "digest", sa.String(64), sa.ForeignKey("instances.digest", name="fk_events_digest_instances"), index=True
        ),
        sa.Column("occurred_at", sa.DateTime, nullable=False),
        sa.Column("body", sa.Text, nullable=False),
    )
    op.create_table(
        "label_requests",
        sa.Column("digest", sa.String(64), sa.ForeignKey("instances.digest"), primary_key=True),
        sa.Column("kind", sa.String(16), primary_key=True),
        sa.Column("share", sa.Float, nullable=False),
        sa.Column("asked_at", sa.DateTime, nullable=False),
        sa.Column("first_reader", sa.Text, nullable=False),
        sa.Column("answered_at", sa.DateTime, index=True),
    )
    op.create_table(
        "labels",
        sa.Column("label_id", SERIAL, primary_key=True),
        sa.Column("digest", sa.String(64), sa.ForeignKey("instances.digest"), nullable=False, index=True),
        sa.Column("at", sa.DateTime, nullable=False, index=True),
        sa.Column("actor", sa.Text, nullable=False),
        sa.Column("origin", sa.String(16), nullable=False),
        sa.Column("bad", sa.Boolean, nullable=False),
        sa.Column("rejects", sa.Boolean, nullable=False),
        sa.Column("findings", sa.JSON),
        sa.Column("reason", sa.String(16), nullable=False),
        sa.Column("regions", sa.JSON, nullable=False),
        sa.Column("blind", sa.Boolean, nullable=False),
        sa.Column("sampled", sa.Float, nullable=False),
        sa.Column("source_uid", sa.String(64), nullable=False),
        sa.Column("verdict", sa.String(16), nullable=False),
        sa.Column("model_name", sa.Text, nullable=False),
        sa.Column("model_version", sa.Text, nullable=False),
        sa.Column("model_sha256", sa.String(64), nullable=False),
        sa.Column("policy_version", sa.Text, nullable=False),
        sa.Column("decision_id", sa.BigInteger, index=True),
    )
    op.create_table(
        "object_marks",
        sa.Column("mark_id", SERIAL, primary_key=True),
        sa.Column(
            "digest",
            sa.String(64),
            sa.ForeignKey("instances.digest", name="fk_object_marks_digest_instances"),
            nullable=False,
            index=True,
        ),
        sa.Column("at", sa.DateTime, nullable=False),
        sa.Column("actor", sa.Text, nullable=False),
        sa.Column("regions", sa.JSON, nullable=False),
    )
    op.create_table(
        "phantom_series",
        sa.Column("series_instance_uid", sa.String(64), primary_key=True),
        sa.Column("study_instance_uid", sa.String(64), primary_key=True),
        sa.Column(
            "digest",
            sa.String(64),
            sa.ForeignKey("instances.digest", name="fk_phantom_series_digest_instances"),
            nullable=False,
        ),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("reason_phrase", sa.JSON),
        sa.Column("is_phantom", sa.Boolean, nullable=False),
        sa.Column("recognised_at", sa.DateTime, nullable=False, index=True),
        sa.Column("decided_by", sa.Text, nullable=False),
        sa.Column("decided_at", sa.DateTime),
        sa.Column("comment", sa.Text, nullable=False),
    )
    op.create_table(
        "reassessments",
        sa.Column(
            "digest",
            sa.String(64),
            sa.ForeignKey("instances.digest", name="fk_reassessments_digest_instances"),
            primary_key=True,
        ),
        sa.Column("generation", sa.Integer, primary_key=True),
        sa.Column("asked_at", sa.DateTime, nullable=False),
        sa.Column("asked_by", sa.Text, nullable=False),
        sa.Column("comment", sa.Text, nullable=False),
        sa.Column("begun", sa.Integer, nullable=False),
        sa.Column("began_at", sa.DateTime),
        sa.Column("document", sa.JSON),
        sa.Column("earlier", sa.JSON),
        sa.Column("concluded_at", sa.DateTime, index=True),
        sa.Column("failure", sa.Text, nullable=False),
        sa.Column("usual_now", sa.Boolean, nullable=False, server_default=sa.false()),
    )
    op.create_table(
        "results",
        sa.Column("sop_instance_uid", sa.String(64), primary_key=True),
        sa.Column("digest", sa.String(64), sa.ForeignKey("instances.digest"), nullable=False, index=True),
        sa.Column("sop_class_uid", sa.String(64), nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("object_key", sa.Text, nullable=False),
        sa.Column("made_at", sa.DateTime, nullable=False),
        sa.Column("generation", sa.Integer, nullable=False, server_default="0"),
        sa.Column("decision_id", sa.BigInteger, index=True),
        sa.Column("size_bytes", sa.BigInteger),
        sa.Column("sha256", sa.String(64)),
        sa.Column("made_with", sa.JSON),
        sa.Column("study_date", sa.Text),
        sa.Column("study_time", sa.Text),
        sa.Column("accession_number", sa.Text),
        sa.Column("referring_physician_name", sa.Text),
        sa.Column("referring_physician_name_ideographic", sa.Text),
        sa.Column("referring_physician_name_phonetic", sa.Text),
        sa.Column("patient_name", sa.Text),
        sa.Column("patient_name_ideographic", sa.Text),
        sa.Column("patient_name_phonetic", sa.Text),
        sa.Column("patient_id", sa.Text, index=True),
        sa.Column("study_instance_uid", sa.Text),
        sa.Column("study_id", sa.Text),
        sa.Column("patient_birth_date", sa.Text),
        sa.Column("patient_sex", sa.Text),
        sa.Column("study_description", sa.Text),
        sa.Column("modality", sa.Text),
        sa.Column("series_instance_uid", sa.Text, index=True),
        sa.Column("series_number", sa.Text),
        sa.Column("performed_procedure_step_start_date", sa.Text),
        sa.Column("performed_procedure_step_start_time", sa.Text),
        sa.Column("scheduled_procedure_step_id", sa.Text),
        sa.Column("requested_procedure_id", sa.Text),
        sa.Column("series_description", sa.Text),
        sa.Column("instance_number", sa.Text),
    )
    op.create_table(
        "shadow_assessments",
        sa.Column("digest", sa.String(64), sa.ForeignKey("instances.digest"), primary_key=True),
        sa.Column("package", sa.String(128), primary_key=True, index=True),
        sa.Column("model_sha256", sa.String(64), nullable=False),
        sa.Column("document", sa.JSON, nullable=False),
        sa.Column("verdict", sa.String(16), nullable=False),
        sa.Column("policy_version", sa.Text, nullable=False),
        sa.Column("assessed_at", sa.DateTime, nullable=False, index=True),
    )
    op.create_table(
        "source_headers",
        sa.Column(
            "digest",
            sa.String(64),
            sa.ForeignKey("instances.digest", name="fk_source_headers_digest_instances"),
            primary_key=True,
        ),
        sa.Column("study_date", sa.Text, nullable=False),
        sa.Column("study_time", sa.Text, nullable=False),
        sa.Column("accession_number", sa.Text, nullable=False),
        sa.Column("referring_physician_name", sa.Text, nullable=False),
        sa.Column("referring_physician_name_ideographic", sa.Text, nullable=False),
        sa.Column("referring_physician_name_phonetic", sa.Text, nullable=False),
        sa.Column("patient_name", sa.Text, nullable=False),
        sa.Column("patient_name_ideographic", sa.Text, nullable=False),
        sa.Column("patient_name_phonetic", sa.Text, nullable=False),
        sa.Column("patient_id", sa.Text, nullable=False, index=True),
        sa.Column("study_instance_uid", sa.Text, nullable=False, index=True),
        sa.Column("study_id", sa.Text, nullable=False),
        sa.Column("patient_birth_date", sa.Text, nullable=False),
        sa.Column("patient_sex", sa.Text, nullable=False),
        sa.Column("study_description", sa.Text, nullable=False),
        sa.Column("modality", sa.Text, nullable=False),
        sa.Column("series_instance_uid", sa.Text, nullable=False, index=True),
        sa.Column("series_number", sa.Text, nullable=False),
        sa.Column("performed_procedure_step_start_date", sa.Text, nullable=False),
        sa.Column("performed_procedure_step_start_time", sa.Text, nullable=False),
        sa.Column("scheduled_procedure_step_id", sa.Text, nullable=False),
        sa.Column("requested_procedure_id", sa.Text, nullable=False),
        sa.Column("series_description", sa.Text, nullable=False),
        sa.Column("instance_number", sa.Text, nullable=False),
    )
    op.create_table(
        "worklist_facets",
        sa.Column("study_instance_uid", sa.String(64), sa.ForeignKey("worklist.study_instance_uid"), primary_key=True),
        sa.Column("label", sa.Text, primary_key=True),
    )
    op.create_table(
        "deliveries",
        sa.Column("delivery_id", SERIAL, primary_key=True),
        sa.Column("sop_instance_uid", sa.String(64), sa.ForeignKey("results.sop_instance_uid")),
        sa.Column("event_id", sa.String(64), sa.ForeignKey("events.event_id", name="fk_deliveries_event_id_events")),
        sa.Column("destination", sa.Text, nullable=False),
        sa.Column("state", sa.String(16), nullable=False, index=True),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("next_attempt_at", sa.DateTime, nullable=False),
        sa.Column("lease_until", sa.DateTime),
        sa.Column("last_error", sa.Text, nullable=False),
        sa.Column("last_error_phrase", sa.JSON),
        sa.Column("note", sa.Text, nullable=False, server_default=""),
        sa.Column("note_phrase", sa.JSON),
        sa.Column("failing_since", sa.DateTime),
        sa.Column("queued_at", sa.DateTime, nullable=False),
        sa.Column("sent_at", sa.DateTime),
        sa.Column("transaction_uid", sa.String(64), index=True),
        sa.Column("commit_at", sa.DateTime),
        sa.Column("commit_attempts", sa.Integer, nullable=False, server_default="0"),
        sa.Column("committed_at", sa.DateTime),
        sa.UniqueConstraint("event_id", "destination"),
        sa.UniqueConstraint("sop_instance_uid", "destination"),
    )
    op.create_table(
        "label_findings",
        sa.Column("label_id", sa.BigInteger, sa.ForeignKey("labels.label_id"), primary_key=True),
        sa.Column("finding", FINDING, primary_key=True),
        sa.Column("probability", sa.Float, nullable=False),
        sa.Column("present", sa.Boolean, nullable=False),
        sa.Column("labelled", sa.Boolean),
    )
    op.create_table(
        "delivery_events",
        sa.Column("event_id", SERIAL, primary_key=True),
        sa.Column("delivery_id", sa.BigInteger, sa.ForeignKey("deliveries.delivery_id"), nullable=False, index=True),
        sa.Column("at", sa.DateTime, nullable=False),
        sa.Column("action", sa.String(16), nullable=False),
        sa.Column("actor", sa.Text, nullable=False),
        sa.Column("comment", sa.Text, nullable=False),
    )
    for name, table, columns, where in INDEXES:
        condition = sa.text(where) if where else None
        op.create_index(name, table, columns, sqlite_where=condition, postgresql_where=condition)
    for statement in GUARDS[op.get_bind().dialect.name]:
        op.execute(statement)
    op.execute("INSERT INTO compatibility (oldest_schema) VALUES ('0068')")
