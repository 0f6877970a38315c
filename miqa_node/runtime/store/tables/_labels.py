"""Readers' opinions on images: labels, drawings, readings and requests for them."""

from __future__ import annotations

import sqlalchemy as sa

from miqa_node.runtime.store.tables._base import Digest, FindingText, RowId, Uid, UtcDateTime, metadata
from miqa_node.runtime.store.tables.column_marks import CODE, STAFF, VERSION

# One row per judgement of an image by a person or another system; rows are only ever added, each person's newest
# counts. "findings" is null when the image is bad without a named finding; "sampled" is the probability with which the
# image was chosen to be judged; "source_uid" is the object that brought the judgement, where one did. A label of a
# decision ("decision_id") that was taken back no longer counts.
labels = sa.Table(
    "labels",
    metadata,
    sa.Column("label_id", RowId, primary_key=True),
    sa.Column("digest", Digest, sa.ForeignKey("instances.digest"), nullable=False, index=True),
    sa.Column("at", UtcDateTime, nullable=False, index=True),
    sa.Column("actor", sa.Text, nullable=False, info=STAFF),
    sa.Column("origin", sa.String(16), nullable=False, info=CODE),
    sa.Column("bad", sa.Boolean, nullable=False),
    sa.Column("rejects", sa.Boolean, nullable=False),
    sa.Column("findings", sa.JSON(none_as_null=True), info=CODE),
    sa.Column("reason", sa.String(16), nullable=False, info=CODE),
    sa.Column("regions", sa.JSON, nullable=False, info=CODE),
    sa.Column("blind", sa.Boolean, nullable=False),
    sa.Column("sampled", sa.Float, nullable=False),
    sa.Column("source_uid", Uid, nullable=False),
    sa.Column("verdict", sa.String(16), nullable=False, info=CODE),
    sa.Column("model_name", sa.Text, nullable=False, info=VERSION),
    sa.Column("model_version", sa.Text, nullable=False, info=VERSION),
    sa.Column("model_sha256", sa.String(64), nullable=False, info=VERSION),
    sa.Column("policy_version", sa.Text, nullable=False, info=VERSION),
    sa.Column("decision_id", sa.BigInteger, index=True),
)

# Objects that people marked on images that they were not asked to judge; rows are only added, an image's newest counts.
marks = sa.Table(
    "object_marks",
    metadata,
    sa.Column("mark_id", RowId, primary_key=True),
    sa.Column("digest", Digest, sa.ForeignKey("instances.digest"), nullable=False, index=True),
    sa.Column("at", UtcDateTime, nullable=False),
    sa.Column("actor", sa.Text, nullable=False, info=STAFF),
    sa.Column("regions", sa.JSON, nullable=False, info=CODE),
)

# The model's result for each finding of a labelled image, beside the label's own (null: unknown).
label_findings = sa.Table(
    "label_findings",
    metadata,
    sa.Column("label_id", sa.BigInteger, sa.ForeignKey("labels.label_id"), primary_key=True, autoincrement=False),
    sa.Column("finding", FindingText, primary_key=True, info=CODE),
    sa.Column("probability", sa.Float, nullable=False),
    sa.Column("present", sa.Boolean, nullable=False),
    sa.Column("labelled", sa.Boolean),
)

# Requests to read images that are not flagged: audits of accepted images, and second readings.
# "share" is the probability with which the image was drawn.
requests = sa.Table(
    "label_requests",
    metadata,
    sa.Column("digest", Digest, sa.ForeignKey("instances.digest"), primary_key=True),
    sa.Column("kind", sa.String(16), primary_key=True, info=CODE),
    sa.Column("share", sa.Float, nullable=False),
    sa.Column("asked_at", UtcDateTime, nullable=False),
    sa.Column("first_reader", sa.Text, nullable=False, info=STAFF),
    sa.Column("answered_at", UtcDateTime, index=True),
)
