"""The policy in force follows confirmed limits without a restart, and a new node may be silent at first."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from miqa_node.core.domain.finding import FindingName
from miqa_node.core.domain.policy import Disposition, Policy, Scope, Verdict
from miqa_node.core.domain.site_limit import LimitProposal, ProposedLimit, RoomLimit
from miqa_node.runtime.store import site_limits
from miqa_node.runtime.store.database import Database
from miqa_node.runtime.work.site_rules import SiteRules
from miqa_node.stages.units.rows import instances
from tests.unit.store.making import digest, header, received, study

POLICY = Policy("1", (Scope("all"),))
LIMIT = RoomLimit(FindingName("noise"), "", "", 0.5)
PROPOSAL = LimitProposal(0.08, 100, 0, 9, 7, 0.03, {"all others": 100}, (ProposedLimit(LIMIT, 100, 30, 7, ()),))


def confirm(database: Database) -> None:
    now = datetime.now(UTC)
    with database.begin() as transaction:
        number = site_limits.propose(transaction, PROPOSAL, now).number
        site_limits.confirm(transaction, number, "mara", "", now)


def decide_one(database: Database, at: datetime) -> None:
    of = digest("one")
    with database.begin() as transaction:
        instances.record(transaction, header(1), study(1), received(of), "instances/one.dcm")
        instances.save_disposition(transaction, of, "1.2.5.1", Disposition(Verdict.ACCEPT, (), "1", "all"), at)


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


def test_a_new_node_is_silent_until_its_days_pass(database: Database) -> None:
    rules = SiteRules(database, lambda: POLICY, 7)
    rules.follow()
    assert "silent until" in rules.silence(), "nothing has been judged yet: the week has not begun"
    decide_one(database, datetime.now(UTC) - timedelta(days=8))
    rules.follow()
    assert rules.silence() == ""


def test_confirmed_limits_end_the_silence(database: Database) -> None:
    decide_one(database, datetime.now(UTC) - timedelta(days=1))
    rules = SiteRules(database, lambda: POLICY, 7)
    rules.follow()
    assert rules.silence()
    confirm(database)
    rules.follow()
    assert rules.silence() == ""


def test_existing_installations_are_never_silent(database: Database) -> None:
    rules = SiteRules(database, lambda: POLICY, 0)
    rules.follow()
    assert rules.silence() == ""
