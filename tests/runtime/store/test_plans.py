"""What pages and background work ask for again and again reads no large table from end to end: PostgreSQL's plans."""

from __future__ import annotations

import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import pytest
import sqlalchemy as sa

from benchmarks import worklist_page
from miqa_node.core.domain.search_keys import COLUMNS
from miqa_node.core.settings import load_settings
from miqa_node.features.analysis.rows import rollup
from miqa_node.features.operations.work.indexing import ResultIndexing
from miqa_node.features.retention.work.retention import Retention
from miqa_node.features.usual_ranges.rows import history
from miqa_node.features.usual_ranges.work import HistoryWork
from miqa_node.features.worklist.rows import worklist
from miqa_node.features.worklist.rows.worklist import UNRESOLVED, WorklistFilter
from miqa_node.interfaces.web.app import WebServices
from miqa_node.interfaces.web.gauges import DatabaseGauges
from miqa_node.runtime.store.database import Database
from miqa_node.runtime.store.disk import DiskObjects
from miqa_node.stages.conclusion.gauge import ImageCount
from tests.conftest import postgres_database
from tests.web.serving import serving

pytestmark = [pytest.mark.more, pytest.mark.peers]

IMAGES = 50_000
MANY = IMAGES // 4
CHEAP = 2500.0
"""To read all instances costs three times as much, in the planner's unit."""
LARGE = frozenset({"instances", "assessments", "dispositions", "results", "deliveries", "acquisitions", "studies"})
HEADERS = f"INSERT INTO source_headers SELECT digest, {', '.join(['study_instance_uid'] * len(COLUMNS))} FROM instances"
EXPOSURES = """INSERT INTO acquisitions (digest, day, acquired_at, patient_key, modality, room, station, detector,
    operator, body_part, view, laterality, shift, verdict, model, archived, repeated, rejected, reject_reason, binned,
    changed_at)
    SELECT digest, received_at, received_at, left(digest, 13), modality, station, station, station, '', body_part, view,
    '', 'early', verdict, 'quality', true, false, false, '', true, received_at
    FROM instances JOIN dispositions USING (digest)"""
SETTLED = (
    HEADERS,
    EXPOSURES,
    "UPDATE results SET series_instance_uid = '1.2', study_instance_uid = '1.2' WHERE digest < '9'",
    "UPDATE results SET series_instance_uid = '1.3', study_instance_uid = '1.3' WHERE digest >= '9'",
    "UPDATE instances SET removed_at = received_at, deleted_at = received_at WHERE station < 'ROOM 2'",
    *(f"ANALYZE {table}" for table in ("source_headers", "acquisitions", "results", "instances")),
)


