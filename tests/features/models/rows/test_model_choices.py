"""The site's choices of models, silent opinions, decisions as labels, and the certificate beside a verdict."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
import sqlalchemy as sa

from miqa_node.core.domain.assessment import Assessment, ModelIdentity
from miqa_node.core.domain.codes import MOTION_BLUR
from miqa_node.core.domain.model_choice import ModelChoice, Slot
from miqa_node.core.domain.verdict import Disposition, Reason, Verdict
from miqa_node.core.domain.worklist import Resolution
from miqa_node.errors import ConflictError, NotFoundError
from miqa_node.features.labels.rows import reviews
from miqa_node.features.worklist.rows import worklist
from miqa_node.runtime.site_records import activations
from miqa_node.runtime.store.database import Database
from miqa_node.stages.conclusion.rows import shadows
from miqa_node.stages.units.rows import instances
from tests.runtime.store.making import NOW, digest, header, received, study


def choose(transaction: sa.Connection, package: str, slot: Slot = Slot.ACTIVE) -> bool:
    return activations.choose(transaction, slot, package, "anna", "", NOW)


def test_the_newest_choice_of_each_slot_counts(database: Database) -> None:
    with database.begin() as transaction:
        assert activations.current(transaction) == ModelChoice()
        assert choose(transaction, "q-1.0.0")
        assert not choose(transaction, "q-1.0.0"), "it was already"
        assert choose(transaction, "q-2.0.0")
        assert choose(transaction, "q-3.0.0", Slot.SHADOW)
    with database.begin() as transaction:
        assert activations.current(transaction) == ModelChoice("q-2.0.0", "q-3.0.0")
        assert [event.package for event in activations.history(transaction, Slot.ACTIVE)] == ["q-1.0.0", "q-2.0.0"]


def test_a_rollback_takes_back_one_choice_after_the_other(database: Database) -> None:
    with database.begin() as transaction:
        for package in ("a-1.0.0", "b-1.0.0", "c-1.0.0"):
            choose(transaction, package)
        back = [activations.roll_back(transaction, Slot.ACTIVE, "anna", "", NOW) for _ in range(2)]
        assert back == ["b-1.0.0", "a-1.0.0"]
        choose(transaction, "d-1.0.0")
        assert activations.roll_back(transaction, Slot.ACTIVE, "anna", "", NOW) == "a-1.0.0"
        assert activations.roll_back(transaction, Slot.ACTIVE, "anna", "", NOW) == ""
        with pytest.raises(ConflictError):
            activations.roll_back(transaction, Slot.ACTIVE, "anna", "", NOW)
        assert activations.current(transaction).active == ""


def put(
    transaction: sa.Connection, number: int, *, verdict: Verdict = Verdict.REVIEW, of_study: int = 0, version: str = "1"
) -> Assessment:
    """One image that was judged, with its verdict."""
    of_study = of_study or number
    head = header(number, of_study)
    instances.record(transaction, head, study(of_study), received(digest(number)), f"instances/{number}")
    assessment = Assessment(
        digest(number), head, NOW + timedelta(seconds=number), model=ModelIdentity("q", f"{version}.0.0", "ab" * 32)
    )
    reasons = (Reason("motion_blur", "Blurred", MOTION_BLUR, verdict),) if verdict.flagged else ()
    disposition = Disposition(verdict, reasons, "p", "all", certificate="certified for tests")
    instances.save_assessment(transaction, assessment)
    instances.save_disposition(transaction, digest(number), head.study_instance_uid, disposition, NOW)
    if verdict.flagged:
        worklist.flag(transaction, head.study_instance_uid, verdict, NOW)
    return assessment


def test_silent_opinions_stand_beside_the_ones_that_counted(database: Database) -> None:
    with database.begin() as transaction:
        first = put(transaction, 1)
        put(transaction, 2)
        candidate = replace(first, model=ModelIdentity("q", "2.0.0", "cd" * 32))
        silent = Disposition(Verdict.ACCEPT, (), "p", "all")
        assert shadows.save(transaction, "q-2.0.0", candidate, silent)
        assert not shadows.save(transaction, "q-2.0.0", candidate, silent), "one opinion of an image"
    with database.begin() as transaction:
        active = shadows.opinions(transaction, "q-1.0.0", limit=10)
        beside = shadows.opinions(transaction, "q-2.0.0", limit=10)
        assert set(active) == {digest(1), digest(2)}
        assert set(beside) == {digest(1)}
        assert beside[digest(1)].verdict is Verdict.ACCEPT
        assert beside[digest(1)].assessment == candidate
        assert list(shadows.opinions(transaction, "q-1.0.0", limit=1)) == [digest(2)], "the newest"
        loaded = instances.load_assessment(transaction, digest(1))
        assert loaded == first, "what counted is untouched"


def test_decisions_become_labels_where_they_name_one_image(database: Database) -> None:
    with database.begin() as transaction:
        put(transaction, 1)
        put(transaction, 2, of_study=2)
        put(transaction, 3, of_study=2)
        put(transaction, 4)
        put(transaction, 5, verdict=Verdict.ACCEPT, of_study=1)
        for number in (1, 2):
            worklist.resolve(transaction, f"1.2.5.{number}", Resolution.DISMISSED, "anna", "", NOW)
        [decided] = reviews.newest(transaction)
        assert reviews.undecided_images(transaction) == 1
        assert decided.label.digest == digest(1)
        assert (decided.label.judgement.bad, decided.label.judgement.findings) == (False, ())
        assert (decided.patient, decided.accepted) == ("ID1", False)
        assert reviews.find_digest(transaction, digest(1)) == digest(1)
        assert reviews.locate(transaction, digest(5)).object_key == "instances/5"
        with pytest.raises(NotFoundError):
            reviews.locate(transaction, digest("none"))


def test_the_certificate_is_kept_with_the_verdict_and_on_the_worklist(database: Database) -> None:
    with database.begin() as transaction:
        put(transaction, 1)
        disposition = instances.load_disposition(transaction, digest(1))
        assert disposition is not None
        assert disposition.certificate == "certified for tests"
        [image] = worklist.show(transaction, "1.2.5.1").images
        assert image.certificate == "certified for tests"
