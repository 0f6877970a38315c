"""Background work that read of an image before its erasure writes nothing of it behind the proof."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import sqlalchemy as sa

from miqa_node.core.domain.assessment import Assessment
from miqa_node.core.domain.policy import Policy
from miqa_node.core.domain.search_keys import COLUMNS
from miqa_node.features.retention.rows import erasure
from miqa_node.features.usual_ranges.rows import history
from miqa_node.features.usual_ranges.tables import usual_baselines, usual_series
from miqa_node.runtime.store import tables as t
from miqa_node.runtime.store.database import Database, insert_or_ignore
from miqa_node.runtime.store.upkeep import unless_erased
from miqa_node.stages.conclusion.shadow import save_shadow
from tests.features.retention.rows.test_erasure import everything
from tests.features.usual_ranges.ranges_making import FIRST_AT, measure
from tests.runtime.store.making import NOW, header
from tests.waiting import stays


def erase(database: Database) -> None:
    with database.begin() as transaction:
        erasure.erase(transaction, "ID1", "request", "ada", NOW)


def test_usual_ranges_that_were_read_before_it_are_not_written_after_it(database: Database) -> None:
    measure(database, 1, FIRST_AT, {"ct_noise": 10.0}, protocol_name="Mrs X", decided_at=NOW)
    with database.begin() as transaction:
        [measured], _ = history.read(transaction, history.Place(NOW - timedelta(days=1)), 10)
        erase(database)
        history.add(transaction, [measured])
    assert "Mrs X" not in everything(database).replace("MRS X", "Mrs X")
    with database.begin() as transaction:
        for table in (usual_series, usual_baselines):
            assert transaction.execute(sa.select(table)).all() == []


def test_what_a_shadow_model_says_of_an_erased_image_is_not_kept(database: Database) -> None:
    of = measure(database, 1, FIRST_AT, {"ct_noise": 10.0}, protocol_name="Mrs X", decided_at=NOW)
    erase(database)
    save_shadow(database, lambda: Policy("1", ()), "tiny-1.0.0", Assessment(of, header(1, protocol_name="Mrs X"), NOW))
    assert "Mrs X" not in everything(database)


def test_an_erasure_waits_for_who_asked_whether_there_is_one_and_finds_the_rows(database: Database) -> None:
    of = measure(database, 1, FIRST_AT, {"ct_noise": 10.0}, decided_at=NOW)
    with ThreadPoolExecutor(1) as others, database.begin() as transaction:
        assert unless_erased(transaction, [of]) == {of}
        erasing = others.submit(erase, database)
        stays(lambda: not erasing.done(), 0.3, "the erasure waits")
        insert_or_ignore(transaction, t.source_headers, {"digest": of, **dict.fromkeys(COLUMNS, "Mrs X")})
        transaction.commit()
        erasing.result()
    assert "Mrs X" not in everything(database)
