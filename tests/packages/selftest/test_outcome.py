"""What was sent before, and decided about since, is not waited for without end."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from miqa_selftest import outcome


@pytest.mark.parametrize("arrives", [True, False])
def test_amended_reports_and_lost_ones_end_the_waiting(arrives: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    results = [{"kind": "SR", "sop_instance_uid": uid} for uid in ("1.2", "1.3")]
    document = {"disposition": {"verdict": "REJECT"}, "results": results}
    node: Any = SimpleNamespace(instance=lambda _uid: document, running=lambda: True)
    pacs: Any = SimpleNamespace(find=lambda _uid: object() if arrives else None)
    sent: Any = SimpleNamespace(error="", finished_at=0.0)
    sample: Any = SimpleNamespace(sop_instance_uid="1.1")
    monkeypatch.setattr(outcome, "ARRIVAL_LIMIT_S", 0.2)
    one = outcome.SampleOutcome(sample, sent)
    outcome.wait([one], node, pacs)
    assert list(one.arrivals) == (["SR"] if arrives else [])
