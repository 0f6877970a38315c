"""Studies and instances, with their assessments and verdicts."""

from __future__ import annotations

import sqlalchemy as sa

from miqa_node.core.domain.search_keys import COLUMNS
from miqa_node.runtime.store.tables._base import Digest, LargeJson, PhraseParts, Uid, UtcDateTime, metadata
from miqa_node.runtime.store.tables.column_marks import (
    CODE,
    DEVICE,
    EMPTIED,
    HEADER,
    HEADER_WORD,
    JUDGED,
    STAFF,
    UIDS,
    VERSION,
    about,
    kept,
)

KEPT = sa.text("removed_at IS NULL")
KEPT_SINCE = sa.text("coalesce(restored_at, received_at)")
UNDELETED = sa.text(
    "(removed_at IS NOT NULL AND deleted_at IS NULL)"
    " OR (artifacts_removed_at IS NOT NULL AND artifacts_deleted_at IS NULL)"
)
BARE = sa.text("removed_at IS NOT NULL AND artifacts_removed_at IS NULL")
"""The original is gone, but previews, maps and results remain."""
PROMISED = sa.text("promised_at IS NOT NULL AND archived_at IS NULL AND removed_at IS NULL")
"""The node has promised a peer to keep it, and no archive has confirmed it yet."""

# One row per study with received objects. "patient_number" is the patient of the first image, whom the columns name;
# each image has its own.
studies = sa.Table(
    "studies",
    metadata,
    sa.Column("study_instance_uid", Uid, primary_key=True),
    sa.Column("accession_number", sa.Text, nullable=False, index=True, info=EMPTIED),
    sa.Column("patient_id", sa.Text, nullable=False, index=True, info=EMPTIED),
    sa.Column("patient_name", sa.Text, nullable=False, info=EMPTIED),
    sa.Column("study_date", sa.String(8), nullable=False, info=EMPTIED),
    sa.Column("study_description", sa.Text, nullable=False, info=EMPTIED),
    sa.Column("patient_number", sa.BigInteger, index=True),
    info=about("study_instance_uid", only_own=True),
)

# One row per instance with a successful C-STORE response; "digest" is the SHA-256 of its data set.
# "conflicting": another instance with the same SOP Instance UID but other bytes came earlier.
# Files are removed in two steps, so that a crash leaves none behind: "removed_at" says that readers no longer get the
# original, "deleted_at" that its file is gone; the same for "artifacts" (previews, maps, results). "restored_at": the
# object came again. "promised_at": a peer was promised that the node keeps it; "archived_at": an archive has it;
# "archive_asked_at": when archives were last asked for it. "copy_digest": that of the data set that an archive gave
# back, if it is encoded in another way than the one that came. "size_bytes" is that of the data set, "file_bytes" that
# of the file, null if an earlier version stored it; "verified_at": when the digest was last compared with the file.
instances = sa.Table(
    "instances",
    metadata,
    sa.Column("digest", Digest, primary_key=True),
    sa.Column("sop_instance_uid", Uid, nullable=False, index=True),
    sa.Column("sop_class_uid", Uid, nullable=False),
    sa.Column("series_instance_uid", Uid, nullable=False, index=True),
    sa.Column("study_instance_uid", Uid, sa.ForeignKey("studies.study_instance_uid"), nullable=False, index=True),
    sa.Column("modality", sa.String(16), nullable=False, info=HEADER_WORD),
    sa.Column("body_part", sa.Text, nullable=False, info=HEADER_WORD),
    sa.Column("view", sa.Text, nullable=False, info=HEADER_WORD),
    sa.Column("station", sa.Text, nullable=False, info=DEVICE),
    sa.Column("header", sa.JSON, nullable=False, info=HEADER),
    sa.Column("object_key", sa.Text, nullable=False, info=UIDS),
    sa.Column("size_bytes", sa.BigInteger, nullable=False),
    sa.Column("calling_ae_title", sa.String(16), nullable=False, info=DEVICE),
    sa.Column("peer_address", sa.Text, nullable=False, info=DEVICE),
    sa.Column("received_at", UtcDateTime, nullable=False, index=True),
    sa.Column("conflicting", sa.Boolean, nullable=False),
    sa.Column("operator", sa.Text, nullable=False, server_default="", info=HEADER_WORD),
    sa.Column("promised_at", UtcDateTime),
    sa.Column("archived_at", UtcDateTime),
    sa.Column("archive_asked_at", UtcDateTime),
    sa.Column("restored_at", UtcDateTime),
    sa.Column("copy_digest", Digest),
    sa.Column("file_bytes", sa.BigInteger),
    sa.Column("verified_at", UtcDateTime),
    sa.Column("removed_at", UtcDateTime),
    sa.Column("removal_cause", sa.String(16), nullable=False, server_default="", info=CODE),
    sa.Column("deleted_at", UtcDateTime),
    sa.Column("artifacts_removed_at", UtcDateTime),
    sa.Column("artifacts_deleted_at", UtcDateTime),
    # How often the instance was judged again; see "reassessments".
    sa.Column("generation", sa.Integer, nullable=False, server_default="0"),
    # Whose image it is: see "patients". Null until it is read from an image that an earlier version received.
    sa.Column("patient_number", sa.BigInteger),
    sa.Index("ix_instances_patient_number", "patient_number", "received_at", "digest"),
    sa.Index("ix_instances_station", "station", "received_at"),
    sa.Index("ix_instances_kept", "received_at", sqlite_where=KEPT, postgresql_where=KEPT),
    sa.Index("ix_instances_kept_since", KEPT_SINCE, "digest", sqlite_where=KEPT, postgresql_where=KEPT),
    sa.Index("ix_instances_undeleted", "digest", sqlite_where=UNDELETED, postgresql_where=UNDELETED),
    sa.Index("ix_instances_promised", "archive_asked_at", sqlite_where=PROMISED, postgresql_where=PROMISED),
    sa.Index("ix_instances_bare", "removed_at", sqlite_where=BARE, postgresql_where=BARE),
    sa.Index("ix_instances_bare_since", "received_at", "digest", sqlite_where=BARE, postgresql_where=BARE),
    info=about("digest"),
)

