"""A pytest plugin for ``make faults``: writes what the tests measured to benchmarks/results/, after each of them.

What was measured earlier on the same day stays, so that a run may be broken off, or repeat single faults.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from benchmarks.machine import RESULTS, describe, keep


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Keep the recorded properties of the test, with commit and load of this moment."""
    if report.when != "call" and not report.skipped:
        return
    name = report.nodeid.rpartition("::")[2]
    machine = describe()
    measured = {"outcome": report.outcome, **dict(report.user_properties)}
    measured |= {"commit": machine.pop("commit"), "load": machine.pop("load_before")}
    faults = {one.pop("fault"): one for one in _of_today()} | {name: measured}
    keep("faults", machine, {"faults": [{"fault": fault, **values} for fault, values in sorted(faults.items())]})


def _of_today() -> list[dict[str, Any]]:
    path = RESULTS / f"faults-{datetime.now(UTC):%Y%m%d}.json"
    return list(json.loads(path.read_text("utf-8"))["faults"]) if path.exists() else []
