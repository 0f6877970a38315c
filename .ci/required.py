"""A pytest plugin for the gate: where every peer is installed, a test that skips for want of one has failed."""

from __future__ import annotations

from collections.abc import Generator

import pytest

MARKERS = ("peers", "browser")
ON_REQUEST = "runs with make "
"""In the reason of tests that the gate leaves out because they take long, not because a peer is missing."""


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Turn skips of tests with peers or browsers into failures."""
    report = yield
    lacks_peer = report.skipped and not hasattr(report, "wasxfail") and ON_REQUEST not in str(report.longrepr)
    if lacks_peer and any(item.get_closest_marker(m) for m in MARKERS):
        report.outcome = "failed"
        report.longrepr = f"{item.nodeid} was skipped, but the gate installs what it needs: {call.excinfo}"
    return report
