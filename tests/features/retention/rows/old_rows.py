"""Makes old_rows.json: what the version before patients had an authority kept of two hospitals that share an ID.

Run it with that version (commit da5d345c) in front of the path, from the folder of this checkout:

    PYTHONPATH=<the old checkout> .venv/bin/python <this file> > old_rows.json

Images 1 to 3 have the ID 1001: 1 and 3 of one hospital, 2 of the other, minutes apart. Image 4 of that ID has lost its
file. Image 5 is of another patient in the study of image 1. The patient 2002 of image 6 was erased, with a proof.
The patient 1001 is on legal hold.
"""

from __future__ import annotations

import hashlib
import json
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import sqlalchemy as sa

from miqa_node.core.domain.acquisition import AcquisitionRules
from miqa_node.core.domain.assessment import Assessment
from miqa_node.core.domain.audit import AuditEvent
from miqa_node.core.domain.instance import (
    Header,
    InstanceDigest,
    ReceivedObject,
    SeriesInstanceUid,
    SopInstanceUid,
    StudyInstanceUid,
    StudyRecord,
)
from miqa_node.core.domain.judgement import Judgement
from miqa_node.core.domain.policy import Disposition, Verdict
from miqa_node.core.keys.signing import Signer
from miqa_node.features.analysis.rows import acquisitions
from miqa_node.features.audit import rows as chain
from miqa_node.features.retention.rows import erasure, holds
from miqa_node.runtime.people.audit import records
from miqa_node.runtime.people.audit.records import AuditEntry
from miqa_node.runtime.store import tables as t
from miqa_node.runtime.store.database import Database, Transaction
from miqa_node.stages.units.rows import instances

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
RULES = AcquisitionRules(key=b"k" * 32)
IMAGES = ((1, 1, "1001"), (2, 2, "1001"), (3, 3, "1001"), (4, 4, "1001"), (5, 1, "1001"), (6, 6, "2002"))
"""Number, study, and the Patient ID that the study's row gets."""


def digest_of(number: int) -> InstanceDigest:
    """The digest of an image."""
    return InstanceDigest(hashlib.sha256(f"old {number}".encode()).hexdigest())


def take(transaction: Transaction, number: int, study_number: int, patient_id: str) -> None:
    """One image, judged; they were made 5 minutes apart."""
    at, of = NOW + timedelta(minutes=5 * number), digest_of(number)
    header = Header(
        "1.2.840.10008.5.1.4.1.1.1",
        SopInstanceUid(f"1.2.3.{number}"),
        SeriesInstanceUid(f"1.2.4.{study_number}"),
        StudyInstanceUid(f"1.2.5.{study_number}"),
        "1.2.840.10008.1.2.1",
        modality="CR",
        body_part_examined="CHEST",
        view_position="PA",
        acquired_at=at.replace(tzinfo=None),
    )
    study = StudyRecord(header.study_instance_uid, "A", patient_id, f"Name^{study_number}", "20260102", "")
    received = ReceivedObject("unused", of, 100, "MODALITY", "MIQA", "127.0.0.1", at)
    instances.record(transaction, header, study, received, f"instances/{of}.dcm")
    instance = instances.load(transaction, of)
    judged = Assessment(digest=of, header=header, assessed_at=at)
    verdict = Disposition(Verdict.ACCEPT, (), "p", "s")
    instances.save_disposition(transaction, of, header.study_instance_uid, verdict, at)
    acquisitions.record(transaction, Judgement(instance, judged, verdict), RULES, at)
    records.add(transaction, AuditEntry(AuditEvent.IMAGE_SEEN, at, "ada", digest=of))


def main() -> None:
    """Print the rows of all tables."""
    with TemporaryDirectory() as folder:
        database = Database(f"sqlite:///{folder}/miqa.sqlite")
        database.migrate()
        signer = Signer.open(Path(folder) / "signing.key")
        with database.begin() as transaction:
            for number, study_number, patient_id in IMAGES:
                take(transaction, number, study_number, patient_id)
            chain.seal(transaction, signer, "node", NOW)
            holds.put(transaction, "", "1001", "court", "ada", NOW)
            proof = erasure.erase(transaction, "2002", "request", "ada", NOW)
            chain.seal(transaction, signer, "node", NOW)
            lost = sa.update(t.instances).where(t.instances.c.digest == digest_of(4))
            transaction.execute(lost.values(removed_at=NOW, deleted_at=NOW, removal_cause="age"))
        with database.begin() as transaction:
            schema = transaction.execute(sa.text("SELECT version_num FROM alembic_version")).scalar_one()
            rows = {
                table.name: [dict(row) for row in transaction.execute(sa.select(table)).mappings()]
                for table in t.metadata.sorted_tables
            }
        database.close()
    filled = {name: content for name, content in rows.items() if content and name not in ("compatibility", "origin")}
    document = {
        "schema": schema,
        "public_key": signer.public_key,
        "proof": proof.document("node"),
        "rows": filled,
    }
    json.dump(document, sys.stdout, indent=1, default=lambda value: value.isoformat())


if __name__ == "__main__":
    main()
