"""Reject logs of modalities: what is read of them, what never is, and that an exposure counts once."""

from __future__ import annotations

import csv
import io
from datetime import UTC, datetime, timedelta

from miqa_node.core.domain.label import LabelOrigin, ReaderOpinion
from miqa_node.core.domain.policy import Verdict
from miqa_node.core.settings import load_settings
from miqa_node.features.analysis.log_import import keep
from miqa_node.features.analysis.report import make_report
from miqa_node.runtime.site_records import labels
from miqa_node.runtime.store.database import Database
from tests.features.analysis.rows.test_analysis import NOON, put
from tests.features.analysis.test_reject_logs import GENERIC, counted, understand


def test_an_exposure_in_both_counts_once_and_one_that_never_arrived_is_added(database: Database) -> None:
    with database.begin() as transaction:
        for number in range(1, 41):
            put(transaction, number, NOON + timedelta(minutes=10 * number), verdict=Verdict.ACCEPT, patient=number)
        arrived = put(transaction, 50, NOON + timedelta(seconds=42), verdict=Verdict.REJECT, patient=50)
        before = counted(transaction)
        assert (before.rejected.count, before.rejected.total, before.logs, before.logged) == (0, 41, (), 0)
        keep(transaction, understand(GENERIC), "mara")
        after = counted(transaction)
        [source] = after.logs
        # 12:00:40 is the image of 12:00:42, 13:00 LL never arrived, on the 3rd there are no images of the room.
        assert (source.room, source.counted, source.images, source.outside) == ("Thorax 1", 2, 1, 1)
        assert (after.rejected.count, after.rejected.total, after.logged) == (2, 42, 2)
        assert (after.coverage.count, after.coverage.total) == (1, 1), "the modality decided the flagged image"
        assert before.suspected.count - after.suspected.count == 1
        assert {one.code: one.of_images.count for one in after.reasons} == {"111210": 1, "111209": 1}
        rooms = {one.value: (one.images, one.rejected.count, one.logged) for one in after.groups["room"]}
        assert rooms == {"Thorax 1": (42, 2, 2)}
        assert {one.value for one in after.groups["station"]} == {"ROOM1"}, "no rate of what only the log names"
        assert sum(point.counts.images for point in after.trend) == 42
        assert any("imported reject log of Thorax 1" in text and "not counted" in text for text in after.sources)

        opinion = ReaderOpinion("anna", LabelOrigin.DECISION, False, rejects=True, reason="111210")
        labels.add(transaction, arrived, opinion, datetime.now(UTC))
        decided = counted(transaction)
        assert (decided.rejected.count, decided.rejected.total, decided.logged) == (2, 42, 1), "decided here and there"


def test_report_and_csv_say_what_they_count(database: Database) -> None:
    with database.begin() as transaction:
        put(transaction, 1, NOON)
        keep(transaction, understand(GENERIC), "mara")
        made = make_report(transaction, "2026-01", load_settings())
        rows = list(csv.reader(io.StringIO(made.csv)))
    assert "imported reject log of Thorax 1" in made.html
    assert [row[1] for row in rows if row[0] == "source"][2].startswith("imported reject log of Thorax 1, 2026-01-02")
    assert len({len(row) for row in rows}) == 1
