"""Images are listed and found alike on SQLite and PostgreSQL."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
import sqlalchemy as sa

from miqa_node.core.domain.codes import UNKNOWN_FAILURE
from miqa_node.core.domain.operations import DestinationHold
from miqa_node.core.domain.verdict import EXPERIMENTAL, Reason, Verdict
from miqa_node.features.worklist.rows import browse, worklist
from miqa_node.features.worklist.rows.browse import ImageFilter
from miqa_node.runtime.store.database import Database
from miqa_node.runtime.store.documents import dump_reasons
from miqa_node.runtime.store.tables import acquisitions, dispositions, patient_names, studies
from miqa_node.stages.deliver.rows import destination_checks
from miqa_node.stages.receive.rows import senders
from miqa_node.stages.receive.rows.senders import SenderBook
from miqa_node.stages.units.rows import instances
from tests.features.analysis.rows.test_analysis import NOON, put
from tests.runtime.store.making import NOW


@pytest.mark.parametrize("text", ["", "no such room"])
def test_images_are_listed_counted_and_found(database: Database, text: str) -> None:
    with database.begin() as transaction:
        for number in range(3):
            put(transaction, number, NOON, verdict=Verdict.ACCEPT, patient=number)
        since = NOW - timedelta(days=36500)
        match = ImageFilter(since, NOW + timedelta(days=36500), search=text)
        expected = 0 if text else 3
        listed = browse.page(transaction, match, limit=9)
        assert len(listed) == expected
        assert sum(browse.counts(transaction, match).values()) == expected
        assert worklist.count(transaction, worklist.WorklistFilter(search="x")) == 0
        if listed:
            place = (listed[0].received_at, listed[0].digest)
            assert len(browse.page(transaction, match, limit=9, before=place)) == 2
        assert sum(row[2] for row in instances.by_sender(transaction, since)) == 3


@pytest.mark.parametrize(("name", "experimental"), [(EXPERIMENTAL, True), ("not_assessed", False)])
def test_a_list_tells_experimental_images_from_those_that_nothing_judged(
    database: Database, name: str, experimental: bool
) -> None:
    reason = Reason(name, "No figures.", UNKNOWN_FAILURE, Verdict.NOT_ASSESSED)
    with database.begin() as transaction:
        put(transaction, 1, NOON, verdict=Verdict.NOT_ASSESSED)
        transaction.execute(sa.update(dispositions).values(reasons=dump_reasons((reason,))))
        match = ImageFilter(NOW - timedelta(days=36500), NOW + timedelta(days=36500))
        assert [one.experimental for one in browse.page(transaction, match, limit=9)] == [experimental]


def test_holds_statuses_and_senders(database: Database) -> None:
    book = SenderBook(database)
    book.note("CT1", "10.0.0.9")
    book.write()
    with database.begin() as transaction:
        destination_checks.hold(transaction, DestinationHold("pacs", NOW, "mara", ""))
        [one] = destination_checks.statuses(transaction, ("pacs",), NOW)
        assert one.hold is not None
        assert destination_checks.drain(transaction, "pacs", NOW) == 0
        assert [sender.calling_ae_title for sender in senders.select(transaction)] == ["CT1"]


@pytest.mark.more
@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("MÜLLER^Jörg", "müller"),
        ("Иванова^Анна", "ИВАНОВА^а"),
        ("Σάββας^Γ", "ΣΆΒΒΑΣ"),
        ("ΝΊΚΟΣΙΑ", "νίκος"),
        ("straße", "STRASSE"),
    ],
)
def test_case_does_not_count_in_any_script(name: str, text: str) -> None:
    """SQLite's own ``lower`` would leave all but ASCII as it is."""
    database = Database("sqlite://")
    database.migrate()
    with database.begin() as transaction:
        put(transaction, 1, NOON, verdict=Verdict.ACCEPT)
        transaction.execute(sa.update(studies).values(patient_name=name))
        transaction.execute(sa.update(patient_names).values(patient_name=name))
        transaction.execute(sa.update(acquisitions).values(operator="Jürgen"))
        for search in (text, "JÜRG"):
            match = ImageFilter(NOW - timedelta(days=36500), NOW + timedelta(days=36500), search=search)
            assert len(browse.page(transaction, match, limit=9)) == 1, search
            assert browse.page(transaction, replace(match, search=search[1:]), limit=9) == []
    database.close()
