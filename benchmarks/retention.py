"""Sends more images through a node than its disk can hold: nothing is refused, and what must stay stays.

    python -m benchmarks.retention [--gib 10] [--disk-mib 2048]

The node is the program with the models it ships; its data directory is a file system of its own in memory, which needs
root. A scanner sends radiographs of the size that a detector gives; every twentieth study is noise, is flagged, and
stays open. Afterwards the database is compared with what the scanner was answered.
"""

from __future__ import annotations

import argparse
import subprocess
import tempfile
import threading
import time
from collections import Counter
from contextlib import ExitStack, closing
from datetime import UTC, date, datetime
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pydicom

from benchmarks.machine import describe, keep
from miqa_node.core.settings import load_settings
from miqa_node.features.analysis import rejects
from miqa_node.features.analysis.rows import rollup
from miqa_node.features.analysis.rows.census import Period
from miqa_node.runtime.store.object_keys import original_key
from miqa_node.runtime.store.site_store import open_store
from miqa_node.stages.units.rows import instances
from tests.crash.station import IMAGES_PER_STUDY, SOUND, Pixels, Station
from tests.stages.deliver.receiver import receiver

FLAGGED_EVERY = 20
BACKLOG = 8
SAMPLE_S = 1.0
SETTINGS = {
    "MIQA_RETENTION__ENABLED": "true",
    "MIQA_RETENTION__MIN_FREE_PERCENT": "25",
    "MIQA_RETENTION__INTERVAL_S": "5",
}


def main() -> int:
    """Send, count, and keep the result."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("--gib", type=float, default=10.0, help="size of all images")
    parser.add_argument("--disk-mib", type=int, default=2048)
    options = parser.parse_args()
    machine = describe()
    with tempfile.TemporaryDirectory(prefix="miqa-retention-") as folder:
        result = campaign(Path(folder), int(options.gib * 2**30), options.disk_mib)
    keep("retention", machine, result)
    return 0 if _is_sound(result) else 1


def campaign(folder: Path, size: int, disk_mib: int) -> dict[str, Any]:
    """Counts of one run with ``size`` bytes of pixels."""
    with ExitStack() as stack:
        data = folder / "data"
        data.mkdir()
        mount = ["mount", "-t", "tmpfs", "-o", f"size={disk_mib}m", "tmpfs", str(data)]
        subprocess.run(mount, check=True)
        stack.callback(subprocess.run, ["umount", "-l", str(data)], check=True)
        webhook = stack.enter_context(receiver())
        samples = Path(str(files("data_store"))) / "data"
        image, pixels = radiographs(samples)
        of_one = len(pixels(0))
        station = Station(folder, samples, webhook, SETTINGS, lambda _: (image, pixels))
        stack.callback(station.close)
        station.limit_backlog(BACKLOG)
        disk = _Disk(data)
        stack.callback(disk.stop)
        started = time.monotonic()
        while len(station.scanner.answered) * of_one < size:
            time.sleep(0.1)
        counts = station.finish()
        return {
            "disk_mib": disk_mib,
            "sent_mib": len(station.scanner.answered) * of_one >> 20,
            "seconds": round(time.monotonic() - started),
            "most_of_the_disk_in_use_percent": disk.most_percent,
            **counts,
            **_held(data, station.scanner.answered),
        }


def radiographs(samples: Path) -> tuple[pydicom.Dataset, Pixels]:
    """A chest radiograph with other grain each time; in every twentieth study it is nothing but noise."""
    image = pydicom.dcmread(samples / "RG1_UNCR.dcm")
    whole, largest = image.pixel_array, 2**image.BitsStored - 1

    def pixels(number: int) -> bytes:
        chance = np.random.default_rng(number)
        if number // IMAGES_PER_STUDY % FLAGGED_EVERY == 0:
            return chance.integers(0, largest + 1, whole.shape, np.uint16).tobytes()
        grain = chance.integers(-1, 2, whole.shape, np.int8)
        return bytes(np.clip(whole.astype(np.int32) + grain, 0, largest).astype("<u2").tobytes())

    return image, pixels


class _Disk:
    """Watches how full a file system gets."""

    def __init__(self, folder: Path) -> None:
        self.most_percent = 0.0
        self._folder = folder
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def _watch(self) -> None:
        while not self._ended.wait(SAMPLE_S):
            self.most_percent = max(self.most_percent, psutil.disk_usage(str(self._folder)).percent)

    def stop(self) -> None:
        self._ended.set()
        self._thread.join()


def _held(data: Path, answered: list[str]) -> dict[str, Any]:
    """What the store says of the images that were answered."""
    settings = load_settings(node={"data_dir": data})
    database, objects = open_store(settings)
    with closing(database), database.begin() as transaction:
        digests = [digest for uid in answered for digest in instances.find(transaction, uid)]
        verdicts = {digest: instances.load_disposition(transaction, digest) for digest in digests}
        removals = [instances.load(transaction, digest).removal for digest in digests]
        rollup.refresh(transaction, datetime.now(UTC))
        analysis = rejects.analyse(transaction, Period(date.min, date.max), settings.analysis)
        flagged = [digest for digest, verdict in verdicts.items() if verdict is not None and verdict.flagged]
        return {
            "received": instances.count(transaction).received,
            "rows": len(digests),
            "verdicts": dict(Counter(verdict.verdict.value for verdict in verdicts.values() if verdict)),
            "images_of_the_reject_analysis": analysis.total.images,
            "originals_removed": dict(Counter(removal.cause.value for removal in removals if removal)),
            "flagged": len(flagged),
            "originals_of_flagged_kept": sum(objects.exists(original_key(digest)) for digest in flagged),
        }


def _is_sound(result: dict[str, Any]) -> bool:
    return (
        {name: result[name] for name in SOUND} == SOUND
        and not result["refused"]
        and result["rows"] == result["answered"] == sum(result["verdicts"].values())
        and result["images_of_the_reject_analysis"] == result["received"] >= result["answered"]
        and result["originals_of_flagged_kept"] == result["flagged"] > 0
    )


if __name__ == "__main__":
    raise SystemExit(main())
