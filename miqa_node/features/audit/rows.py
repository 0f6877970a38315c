"""The chain of the audit trail: each record's hash covers its content and the previous hash; the head is signed.

Any process and transaction adds records without a number. Sealing numbers them under a lock, in order and without gaps.
Changing, removing or inserting a sealed record breaks the chain at that place; a truncated chain contradicts the signed
head.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterator, Mapping
from dataclasses import fields, replace
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from miqa_node.core.domain.audit import AuditEvent, AuditRecord, ChainCheck
from miqa_node.core.keys.canonical import canonical
from miqa_node.core.keys.signing import Signer, verify
from miqa_node.errors import SignatureError
from miqa_node.runtime.people.audit import marks, records
from miqa_node.runtime.people.audit.marks import CHECKPOINT, GENESIS, HEAD, ChainMark
from miqa_node.runtime.people.audit.patients import forget_unnamed, pseudonyms
from miqa_node.runtime.people.patients import KEY, key_of
from miqa_node.runtime.store import tables as t
from miqa_node.runtime.store.database import Database, Transaction

BATCH = 500
MAX_FAULTS = 20
HEAD_TITLE, CHECKPOINT_TITLE = "head of the audit trail", "records of the audit trail were pruned up to here"

_of = t.audit_records.c
_HASHED = tuple(one.name for one in fields(AuditRecord) if one.name != "sha256")


_WAITS = sa.select(sa.exists().where(_of.number.is_(None)))


def waits(transaction: Transaction) -> bool:
    """Whether records wait to be sealed; takes no lock."""
    return transaction.execute(_WAITS).scalar_one()


def seal(transaction: Transaction, signer: Signer, node: str, now: datetime, limit: int = BATCH) -> int:
    """Number up to ``limit`` records and sign the new head; returns how many were sealed."""
    marks.lock(transaction)
    head = marks.read(transaction, HEAD) or ChainMark(0, GENESIS, {})
    columns = (_of.record_id, *records.COLUMNS)
    waiting = sa.select(*columns).where(_of.number.is_(None)).order_by(_of.record_id).limit(limit)
    rows = transaction.execute(waiting).mappings().all()
    if not rows:
        return 0
    whose = _Patients(transaction, rows)
    number, sha256, sealed = head.number, head.sha256, []
    for row in rows:
        number += 1
        content = {name: value for name, value in row.items() if name != "record_id"}
        one = whose.named(records.record({**content, "number": number}))
        sha256 = hash_of(one, sha256)
        place = {"number": number, "sha256": sha256, "patient": one.patient, "study": one.study}
        sealed.append({"id": row["record_id"], **{f"new_{name}": value for name, value in place.items()}})
    update = (
        sa.update(t.audit_records)
        .where(_of.record_id == sa.bindparam("id"))
        .values({name: sa.bindparam(f"new_{name}") for name in ("number", "sha256", "patient", "study")})
    )
    transaction.execute(update, sealed)
    marks.write(transaction, HEAD, _signed(signer, HEAD_TITLE, node, number, sha256, now))
    return len(rows)


def check(database: Database, public_keys: Collection[str]) -> ChainCheck:
    """Check every hash, the order, and that the signed head and checkpoint agree with the records."""
    faults: list[str] = []
    with database.begin() as transaction:
        checkpoint, head = marks.read(transaction, CHECKPOINT), marks.read(transaction, HEAD)
        unsealed = transaction.execute(
            sa.select(sa.func.count()).select_from(t.audit_records).where(_of.number.is_(None))
        ).scalar_one()
    if checkpoint is not None:
        faults += _judge_mark(checkpoint, CHECKPOINT_TITLE, public_keys)
    start = checkpoint or ChainMark(0, GENESIS, {})
    last, sha256 = start.number, start.sha256
    for one in _stored(database):
        if one.number <= start.number:
            faults.append(f"record {one.number} should have been pruned with those up to {start.number}")
            continue
        if one.number != last + 1:
            gap = f"record {last + 1} is" if one.number == last + 2 else f"records {last + 1} to {one.number - 1} are"
            faults.append(f"{gap} missing")
        elif hash_of(one, sha256) != one.sha256:
            faults.append(f"record {one.number} of {one.at} was changed")
        last, sha256 = one.number, one.sha256
        if len(faults) >= MAX_FAULTS:
            break
    else:
        faults += _judge_end(head, last, sha256, public_keys)
    return ChainCheck(start.number + 1 if last > start.number else 0, last, unsealed, tuple(faults))


def hash_of(one: AuditRecord, before: str) -> str:
    """SHA-256 of the hash of the record before, a line feed, and the record without its hash as canonical JSON."""
    content = {name: getattr(one, name) for name in _HASHED}
    return hashlib.sha256(before.encode("utf-8", "replace") + b"\n" + canonical(content)).hexdigest()


def prune(
    transaction: Transaction, signer: Signer, node: str, before: datetime, now: datetime, *, sent: str = ""
) -> int:
    """Remove records from the first up to ``before``, but none that a receiver lacks; returns their number.

    A signed checkpoint replaces them, so that the rest can still be checked; ``sent`` is the name of the mark of sent
    records.
    """
    marks.lock(transaction)
    start = marks.read(transaction, CHECKPOINT) or ChainMark(0, GENESIS, {})
    oldest = sa.select(sa.func.min(_of.number)).where(_of.number > start.number, _of.at >= records.moment(before))
    first_kept = transaction.execute(oldest).scalar_one()
    head = marks.read(transaction, HEAD) or ChainMark(0, GENESIS, {})
    upto = head.number if first_kept is None else first_kept - 1
    if sent:
        reached = marks.read(transaction, sent)
        upto = min(upto, reached.number if reached is not None else 0)
    if upto <= start.number:
        return 0
    sha256 = transaction.execute(sa.select(_of.sha256).where(_of.number == upto)).scalar_one()
    marks.write(transaction, CHECKPOINT, _signed(signer, CHECKPOINT_TITLE, node, upto, sha256, now))
    transaction.execute(sa.delete(t.audit_records).where(_of.number <= upto))
    forget_unnamed(transaction)
    detail = {"first": start.number + 1, "last": upto}
    records.add(transaction, records.AuditEntry(AuditEvent.AUDIT_PRUNED, now, detail=detail))
    return upto - start.number


class _Patients:
    """Studies by image and patients' pseudonyms by image and study, looked up for many records at once."""

    def __init__(self, transaction: Transaction, rows: Collection[sa.RowMapping]) -> None:
        images, studies = t.instances.c, t.studies.c
        query = sa.select(images.digest, images.study_instance_uid, *KEY).select_from(
            t.instances.outerjoin(t.patients, t.patients.c.patient_number == images.patient_number)
        )
        digests = {row["digest"] for row in rows if row["digest"]}
        of_images = transaction.execute(query.where(images.digest.in_(digests))).all()
        self._studies: Mapping[str, str] = {row.digest: row.study_instance_uid for row in of_images}
        uids = {row["study"] for row in rows if row["study"]} | set(self._studies.values())
        query = sa.select(studies.study_instance_uid, studies.patient_id.label("bare"), *KEY).select_from(
            t.studies.outerjoin(t.patients, t.patients.c.patient_number == studies.patient_number)
        )
        of_studies = transaction.execute(query.where(studies.study_instance_uid.in_(uids), studies.patient_id != ""))
        texts = {row.digest: key_of(row).text() for row in of_images if row.patient_id}
        texts |= {row.study_instance_uid: key_of(row).text() if row.patient_id else row.bare for row in of_studies}
        names = pseudonyms(transaction, texts.values())
        self._patients = {thing: names[text] for thing, text in texts.items()}

    def named(self, one: AuditRecord) -> AuditRecord:
        """The record with its study and patient: that of the image, if it is about one."""
        study = one.study or self._studies.get(one.digest, "")
        patient = one.patient or self._patients.get(one.digest) or self._patients.get(study, "")
        return replace(one, study=study, patient=patient)


