"""Results, events and their way to destinations."""

from __future__ import annotations

import sqlalchemy as sa

from miqa_node.core.domain.search_keys import COLUMNS
from miqa_node.runtime.store.tables._base import Digest, PhraseParts, RowId, Uid, UtcDateTime, metadata
from miqa_node.runtime.store.tables.column_marks import (
    CODE,
    DEVICE,
    EMPTIED,
    JUDGED,
    STAFF,
    UIDS,
    VERSION,
    about,
    forgotten,
)

# One row per DICOM object that the node made; "decision_id" is the decision of a person that it follows from.
# "size_bytes" and "sha256" are those of its file, "made_with" the name, language, zone and version of the node that its
# bytes follow from; null if an earlier version made it. Columns after that are what
# searches match: values of the header in the form of domain.search_keys, null until it was read.
results = sa.Table(
    "results",
    metadata,
    sa.Column("sop_instance_uid", Uid, primary_key=True),
    sa.Column("digest", Digest, sa.ForeignKey("instances.digest"), nullable=False, index=True),
    sa.Column("sop_class_uid", Uid, nullable=False),
    sa.Column("kind", sa.String(16), nullable=False, info=CODE),
    sa.Column("object_key", sa.Text, nullable=False, info=UIDS),
    sa.Column("made_at", UtcDateTime, nullable=False),
    sa.Column("generation", sa.Integer, nullable=False, server_default="0"),
    sa.Column("decision_id", sa.BigInteger, index=True),
    sa.Column("size_bytes", sa.BigInteger),
    sa.Column("sha256", sa.String(64), info=UIDS),
    sa.Column("made_with", PhraseParts, info=VERSION),
    *(sa.Column(name, sa.Text, info=EMPTIED) for name in COLUMNS),
    sa.Index("ix_results_study_instance_uid", "study_instance_uid", "made_at"),
    sa.Index("ix_results_series_instance_uid", "series_instance_uid"),
    sa.Index("ix_results_patient_id", "patient_id"),
    info=about("digest"),
)

# The outbox: one row per result and destination. A lane that works on a row holds a lease; when the lane dies,
# the lease runs out. "note": what people should know of one that arrived. "commit_at": when to ask for storage
# commitment (again); "transaction_uid": the last request.
deliveries = sa.Table(
    "deliveries",
    metadata,
    sa.Column("delivery_id", RowId, primary_key=True),
    # A delivery is of a result or of an event: one of the two is null.
    sa.Column("sop_instance_uid", Uid, sa.ForeignKey("results.sop_instance_uid")),
    sa.Column("event_id", Uid, sa.ForeignKey("events.event_id")),
    sa.Column("destination", sa.Text, nullable=False, info=DEVICE),
    sa.Column("state", sa.String(16), nullable=False, info=CODE),
    sa.Column("attempts", sa.Integer, nullable=False),
    sa.Column("next_attempt_at", UtcDateTime, nullable=False),
    sa.Column("lease_until", UtcDateTime),
    sa.Column("last_error", sa.Text, nullable=False, info=EMPTIED),
    sa.Column("last_error_phrase", PhraseParts, info=EMPTIED),
    sa.Column("note", sa.Text, nullable=False, server_default="", info=EMPTIED),
    sa.Column("note_phrase", PhraseParts, info=EMPTIED),
    # The first failure since it was queued. FAILED with this set: given up only because the destination was away too
    # long.
    sa.Column("failing_since", UtcDateTime),
    sa.Column("queued_at", UtcDateTime, nullable=False),
    sa.Column("sent_at", UtcDateTime),
    sa.Column("transaction_uid", Uid, index=True),
    sa.Column("commit_at", UtcDateTime),
    sa.Column("commit_attempts", sa.Integer, nullable=False, server_default="0"),
    sa.Column("committed_at", UtcDateTime),
    sa.UniqueConstraint("sop_instance_uid", "destination"),
    sa.UniqueConstraint("event_id", "destination"),
    sa.Index("ix_deliveries_due", "destination", "state", "next_attempt_at"),
    sa.Index("ix_deliveries_state", "state"),
    sa.Index("ix_deliveries_commit", "destination", "commit_at"),
    sa.Index("ix_deliveries_sent", "destination", "sent_at"),
    info=about("sop_instance_uid", "event_id"),
)

# Actions of users on deliveries; rows are only ever added.
delivery_events = sa.Table(
    "delivery_events",
    metadata,
    sa.Column("event_id", RowId, primary_key=True),
    sa.Column("delivery_id", sa.BigInteger, sa.ForeignKey("deliveries.delivery_id"), nullable=False, index=True),
    sa.Column("at", UtcDateTime, nullable=False),
    sa.Column("action", sa.String(16), nullable=False, info=CODE),
    sa.Column("actor", sa.Text, nullable=False, info=STAFF),
    sa.Column("comment", sa.Text, nullable=False, info=EMPTIED),
    info=about("delivery_id"),
)

# The last event of a study ("outcome", and the "rank" of its verdict), and the number of its events so far.
# "look_at": when a new event may be due; null if none can be.
announcements = sa.Table(
    "announcements",
    metadata,
    sa.Column("study_instance_uid", Uid, sa.ForeignKey("studies.study_instance_uid"), primary_key=True),
    sa.Column("outcome", sa.String(16), nullable=False, info=CODE),
    sa.Column("rank", sa.Integer, nullable=False),
    sa.Column("sequence", sa.Integer, nullable=False),
    sa.Column("look_at", UtcDateTime, index=True),
)

# One row per event for webhooks; "body" is JSON. Events of the node itself are about no image.
events = sa.Table(
    "events",
    metadata,
    sa.Column("event_id", Uid, primary_key=True),
    sa.Column("event_type", sa.String(32), nullable=False, info=CODE),
    sa.Column("digest", Digest, sa.ForeignKey("instances.digest"), index=True),
    sa.Column("occurred_at", UtcDateTime, nullable=False),
    sa.Column("body", sa.Text, nullable=False, info=JUDGED),
    info=about("digest"),
)

# Requests of peers for storage commitment; "objects" are pairs of SOP class and instance UID. Without
# "next_attempt_at" nothing is left to do: the peer has its report, or it was given up. What was promised stays promised
# when the row goes.
commitment_requests = sa.Table(
    "commitment_requests",
    metadata,
    sa.Column("transaction_uid", Uid, primary_key=True),
    sa.Column("calling_ae_title", sa.String(16), primary_key=True, info=DEVICE),
    sa.Column("called_ae_title", sa.String(16), nullable=False, info=DEVICE),
    sa.Column("peer_address", sa.Text, nullable=False, info=DEVICE),
    sa.Column("objects", sa.JSON, nullable=False, info=UIDS),
    sa.Column("requested_at", UtcDateTime, nullable=False),
    sa.Column("attempts", sa.Integer, nullable=False),
    sa.Column("next_attempt_at", UtcDateTime, index=True),
    sa.Column("reported_at", UtcDateTime),
    sa.Column("last_error", sa.Text, nullable=False, info=DEVICE),
    info=forgotten("requested_at", "next_attempt_at IS NULL"),
)
