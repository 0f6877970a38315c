"""Pilots: the protocol, the days that were asked for, the images with what was found, and the sample for readers.

An image of a pilot is in no other table, unless it also comes to the node by an ordinary way: so nothing that tells,
shows, counts or learns what the node receives can see it.
"""

from __future__ import annotations

import sqlalchemy as sa

from miqa_node.runtime.store.tables import Digest, LargeJson, RowId, Uid, UtcDateTime, metadata
from miqa_node.runtime.store.tables.column_marks import CODE, DELETED, DEVICE, SECRET, SITE, STAFF, about

# "protocol" is the canonical JSON that "protocol_sha256" is of; it never changes.
# "idle_s" is the archive's median answer time before anything was fetched. "readers" are at most two accounts.
pilots = sa.Table(
    "pilots",
    metadata,
    sa.Column("name", sa.String(40), primary_key=True, info=SITE),
    sa.Column("protocol", sa.Text, nullable=False, info=SITE),
    sa.Column("protocol_sha256", sa.String(64), nullable=False, info=SECRET),
    sa.Column("planned_at", UtcDateTime, nullable=False),
    sa.Column("planned_by", sa.Text, nullable=False, info=STAFF),
    sa.Column("idle_s", sa.Float),
    sa.Column("is_paused", sa.Boolean, nullable=False, server_default=sa.false()),
    sa.Column("sampled_at", UtcDateTime),
    sa.Column("readers", sa.JSON, nullable=False, server_default="[]", info=STAFF),
)

# What the source says that it has, by study date ("20261001", empty if it names none) and modality: "planned" when the
# pilot was planned, "found" when the day was listed (null until then). Images that were found and have no row in
# "pilot_images" are of patients who were erased.
pilot_days = sa.Table(
    "pilot_days",
    metadata,
    sa.Column("pilot", sa.String(40), sa.ForeignKey("pilots.name"), primary_key=True, info=SITE),
    sa.Column("day", sa.String(8), primary_key=True, info=CODE),
    sa.Column("modality", sa.String(16), primary_key=True, info=CODE),
    sa.Column("planned", sa.Integer, nullable=False),
    sa.Column("found", sa.Integer),
)

# The days of which the source could not list all that it has: "why" has the node's or the source's words.
pilot_gaps = sa.Table(
    "pilot_gaps",
    metadata,
    sa.Column("pilot", sa.String(40), sa.ForeignKey("pilots.name"), primary_key=True, info=SITE),
    sa.Column("day", sa.String(8), primary_key=True, info=CODE),
    sa.Column("why", sa.Text, nullable=False, info=SITE),
)

# One row for each image that was found; the row goes when its patient is erased. "outcome" is a progress.Outcome:
# "found" until it is fetched, "judged" (then "verdict" says what it is), "known" if the node had it before, "other" if
# it shows another body part than was asked for (both are only counted), "failed" if the source could not give it (then
# "failure" has its words). "place" is where a file lies in the source, empty for an archive. "day" is the local day of
# the exposure, null until it is fetched; "findings" are the names of what flagged it, "unassessed" says why it has no
# verdict, "document" is the whole assessment, "stratum" is what the image is in once a sample was drawn.
# With a protocol that lets rooms learn "own" is what comes of it by the room's own limits (past_rooms.py). "trials" is
# for versions before 0077.
pilot_images = sa.Table(
    "pilot_images",
    metadata,
    sa.Column("image_id", RowId, primary_key=True),
    sa.Column("pilot", sa.String(40), sa.ForeignKey("pilots.name"), nullable=False, info=DELETED),
    sa.Column("sop_instance_uid", Uid, nullable=False),
    sa.Column("sop_class_uid", Uid, nullable=False),
    sa.Column("series_instance_uid", Uid, nullable=False),
    sa.Column("study_instance_uid", Uid, nullable=False),
    sa.Column("study_date", sa.String(8), nullable=False, info=DELETED),
    sa.Column("modality", sa.String(16), nullable=False, info=DELETED),
    sa.Column("place", sa.Text, nullable=False, info=DELETED),
    sa.Column("patient_id", sa.Text, nullable=False, index=True, info=DELETED),
    sa.Column("authority", sa.Text, info=DELETED),
    sa.Column("outcome", sa.String(8), nullable=False, info=DELETED),
    sa.Column("attempts", sa.Integer, nullable=False),
    sa.Column("failure", sa.Text, nullable=False, info=DELETED),
    sa.Column("digest", Digest),
    sa.Column("size_bytes", sa.BigInteger),
    sa.Column("room", sa.Text, nullable=False, info=DELETED),
    sa.Column("body_part", sa.Text, nullable=False, info=DELETED),
    sa.Column("view", sa.Text, nullable=False, info=DELETED),
    sa.Column("day", sa.Date),
    sa.Column("verdict", sa.String(16), nullable=False, info=DELETED),
    sa.Column("score", sa.Float),
    sa.Column("findings", sa.JSON, nullable=False, info=DELETED),
    sa.Column("unassessed", sa.Text, nullable=False, info=DELETED),
    sa.Column("document", LargeJson, info=DELETED),
    sa.Column("judged_at", UtcDateTime),
    sa.Column("stratum", sa.String(200), nullable=False, server_default="", info=DELETED),
    sa.Column("trials", LargeJson, info=DELETED),
    sa.Column("own", sa.JSON(none_as_null=True), info=DELETED),
    sa.UniqueConstraint("pilot", "sop_instance_uid"),
    sa.Index("ix_pilot_images_outcome", "pilot", "outcome"),
    info=about("patient_id"),
)

# The C-MOVEs that pilots asked for: what comes by one has its originator and Message ID, and is the pilot's.
pilot_moves = sa.Table(
    "pilot_moves",
    metadata,
    sa.Column("originator", sa.String(16), primary_key=True, info=DEVICE),
    sa.Column("message_id", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("until", UtcDateTime, nullable=False),
)

# The images that were drawn for readers, in the order in which they were. "picture" is a JPEG at full size with the
# text that was found in it covered, null until it was fetched again: in a column, as it goes with its row wherever the
# database is. "loss" has the words of a source that did not give it, "attempts" says how often. "is_second": a second
# reader reads it, too.
pilot_sample = sa.Table(
    "pilot_sample",
    metadata,
    sa.Column("image_id", RowId, sa.ForeignKey("pilot_images.image_id"), primary_key=True, autoincrement=False),
    sa.Column("pilot", sa.String(40), sa.ForeignKey("pilots.name"), nullable=False, index=True, info=DELETED),
    sa.Column("drawn_order", sa.Integer, nullable=False),
    sa.Column("is_second", sa.Boolean, nullable=False),
    sa.Column("picture", sa.LargeBinary),
    sa.Column("loss", sa.Text, nullable=False, info=DELETED),
    sa.Column("attempts", sa.Integer, nullable=False, server_default="0"),
    info=about("image_id"),
)

# One row per reading, never changed. "rating" is 0 to 100, how sure the reader is that the image has to be repeated.
pilot_readings = sa.Table(
    "pilot_readings",
    metadata,
    sa.Column("image_id", RowId, sa.ForeignKey("pilot_sample.image_id"), primary_key=True, autoincrement=False),
    sa.Column("reader", sa.String(64), primary_key=True, info=DELETED),
    sa.Column("grade", sa.String(8), nullable=False, info=DELETED),
    sa.Column("rating", sa.Integer, nullable=False),
    sa.Column("reasons", sa.JSON, nullable=False, info=DELETED),
    sa.Column("read_at", UtcDateTime, nullable=False),
    info=about("image_id"),
)
