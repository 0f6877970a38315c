"""Finds out again whose all images are, after a change of the settings ``patients``: study by study.

Each batch is a transaction that also records how far it has come, so the work may be killed and goes on where it was.
An image whose file is gone stays its patient's, and so does one of a patient on legal hold by authority.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from miqa_node.core.domain.acquisition import AcquisitionRules
from miqa_node.core.domain.instance import StudyInstanceUid, StudyRecord
from miqa_node.core.domain.object_store import ObjectStore
from miqa_node.core.domain.patient import PatientKey
from miqa_node.core.domain.senders import AuthorityRules
from miqa_node.dicom.bytes.headers import read_header
from miqa_node.errors import lacks_resources
from miqa_node.runtime.people import patients
from miqa_node.runtime.store import tables as t
from miqa_node.runtime.store.database import Database, Transaction, insert_into, insert_or_ignore
from miqa_node.runtime.store.upkeep import unless_erased
from miqa_node.stages.units.rows import repeats

STUDIES = 50
"""Of one batch."""
MEND = "miqa-node migrate --read-patients"

_of = t.patient_readings.c
_image = t.instances.c
_IMAGES = (
    sa.select(
        _image.digest, _image.study_instance_uid, _image.object_key, _image.calling_ae_title, _image.peer_address,
        _image.received_at, _image.removed_at, _image.patient_number, *patients.KEY,
    )
    .join(t.patients, t.patients.c.patient_number == _image.patient_number)
    .order_by(_image.received_at, _image.digest)
)  # fmt: skip
_PLACE = 1


@dataclass(frozen=True, slots=True)
class ReadingState:
    """Which settings images were read by, and whether that is finished."""

    rules: str
    after_study: str = ""
    images_left: int = 0
    done_at: datetime | None = None


def recorded_state(transaction: Transaction) -> ReadingState | None:
    """What is recorded; None before the first start."""
    row = transaction.execute(sa.select(_of.rules, _of.after_study, _of.images_left, _of.done_at)).first()
    return None if row is None else ReadingState(*row)


def begin(transaction: Transaction, rules: str, now: datetime) -> bool:
    """Record the settings of the first start; returns whether these are the ones that images were read by."""
    values = {"place": _PLACE, "rules": rules, "after_study": "", "images_left": 0, "done_at": now}
    insert_or_ignore(transaction, t.patient_readings, values)
    return is_current(transaction, rules)


def is_current(transaction: Transaction, rules: str) -> bool:
    """Whether all images were read by these settings, as far as is known."""
    state = recorded_state(transaction)
    return state is None or (state.rules == rules and state.done_at is not None)


@dataclass(frozen=True, slots=True)
class _Move:
    """An image that is another patient's."""

    row: Any
    study: StudyRecord

    @property
    def texts(self) -> tuple[str, str]:
        """The texts of its patient before and now."""
        uid = self.row.study_instance_uid
        return patients.key_of(self.row).text(uid), self.study.patient.text(uid)


class Rereading:
    """``rules`` names the settings in force."""

    def __init__(
        self,
        database: Database,
        objects: ObjectStore,
        authorities: AuthorityRules,
        exposures: AcquisitionRules,
        rules: str,
    ) -> None:
        self._database, self._objects = database, objects
        self._authorities, self._exposures = authorities, exposures
        self._rules = rules

    def read_some(self, now: datetime) -> int | None:
        """Read the images of some studies; returns the number of those that are others' now, None after the last."""
        with self._database.begin() as transaction:
            state = recorded_state(transaction) or ReadingState(self._rules)
            if state.rules != self._rules or state.done_at is not None:
                state = ReadingState(self._rules)
            studies = _studies_after(transaction, state.after_study)
            if not studies:
                _record(transaction, self._rules, "", state.images_left, now)
                return None
            rows = transaction.execute(_IMAGES.where(t.instances.c.study_instance_uid.in_(studies))).all()
            held = _held(transaction)
        moves = [one for row in rows if (one := self._move(row)) is not None]
        free = [one for one in moves if patients.key_of(one.row) not in held]
        # PostgreSQL locks the patients of exposures: no more than those of one image at a time.
        for group in [free] if self._database.is_sqlite else [[one] for one in free]:
            with self._database.begin() as transaction:
                for one in _present(transaction, group):
                    earlier, own = map(self._exposures.patient_key, one.texts)
                    repeats.move(transaction, one.row.digest, earlier, own, self._exposures, now)
        with self._database.begin() as transaction:
            _name(transaction, _present(transaction, free), now)
            remainder = state.images_left + len(moves) - len(free)
            _record(transaction, self._rules, studies[-1], remainder, None)
        return len(free)

    def _move(self, row: Any) -> _Move | None:
        study = self._read(row) if row.patient_id else None
        return None if study is None or study.patient == patients.key_of(row) else _Move(row, study)

    def _read(self, row: Any) -> StudyRecord | None:
        """What the file of an image says, by the rules in force; None if it is gone."""
        if row.removed_at is not None:
            return None
        try:
            _, study = read_header(self._objects.local_path(row.object_key), nameless=True, relaxed=True)
        except Exception as error:  # a foreign file can fail in any way, and must not stop the work on others
            if lacks_resources(error):
                raise
            return None
        authority = self._authorities.authority(study.authority or "", row.calling_ae_title, row.peer_address)
        uid = StudyInstanceUid(row.study_instance_uid)  # a surrogate, if the file has none
        return replace(study, study_instance_uid=uid, authority=authority)


