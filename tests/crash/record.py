"""A pytest plugin for ``make faults``: writes what the tests of faults measured to benchmarks/results/."""

from __future__ import annotations

from typing import Any

import pytest

from benchmarks.machine import describe, keep

_results: list[dict[str, Any]] = []


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Keep the recorded properties of each test."""
    if report.when == "call" or report.skipped:
        name = report.nodeid.rpartition("::")[2]
        _results.append({"fault": name, "outcome": report.outcome, **dict(report.user_properties)})


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Write them, once for all processes of pytest-xdist."""
    if hasattr(session.config, "workerinput"):
        return
    keep("faults", describe(), {"faults": _results})
