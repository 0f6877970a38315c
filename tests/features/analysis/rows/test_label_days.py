"""The counts of labels by day are those of the labels themselves, also after a decision was withdrawn."""

from __future__ import annotations

from collections import Counter
from datetime import date, datetime, timedelta

from miqa_node.core.domain.instance import InstanceDigest
from miqa_node.core.domain.label import LabelOrigin, ReaderOpinion
from miqa_node.core.domain.worklist import Resolution
from miqa_node.features.analysis.rows import label_days, rollup
from miqa_node.features.analysis.rows.label_days import LabelCount, LabelDimension
from miqa_node.features.worklist.rows import worklist
from miqa_node.runtime.site_records import labels
from miqa_node.runtime.store.database import Database, Transaction
from tests.features.analysis.rows.test_analysis import put
from tests.runtime.store.making import NOW

STUDY = "1.2.5.1"
DAY = timedelta(days=1)
ALWAYS = (date.min, date.max)


def read(
    transaction: Transaction, of: InstanceDigest, at: datetime, actor: str, findings: tuple[str, ...] | None
) -> None:
    opinion = ReaderOpinion(actor, LabelOrigin.SPOT_CHECK, bad=bool(findings), findings=findings)
    labels.add(transaction, of, opinion, at)


def counted_directly(transaction: Transaction, since: date, until: date) -> dict[LabelDimension, dict[str, LabelCount]]:
    """The same from the labels, one by one; the model of ``put`` knows motion blur and grids."""
    counts: dict[LabelDimension, Counter[str]] = {by: Counter() for by in LabelDimension}
    bad: dict[LabelDimension, Counter[str]] = {by: Counter() for by in LabelDimension}
    for label in labels.select(transaction):
        opinion = label.judgement
        if not since <= label.at.date() < until:
            continue
        values = {LabelDimension.ORIGIN: opinion.origin.value, LabelDimension.ACTOR: opinion.actor}
        for by, value in values.items():
            counts[by][value] += 1
            bad[by][value] += opinion.bad
        for finding in ("motion_blur", "grid_artifact") if opinion.findings is not None else ():
            counts[LabelDimension.FINDING][finding] += 1
            bad[LabelDimension.FINDING][finding] += finding in (opinion.findings or ())
    return {by: {value: LabelCount(value, n, bad[by][value]) for value, n in counts[by].items()} for by in counts}


def counted(transaction: Transaction, since: date, until: date) -> dict[LabelDimension, dict[str, LabelCount]]:
    return {by: {one.value: one for one in label_days.counts(transaction, by, since, until)} for by in LabelDimension}


def test_labels_are_counted_by_day_as_if_one_by_one(database: Database) -> None:
    with database.begin() as transaction:
        made = [put(transaction, number, patient=number) for number in range(4)]
        read(transaction, made[0], NOW, "anna", ("motion_blur",))
        read(transaction, made[1], NOW + DAY, "anna", ())
        read(transaction, made[2], NOW + 2 * DAY, "ben", None)
        assert rollup.refresh(transaction, NOW + 2 * DAY) == 0
        # What comes later is counted beside what was counted before.
        read(transaction, made[3], NOW + 2 * DAY, "ben", ("grid_artifact", "motion_blur"))
        assert rollup.refresh(transaction, NOW + 2 * DAY) == 0
        for since, until in (ALWAYS, (NOW.date(), (NOW + DAY).date()), ((NOW + DAY).date(), date.max)):
            assert counted(transaction, since, until) == counted_directly(transaction, since, until)
        assert label_days.counts(transaction, LabelDimension.ACTOR, *ALWAYS) == [
            LabelCount("anna", 2, 1), LabelCount("ben", 2, 1)
        ]  # fmt: skip
        assert [one.value for one in label_days.counts(transaction, LabelDimension.FINDING, *ALWAYS)] == [
            "grid_artifact", "motion_blur"
        ]  # fmt: skip
        assert labels.count_by_origin(transaction) == {LabelOrigin.SPOT_CHECK: (4, 2)}


def test_a_withdrawn_decision_no_longer_counts_on_its_day(database: Database) -> None:
    with database.begin() as transaction:
        put(transaction, 1)
        decided = worklist.resolve(transaction, STUDY, Resolution.CONFIRMED, "mara", "", NOW, reason="111210")
        rollup.refresh(transaction, NOW)
        assert counted(transaction, *ALWAYS) == counted_directly(transaction, *ALWAYS)
        assert counted(transaction, *ALWAYS)[LabelDimension.ACTOR] == {"mara": LabelCount("mara", 1, 1)}
        assert labels.count_by_origin(transaction) == {LabelOrigin.DECISION: (1, 1)}
        rollup.refresh(transaction, NOW + 9 * DAY)  # the day of the label lies long before the mark
        worklist.reopen(transaction, STUDY, "mara", "wrong key", NOW + 10 * DAY, decided.decision)
        assert rollup.refresh(transaction, NOW + 10 * DAY) == 0
        assert counted(transaction, *ALWAYS) == {by: {} for by in LabelDimension}
        assert labels.count_by_origin(transaction) == {}


def test_days_that_wait_are_counted_newest_first(database: Database) -> None:
    with database.begin() as transaction:
        made = [put(transaction, number, patient=number) for number in range(3)]
        for number, one in enumerate(made):
            read(transaction, one, NOW + number * DAY, f"reader{number}", None)
        rollup.refresh(transaction, NOW, most_days=1)
        assert counted(transaction, *ALWAYS)[LabelDimension.ACTOR].keys() == {"reader2"}
        assert rollup.refresh(transaction, NOW + 3 * DAY) == 0
        assert counted(transaction, *ALWAYS) == counted_directly(transaction, *ALWAYS)
