"""Kills and pauses of each role on PostgreSQL and a bucket: a worker paused while another took over harms nothing.

``CRASH_INSTANTS`` is their number.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import PostgresServer
from tests.crash.kills import PAUSED_EVERY, pause_at_random
from tests.crash.station import LIMIT_S, SOUND, Station
from tests.stages.deliver.receiver import Receiver
from tests.waiting import wait_until

INSTANTS = int(os.environ.get("CRASH_INSTANTS", "40"))
DEAD_AFTER_S, PAUSED_S = 8, 22.0
ROLES = ("receive", "work", "work-2", "web")
SEED = 57

pytestmark = [
    pytest.mark.long,
    pytest.mark.timeout(3000),
    # pynetdicom leaves the socket of a refused connection to the garbage collector.
    pytest.mark.filterwarnings(
        "ignore:.*unclosed <socket:ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning"
    ),
]


def test_kills_and_pauses_of_each_role(tmp_path: Path, samples: Path, webhook: Receiver, bucket_url: str) -> None:
    with PostgresServer() as server:
        environment = {
            "MIQA_STORE__DATABASE_URL": server.url,
            "MIQA_STORE__OBJECTS_URL": bucket_url,
            "MIQA_WORK__DEAD_AFTER_S": str(DEAD_AFTER_S),
            "MIQA_WORK__PROCESSES": "1",
        }
        station = Station(tmp_path, samples, webhook, environment, roles=ROLES)
        counts = pause_at_random(station, INSTANTS, SEED, PAUSED_S)
        wait_until(lambda: len(station.scanner.answered) > INSTANTS, LIMIT_S, "the load is worth its name")
        counts |= station.finish()
        program = str(Path(sys.executable).with_name("miqa-node"))
        words = [program, "fsck", "--deep", "--json", "--data-dir", str(tmp_path / "data"), "--destination", "PACS"]
        checked = subprocess.run(words, env={**os.environ, **environment}, capture_output=True, text=True, check=False)
        counts["faults"] = json.loads(checked.stdout)
    print(json.dumps(counts))
    assert sum(counts["pauses"].values()) == INSTANTS // PAUSED_EVERY
    assert {name: counts[name] for name in SOUND} == SOUND
    assert counts["faults"] == [], checked.stderr
    assert "not sound" not in (tmp_path / "node.log").read_text(errors="replace")
