"""Every table of the node. The meaning of each row is documented here; migrations/ brings databases to this shape."""

from miqa_node.store.tables.accounts import account_events, invitations, sessions, sign_ins, tokens, users
from miqa_node.store.tables.analysis import (
    acquisition_days,
    acquisition_findings,
    acquisitions,
    analysis_reports,
    enhancement_figures,
    measurement_weeks,
    rollup_marks,
)
from miqa_node.store.tables.audit import audit_marks, audit_patients, audit_records
from miqa_node.store.tables.base import Digest, RowId, Uid, UtcDateTime, metadata
from miqa_node.store.tables.delivery import (
    announcements,
    commitment_requests,
    deliveries,
    delivery_events,
    events,
    results,
)
from miqa_node.store.tables.images import (
    assessments,
    attempts,
    dispositions,
    instances,
    phantom_series,
    reassessments,
    rejection_notes,
    series,
    shadow_assessments,
    source_headers,
    studies,
)
from miqa_node.store.tables.labels import label_findings, labels, requests
from miqa_node.store.tables.operations import destination_checks, destination_holds, senders
from miqa_node.store.tables.processes import activations, compatibility, executors, site_limits
from miqa_node.store.tables.reader_studies import reader_studies, reader_study_images, reader_study_readings
from miqa_node.store.tables.retention import disk_samples, erasures, legal_holds
from miqa_node.store.tables.worklist import decisions, worklist, worklist_events, worklist_facets

__all__ = [
    "Digest",
    "RowId",
    "Uid",
    "UtcDateTime",
    "account_events",
    "acquisition_days",
    "acquisition_findings",
    "acquisitions",
    "activations",
    "analysis_reports",
    "announcements",
    "assessments",
    "attempts",
    "audit_marks",
    "audit_patients",
    "audit_records",
    "commitment_requests",
    "compatibility",
    "decisions",
    "deliveries",
    "delivery_events",
    "destination_checks",
    "destination_holds",
    "disk_samples",
    "dispositions",
    "enhancement_figures",
    "erasures",
    "events",
    "executors",
    "instances",
    "invitations",
    "label_findings",
    "labels",
    "legal_holds",
    "measurement_weeks",
    "metadata",
    "phantom_series",
    "reader_studies",
    "reader_study_images",
    "reader_study_readings",
    "reassessments",
    "rejection_notes",
    "requests",
    "results",
    "rollup_marks",
    "senders",
    "series",
    "sessions",
    "shadow_assessments",
    "sign_ins",
    "site_limits",
    "source_headers",
    "studies",
    "tokens",
    "users",
    "worklist",
    "worklist_events",
    "worklist_facets",
]
