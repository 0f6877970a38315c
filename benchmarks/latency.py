"""Measures the time from the C-STORE response to the SR at the PACS, for a 2048 × 2048 CR, on the whole node.

    python -m benchmarks.latency [--images 60] [--interval 1.0]

A real node runs in a process of its own with everything on embedded defaults; sender and PACS run in this one, on the
same cores. Each image has its own UIDs, and every second one is flagged, so that SEG and KOS are made and sent too.
``alone``: the next image comes when the SR of the one before has arrived. ``steady``: one image every ``--interval``
seconds, whatever the node does. For both: processor time and page faults of all processes of the node for each image.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from contextlib import closing
from pathlib import Path

from benchmarks.machine import TreeCost, describe, keep, quantiles
from benchmarks.radiographs import SIDE, radiographs
from miqa_node.core.settings import load_settings
from miqa_node.stages.deliver.kinds.base import DeliveryContext
from miqa_node.stages.deliver.kinds.cstore import CStoreConfig, CStoreDestination
from miqa_selftest.launch import HOST, NodeProcess, free_port, free_ports
from miqa_selftest.pacs import AE_TITLE, ReceivingPacs
from miqa_selftest.radiographs import SampleImage

LIMIT_S = 60.0
POLL_S = 0.002
WARM_UP = 4


def main() -> None:
    """Measure both ways and keep the result."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("--images", type=int, default=60, help="per way of sending")
    parser.add_argument("--interval", type=float, default=1.0, help="seconds between images of the steady stream")
    options = parser.parse_args()
    machine = describe()
    with tempfile.TemporaryDirectory(prefix="miqa-latency-") as folder:
        result = measure(Path(folder), options.images, options.interval)
    keep("latency", machine, result)


def measure(folder: Path, count: int, interval_s: float) -> dict[str, object]:
    """Both distributions, in seconds."""
    dicom_port, web_port = free_ports((0, 0))
    samples = radiographs(WARM_UP + 2 * count, str(time.time_ns()))
    warm_up, alone, steady = samples[:WARM_UP], samples[WARM_UP : WARM_UP + count], samples[WARM_UP + count :]
    with ReceivingPacs(folder / "pacs", free_port()) as pacs:
        destination = f"{AE_TITLE}={AE_TITLE}@{HOST}:{pacs.port}"
        with NodeProcess(folder / "node", "MIQA", dicom_port, web_port, destination) as node:
            target = CStoreConfig(name="node", ae_title=node.ae_title, host=HOST, port=dicom_port)
            with closing(CStoreDestination(target, DeliveryContext(load_settings().deliver, "BENCHMARK"))) as modality:
                one_after_the_other(modality, pacs, warm_up)
                before = TreeCost.of(node.pid)
                alone_s = one_after_the_other(modality, pacs, alone)
                between = TreeCost.of(node.pid)
                steady_s = in_a_stream(modality, pacs, steady, interval_s)
                after = TreeCost.of(node.pid)
                return {
                    "image": {"rows": SIDE, "columns": SIDE, "bytes": len(samples[0].data), "flagged": "every second"},
                    "alone": {**quantiles(alone_s), **between.since(before, count)},
                    "steady": {
                        "interval_s": interval_s,
                        **quantiles(steady_s),
                        **after.since(between, count),
                    },
                }


def one_after_the_other(modality: CStoreDestination, pacs: ReceivingPacs, samples: list[SampleImage]) -> list[float]:
    """Seconds from response to SR, each image alone in the node."""
    seconds = []
    for sample in samples:
        answered = send(modality, sample)
        seconds.append(wait_for_report(pacs, sample) - answered)
    return seconds


def in_a_stream(
    modality: CStoreDestination, pacs: ReceivingPacs, samples: list[SampleImage], interval_s: float
) -> list[float]:
    """Seconds from response to SR while an image comes every ``interval_s``."""
    answered = []
    start = time.monotonic()
    for n, sample in enumerate(samples):
        time.sleep(max(0.0, start + n * interval_s - time.monotonic()))
        answered.append(send(modality, sample))
    return [wait_for_report(pacs, sample) - at for sample, at in zip(samples, answered, strict=True)]


def send(modality: CStoreDestination, sample: SampleImage) -> float:
    modality.send_one(sample.sop_class_uid, sample.sop_instance_uid, sample.data)
    return time.monotonic()


def wait_for_report(pacs: ReceivingPacs, sample: SampleImage) -> float:
    until = time.monotonic() + LIMIT_S
    while time.monotonic() < until:
        report = pacs.report_about(sample.sop_instance_uid)
        if report is not None:
            return report.arrived_at
        time.sleep(POLL_S)
    raise TimeoutError(f"no SR about {sample.sop_instance_uid} within {LIMIT_S:g} s")


if __name__ == "__main__":
    main()
