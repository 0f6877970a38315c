"""Removes from all rows what identifies an erased patient; other people's images in the same studies keep theirs."""

from __future__ import annotations

import secrets
from collections.abc import Sequence

import sqlalchemy as sa

from miqa_node.core.domain.delivery import DeliveryState
from miqa_node.core.domain.search_keys import COLUMNS
from miqa_node.features.retention.rows.patient_choice import NamedPatient
from miqa_node.runtime.store import patients
from miqa_node.runtime.store import tables as t
from miqa_node.runtime.store.database import Transaction

_IDENTITY = ("accession_number", "patient_id", "patient_name", "study_date", "study_description")


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
) -> None:
    """Remove identification, free text and links between a person's images from the rows; cancel waiting deliveries.

    ``alone`` are the studies without images of others. In ``shared`` ones, comments go as well: nobody can tell about
    whom they are.
    """
    made = sa.select(t.results.c.sop_instance_uid).where(t.results.c.digest.in_(images))
    sent = sa.select(t.deliveries.c.delivery_id).where(t.deliveries.c.sop_instance_uid.in_(made))
    waiting = t.deliveries.c.state.not_in([DeliveryState.SENT.value, DeliveryState.COMMITTED.value])
    cancelled = {"state": DeliveryState.CANCELLED.value, "lease_until": None}
    stranger = secrets.token_hex(10)  # the person's images still count as those of one person
    studies = [*alone, *shared]
    worklist, events = t.worklist.c.study_instance_uid, t.worklist_events.c.study_instance_uid
    for change in (
        sa.update(t.deliveries).where(t.deliveries.c.delivery_id.in_(sent), waiting).values(cancelled),
        sa.update(t.deliveries).where(t.deliveries.c.delivery_id.in_(sent)).values(commit_at=None),
        sa.update(t.delivery_events).where(t.delivery_events.c.delivery_id.in_(sent)).values(comment=""),
        sa.update(t.studies).where(t.studies.c.study_instance_uid.in_(alone)).values(dict.fromkeys(_IDENTITY, "")),
        sa.update(t.results).where(t.results.c.digest.in_(images)).values(dict.fromkeys(COLUMNS, "")),
        sa.update(t.source_headers).where(t.source_headers.c.digest.in_(images)).values(dict.fromkeys(COLUMNS, "")),
        sa.update(t.acquisitions).where(t.acquisitions.c.digest.in_(images)).values(patient_key=stranger),
        sa.update(t.acquisition_findings)
        .where(t.acquisition_findings.c.digest.in_(images))
        .values(patient_key=stranger),
        sa.delete(t.usual_series).where(t.usual_series.c.digest.in_(images)),
        sa.delete(t.usual_baselines).where(t.usual_baselines.c.baseline.not_in(sa.select(t.usual_series.c.baseline))),
        sa.update(t.worklist).where(worklist.in_(studies)).values(comment=""),
        sa.update(t.reassessments).where(t.reassessments.c.digest.in_(images)).values(comment=""),
        sa.update(t.worklist_events).where(events.in_(studies)).values(comment="", comment_phrase=None),
        sa.update(t.decisions).where(t.decisions.c.study_instance_uid.in_(studies)).values(comment=""),
    ):
        transaction.execute(change)
    for patient in chosen:
        _empty(transaction, patient)
    for study in shared:
        _give_to_others(transaction, study, chosen)
    patients.end_conflicts(transaction, studies)


def _empty(transaction: Transaction, patient: NamedPatient) -> None:
    of_names = t.patient_names.c.patient_number == patient.patient_number
    transaction.execute(sa.delete(t.patient_names).where(of_names))
    nobody = {"patient_id": "", "authority": "", "scope": f"erased {secrets.token_hex(20)}"}
    named = {"patient_name": "", "patient_birth_date": ""}
    of_patient = t.patients.c.patient_number == patient.patient_number
    transaction.execute(sa.update(t.patients).where(of_patient).values(**nobody, **named))


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
