"""A pytest plugin for the gate: where every peer is installed, a test that skips for want of one has failed."""

from __future__ import annotations

from collections.abc import Generator

import pytest

MARKERS = ("peers", "browser")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Turn skips of tests with peers or browsers into failures."""
    report = yield
    if report.skipped and not hasattr(report, "wasxfail") and any(item.get_closest_marker(m) for m in MARKERS):
        report.outcome = "failed"
        report.longrepr = f"{item.nodeid} was skipped, but the gate installs what it needs: {call.excinfo}"
    return report
