"""The table of rules of a verdict, and what a series was searched for: kept as decided, on SQLite and on PostgreSQL."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
import sqlalchemy as sa

from miqa_node.core.domain.assessment import Assessment, Measurement
from miqa_node.core.domain.decision import decide
from miqa_node.core.domain.finding import Finding, FindingName
from miqa_node.core.domain.judgement import Judgement
from miqa_node.core.domain.moderate_fault import FaultSearch, OpenFault, SeriesSearch
from miqa_node.core.domain.rule import Outcome
from miqa_node.core.domain.verdict import Disposition
from miqa_node.core.language.catalogue import reworded, spoken
from miqa_node.core.language.phrase import Phrase
from miqa_node.core.taxonomy.lookup import reason_code
from miqa_node.runtime.store import documents
from miqa_node.runtime.store.database import Database, Transaction
from miqa_node.runtime.store.tables import dispositions
from miqa_node.stages.units.rows import instances, judgements, unit_verdicts
from tests.policies import ACCEPT, DEFAULT, policy_of
from tests.runtime.store.making import NOW, digest, header, received, study

BLUR = FindingName.MOTION_BLUR
ASSESSMENT = Assessment(
    digest("a"),
    header(1, age_years=3),
    NOW,
    findings=(Finding(BLUR, reason_code(BLUR), 0.9712345678, 0.8, 0.5, None),),
    measurements=(Measurement("noise", 12.5, "1"),),
)
SEARCH = SeriesSearch(
    (FaultSearch("missing slice", "a slice missing between two others", True),),
    (
        OpenFault(
            "ring", "a ring of 20 HU", Phrase("{measurement} could not be measured: {why}", measurement="A", why="B")
        ),
    ),
)
RULES = ({"measurement": "noise", "above": 20, "then": "REVIEW", "reason": "noise"}, ACCEPT)


def put(transaction: Transaction, number: int, content: object) -> None:
    of = digest(content)
    instances.record(transaction, header(number), study(), received(of), f"instances/{of[:2]}/{of}.dcm")


def decided() -> Disposition:
    """What is found of a small child is a hint, what is measured is within its limit."""
    disposition = decide(ASSESSMENT, policy_of(DEFAULT, *RULES))
    assert {row.outcome for row in disposition.rules} == {Outcome.HINT, Outcome.WITHIN}
    return replace(disposition, search=SEARCH)


@pytest.fixture
def judged(database: Database) -> Database:
    with database.begin() as transaction:
        put(transaction, 1, "a")
        instances.save_assessment(transaction, ASSESSMENT)
        instances.save_disposition(transaction, digest("a"), "1.2.5.1", decided(), NOW)
    return database


def test_what_was_decided_is_read_back_and_said_in_german(judged: Database) -> None:
    with judged.begin() as transaction:
        disposition = instances.load_disposition(transaction, digest("a"))
    assert disposition == decided()
    [hint, *_] = [row for row in disposition.rules if row.outcome is Outcome.HINT]
    assert "children under 6 years" in hint.why
    assert disposition.search is not None
    with spoken("de"):
        assert "Kinder" in reworded(hint.why)
        assert reworded(disposition.search.not_looked_for[0].why) == "nicht messbar (A): B"


def test_what_is_empty_takes_no_room(judged: Database) -> None:
    rules = decided().rules
    rows = documents.dump_rules(rules)
    assert all(value not in ((), [], "", 0) for row in rows for value in row.values())
    assert documents.load_rules(json.loads(json.dumps(rows))) == rules


def test_a_verdict_of_an_earlier_version_has_none(judged: Database) -> None:
    with judged.begin() as transaction:
        transaction.execute(sa.text("UPDATE dispositions SET rules = NULL, search = NULL"))
        disposition = instances.load_disposition(transaction, digest("a"))
    assert disposition == replace(decided(), rules=(), search=None)


def test_a_replaced_judgement_keeps_its_table(judged: Database) -> None:
    later = decide(ASSESSMENT, policy_of(*RULES))
    with judged.begin() as transaction:
        stored = instances.load(transaction, digest("a"))
        judgements.replace_in_force(transaction, digest("a"), "who", "why", NOW)
        transaction.execute(sa.delete(dispositions))
        instances.save_assessment(transaction, ASSESSMENT)
        instances.save_disposition(transaction, digest("a"), "1.2.5.1", later, NOW)
        first = judgements.judgement(transaction, digest("a"), 0)
        second = judgements.judgement(transaction, digest("a"), 1)
    assert first == Judgement(stored, ASSESSMENT, decided())
    assert second is not None
    assert second.disposition == later


def test_only_what_represents_a_series_keeps_it(judged: Database) -> None:
    with judged.begin() as transaction:
        put(transaction, 2, "b")
        unit_verdicts.share(transaction, digest("a"), [digest("a"), digest("b")], "1.2.5.1", decided(), NOW)
        shared = instances.load_disposition(transaction, digest("b"))
        own = instances.load_disposition(transaction, digest("a"))
    assert own == decided()
    assert shared == replace(decided(), rules=(), search=None)