# Stored objects that were found lost or damaged ("state", a store.verification.Soundness), until they are mended:
# originals, and results made from the instance "digest".
damages = sa.Table(
    "damages",
    metadata,
    sa.Column("object_key", sa.Text, primary_key=True, info=UIDS),
    sa.Column("digest", Digest, sa.ForeignKey("instances.digest"), nullable=False),
    sa.Column("state", sa.String(16), nullable=False, info=CODE),
    sa.Column("found_at", UtcDateTime, nullable=False),
)

# The same image once more in another encoding: a file beside that of the instance "of". It has no verdict of its own.
# "is_lossy": it lost something by compression. "waits": it is better than what was judged, and shall be judged instead.
copies = sa.Table(
    "copies",
    metadata,
    sa.Column("digest", Digest, primary_key=True),
    sa.Column("of", Digest, sa.ForeignKey("instances.digest"), nullable=False, index=True),
    sa.Column("header", sa.JSON, nullable=False, info=HEADER),
    sa.Column("size_bytes", sa.BigInteger, nullable=False),
    sa.Column("file_bytes", sa.BigInteger),
    sa.Column("calling_ae_title", sa.String(16), nullable=False, info=DEVICE),
    sa.Column("peer_address", sa.Text, nullable=False, info=DEVICE),
    sa.Column("received_at", UtcDateTime, nullable=False),
    sa.Column("is_lossy", sa.Boolean, nullable=False),
    sa.Column("waits", sa.Boolean, nullable=False),
    sa.Index("ix_copies_waits", "of", sqlite_where=sa.text("waits"), postgresql_where=sa.text("waits")),
    info=about("of"),
)

# Header values of an instance by search key, in the form for matching; empty if absent.
source_headers = sa.Table(
    "source_headers",
    metadata,
    sa.Column("digest", Digest, sa.ForeignKey("instances.digest"), primary_key=True),
    *(sa.Column(name, sa.Text, nullable=False, info=EMPTIED) for name in COLUMNS),
    sa.Index("ix_source_headers_study_instance_uid", "study_instance_uid"),
    sa.Index("ix_source_headers_series_instance_uid", "series_instance_uid"),
    sa.Index("ix_source_headers_patient_id", "patient_id"),
    info=about("digest"),
)

# One row per assessed instance: the whole assessment as JSON, and the columns that queries ask for.
assessments = sa.Table(
    "assessments",
    metadata,
    sa.Column("digest", Digest, sa.ForeignKey("instances.digest"), primary_key=True),
    sa.Column("document", LargeJson, nullable=False, info=JUDGED),
    sa.Column("score", sa.Float),
    sa.Column("model_name", sa.Text, nullable=False, info=VERSION),
    sa.Column("model_version", sa.Text, nullable=False, info=VERSION),
    sa.Column("model_sha256", sa.String(64), nullable=False, info=VERSION),
    sa.Column("assessed_at", UtcDateTime, nullable=False),
    info=about("digest"),
)

# One row per decided instance: its verdict, the reasons, the rules that applied, with what each came to, and what a
# series was searched for. These two are, of a series, in the row of the instance that represents it alone; they are
# null if an earlier version decided.
dispositions = sa.Table(
    "dispositions",
    metadata,
    sa.Column("digest", Digest, sa.ForeignKey("instances.digest"), primary_key=True),
    sa.Column("study_instance_uid", Uid, nullable=False, index=True),
    sa.Column("verdict", sa.String(16), nullable=False, info=CODE),
    sa.Column("flagged", sa.Boolean, nullable=False),
    sa.Column("policy_version", sa.Text, nullable=False, info=VERSION),
    sa.Column("scope", sa.Text, nullable=False, info=VERSION),
    sa.Column("reasons", sa.JSON, nullable=False, info=JUDGED),
    sa.Column("decided_at", UtcDateTime, nullable=False),
    sa.Column("certificate", sa.Text, nullable=False, server_default="", info=VERSION),
    sa.Column("certificate_phrase", PhraseParts, info=VERSION),
    sa.Column("rules", LargeJson, info=JUDGED),
    sa.Column("search", LargeJson, info=JUDGED),
    sa.Index("ix_dispositions_decided_at", "decided_at", "verdict"),
    info=about("digest"),
)

