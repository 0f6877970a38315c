"""Steps of the system's clock by two hours in both directions, as a wrong time server or a person makes them."""

from __future__ import annotations

from pathlib import Path

import pytest

from miqa_node.runtime.site_records import retention_clock
from miqa_node.runtime.store.database import Database
from tests.crash.faults import ALL, FAULT_S, Record, at_work, check, marks, shim
from tests.crash.station import LIMIT_S
from tests.stages.deliver.receiver import Receiver
from tests.waiting import delay, wait_until

STEP_S = 7200
SIXTY_DAYS_S = 60 * 86_400

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
    delay(FAULT_S)
    offset.write_text(f"{step}{STEP_S}")
    delay(FAULT_S)
    station.pacs.answer = lambda: 0x0000
    assert waiting
    check(station, record_property, judged=True)


def test_a_clock_sixty_days_ahead_removes_nothing(
    tmp_path: Path, samples: Path, webhook: Receiver, record_property: Record
) -> None:
    """Images that are judged and delivered would go after 30 days; the node waits, says so, and goes on by itself."""
    webhook.verify = lambda *_: True
    offset = tmp_path / "offset"
    offset.write_text("0")
    environment = {
        "LD_PRELOAD": shim(Path(__file__).with_name("set_clock.c"), tmp_path),
        "CLOCK_OFFSET": str(offset),
        "MIQA_RETENTION__ENABLED": "true",
        "MIQA_RETENTION__INTERVAL_S": "0.5",
    }
    station = at_work(tmp_path, samples, webhook, environment)
    originals = set((tmp_path / "data" / "objects" / "instances").rglob("*.dcm"))
    assert originals
    offset.write_text(f"+{SIXTY_DAYS_S}")
    database = Database(f"sqlite:///{tmp_path / 'data' / 'miqa.sqlite'}")
    wait_until(lambda: _waits(database), LIMIT_S, "retention waits")
    delay(FAULT_S)
    assert originals <= set((tmp_path / "data" / "objects" / "instances").rglob("*.dcm"))
    offset.write_text("0")
    wait_until(lambda: not _waits(database), LIMIT_S, "retention goes on")
    database.close()
    check(station, record_property, judged=True)
    assert originals <= set((tmp_path / "data" / "objects" / "instances").rglob("*.dcm"))


def _waits(database: Database) -> bool:
    with database.begin() as transaction:
        return any(retention_clock.alarms(transaction))
