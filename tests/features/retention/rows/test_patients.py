"""One number in two hospitals: nothing of one patient is shown, counted, held or erased for the other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from miqa_node.core.domain.acquisition import AcquisitionRules
from miqa_node.core.domain.assessment import Assessment
from miqa_node.core.domain.audit import AuditEvent, AuditFilter
from miqa_node.core.domain.instance import InstanceDigest
from miqa_node.core.domain.judgement import Judgement
from miqa_node.core.domain.patient import PatientKey
from miqa_node.core.domain.retention import RetentionGroup
from miqa_node.core.domain.verdict import Disposition, Verdict
from miqa_node.core.keys.signing import Signer
from miqa_node.errors import ConflictError, NotFoundError
from miqa_node.features.analysis.rows import acquisitions
from miqa_node.features.audit import rows as chain
from miqa_node.features.labels.rows import reviews
from miqa_node.features.retention.rows import erasure, holds, patient_choice, retention
from miqa_node.features.retention.rows.retention import AgeLimits
from miqa_node.features.worklist.rows import browse, history, worklist
from miqa_node.features.worklist.rows import conflicts as study_conflicts
from miqa_node.runtime.people import patients
from miqa_node.runtime.people.audit import records
from miqa_node.runtime.store import tables as t
from miqa_node.runtime.store.database import Database
from miqa_node.runtime.store.site_store import open_objects
from miqa_node.stages.units.rows import instances, priors
from tests.runtime.store.making import NOW, digest, header, received, study

RULES = AcquisitionRules(key=b"k" * 32)
NORTH, SOUTH = "NORTH", "SOUTH"


class Site:
    """A database that receives images of patients with the ID 1001."""

    def __init__(self, database: Database, folder: Path) -> None:
        self.database = database
        self.objects = open_objects("", folder / "objects", 0, 1 << 20)
        self.signer = Signer.open(folder / "signing.key")

    def take(
        self,
        number: int,
        authority: str | None,
        *,
        study_number: int | None = None,
        patient_id: str = "1001",
        minutes: float = 0,
        **names: Any,
    ) -> InstanceDigest:
        """One image, judged; ``minutes`` is when it was made and came."""
        of, study_number = digest(number), number if study_number is None else study_number
        at = NOW + timedelta(minutes=minutes)
        whose = replace(study(study_number), patient_id=patient_id, authority=authority, **names)
        head = header(number, study_number, acquired_at=at.replace(tzinfo=None))
        with self.database.begin() as transaction:
            instances.record(transaction, head, whose, received(of, at), f"instances/{of}")
            instance = instances.load(transaction, of)
            judged = Assessment(digest=of, header=head, assessed_at=at)
            verdict = Disposition(Verdict.ACCEPT, (), "p", "s")
            instances.save_disposition(transaction, of, head.study_instance_uid, verdict, at)
            acquisitions.record(transaction, Judgement(instance, judged, verdict), RULES, at)
        return of

    def exposures(self) -> dict[str, Any]:
        with self.database.begin() as transaction:
            return {row.digest: row for row in transaction.execute(sa.select(t.acquisitions))}

    def changes(self) -> Sequence[str]:
        with self.database.begin() as transaction:
            chain.seal(transaction, self.signer, "node", NOW)
            entries = records.select(transaction, AuditFilter(event=AuditEvent.PATIENT_CHANGED.value))
        return [one.detail for one in entries]


@pytest.fixture
def site(database: Database, tmp_path: Path) -> Site:
    return Site(database, tmp_path)


def prior_of(site: Site, of: InstanceDigest) -> str | None:
    with site.database.begin() as transaction:
        entries = priors.prior_of(transaction, instances.load(transaction, of), "20991231")
    return entries.digest if entries else None


def test_no_prior_and_no_repeat_of_another_authority(site: Site) -> None:
    first = site.take(1, NORTH)
    other, again = site.take(2, SOUTH, minutes=5), site.take(3, NORTH, minutes=10)
    exposures = site.exposures()
    assert [exposures[of].repeated for of in (first, other, again)] == [True, False, False]
    assert exposures[first].patient_key == exposures[again].patient_key != exposures[other].patient_key
    assert [prior_of(site, of) for of in (first, other, again)] == [None, None, first]
    with site.database.begin() as transaction:
        assert reviews.locate(transaction, first).patient != reviews.locate(transaction, other).patient


def test_an_image_without_authority_keeps_the_pseudonyms_of_earlier_versions(site: Site) -> None:
    own, none = site.take(1, ""), site.take(2, "", patient_id="")
    exposures = site.exposures()
    assert exposures[own].patient_key == RULES.patient_key("1001")
    assert exposures[none].patient_key == RULES.patient_key("1.2.5.2")


def test_images_of_an_unknown_authority_are_nobody_elses(site: Site) -> None:
    own = [site.take(1, None), site.take(2, None, minutes=2), site.take(3, NORTH, minutes=4)]
    assert [prior_of(site, of) for of in own] == [None, None, None]
    with site.database.begin() as transaction:
        assert [one.key.authority for one in patient_choice.named(transaction, "1001")] == [NORTH, None, None]


def test_a_hold_is_of_one_authority_and_asks_which(site: Site) -> None:
    own, other = site.take(1, NORTH), site.take(2, SOUTH)
    limits = AgeLimits(accepted=1, flagged=1)
    with site.database.begin() as transaction:
        with pytest.raises(ConflictError, match=r"name the authority.*NORTH: 1 study; SOUTH: 1 study"):
            holds.put(transaction, "", "1001", "court", "ada", NOW)
        assert holds.put(transaction, "", "1001", "court", "ada", NOW, authority=SOUTH).authority == SOUTH
        groups = retention.holdings(transaction, limits, NOW + timedelta(days=2))
        assert {one.group: one.images for one in groups}[RetentionGroup.HOLD] == 1
        assert retention.remove_old(transaction, limits, NOW + timedelta(days=2), 10) == 1
        assert [bool(instances.load(transaction, of).removal) for of in (own, other)] == [True, False]
        assert holds.put(transaction, "", "nobody", "court", "ada", NOW).authority is None  # whoever comes


def test_an_erasure_is_of_one_authority_and_its_proof_says_which(site: Site) -> None:
    own, other = site.take(1, NORTH), site.take(2, SOUTH)
    with site.database.begin() as transaction:
        with pytest.raises(ConflictError, match="name the authority"):
            erasure.erase(transaction, "1001", "request", "ada", NOW)
        with pytest.raises(NotFoundError, match="from this authority"):
            erasure.erase(transaction, "1001", "request", "ada", NOW, authority="WEST")
        record = erasure.erase(transaction, "1001", "request", "ada", NOW, authority=NORTH)
        assert (record.images, record.authority) == ((own,), NORTH)
        others = [one.key for one in patient_choice.named(transaction, "1001")]
        assert others == [PatientKey("1001", SOUTH)]
        assert instances.load(transaction, other).removal is None
    document = record.document("node")
    answers = [erasure.names(document, "1001", one) for one in (None, NORTH, SOUTH)]
    assert answers == [True, True, False]
    assert document["authority"] == NORTH


def test_an_erasure_leaves_images_of_an_unknown_authority_unless_it_is_told(site: Site) -> None:
    own, unknown = site.take(1, NORTH), site.take(2, None)
    with site.database.begin() as transaction:
        assert erasure.erase(transaction, "1001", "request", "ada", NOW).images == (own,)
        with pytest.raises(ConflictError, match="Nobody knows any more"):
            erasure.erase(transaction, "1001", "request", "ada", NOW)
        record = erasure.erase(transaction, "1001", "request", "ada", NOW, with_unknown=True)
    assert (record.images, record.authority) == ((unknown,), None)
    assert erasure.names(record.document("node"), "1001")


def test_the_trail_has_a_pseudonym_for_each_and_finds_both_by_the_id(site: Site) -> None:
    site.take(1, NORTH)
    site.take(2, SOUTH)
    with site.database.begin() as transaction:
        for number in (1, 2):
            entry = records.AuditEntry(AuditEvent.IMAGE_SEEN, NOW, "ada", digest=digest(number))
            records.add(transaction, entry)
        chain.seal(transaction, site.signer, "node", NOW)
        entries = records.select(transaction, AuditFilter(patient_id="1001", event=AuditEvent.IMAGE_SEEN.value))
        for authority, count in ((None, 2), (NORTH, 1), ("", 0)):
            chosen = AuditFilter(patient_id="1001", event=AuditEvent.IMAGE_SEEN.value, authority=authority)
            assert len(records.select(transaction, chosen)) == count
        names = records.patient_ids(transaction, [one.patient for one in entries])
        assert sorted(names.values()) == ["1001^^^NORTH", "1001^^^SOUTH"]
        erasure.erase(transaction, "1001", "request", "ada", NOW, authority=NORTH)
        assert list(records.patient_ids(transaction, list(names)).values()) == ["1001^^^SOUTH"]
        chain.seal(transaction, site.signer, "node", NOW)
    assert chain.check(site.database, [site.signer.public_key]).faults == ()


def named(site: Site, of: InstanceDigest) -> tuple[str, str]:
    with site.database.begin() as transaction:
        row = patients.of_image(transaction, of)
    assert row is not None
    return row.patient_name, row.patient_birth_date


def test_the_name_that_came_last_is_shown_and_the_earlier_one_is_kept(site: Site) -> None:
    first = site.take(1, NORTH, patient_name="Emergency^A")
    site.take(2, NORTH, patient_name="Smith^Jane", patient_birth_date="19700101", minutes=9)
    site.take(3, NORTH, patient_name="Older^Name", minutes=5)  # came earlier, is read later
    site.take(4, NORTH, patient_name="SMITH^JANE^^", minutes=12)  # the same, written otherwise
    site.take(5, NORTH, patient_name="", minutes=13)
    site.take(6, SOUTH, patient_name="Other^One", minutes=20)
    assert named(site, first) == ("Smith^Jane", "19700101")
    with site.database.begin() as transaction:
        row = patients.of_image(transaction, first)
        assert row is not None
        earlier = {name for name, _ in patients.earlier_names(transaction, row.patient_number)}
        shown = transaction.execute(sa.select(t.studies.c.patient_name).order_by(t.studies.c.study_instance_uid))
        assert shown.scalars().all() == ["Smith^Jane"] * 5 + ["Other^One"]
    assert earlier == {"Emergency^A", "Older^Name"}
    assert site.changes() == ['{"changed":["name"]}']


def conflicts(site: Site) -> list[tuple[str, datetime | None]]:
    of = t.patient_conflicts.c
    with site.database.begin() as transaction:
        return [(row[0], row[1]) for row in transaction.execute(sa.select(of.study_instance_uid, of.resolved_at))]


@pytest.mark.parametrize(
    ("second", "contradicts"),
    [(("P2", ""), True), (("P1", SOUTH), True), (("P1", ""), False), (("", ""), False), (("P1", None), False)],
)
def test_another_id_or_authority_in_one_study_is_a_conflict(
    site: Site, second: tuple[str, str | None], *, contradicts: bool
) -> None:
    first = site.take(1, "", study_number=7, patient_id="P1", patient_name="First^Name")
    site.take(2, second[1], study_number=7, patient_id=second[0], patient_name="Second^Name")
    assert conflicts(site) == ([("1.2.5.7", None)] if contradicts else [])
    is_same = second == ("P1", "")
    assert named(site, first)[0] == ("Second^Name" if is_same else "First^Name")


def test_of_two_patients_in_one_study_an_erasure_leaves_the_other(site: Site) -> None:
    own = site.take(1, "", study_number=7, patient_id="P1", patient_name="First^Name")
    other = site.take(2, "", study_number=7, patient_id="P2", patient_name="Second^Name")
    with site.database.begin() as transaction:
        holds.put(transaction, "", "P2", "court", "ada", NOW)
        record = erasure.erase(transaction, "P1", "request", "ada", NOW)
        assert record.images == (own,)
        shown = transaction.execute(sa.select(t.studies.c.patient_id, t.studies.c.patient_name)).all()
        with pytest.raises(ConflictError, match="legal hold"):
            erasure.erase(transaction, "P2", "request", "ada", NOW)
    assert shown == [("P2", "Second^Name")]
    assert named(site, other) == ("Second^Name", "")
    assert conflicts(site) == []


def test_a_person_resolves_a_conflict_on_record_and_yet_another_patient_opens_it_again(site: Site) -> None:
    site.take(1, "", study_number=7, patient_id="P1")
    site.take(2, "", study_number=7, patient_id="P2")
    with site.database.begin() as transaction:
        with pytest.raises(ConflictError, match="what was found out"):
            study_conflicts.resolve(transaction, "1.2.5.7", "ada", " ", NOW)
        with pytest.raises(NotFoundError):
            study_conflicts.resolve(transaction, "1.2.5.8", "ada", "why", NOW)
        resolved = study_conflicts.resolve(transaction, "1.2.5.7", "ada", "the UID was used twice", NOW)
        assert [(one.patient_id, one.images) for one in resolved.patients] == [("P1", 1), ("P2", 1)]
        assert (resolved.resolved_by, resolved.comment) == ("ada", "the UID was used twice")
        with pytest.raises(ConflictError, match="resolved before"):
            study_conflicts.resolve(transaction, "1.2.5.7", "bob", "again", NOW)
        assert [one.action for one in history.of_worklist(transaction, "1.2.5.7")] == ["settled"]
    site.take(3, "", study_number=7, patient_id="P2")
    assert conflicts(site) == [("1.2.5.7", NOW)]
    site.take(4, "", study_number=7, patient_id="P3")
    assert conflicts(site) == [("1.2.5.7", None)]


def test_lists_and_searches_have_each_image_under_its_own_patient_and_every_name(site: Site) -> None:
    own = site.take(1, "", study_number=7, patient_id="P1", patient_name="Emergency^A")
    other = site.take(2, SOUTH, study_number=7, patient_id="P2", patient_name="Second^Name")
    site.take(3, "", study_number=8, patient_id="P1", patient_name="Real^Name", minutes=5)
    with site.database.begin() as transaction:
        transaction.execute(sa.update(t.dispositions).where(t.dispositions.c.digest == other).values(flagged=True))
        worklist.flag(transaction, header(2, 7).study_instance_uid, Verdict.REJECT, NOW)
        item = worklist.show(transaction, "1.2.5.7")
        assert (item.patient_ids, item.patient_id, item.patients_conflict) == (("P2 (SOUTH)",), "P2", True)
        assert [(one.patient_id, one.authority) for one in item.images] == [("P2", SOUTH)]
        for text in ("P1", "p2", "emerg", "real", "second"):  # the study has images of both
            criteria = worklist.WorklistFilter(search=text)
            assert [one.study_instance_uid for one in worklist.page(transaction, criteria, limit=9)] == ["1.2.5.7"]
        every = browse.ImageFilter(NOW - timedelta(days=1), NOW + timedelta(days=1))
        answers = {
            text: {row.digest for row in browse.page(transaction, replace(every, search=text), limit=9)}
            for text in ("P1", "P2", "emerg", "second", "nobody")
        }
        ids = {row.digest: row.patient.label for row in browse.page(transaction, every, limit=9)}
    assert (ids[own], ids[other]) == ("P1", "P2 (SOUTH)")
    ones = {own, digest(3)}
    assert answers == {"P1": ones, "P2": {other}, "emerg": ones, "second": {other}, "nobody": set()}