# Attempts to judge an instance; after too many unfinished ones it is quarantined. "began_at" is the time of the first.
attempts = sa.Table(
    "attempts",
    metadata,
    sa.Column("digest", Digest, sa.ForeignKey("instances.digest"), primary_key=True),
    sa.Column("begun", sa.Integer, nullable=False),
    sa.Column("began_at", UtcDateTime),
)

# One row per request to judge an instance again; "begun" and "began_at" are those of its attempts. With the verdict
# "earlier" holds what was replaced: assessment, verdict and reasons. "failure" says why there is no new verdict.
# "usual_now": usual ranges of now count, not those of the judgement before.
# "document" is empty: a later migration may drop it.
reassessments = sa.Table(
    "reassessments",
    metadata,
    sa.Column("digest", Digest, sa.ForeignKey("instances.digest"), primary_key=True),
    sa.Column("generation", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("asked_at", UtcDateTime, nullable=False),
    sa.Column("asked_by", sa.Text, nullable=False, info=STAFF),
    sa.Column("comment", sa.Text, nullable=False, info=EMPTIED),
    sa.Column("begun", sa.Integer, nullable=False),
    sa.Column("began_at", UtcDateTime),
    sa.Column("document", sa.JSON(none_as_null=True), info=JUDGED),
    sa.Column("earlier", sa.JSON(none_as_null=True), info=JUDGED),
    sa.Column("concluded_at", UtcDateTime, index=True),
    sa.Column("failure", sa.Text, nullable=False, info=kept("the node's own words, without values")),
    sa.Column("usual_now", sa.Boolean, nullable=False, server_default=sa.false()),
    info=about("digest"),
)

# One row per CT or MR series that something was received of. "pending": what arrived last has not been assessed yet.
series = sa.Table(
    "series",
    metadata,
    sa.Column("series_instance_uid", Uid, primary_key=True),
    sa.Column("modality", sa.String(16), nullable=False, info=CODE),
    sa.Column("expected", sa.Integer, nullable=False),
    sa.Column("arrived_at", UtcDateTime, nullable=False),
    sa.Column("pending", sa.Boolean, nullable=False),
    sa.Index("ix_series_pending", "pending", "arrived_at"),
)

# One row per CT or MR series of a study that was taken for a phantom's, by the node or a person: programs that copy
# studies may leave the UID of the series. "is_phantom" is what holds now;
# "decided_by" is the person who said so, empty if nobody did.
phantom_series = sa.Table(
    "phantom_series",
    metadata,
    sa.Column("series_instance_uid", Uid, primary_key=True),
    sa.Column("study_instance_uid", Uid, primary_key=True),
    sa.Column("digest", Digest, sa.ForeignKey("instances.digest"), nullable=False),
    sa.Column("reason", sa.Text, nullable=False, info=JUDGED),
    sa.Column("reason_phrase", PhraseParts, info=JUDGED),
    sa.Column("is_phantom", sa.Boolean, nullable=False),
    sa.Column("recognised_at", UtcDateTime, nullable=False, index=True),
    sa.Column("decided_by", sa.Text, nullable=False, info=STAFF),
    sa.Column("decided_at", UtcDateTime),
    sa.Column("comment", sa.Text, nullable=False, info=EMPTIED),
    info=about("study_instance_uid"),
)

# Rejection notes of other systems about images (IHE IOCM), one row per note and image.
# Without "digest" the note waits for its image. "revoked_at": another system took it back, or another note its place.
rejection_notes = sa.Table(
    "rejection_notes",
    metadata,
    sa.Column("note_uid", Uid, primary_key=True),
    sa.Column("sop_instance_uid", Uid, primary_key=True, index=True),
    sa.Column("title", sa.String(16), nullable=False, info=CODE),
    sa.Column("reason", sa.String(16), nullable=False, info=CODE),
    sa.Column("sender", sa.Text, nullable=False, info=DEVICE),
    sa.Column("noted_at", UtcDateTime, nullable=False),
    sa.Column("digest", Digest, index=True),
    sa.Column("revoked_at", UtcDateTime),
    sa.Column("made_at", sa.String(21), info=CODE),
)

# A candidate package's silent result for an image: never part of a verdict, a report or the worklist.
shadow_assessments = sa.Table(
    "shadow_assessments",
    metadata,
    sa.Column("digest", Digest, sa.ForeignKey("instances.digest"), primary_key=True),
    sa.Column("package", sa.String(128), primary_key=True, index=True, info=VERSION),
    sa.Column("model_sha256", sa.String(64), nullable=False, info=VERSION),
    sa.Column("document", LargeJson, nullable=False, info=JUDGED),
    sa.Column("verdict", sa.String(16), nullable=False, info=CODE),
    sa.Column("policy_version", sa.Text, nullable=False, info=VERSION),
    sa.Column("assessed_at", UtcDateTime, nullable=False, index=True),
    info=about("digest"),
)
