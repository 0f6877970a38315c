"""Whom a Patient ID names: one person, or several of different authorities. Holds and erasures ask before they act."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from miqa_node.core.domain.patient import PatientKey
from miqa_node.core.language.phrase import Phrase, joined
from miqa_node.errors import ConflictError, NotFoundError
from miqa_node.runtime.people import patients
from miqa_node.runtime.store import tables as t
from miqa_node.runtime.store.database import Transaction
from miqa_node.runtime.store.tables.column_marks import ABOUT, DELETED

NOT_RECEIVED = 0
"""The number of a patient of whom the node received nothing."""
NOTHING = Phrase("Nothing was received of a patient with this ID.")
NOTHING_OF_AUTHORITY = Phrase("Nothing was received of a patient with this ID from this authority.")


@dataclass(frozen=True, slots=True)
class NamedPatient:
    """A patient with an ID, and how much there is. Those with an unknown authority are listed by study."""

    patient_number: int
    key: PatientKey
    studies: int
    images: int
    study_instance_uid: str = ""
    """The only study of a patient whose authority is unknown."""


def named(transaction: Transaction, patient_id: str) -> list[NamedPatient]:
    """Everybody with an ID; those with an unknown authority last."""
    of, image = t.patients.c, t.instances.c
    query = (
        sa.select(
            of.patient_number,
            *patients.KEY,
            of.scope,
            sa.func.count(image.study_instance_uid.distinct()).label("studies"),
            sa.func.count(image.digest).label("images"),
        )
        .join(t.instances, image.patient_number == of.patient_number)
        .where(of.patient_id == patient_id)
        .group_by(of.patient_number)
        .order_by(of.is_known.desc(), of.authority, of.scope)
    )
    rows = transaction.execute(query).all() if patient_id else []
    received = [
        NamedPatient(row.patient_number, patients.key_of(row), row.studies, row.images, row.scope) for row in rows
    ]
    keys = {one.key for one in received}
    return received + [one for one in kept_elsewhere(transaction, patient_id) if patient_id and one.key not in keys]


def kept_elsewhere(transaction: Transaction, patient_id: str | None = None) -> list[NamedPatient]:
    """Patients of tables whose rows go whole with the patient: of images that were judged and never received.

    All of them if no ID is given.
    """
    everybody: list[NamedPatient] = []
    for table in t.all_tables().sorted_tables:
        of = table.c
        if "patient_id" not in table.info.get(ABOUT, ()) or of.patient_id.info != DELETED:
            continue
        query = sa.select(of.patient_id, of.authority, sa.func.count(of.study_instance_uid.distinct()), sa.func.count())
        own = of.patient_id != "" if patient_id is None else of.patient_id == patient_id
        rows = transaction.execute(query.where(own).group_by(of.patient_id, of.authority))
        everybody += [NamedPatient(NOT_RECEIVED, PatientKey(row[0], row[1]), row[2], row[3]) for row in rows]
    return everybody


def choose(
    transaction: Transaction, patient_id: str, authority: str | None = None, *, with_unknown: bool = False
) -> list[NamedPatient]:
    """The patient of an ID; ``authority`` None if the caller did not say which.

    With ``with_unknown`` also those of the ID whose authority nobody knows any more.

    Raises
    ------
    NotFoundError
        Nothing was received of such a patient.
    ConflictError
        Several authorities have assigned the ID and none is named; or only images of an unknown authority are left.
    """
    everybody = named(transaction, patient_id)
    of_authorities = [one for one in everybody if one.key.authority is not None]
    unknown = [one for one in everybody if one.key.authority is None]
    if authority is not None:
        of_authorities = [one for one in of_authorities if one.key.authority == authority]
    elif len(of_authorities) > 1:
        raise ConflictError(_ambiguous(of_authorities))
    if not of_authorities and (not unknown or (authority is not None and not with_unknown)):
        raise NotFoundError(NOTHING if authority is None else NOTHING_OF_AUTHORITY)
    if not of_authorities and not with_unknown:
        raise ConflictError(
            Phrase.of_number(
                "Nobody knows any more which authority assigned this ID in {count} study; include it expressly.",
                "Nobody knows any more which authority assigned this ID in {count} studies; include them expressly.",
                len(unknown),
            )
        )
    return of_authorities + (unknown if with_unknown else [])


def _ambiguous(several: Sequence[NamedPatient]) -> str:
    parts = [
        Phrase.of_number(
            "{authority}: {count} study",
            "{authority}: {count} studies",
            one.studies,
            authority=one.key.authority or Phrase("(none)"),
        )
        for one in several
    ]
    return Phrase(
        "Several patients have this ID, so name the authority that assigned it ({authorities}).",
        authorities=joined("; ", parts),
    )
