"""Measures how long after its last slice a phantom is in the log of phantoms, on a whole node.

    python -m benchmarks.phantom_log FOLDER [--series 5]

FOLDER has the slices of one series of a phantom. It is sent ``--series`` times, each time with new UIDs. Each
slice says how many the series has, so there is no quiet time; the poll that finds it complete (up to one second)
counts. The log is asked for over REST.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from contextlib import closing
from io import BytesIO
from pathlib import Path
from urllib.request import urlopen

from pydicom import dcmread, dcmwrite
from pydicom.dataset import FileDataset

from benchmarks.machine import TreeCost, describe, keep
from miqa_node.core.settings import load_settings
from miqa_node.stages.deliver.kinds.base import DeliveryContext
from miqa_node.stages.deliver.kinds.cstore import CStoreConfig, CStoreDestination
from miqa_node.stages.report.uids import derive_uid
from miqa_selftest.launch import HOST, NodeProcess, free_ports

LIMIT_S = 120.0
POLL_S = 0.1
PAUSE_S = 1.5
"""Before the last slice: what the node does with the others is not measured here."""


def main() -> None:
    """Measure and keep the result."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--series", type=int, default=5, help="one after the other, the first to warm up")
    options = parser.parse_args()
    machine = describe()
    slices = [dcmread(path) for path in sorted(options.folder.iterdir()) if path.is_file()]
    with tempfile.TemporaryDirectory(prefix="miqa-phantom-log-") as folder:
        result = measure(Path(folder), slices, options.series)
    keep("phantom_log", machine, result)


def measure(folder: Path, slices: list[FileDataset], count: int) -> dict[str, object]:
    """Of each series, seconds from the answer to its last slice until its values can be read, and of processors."""
    dicom_port, web_port = free_ports((0, 0))
    with NodeProcess(folder / "node", "MIQA", dicom_port, web_port) as node:
        target = CStoreConfig(name="node", ae_title=node.ae_title, host=HOST, port=dicom_port)
        with closing(CStoreDestination(target, DeliveryContext(load_settings().deliver, "BENCHMARK"))) as scanner:
            figures = [_one(scanner, node, slices, f"{time.time_ns()}-{number}") for number in range(count)]
    rows, columns = slices[0].Rows, slices[0].Columns
    return {
        "series": {"slices": len(slices), "rows": rows, "columns": columns},
        "runs": figures[1:] or figures,
    }


def _one(scanner: CStoreDestination, node: NodeProcess, slices: list[FileDataset], salt: str) -> dict[str, float]:
    series, before = derive_uid("benchmark", salt, "series"), _scans(node)
    before_last = TreeCost.of(node.pid)
    for number, dataset in enumerate(slices):
        dataset.StudyInstanceUID, dataset.SeriesInstanceUID = derive_uid("benchmark", salt), series
        dataset.SOPInstanceUID = derive_uid("benchmark", salt, str(number))
        dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
        dataset.NumberOfSeriesRelatedInstances = len(slices)
        file = BytesIO()
        dcmwrite(file, dataset, enforce_file_format=True)
        if number == len(slices) - 1:
            time.sleep(PAUSE_S)
            before_last = TreeCost.of(node.pid)
        scanner.send_one(dataset.SOPClassUID, dataset.SOPInstanceUID, file.getvalue())
    answered = time.monotonic()
    while _scans(node) == before:
        if time.monotonic() - answered > LIMIT_S:
            raise TimeoutError("the log has no such scan")
        time.sleep(POLL_S)
    waited = time.monotonic() - answered
    processor_s = TreeCost.of(node.pid).processor_s - before_last.processor_s
    return {"last_slice_to_log_s": round(waited, 2), "processor_s": round(processor_s, 2)}


def _scans(node: NodeProcess) -> int:
    """How many the log has."""
    with urlopen(f"http://{HOST}:{node.web_port}/api/v1/phantoms/log", timeout=LIMIT_S) as answer:
        return sum(int(one["scans"]) for one in json.load(answer)["items"])


if __name__ == "__main__":
    main()
