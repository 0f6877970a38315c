from __future__ import annotations

from collections.abc import Callable

import pytest

from miqa_node.core.settings import DeliverSettings, load_settings


@pytest.fixture
def deliver_settings() -> Callable[..., DeliverSettings]:
    """Settings with short times, so that tests of patience are quick."""

    def make(**changes: object) -> DeliverSettings:
        quick = {
            "poll_interval_s": 0.02,
            "backoff_initial_s": 0.05,
            "backoff_max_s": 0.2,
            "breaker_pause_s": 0.3,
            "connection_timeout_s": 2.0,
            "dimse_timeout_s": 2.0,
        }
        return load_settings(deliver=quick | changes).deliver

    return make
