"""Steps of the system's clock by two hours in both directions, as a wrong time server or a person makes them."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from tests.crash.faults import ALL, FAULT_S, Record, at_work, check, marks, shim
from tests.unit.deliver.receiver import Receiver

STEP_S = 7200

pytestmark = marks


@pytest.mark.parametrize("step", ["+", "-"] if ALL else ["-"])
def test_a_clock_that_is_set(
    step: str, tmp_path: Path, samples: Path, webhook: Receiver, record_property: Record
) -> None:
    """The fault does not end: from the step on the node lives at another time."""
    webhook.verify = lambda *_: True  # the webhook's own clock is not set
    offset = tmp_path / "offset"
    offset.write_text("0")
    environment = {"LD_PRELOAD": shim(Path(__file__).with_name("set_clock.c"), tmp_path), "CLOCK_OFFSET": str(offset)}
    station = at_work(tmp_path, samples, webhook, environment)
    station.pacs.answer = lambda: 0xA700  # results wait at the moment of the step
    waiting = [station.next_answer() for _ in range(3)]
    time.sleep(FAULT_S)
    offset.write_text(f"{step}{STEP_S}")
    time.sleep(FAULT_S)
    station.pacs.answer = lambda: 0x0000
    assert waiting
    check(station, record_property, judged=True)
