"""Results of more images than one statement takes come oldest first, over all of them."""

from __future__ import annotations

from datetime import timedelta

import pytest

from miqa_node.core.domain.delivery import SR, ResultObject
from miqa_node.runtime.store import batches
from miqa_node.runtime.store.database import Database
from miqa_node.stages.deliver.rows import deliveries, results
from miqa_node.stages.units.rows import instances
from tests.runtime.store.making import NOW, digest, header, received, study


def test_the_newest_of_all_is_last(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batches.batches, "__defaults__", (2,))
    made_s = {1: 50, 2: 10, 3: 40, 4: 20, 5: 30}
    with database.begin() as transaction:
        for number, second in made_s.items():
            instances.record(transaction, header(number), study(), received(digest(number)), f"k/{number}")
            one = ResultObject(f"2.25.{number}", "1.2.3", SR, f"r/{number}").of(b"r")
            deliveries.record_result(transaction, digest(number), one, NOW + timedelta(seconds=second))
        those = [digest(number) for number in made_s]
        ordered = results.results_of_class(transaction, those, SR, "1.2.3")
        before = results.results_of_class(transaction, those, SR, "1.2.3", NOW + timedelta(seconds=35))
    assert [one.sop_instance_uid for one in ordered] == ["2.25.2", "2.25.4", "2.25.5", "2.25.3", "2.25.1"]
    assert [one.sop_instance_uid for one in before] == ["2.25.2", "2.25.4", "2.25.5"]
