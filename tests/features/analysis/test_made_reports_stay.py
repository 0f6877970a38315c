# ruff: noqa: F401, F811 - fixtures of another folder are imported by name
"""A monthly report that was made stays as it is, also when what it counted is judged otherwise later.

It counts exposures; series are none, so late slices change nothing that it says.
"""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from miqa_node.core.domain.label import LabelOrigin, ReaderOpinion
from miqa_node.core.domain.verdict import Verdict
from miqa_node.core.settings import Settings
from miqa_node.features.analysis.monthly_reports import Form, keep_last_month, key, make_month
from miqa_node.runtime.site_records import labels
from miqa_node.runtime.store.database import Database
from miqa_node.runtime.store.disk import DiskObjects
from tests.features.analysis.rows.test_analysis import NOON, put
from tests.features.analysis.test_report import NOW, hospital, settings

pytestmark = pytest.mark.more


def test_a_report_that_was_made_is_not_rewritten(hospital: Database, settings: Settings, tmp_path: Path) -> None:
    objects = DiskObjects(tmp_path / "objects")

    def kept() -> dict[Form, bytes]:
        month = keep_last_month(hospital, objects, settings, NOW)
        return {form: objects.get(key(month, form)) for form in Form}

    def fresh() -> bytes:
        return make_month(hospital, settings, "2026-01", Form.CSV, datetime.now(UTC))

    with hospital.begin() as transaction:
        decided = put(transaction, 40, NOON, verdict=Verdict.REVIEW, patient=40, station_name="ROOM1")
    made = kept()
    assert fresh() == made[Form.CSV]
    with hospital.begin() as transaction:
        opinion = ReaderOpinion("anna", LabelOrigin.DECISION, True, rejects=True, reason="111210")
        labels.add(transaction, decided, opinion, datetime.now(UTC))
    assert fresh() != made[Form.CSV], "made now, it says otherwise"
    assert kept() == made