def _signed(signer: Signer, what: str, node: str, number: int, sha256: str, now: datetime) -> ChainMark:
    document = {"what": what, "node": node, "number": number, "sha256": sha256, "at": records.moment(now)}
    return ChainMark(number, sha256, signer.sign(document))


def _judge_mark(place: ChainMark, title: str, public_keys: Collection[str]) -> list[str]:
    key = place.document.get("public_key", "")
    if key not in public_keys:
        return [f"the {title}: signed with the key {key}, which is not this node's; give the keys of others it trusts"]
    try:
        document = verify(place.document, key)
    except SignatureError as error:
        return [f"the {title}: {error}"]
    if (document.get("what"), document.get("number"), document.get("sha256")) != (title, place.number, place.sha256):
        return [f"the {title} was changed"]
    return []


def _judge_end(head: ChainMark | None, last: int, sha256: str, public_keys: Collection[str]) -> list[str]:
    if head is None or not head.document:
        return [f"the {HEAD_TITLE} is missing"] if last else []
    faults = _judge_mark(head, HEAD_TITLE, public_keys)
    if last < head.number:
        faults.append(f"records {last + 1} to {head.number} are missing at the end")
    elif last > head.number:
        faults.append(f"records {head.number + 1} to {last} stand behind the {HEAD_TITLE}")
    elif sha256 != head.sha256 and not faults:
        faults.append(f"record {last} was changed")
    return faults


def _stored(database: Database) -> Iterator[AuditRecord]:
    """Sealed records in order, with texts of any bytes."""
    last = -(2**62)
    while True:
        with database.begin() as transaction:
            query = sa.select(*(_bytes_of(column, database) for column in records.COLUMNS))
            ordered = query.where(_of.number > last).order_by(_of.number).limit(BATCH)
            rows = transaction.execute(ordered).mappings().all()
        if not rows:
            return
        for row in rows:
            texts = {name: one.decode("utf-8", "replace") for name, one in row.items() if isinstance(one, bytes)}
            failed = bool(row["failed"]) if row["failed"] in (0, 1) else row["failed"]
            yield AuditRecord(**{**row, **texts, "failed": failed})
        last = rows[-1]["number"]


def _bytes_of(column: sa.ColumnElement[Any], database: Database) -> sa.ColumnElement[Any]:
    """A text of SQLite as bytes, because the driver would refuse invalid UTF-8."""
    if not database.is_sqlite:
        return column
    if isinstance(column.type, sa.Boolean):
        return sa.type_coerce(column, sa.Integer).label(column.key)
    return sa.cast(column, sa.LargeBinary).label(column.key) if isinstance(column.type, sa.String) else column