@dataclass(frozen=True)
class Hospital:
    """The database of a year, and what looks at it."""

    database: Database
    services: WebServices

    def scans(self, act: Callable[[], object], *, with_indexes: bool = False) -> dict[str, list[str]]:
        """The statements of ``act`` that read a large table from end to end, with the tables.

        ``with_indexes`` for short lists, which read all of 50,000 rows but not of millions: no index would serve them.
        """
        statements = self.statements(act)
        with self.database.begin() as transaction:
            if with_indexes:
                transaction.execute(sa.text("SET LOCAL enable_seqscan = off"))
            tables = {one[0]: list(_scans(_plan(transaction, *one))) for one in statements}
        return {statement: read for statement, read in tables.items() if read}

    def statements(self, act: Callable[[], object]) -> list[tuple[str, Any]]:
        """The statements of ``act``, with their parameters."""
        statements: list[tuple[str, Any]] = []

        def keep(_connection: Any, _cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
            if statement.startswith(("SELECT", "UPDATE", "WITH")):
                statements.append((statement, parameters))

        sa.event.listen(self.database.engine, "before_cursor_execute", keep)
        try:
            act()
        finally:
            sa.event.remove(self.database.engine, "before_cursor_execute", keep)
        assert statements
        return statements


def _plan(transaction: sa.Connection, statement: str, parameters: Any) -> Any:
    [plan] = transaction.exec_driver_sql(f"EXPLAIN (FORMAT JSON) {statement}", parameters).scalar_one()
    return plan["Plan"]


def _scans(plan: Any) -> Iterator[str]:
    """Large tables that a plan reads from end to end, or much of; one that stops early at its LIMIT is cheap."""
    if plan["Node Type"] == "Limit" and plan["Total Cost"] < CHEAP:
        return
    if plan.get("Relation Name") in LARGE and (plan["Node Type"] == "Seq Scan" or plan["Plan Rows"] > MANY):
        yield f"{plan['Node Type']} of {plan['Relation Name']}, {plan['Plan Rows']} rows"
    for part in plan.get("Plans", ()):
        yield from _scans(part)


@pytest.fixture(scope="module")
def hospital(postgres: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hospital]:
    folder = tmp_path_factory.mktemp("plans")
    with postgres_database(postgres) as url:
        worklist_page.fill(url, IMAGES)
        database = Database(url, pool_size=4)
        with database.begin() as transaction:
            for statement in SETTLED:
                transaction.execute(sa.text(statement))
            rollup.refresh(transaction, datetime.now(UTC) + timedelta(minutes=5))
        settings = load_settings(node={"data_dir": folder}, store={"database_url": url, "min_free_bytes": 0})
        yield Hospital(database, WebServices(database, DiskObjects(folder), settings, list))
        database.close()


def test_the_check_sees_a_query_without_an_index(hospital: Hospital) -> None:
    def ask() -> None:
        with hospital.database.begin() as transaction:
            transaction.execute(sa.text("SELECT digest FROM instances WHERE size_bytes = 12000000"))

    assert list(hospital.scans(ask).values()) == [[f"Seq Scan of instances, {IMAGES} rows"]]


def test_no_page_of_the_worklist_or_of_a_study_reads_a_whole_table(hospital: Hospital) -> None:
    pages = worklist_page.pages(hospital.services.settings.store.database_url)
    counted = {"deliveries over REST", "metrics"}  # the first counts an index of all, the second has a test of its own
    addresses = [address for name, address in pages.items() if name not in counted]
    addresses += [f"/?{query}" for query in worklist_page.lists(datetime.now(UTC)).values()]
    hospital.services.reserve.count()  # a process counts all images once, and from then on those that are new
    assert _of_pages(hospital, addresses) == {}


def test_a_filtered_list_is_found_by_indexes_alone(hospital: Hospital) -> None:
    criteria = WorklistFilter(state=tuple(UNRESOLVED), modality="MG", body_part="SKULL", view="OBL")

    def ask() -> None:
        with hospital.database.begin() as transaction:
            worklist.newest(transaction, criteria, 1000)

    [statement] = hospital.statements(ask)
    with hospital.database.begin() as transaction:
        for way in ("enable_seqscan", "enable_hashjoin"):
            transaction.execute(sa.text(f"SET LOCAL {way} = off"))  # as with many more rows
        plan = _plan(transaction, *statement)
    assert {node["Node Type"] for node in _nodes(plan) if "Relation Name" in node} == {"Index Only Scan"}


def _nodes(plan: Any) -> Iterator[Any]:
    yield plan
    for part in plan.get("Plans", ()):
        yield from _nodes(part)


def test_no_page_of_the_analysis_of_a_month_reads_a_whole_table(hospital: Hospital) -> None:
    until = datetime.now(UTC).date()
    period = f"since={until - timedelta(days=31)}&until={until}"
    assert _of_pages(hospital, [f"/analysis{page}?{period}" for page in ("", "/model", "/labels")]) == {}


def _of_pages(hospital: Hospital, addresses: list[str]) -> dict[str, list[str]]:
    def ask() -> None:
        for address in addresses:
            with urllib.request.urlopen(base + address, timeout=60) as answer:
                answer.read()

    with serving(hospital.services) as base:
        return hospital.scans(ask, with_indexes=True)


def test_metrics_do_not_count_whole_tables_at_each_request(hospital: Hospital) -> None:
    gauges = DatabaseGauges(hospital.database)
    gauges.refresh()

    def look() -> None:
        gauges._counted_at -= 60.0
        gauges.refresh()

    images = gauges._counts["images"]
    assert isinstance(images, ImageCount)
    images.undecided._next_at = float("inf")
    assert hospital.scans(look) == {}


@pytest.mark.parametrize("days", [5, 3650], ids=["much is due", "nothing is due"])
def test_retention_reads_some_images_at_a_time(hospital: Hospital, days: int) -> None:
    assert hospital.scans(partial(_look_by_age, hospital, days)) == {}
    work = _retention(hospital, days)

    def look_for_space() -> None:
        for step in work._for_space:
            with hospital.database.begin() as transaction:
                step.mark(transaction, datetime.now(UTC), step.walk)

    assert hospital.scans(look_for_space) == {}


def _look_by_age(hospital: Hospital, days: int) -> None:
    for step in _retention(hospital, days)._by_age:
        with hospital.database.begin() as transaction:
            step.mark(transaction, datetime.now(UTC), step.walk)


def _retention(hospital: Hospital, days: int) -> Retention:
    rules = {"enabled": True, "accepted_days": days, "flagged_days": days, "artifacts_days": days}
    node = {"data_dir": hospital.services.settings.node.data_dir}
    settings = load_settings(node=node, store={"min_free_bytes": 0}, retention=rules)
    return Retention(hospital.database, hospital.services.objects, settings)


def test_the_index_of_objects_is_completed_without_a_look_at_all(hospital: Hospital) -> None:
    indexing = ResultIndexing(hospital.database, hospital.services.objects)
    indexing.look()
    assert hospital.scans(indexing.look) == {}


def test_new_results_are_found_for_usual_ranges_without_a_look_at_all(hospital: Hospital) -> None:
    with hospital.database.begin() as transaction:
        history.set_mark(transaction, datetime.now(UTC))
    assert hospital.scans(HistoryWork(hospital.database, 0.02).look) == {}


def test_without_its_index_the_look_of_retention_is_seen(hospital: Hospital) -> None:
    with hospital.database.begin() as transaction:
        transaction.execute(sa.text("DROP INDEX ix_instances_kept_since"))
    assert hospital.scans(partial(_look_by_age, hospital, 3650))
    hospital.database.migrate()
    assert hospital.scans(partial(_look_by_age, hospital, 3650)) == {}