def _present(transaction: Transaction, moves: Sequence[_Move]) -> list[_Move]:
    """Without those of images that were erased since their files were read."""
    present = unless_erased(transaction, [one.row.digest for one in moves])
    return [one for one in moves if one.row.digest in present]


def _studies_after(transaction: Transaction, uid: str) -> list[str]:
    of = t.studies.c.study_instance_uid
    return list(transaction.execute(sa.select(of).where(of > uid).order_by(of).limit(STUDIES)).scalars())


def _held(transaction: Transaction) -> set[PatientKey]:
    of = t.legal_holds.c
    query = sa.select(of.patient_id, of.authority).where(of.cleared_at.is_(None), of.authority.is_not(None))
    return {PatientKey(row.patient_id, row.authority) for row in transaction.execute(query)}


def _name(transaction: Transaction, moves: Sequence[_Move], now: datetime) -> None:
    """Give images to their patients: all of a study, before anybody asks whether it is of several."""
    followers: dict[int, set[str]] = defaultdict(set)
    texts: dict[int, str] = {}
    for one in moves:
        number = patients.before(transaction, one.study, one.row.received_at).patient_number
        study = t.studies.c.study_instance_uid == one.row.study_instance_uid
        for table, own in ((t.instances, t.instances.c.digest == one.row.digest), (t.studies, study)):
            change = sa.update(table).where(own, table.c.patient_number == one.row.patient_number)
            transaction.execute(change.values(patient_number=number))
        texts[one.row.patient_number], own_text = one.texts
        followers[one.row.patient_number].add(own_text)
    for one in moves:
        patient = patients.before(transaction, one.study, one.row.received_at)
        patients.place(transaction, patient, one.study, one.row.received_at, now)
    patients.end_conflicts(transaction, [one.row.study_instance_uid for one in moves])
    for number, own_texts in followers.items():
        _retire(transaction, number, texts[number], own_texts)


def _retire(transaction: Transaction, number: int, text: str, followers: set[str]) -> None:
    """Forget a patient without images; the pseudonym in the audit trail is that of the only one who follows."""
    has_images = sa.exists().where(t.instances.c.patient_number == number)
    if transaction.execute(sa.select(has_images)).scalar_one():
        return
    of_studies = t.studies.c.patient_number == number
    transaction.execute(sa.update(t.studies).where(of_studies).values(patient_number=None))
    for table in (t.patient_names, t.patients):
        transaction.execute(sa.delete(table).where(table.c.patient_number == number))
    key = t.audit_patients.c.patient_id
    holder = transaction.execute(sa.select(key).where(key.in_(followers))).first()
    if len(followers) == 1 and holder is None:
        transaction.execute(sa.update(t.audit_patients).where(key == text).values(patient_id=next(iter(followers))))
    else:
        transaction.execute(sa.delete(t.audit_patients).where(key == text))


def _record(transaction: Transaction, rules: str, after: str, images_left: int, done_at: datetime | None) -> None:
    values = {"rules": rules, "after_study": after, "images_left": images_left, "done_at": done_at}
    row = insert_into(transaction, t.patient_readings).values(place=_PLACE, **values)
    transaction.execute(row.on_conflict_do_update(index_elements=[_of.place], set_=values))
