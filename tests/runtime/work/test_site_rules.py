"""The policy in force follows confirmed limits without a restart, and each body part may be silent at first."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from miqa_node.core.domain.finding import FindingName
from miqa_node.core.domain.policy import Policy
from miqa_node.core.domain.site_limit import LimitProposal, ProposedLimit, RoomLimit
from miqa_node.errors import ConflictError, NotFoundError
from miqa_node.runtime.site_records import site_limits
from miqa_node.runtime.store import tables
from miqa_node.runtime.store.database import Database
from miqa_node.runtime.work.site_rules import SiteRules
from tests.runtime.store.making import header

POLICY = Policy("1", ())
LIMIT = RoomLimit(FindingName("noise"), "", "", 0.5)
PROPOSAL = LimitProposal(
    0.08,
    100,
    0,
    9,
    7,
    (ProposedLimit(LIMIT, 100, 30, 7, ()),),
    parts={"CHEST": 61, "KNEE": 39},
)


def confirm(database: Database) -> None:
    now = datetime.now(UTC)
    with database.begin() as transaction:
        number = site_limits.propose(transaction, PROPOSAL, now).number
        site_limits.confirm(transaction, number, "mara", "", now, second_look=True)


def begin(database: Database, part: str, days_ago: float) -> None:
    with database.begin() as transaction:
        site_limits.begin_part(transaction, part, datetime.now(UTC) - timedelta(days=days_ago))


def end(database: Database, part: str) -> None:
    with database.begin() as transaction:
        site_limits.end_silence(transaction, part, "mara", "", datetime.now(UTC))


def silent(rules: SiteRules, part: str) -> str:
    rules.follow()
    return rules.silence(replace(header(1), body_part_examined=part))


def test_confirmed_limits_come_into_force_and_go_again(database: Database) -> None:
    rules = SiteRules(database, lambda: POLICY, 0)
    rules.follow()
    assert rules.current() is POLICY
    confirm(database)
    rules.follow()
    assert rules.current().version == "1+limits.1"
    assert rules.current().site_limits.limits == (LIMIT,)
    assert rules.current() is rules.current()
    with database.begin() as transaction:
        site_limits.withdraw(transaction, "mara", "", datetime.now(UTC))
    rules.follow()
    assert rules.current().site_limits.limits == ()


def test_each_body_part_is_silent_from_its_first_image_on(database: Database) -> None:
    rules = SiteRules(database, lambda: POLICY, 7)
    begin(database, "CHEST", 90)
    assert silent(rules, "CHEST") == ""
    assert "images of KNEE are silent until" in silent(rules, "KNEE"), "the first one begins its days"
    with database.begin() as transaction:
        assert set(site_limits.part_starts(transaction)) == {"CHEST", "KNEE"}
    begin(database, "HAND", 8)
    assert silent(rules, "HAND") == ""


def test_without_silent_days_nothing_is_silent_whichever_thread_notes_a_part_first(database: Database) -> None:
    """Two first images of a part at once: what one of them notes may be later than the time that the other one took."""
    rules = SiteRules(database, lambda: POLICY, 0)
    assert silent(rules, "CHEST") == ""
    begin(database, "KNEE", -1)
    assert silent(rules, "KNEE") == ""


def test_words_that_nobody_knows_share_their_days(database: Database) -> None:
    begin(database, "", 8)
    rules = SiteRules(database, lambda: POLICY, 7)
    assert [silent(rules, part) for part in ("", "BLA 1", "BLA 2")] == ["", "", ""]


def test_rows_of_earlier_versions_are_read_with_the_terms_of_today(database: Database) -> None:
    """The migration copies parts as headers wrote them."""
    with database.begin() as transaction:
        for part, days in (("KNIE", 9), ("KNEE", 1)):
            at = datetime.now(UTC) - timedelta(days=days)
            values = {"body_part": part, "began_at": at, "actor": "", "comment": ""}
            transaction.execute(tables.body_parts.insert().values(values))
    assert silent(SiteRules(database, lambda: POLICY, 7), "KNEE") == ""


def test_a_site_ends_the_silent_days_of_one_part(database: Database) -> None:
    rules = SiteRules(database, lambda: POLICY, 7)
    assert silent(rules, "KNEE")
    assert silent(rules, "HAND")
    end(database, "Knee")
    assert silent(rules, "KNEE") == ""
    assert silent(rules, "HAND")
    with pytest.raises(ConflictError):
        end(database, "KNEE")
    with pytest.raises(NotFoundError, match="KNEEE"):
        end(database, "KNEEE")


def test_confirmed_limits_end_the_silence_of_parts_that_they_were_made_with(database: Database) -> None:
    begin(database, "CHEST", 1)
    begin(database, "KNEE", 1)
    rules = SiteRules(database, lambda: POLICY, 7)
    assert silent(rules, "CHEST")
    confirm(database)
    assert silent(rules, "CHEST") == ""
    assert "silent until" in silent(rules, "KNEE"), "of 39 images nothing can be said"
    assert "silent until" in silent(rules, "HAND"), "it came later"


def test_existing_installations_are_never_silent(database: Database) -> None:
    assert silent(SiteRules(database, lambda: POLICY, 0), "KNEE") == ""
    with database.begin() as transaction:
        assert "KNEE" in site_limits.part_starts(transaction), "so that it is not new when somebody sets silent_days"
