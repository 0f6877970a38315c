"""The tables that several features, or a stage, use, and what a feature needs to declare its own (:data:`metadata`).

The meaning of each row is documented where its table is; migrations bring databases to this shape (schema.py).
"""

from __future__ import annotations

from functools import cache

import sqlalchemy as sa

from miqa_node.plugins import own
from miqa_node.runtime.store.tables._accounts import (
    account_events,
    half_sign_ins,
    invitations,
    recovery_codes,
    second_factors,
    sessions,
    sign_ins,
    tokens,
    users,
)
from miqa_node.runtime.store.tables._analysis import (
    acquisition_days,
    acquisition_findings,
    acquisitions,
    pseudonym_keys,
    rollup_marks,
)
from miqa_node.runtime.store.tables._audit import audit_marks, audit_patients, audit_records
from miqa_node.runtime.store.tables._base import (
    Digest,
    FindingText,
    LargeJson,
    PackedJson,
    PhraseParts,
    RowId,
    Uid,
    UtcDateTime,
    metadata,
)
from miqa_node.runtime.store.tables._delivery import (
    announcements,
    commitment_requests,
    deliveries,
    delivery_events,
    events,
    results,
)
from miqa_node.runtime.store.tables._images import (
    BARE,
    KEPT,
    PROMISED,
    assessments,
    attempts,
    copies,
    damages,
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
from miqa_node.runtime.store.tables._labels import label_findings, labels, marks, requests
from miqa_node.runtime.store.tables._notices import notices
from miqa_node.runtime.store.tables._operations import destination_checks, destination_holds, senders
from miqa_node.runtime.store.tables._patients import patient_conflicts, patient_names, patient_readings, patients
from miqa_node.runtime.store.tables._processes import activations, body_parts, compatibility, executors, site_limits
from miqa_node.runtime.store.tables._retention import disk_samples, legal_holds, retention_clock
from miqa_node.runtime.store.tables._worklist import decisions, worklist, worklist_events, worklist_facets

__all__ = [
    "BARE",
    "KEPT",
    "PROMISED",
    "Digest",
    "FindingText",
    "LargeJson",
    "PackedJson",
    "PhraseParts",
    "RowId",
    "Uid",
    "UtcDateTime",
    "account_events",
    "acquisition_days",
    "acquisition_findings",
    "acquisitions",
    "activations",
    "all_tables",
    "announcements",
    "assessments",
    "attempts",
    "audit_marks",
    "audit_patients",
    "audit_records",
    "body_parts",
    "commitment_requests",
    "compatibility",
    "copies",
    "damages",
    "decisions",
    "deliveries",
    "delivery_events",
    "destination_checks",
    "destination_holds",
    "disk_samples",
    "dispositions",
    "events",
    "executors",
    "half_sign_ins",
    "instances",
    "invitations",
    "label_findings",
    "labels",
    "legal_holds",
    "marks",
    "metadata",
    "notices",
    "patient_conflicts",
    "patient_names",
    "patient_readings",
    "patients",
    "phantom_series",
    "pseudonym_keys",
    "reassessments",
    "recovery_codes",
    "rejection_notes",
    "requests",
    "results",
    "retention_clock",
    "rollup_marks",
    "second_factors",
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


@cache
def all_tables() -> sa.MetaData:
    """These, and the tables of all features, also of those without their line: whoever loops over tables asks this.

    A feature's table that cannot be imported is an error, as an erasure would pass it by.
    """
    own("tables")
    return metadata
