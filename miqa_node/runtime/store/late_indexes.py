"""Indexes of large tables on PostgreSQL, built without a lock: other processes receive and judge meanwhile.

They cannot be part of a migration, which is one transaction. SQLite's are made by the migration.
"""

from __future__ import annotations

import sqlalchemy as sa
import structlog

INDEXES = {
    "ix_instances_kept_since": "instances (coalesce(restored_at, received_at), digest) WHERE removed_at IS NULL",
    "ix_instances_bare_since": (
        "instances (received_at, digest) WHERE removed_at IS NOT NULL AND artifacts_removed_at IS NULL"
    ),
    "ix_studies_patient_name_begins": "studies (lower(patient_name) text_pattern_ops)",
    "ix_studies_patient_id_begins": "studies (lower(patient_id) text_pattern_ops)",
    "ix_studies_accession_number_begins": "studies (lower(accession_number) text_pattern_ops)",
    "ix_worklist_unresolved_study": "worklist (study_instance_uid, flagged_at, rank) WHERE state != 'RESOLVED'",
    "ix_worklist_unresolved_severe": (
        "worklist (rank, severity, flagged_at, study_instance_uid) WHERE state != 'RESOLVED'"
    ),
    "ix_instances_patient_number": "instances (patient_number, received_at, digest)",
    "ix_instances_nameless": "instances (received_at, digest) WHERE patient_number IS NULL",
    "ix_studies_patient_number": "studies (patient_number)",
    "ix_patients_patient_id_begins": "patients (lower(patient_id) text_pattern_ops)",
    "ix_patient_names_begins": "patient_names (lower(patient_name) text_pattern_ops)",
    "ix_labels_drawn": "labels (label_id) WHERE CAST(regions AS text) != '[]'",
}
"""Name → what it is on. Those of instances and the worklist are in the tables' description, too: SQLite has them."""
PATIENCE = "60s"
"""Longest wait for the end of other transactions, such as a dump. Without the indexes, the node works more slowly."""
_LOCK = 7205179

log = structlog.get_logger(__name__)


def build(engine: sa.Engine) -> None:
    """Build the missing indexes, unless another process does it right now."""
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        missing = [name for name in INDEXES if not _is_valid(connection, name)]
        if not missing or not connection.scalar(sa.select(sa.func.pg_try_advisory_lock(_LOCK))):
            return
        connection.exec_driver_sql(f"SET lock_timeout = '{PATIENCE}'")
        try:
            for name in missing:
                log.info("an index is built", index=name)
                connection.exec_driver_sql(f"DROP INDEX CONCURRENTLY IF EXISTS {name}")  # what a killed process began
                connection.exec_driver_sql(f"CREATE INDEX CONCURRENTLY {name} ON {INDEXES[name]}")
        except sa.exc.OperationalError as error:
            log.warning("an index is not built yet, the next start tries again", error=str(error.orig).splitlines()[0])
        finally:
            connection.exec_driver_sql("RESET lock_timeout")
            connection.execute(sa.select(sa.func.pg_advisory_unlock(_LOCK)))


def _is_valid(connection: sa.Connection, name: str) -> bool:
    valid = sa.text("SELECT indisvalid FROM pg_index WHERE indexrelid = to_regclass(:name)")
    return bool(connection.scalar(valid, {"name": name}))
