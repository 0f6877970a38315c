"""The analysis over REST, and what it says while nobody has looked."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from miqa_node.core.domain.label import LabelOrigin, ReaderOpinion
from miqa_node.core.domain.policy import Verdict
from miqa_node.core.settings import load_settings
from miqa_node.errors import QueryError
from miqa_node.features.analysis.monthly_reports import Form, make_month
from miqa_node.runtime.site_records import labels
from tests.features.analysis.rows.test_analysis import put
from tests.web.staging import Stage

AT = datetime(2026, 1, 5, 12, tzinfo=UTC)
PERIOD = "since=2026-01-01&until=2026-01-31"


def fill(stage: Stage, flagged: int, decided: int) -> None:
    with stage.services.database.begin() as transaction:
        for number in range(100):
            verdict = Verdict.REVIEW if number < flagged else Verdict.ACCEPT
            digest = put(transaction, number, AT.replace(tzinfo=None), verdict=verdict, patient=number)
            if number < decided:
                opinion = ReaderOpinion("anna", LabelOrigin.DECISION, False, rejects=False)
                labels.add(transaction, digest, opinion, AT)


def test_a_month_begins_on_the_clock_of_the_site(stage: Stage) -> None:
    at = datetime(2026, 11, 30, 20, tzinfo=UTC)
    services = stage.services

    def make(zone: str) -> bytes:
        settings = load_settings(node={"data_dir": services.settings.node.data_dir, "time_zone": zone})
        return make_month(services.database, settings, "2026-12", Form.CSV, at)

    assert make("Pacific/Auckland").startswith(b"dimension,")
    with pytest.raises(QueryError, match="2026-12 has not begun"):
        make("Europe/Berlin")
