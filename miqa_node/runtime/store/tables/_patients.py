"""Patients: who they are, and the names they had."""

from __future__ import annotations

import sqlalchemy as sa

from miqa_node.runtime.store.tables._base import RowId, Uid, UtcDateTime, metadata
from miqa_node.runtime.store.tables.column_marks import DELETED, EMPTIED, SITE, STAFF, about

# One row per patient, which images and studies name by its number. The key is Patient ID, authority and "scope": a
# patient without ID, or with an unknown authority, is one of a single study, whose UID is the scope. Erasing a patient
# empties the row, with a random scope, so that the images still count as those of one person. Merges of patients (HL7
# ADT^A40) belong here: the number of the patient who took the place of this one.
patients = sa.Table(
    "patients",
    metadata,
    sa.Column("patient_number", RowId, primary_key=True),
    sa.Column("patient_id", sa.Text, nullable=False, info=EMPTIED),
    sa.Column("authority", sa.Text, nullable=False, info=EMPTIED),
    sa.Column("is_known", sa.Boolean, nullable=False),
    sa.Column("scope", Uid, nullable=False),
    # The values that were received last; "named_at" is when they first came.
    sa.Column("patient_name", sa.Text, nullable=False, info=EMPTIED),
    sa.Column("patient_birth_date", sa.String(8), nullable=False, info=EMPTIED),
    sa.Column("named_at", UtcDateTime, nullable=False),
    sa.UniqueConstraint("patient_id", "authority", "is_known", "scope"),
    info=about("patient_number"),
)

# Every name and birth date that images of a patient had, with the time when it first came.
patient_names = sa.Table(
    "patient_names",
    metadata,
    sa.Column("patient_number", RowId, sa.ForeignKey("patients.patient_number"), primary_key=True, autoincrement=False),
    sa.Column("patient_name", sa.Text, primary_key=True, info=DELETED),
    sa.Column("patient_birth_date", sa.String(8), primary_key=True, info=DELETED),
    sa.Column("named_at", UtcDateTime, nullable=False),
    info=about("patient_number"),
)

# One row: the settings by which images were given their patients, and the study after which a new reading goes on.
# "images_left" are of patients on legal hold. Without "done_at" it is not finished.
patient_readings = sa.Table(
    "patient_readings",
    metadata,
    sa.Column("place", sa.SmallInteger, primary_key=True, autoincrement=False),
    sa.Column("rules", sa.String(64), nullable=False, info=SITE),
    sa.Column("after_study", Uid, nullable=False),
    sa.Column("images_left", sa.Integer, nullable=False),
    sa.Column("done_at", UtcDateTime),
)

# Studies with images of several patients. Without "resolved_at" people are asked to look.
patient_conflicts = sa.Table(
    "patient_conflicts",
    metadata,
    sa.Column("study_instance_uid", Uid, primary_key=True),
    sa.Column("found_at", UtcDateTime, nullable=False),
    sa.Column("resolved_at", UtcDateTime),
    sa.Column("resolved_by", sa.Text, nullable=False, info=STAFF),
    sa.Column("comment", sa.Text, nullable=False, info=EMPTIED),
    info=about("study_instance_uid"),
)
