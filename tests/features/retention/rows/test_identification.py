"""A database that the version before authorities filled: whose its images are is read in the background."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import date, datetime
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import UID, ExplicitVRLittleEndian

from miqa_node.core.domain.authorities import AuthorityRules
from miqa_node.core.domain.instance import StudyRecord
from miqa_node.errors import ConflictError
from miqa_node.features.audit import rows as chain
from miqa_node.features.retention.rows import erasure, holds, patient_choice, retention
from miqa_node.features.retention.rows.retention import AgeLimits
from miqa_node.features.worklist.rows import conflicts
from miqa_node.runtime.people import patients
from miqa_node.runtime.store import tables as t
from miqa_node.runtime.store.database import Database
from miqa_node.runtime.store.site_store import open_objects
from miqa_node.stages.receive.rows import identification
from miqa_node.stages.receive.rows.identification import Identification
from miqa_node.stages.units.rows import instances, priors
from tests.features.retention.rows.old_rows import RULES, digest_of
from tests.runtime.store.making import NOW, digest, header, received
from tests.runtime.store.test_migrations import migrate

pytestmark = pytest.mark.more

ROWS = Path(__file__).parent / "old_rows.json"
NORTH, SOUTH = "NORTH", "SOUTH"
ISSUERS = {1: ("1001", NORTH), 2: ("1001", SOUTH), 3: ("1001", NORTH), 5: ("1005", SOUTH)}
"""What the headers say; image 4 has lost its file, image 6 was erased."""


class OldSite:
    """The database as the old version left it, with the new schema, and the files that are left."""

    def __init__(self, database: Database, folder: Path) -> None:
        self.database = database
        self.document = json.loads(ROWS.read_text("utf-8"))
        self.objects = open_objects("", folder / "objects", 0, 1 << 20)
        for number, (patient_id, issuer) in ISSUERS.items():
            path = folder / f"{number}.dcm"
            image_of(number, patient_id, issuer).save_as(path, enforce_file_format=True)
            self.objects.put(f"instances/{digest_of(number)}.dcm", path.read_bytes())
        self.identification = Identification(database, self.objects, AuthorityRules(), RULES)

    def fill(self) -> None:
        """Insert the rows of the old version."""
        with self.database.begin() as transaction:
            for name, rows in self.document["rows"].items():
                table = t.all_tables().tables[name]
                for row in rows:
                    transaction.execute(sa.insert(table).values(_row(table, row)))
                if not self.database.is_sqlite and isinstance(table.autoincrement_column, sa.Column):
                    number = table.autoincrement_column
                    sequence = sa.func.pg_get_serial_sequence(name, number.name)
                    last = sa.select(sa.func.max(number)).scalar_subquery()
                    transaction.execute(sa.select(sa.func.setval(sequence, last)))

    def read(self) -> int:
        """Let the background job do all of its work; returns how many images it read."""
        count = 0
        while one := self.identification.read_some(NOW):
            count += one
        return count


def image_of(number: int, patient_id: str, issuer: str) -> FileDataset:
    """A header without pixels."""
    ds = FileDataset("", {}, preamble=b"\0" * 128)
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    ds.SOPClassUID = ds.file_meta.MediaStorageSOPClassUID = UID("1.2.840.10008.5.1.4.1.1.1")
    ds.SOPInstanceUID = ds.file_meta.MediaStorageSOPInstanceUID = UID(f"1.2.3.{number}")
    ds.PatientID, ds.IssuerOfPatientID, ds.PatientName = patient_id, issuer, f"Phantom^{number}"
    return ds


def _row(table: sa.Table, row: dict[str, Any]) -> dict[str, Any]:
    kinds = {column.name: column.type for column in table.c}
    return {name: _value(kinds[name], value) for name, value in row.items()}


def _value(kind: sa.types.TypeEngine[Any], value: Any) -> Any:
    if isinstance(value, str) and isinstance(kind, t.UtcDateTime | sa.DateTime):
        return datetime.fromisoformat(value)
    return date.fromisoformat(value) if isinstance(value, str) and isinstance(kind, sa.Date) else value


@pytest.fixture
def site(database_url: str, tmp_path: Path) -> Iterator[OldSite]:
    database = Database(database_url, pool_size=4)
    migrate(database, "0047")
    old = OldSite(database, tmp_path)
    old.fill()
    database.migrate()
    yield old
    database.close()


def test_every_image_gets_the_patient_of_its_own_header(site: OldSite, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(identification, "BATCH", 2)
    assert site.read() == 6
    assert site.read() == 0
    with site.database.begin() as transaction:
        keys = {number: patients.key_of_image(transaction, digest_of(number))[0] for number in range(1, 7)}
        everybody = patient_choice.named(transaction, "1001")
        contradictions = conflicts.unresolved(transaction, limit=9)
    assert {number: (key.patient_id, key.authority) for number, key in keys.items()} == {
        **ISSUERS,
        4: ("1001", None),
        6: ("", None),
    }
    assert [(one.key.authority, one.images) for one in everybody] == [(NORTH, 2), (SOUTH, 1), (None, 1)]
    assert [(one.study_instance_uid, len(one.patients)) for one in contradictions] == [("1.2.5.1", 2)]


def test_priors_and_repeats_are_those_of_the_own_authority(site: OldSite) -> None:
    site.read()
    with site.database.begin() as transaction:
        of = t.acquisitions.c
        rows = {row.digest: row for row in transaction.execute(sa.select(of.digest, of.repeated, of.patient_key))}
        last = instances.load(transaction, digest_of(3))
        prior = priors.prior_of(transaction, last, "20991231")
        assert prior is not None
        assert prior.digest == digest_of(1)
        for number in (2, 4, 5):
            one = instances.load(transaction, digest_of(number))
            assert priors.prior_of(transaction, one, "20991231") is None
    exposures = {number: rows[digest_of(number)] for number in range(1, 6)}
    assert [number for number, row in exposures.items() if row.repeated] == [1]  # by image 3, ten minutes later
    assert exposures[1].patient_key == exposures[3].patient_key != exposures[2].patient_key


def test_holds_proofs_pseudonyms_and_the_chain_of_before_stay_valid(site: OldSite) -> None:
    site.read()
    old = site.document
    assert chain.check(site.database, [old["public_key"]]).faults == ()
    assert (erasure.names(old["proof"], "2002"), erasure.names(old["proof"], "1001")) == (True, False)
    assert erasure.names(old["proof"], "2002", NORTH)  # it names no authority
    with site.database.begin() as transaction:
        [hold] = holds.select(transaction)
        assert (hold.patient_id, hold.authority) == ("1001", None)
        for authority in (NORTH, SOUTH):
            with pytest.raises(ConflictError, match="legal hold"):
                erasure.erase(transaction, "1001", "request", "ada", NOW, authority=authority)
        limits = AgeLimits(accepted=1, flagged=1)
        retention.remove_old(transaction, limits, datetime.fromisoformat("2027-01-01T00:00:00+00:00"), 100)
        removed = [number for number in ISSUERS if instances.load(transaction, digest_of(number)).removal]
        assert removed == [5]  # not of the patient who is held, though its study has the ID
        holds.clear(transaction, hold.hold_id, "over", "ada", NOW)
        record = erasure.erase(transaction, "1001", "request", "ada", NOW, authority=NORTH)
    assert record.images == tuple(sorted((digest_of(1), digest_of(3))))


def test_before_an_image_is_read_it_is_held_and_nothing_is_erased(site: OldSite) -> None:
    with site.database.begin() as transaction:
        limits = AgeLimits(accepted=1, flagged=1)
        later = datetime.fromisoformat("2027-01-01T00:00:00+00:00")
        assert retention.remove_old(transaction, limits, later, 100) == 0
        holds.clear(transaction, 1, "over", "ada", NOW)
        with pytest.raises(ConflictError, match="not read yet"):
            erasure.erase(transaction, "1001", "request", "ada", NOW, authority=NORTH)
    site.identification.read_all("1001", NOW)
    with site.database.begin() as transaction:
        assert len(erasure.erase(transaction, "1001", "request", "ada", NOW, authority=NORTH).images) == 2


def test_an_old_process_goes_on_beside_the_new_one(site: OldSite) -> None:
    site.read()
    other = digest("old process")
    with site.database.begin() as transaction:
        head = header(77, 3)
        record = StudyRecord(head.study_instance_uid, "A", "1001", "Name^3", "20260102", "", authority=NORTH)
        instances.record(transaction, head, record, received(other), f"instances/{other}.dcm")
        without = sa.update(t.instances).where(t.instances.c.digest == other)
        transaction.execute(without.values(patient_number=None))
    assert site.read() == 1
    with site.database.begin() as transaction:
        assert patients.key_of_image(transaction, other)[0].authority is None  # its file is not there
