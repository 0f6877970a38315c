"""Other settings name other authorities: whose all images are is read again, study by study."""

from __future__ import annotations

from pathlib import Path

import pytest
import sqlalchemy as sa
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import UID, ExplicitVRLittleEndian

from miqa_node.core.domain.audit import AuditEvent
from miqa_node.core.domain.senders import AuthorityRules
from miqa_node.features.audit import rows as chain
from miqa_node.features.retention.rows import erasure, holds, patient_choice
from miqa_node.runtime.people import patients
from miqa_node.runtime.people.audit import records
from miqa_node.runtime.store import tables as t
from miqa_node.runtime.store.database import Database
from miqa_node.stages.receive.rows import rereading
from miqa_node.stages.receive.rows.rereading import Rereading
from tests.features.retention.rows.test_patients import NORTH, RULES, SOUTH, Site
from tests.runtime.store.making import NOW, digest

OTHER = AuthorityRules.of(NORTH, [], {"OLD": SOUTH})
IMAGES = {1: (1, ""), 2: (2, ""), 3: (1, ""), 4: (4, "OLD"), 5: (5, SOUTH), 6: (6, "")}
"""Study and issuer of the header; image 6 has lost its file."""


def image_of(number: int, patient_id: str, issuer: str) -> FileDataset:
    """A header without pixels."""
    ds = FileDataset("", {}, preamble=b"\0" * 128)
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    ds.SOPClassUID = ds.file_meta.MediaStorageSOPClassUID = UID("1.2.840.10008.5.1.4.1.1.1")
    ds.SOPInstanceUID = ds.file_meta.MediaStorageSOPInstanceUID = UID(f"1.2.3.{number}")
    ds.PatientID, ds.IssuerOfPatientID, ds.PatientName = patient_id, issuer, f"Phantom^{number}"
    return ds


class RereadSite(Site):
    """Images that were received before the settings changed."""

    def fill(self, folder: Path) -> None:
        for number, (study, issuer) in IMAGES.items():
            of = self.take(number, issuer, study_number=study, minutes=5 * number, patient_name=f"Phantom^{number}")
            if number != 6:
                path = folder / f"{number}.dcm"
                image_of(number, "1001", issuer).save_as(path, enforce_file_format=True)
                self.objects.put(f"instances/{of}", path.read_bytes())
        with self.database.begin() as transaction:
            for number in IMAGES:
                entry = records.AuditEntry(AuditEvent.IMAGE_SEEN, NOW, "ada", digest=digest(number))
                records.add(transaction, entry)
            chain.seal(transaction, self.signer, "node", NOW)

    def reading(self) -> Rereading:
        return Rereading(self.database, self.objects, OTHER, RULES, "other")

    def read(self) -> int:
        count, reading = 0, self.reading()
        while (moved := reading.read_some(NOW)) is not None:
            count += moved
        return count

    def authorities(self) -> dict[int, str | None]:
        with self.database.begin() as transaction:
            keys = {number: patients.key_of_image(transaction, digest(number))[0] for number in IMAGES}
        return {number: key.authority for number, key in keys.items()}


@pytest.fixture
def site(database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RereadSite:
    monkeypatch.setattr(rereading, "STUDIES", 1)
    site = RereadSite(database, tmp_path)
    site.fill(tmp_path)
    return site


def test_images_are_of_the_authorities_that_the_settings_name_now(site: RereadSite) -> None:
    with site.database.begin() as transaction:
        assert rereading.begin(transaction, "before", NOW)
        assert not rereading.is_current(transaction, "other")
    assert site.read() == 4
    assert site.authorities() == {1: NORTH, 2: NORTH, 3: NORTH, 4: SOUTH, 5: SOUTH, 6: ""}
    exposures = site.exposures()
    assert [number for number in IMAGES if exposures[digest(number)].repeated] == [1, 2, 4]
    keys = {number: exposures[digest(number)].patient_key for number in IMAGES}
    assert keys[1] == keys[2] == keys[3] != keys[4] == keys[5]
    with site.database.begin() as transaction:
        assert rereading.is_current(transaction, "other")
        assert transaction.execute(sa.select(t.patient_conflicts)).all() == []
        named = patient_choice.named(transaction, "1001")
        numbers = dict(transaction.execute(sa.select(t.studies.c.study_instance_uid, t.studies.c.patient_number)).all())
        own = patients.of_image(transaction, digest(1))
    assert [(one.key.authority, one.images) for one in named] == [("", 1), (NORTH, 3), (SOUTH, 2)]
    assert own is not None
    assert numbers["1.2.5.1"] == numbers["1.2.5.2"] == own.patient_number
    assert chain.check(site.database, [site.signer.public_key]).faults == ()
    assert site.read() == 0


def test_it_goes_on_after_it_was_killed(site: RereadSite, monkeypatch: pytest.MonkeyPatch) -> None:
    name = rereading._name

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    for _ in {study for study, _ in IMAGES.values()}:
        with monkeypatch.context() as patch:
            patch.setattr(rereading, "_name", killed)
            with pytest.raises(KeyboardInterrupt):
                site.reading().read_some(NOW)
        assert site.reading().read_some(NOW) is not None
    assert rereading._name is name
    site.read()
    assert site.authorities() == {1: NORTH, 2: NORTH, 3: NORTH, 4: SOUTH, 5: SOUTH, 6: ""}
    assert [number for number in IMAGES if site.exposures()[digest(number)].repeated] == [1, 2, 4]


def test_images_on_legal_hold_by_authority_stay(site: RereadSite) -> None:
    with site.database.begin() as transaction:
        hold = holds.put(transaction, "", "1001", "court", "ada", NOW, authority="")
    assert site.read() == 1
    assert site.authorities() == {1: "", 2: "", 3: "", 4: SOUTH, 5: SOUTH, 6: ""}
    with site.database.begin() as transaction:
        state = rereading.recorded_state(transaction)
        assert state is not None
        assert state.images_left == 3
        holds.clear(transaction, hold.hold_id, "moved", "ada", NOW)
    assert site.read() == 3


def test_an_erasure_after_it_leaves_nothing_of_who_the_patient_was_before(site: RereadSite) -> None:
    site.read()
    with site.database.begin() as transaction:
        erased: list[str] = []
        for authority in (NORTH, SOUTH, ""):
            erased += erasure.erase(transaction, "1001", "request", "ada", NOW, authority=authority).images
        texts = [
            *transaction.execute(sa.select(t.patients.c.patient_id)).scalars(),
            *transaction.execute(sa.select(t.patient_names.c.patient_name)).scalars(),
            *transaction.execute(sa.select(t.audit_patients.c.patient_id)).scalars(),
        ]
    assert len(erased) == len(IMAGES)
    assert {*texts} <= {""}
