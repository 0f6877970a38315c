"""Removes from all rows what identifies an erased patient; other people's images in the same studies keep theirs."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from datetime import datetime

import sqlalchemy as sa

from miqa_node.core.domain.delivery import DeliveryState
from miqa_node.features.retention.rows.erasing import ErasedPatient, erase_rows
from miqa_node.features.retention.rows.header_texts import HeaderTexts
from miqa_node.features.retention.rows.patient_choice import NamedPatient
from miqa_node.runtime.people import patients
from miqa_node.runtime.store import tables as t
from miqa_node.runtime.store.database import Transaction
from miqa_node.runtime.store.tables.column_marks import MONTH
from miqa_node.stages.deliver.rows.stated import IS_RESULT


def shared_studies(transaction: Transaction, studies: Sequence[str], chosen: Sequence[NamedPatient]) -> set[str]:
    """Those of the studies that have images of others, too."""
    image = t.instances.c
    others = sa.func.coalesce(image.patient_number, 0).not_in([one.patient_number for one in chosen])
    query = sa.select(image.study_instance_uid).where(image.study_instance_uid.in_(studies), others)
    return set(transaction.execute(query.distinct()).scalars())


def anonymise(
    transaction: Transaction,
    chosen: Sequence[NamedPatient],
    images: sa.Select[tuple[str]],
    alone: Sequence[str],
    shared: set[str],
    now: datetime,
) -> None:
    """Remove identification, free text and links between a person's images from the rows; cancel waiting deliveries.

    What goes is what the columns of all tables say of themselves (runtime/store/tables/column_marks.py). ``alone`` are
    the studies without images of others. In ``shared`` ones, comments go as well: nobody can tell about whom they are.
    """
    made = sa.select(t.results.c.sop_instance_uid).where(t.results.c.digest.in_(images))
    stated = t.events.c.digest.in_(images) & IS_RESULT
    messages = sa.select(t.events.c.event_id).where(stated)
    sent = t.deliveries.c.sop_instance_uid.in_(made) | t.deliveries.c.event_id.in_(messages)
    waiting = t.deliveries.c.state.not_in([DeliveryState.SENT.value, DeliveryState.COMMITTED.value])
    cancelled = {"state": DeliveryState.CANCELLED.value, "lease_until": None}
    transaction.execute(sa.update(t.deliveries).where(sent, waiting).values(cancelled))
    transaction.execute(sa.update(t.deliveries).where(sent).values(commit_at=None))
    transaction.execute(sa.update(t.events).where(stated).values(body="{}"))
    for one in chosen:  # emptied rows of patients differ by this only
        of_patient = t.patients.c.patient_number == one.patient_number
        differs = sa.update(t.patients).where(of_patient).values(scope=f"erased {secrets.token_hex(20)}")
        transaction.execute(differs)
    key, studies = chosen[0].key, [*alone, *shared]
    numbers = [one.patient_number for one in chosen]
    token = secrets.token_hex(10)
    texts = HeaderTexts.of(transaction, images)
    person = ErasedPatient(numbers, images, studies, alone, key.patient_id, key.authority, token, texts)
    _count_again(transaction, images, texts, now)
    erase_rows(transaction, t.all_tables(), person)
    for study in shared:
        _give_to_others(transaction, study, chosen)
    patients.end_conflicts(transaction, studies)


def _count_again(transaction: Transaction, images: sa.Select[tuple[str]], texts: HeaderTexts, now: datetime) -> None:
    """Take sums and facets out that a word of a header names; the days of the images are counted once more."""
    exposure, day = t.acquisitions.c, t.acquisition_days.c
    days = sa.select(exposure.day).where(exposure.digest.in_(images))
    words = sorted(texts.words)
    named = sa.or_(*(column.in_(words) for column in (day.modality, day.value, day.within_value)))
    transaction.execute(sa.delete(t.acquisition_days).where(day.day.in_(days), named))
    columns = exposure.room, exposure.operator, exposure.body_part, exposure.view, exposure.modality
    with_words = sa.select(exposure.day).where(
        exposure.digest.in_(images), sa.or_(*(column.in_(words) for column in columns))
    )
    months = {f"{one:%Y-%m}" for one in transaction.execute(with_words.distinct()).scalars()}
    for table in t.all_tables().sorted_tables:
        if MONTH in table.info:
            transaction.execute(sa.delete(table).where(table.c[table.info[MONTH]].in_(months)))
    transaction.execute(sa.update(t.acquisitions).where(exposure.digest.in_(images)).values(changed_at=now))
    studies = sa.select(t.instances.c.study_instance_uid).where(t.instances.c.digest.in_(images))
    facet = t.worklist_facets.c
    labels = [f"{name}:{word}" for name in ("modality", "body_part", "view") for word in words]
    transaction.execute(
        sa.delete(t.worklist_facets).where(facet.study_instance_uid.in_(studies), facet.label.in_(labels))
    )


def _give_to_others(transaction: Transaction, study: str, chosen: Sequence[NamedPatient]) -> None:
    """The row of a study that named the erased patient names one of the others."""
    of = t.studies.c
    row = transaction.execute(sa.select(of.patient_number, of.patient_id).where(of.study_instance_uid == study)).one()
    if row.patient_number not in [one.patient_number for one in chosen] and row.patient_id != chosen[0].key.patient_id:
        return
    others = [one for one in patients.in_study(transaction, study) if one.key.patient_id]
    named: dict[str, str | int | None] = {"patient_number": None, "patient_id": "", "patient_name": ""}
    if others:
        named |= {
            "patient_number": others[0].patient_number,
            "patient_id": others[0].key.patient_id,
            "patient_name": others[0].patient_name,
        }
    nothing = {"accession_number": "", "study_description": ""}
    transaction.execute(sa.update(t.studies).where(of.study_instance_uid == study).values(**named, **nothing))
