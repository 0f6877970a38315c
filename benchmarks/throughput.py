"""Measures how many images per second the whole pipeline assesses, beside a bare loop of decoding and ONNX Runtime.

    python -m benchmarks.throughput [--images 120]

The same 2048 × 2048 CR files take three ways, each with as many processes as the node has workers:

``bare``: decode the pixels, make the inputs of the shipped packages that such an image gets (quality, landmarks), run
their graphs; nothing is kept. ``bare_quality`` is the same for the quality package alone.
``measured``: the same, and the measurements at native resolution, which are work and not overhead.
``pipeline``: the node with the role "work" and everything that it does: the durable queue, decoding in child processes
with limits, measurements, plausibility, maps, verdict, SR, SEG and KOS, their checks and their delivery to a PACS.
The images were received before, so that receiving takes no part.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import tempfile
import time
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from benchmarks.machine import describe, keep
from benchmarks.radiographs import SIDE, radiographs
from miqa_node.core.domain.image import Radiograph
from miqa_node.core.settings import Settings, load_settings
from miqa_node.dicom.bytes.headers import read_header
from miqa_node.dicom.pixels.frame import decode_frame
from miqa_node.runtime.store.site_store import open_store
from miqa_node.stages.assess.active import quality_folder
from miqa_node.stages.assess.landmarks.estimate import LandmarkNetwork
from miqa_node.stages.assess.landmarks.sidecar import open_landmarks
from miqa_node.stages.assess.package_files import find_package
from miqa_node.stages.assess.packages import open_package
from miqa_node.stages.assess.sidecars import landmark_package
from miqa_node.stages.deliver.kinds.base import DeliveryContext
from miqa_node.stages.deliver.kinds.cstore import CStoreConfig, CStoreDestination
from miqa_node.stages.measure.projection import measure
from miqa_node.stages.units.rows import instances
from miqa_selftest.launch import HOST, NodeProcess, free_port, free_ports
from miqa_selftest.pacs import AE_TITLE, ReceivingPacs
from miqa_selftest.radiographs import SampleImage

LIMIT_S = 900.0
POLL_S = 0.05
WARM_UP = 2


def main() -> None:
    """Measure the three ways and keep the result."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("--images", type=int, default=120)
    options = parser.parse_args()
    if options.images < 2:
        parser.error("--images: a rate needs two images at least.")
    machine = describe()
    with tempfile.TemporaryDirectory(prefix="miqa-throughput-") as folder:
        result = compare(Path(folder), radiographs(options.images, str(time.time_ns())))
    keep("throughput", machine, result)


def compare(folder: Path, samples: Sequence[SampleImage]) -> dict[str, Any]:
    """Images per second of each way, and the pipeline's overhead in percent."""
    settings = load_settings(node={"data_dir": folder / "node"})
    files = _write(folder / "files", samples)
    workers = settings.work.worker_processes
    quality = loop(files, workers, landmarks=False, measuring=False)
    bare = loop(files, workers, landmarks=True, measuring=False)
    measured = loop(files, workers, landmarks=True, measuring=True)
    pipeline, stages = run_pipeline(folder, settings, samples)
    return {
        "image": {"rows": SIDE, "columns": SIDE, "bytes": len(samples[0].data), "flagged": "every second"},
        "images": len(samples),
        "processes": workers,
        "images_per_s": {
            "bare_quality": round(quality, 2),
            "bare": round(bare, 2),
            "measured": round(measured, 2),
            "pipeline": round(pipeline, 2),
        },
        "pipeline_beside_bare": round(pipeline / bare, 3),
        "overhead_percent": {
            "against_bare": round(100.0 * (bare / pipeline - 1.0), 1),
            "against_measured": round(100.0 * (measured / pipeline - 1.0), 1),
        },
        "stages_mean_ms": stages,
    }


def loop(files: Sequence[Path], workers: int, *, landmarks: bool, measuring: bool) -> float:
    """Images per second of a loop in ``workers`` processes that share the files; starting them takes no part."""
    context = multiprocessing.get_context("spawn")
    barrier, spans = context.Barrier(workers), context.Queue()
    shares = [list(files[n::workers]) for n in range(workers)]
    processes = [context.Process(target=_loop, args=(share, landmarks, measuring, barrier, spans)) for share in shares]
    for process in processes:
        process.start()
    intervals: list[tuple[float, float]] = [spans.get(timeout=LIMIT_S) for _ in processes]
    for process in processes:
        process.join()
    return len(files) / (max(end for _, end in intervals) - min(begin for begin, _ in intervals))


def _loop(files: Sequence[Path], landmarks: bool, measuring: bool, barrier: Any, spans: Any) -> None:
    settings = load_settings(assess={"intra_op_threads": 1})
    cv2.setNumThreads(1)
    folder = quality_folder(settings)
    if folder is None:
        raise SystemExit("There is no quality package to run: make models.")
    package = open_package(folder, settings.node.accelerator, settings.assess)
    read_points = _point_reader(settings) if landmarks else None
    for round_ in (files[:WARM_UP], files):
        barrier.wait(LIMIT_S)
        begin = time.monotonic()
        for file in round_:
            header, _study = read_header(file)
            frame = decode_frame(file, 0, settings.imaging.max_pixels)
            package.run(package.prepare(frame.display, frame.valid).arrays)
            if read_points is not None:
                read_points(frame.display, frame.valid)
            if measuring:
                radiograph = Radiograph(frame.stored, frame.display, frame.stored_range, frame.spacing_mm, frame.valid)
                measure(radiograph, header)
    spans.put((begin, time.monotonic()))


def _point_reader(settings: Settings) -> LandmarkNetwork:
    folder = find_package(settings.models_dir, landmark_package(settings))
    if folder is None:
        raise SystemExit("There is no landmark package to run: make models.")
    return open_landmarks(folder, settings.node.accelerator, settings.assess).reader


def run_pipeline(folder: Path, settings: Settings, samples: Sequence[SampleImage]) -> tuple[float, dict[str, float]]:
    """Images per second from the first verdict to the last, and the mean time of each stage."""
    data_dir = settings.node.data_dir
    dicom_port, web_port = free_ports((0, 0))
    with ReceivingPacs(folder / "pacs", free_port()) as pacs:
        destination = f"{AE_TITLE}={AE_TITLE}@{HOST}:{pacs.port}"
        with NodeProcess(data_dir, "MIQA", dicom_port, web_port, destination, role="receive"):
            target = CStoreConfig(name="node", ae_title="MIQA", host=HOST, port=dicom_port)
            with closing(CStoreDestination(target, DeliveryContext(settings.deliver, "BENCHMARK"))) as modality:
                for sample in samples:
                    modality.send_one(sample.sop_class_uid, sample.sop_instance_uid, sample.data)
        with NodeProcess(data_dir, "MIQA", dicom_port, web_port, destination, role="work") as node:
            decided = _decisions(settings, len(samples))
            node.stop()
        lines = [json.loads(line) for line in node.log_file.read_text("utf-8").splitlines() if line.startswith("{")]
    images = [line for line in lines if line.get("event") == "image"]
    names = sorted({key for line in images for key in line if key.endswith("_ms") and key != "wait_ms"})
    stages = {name[:-3]: round(float(np.mean([line[name] for line in images if name in line])), 1) for name in names}
    return rate(decided), stages


def rate(moments: Sequence[float]) -> float:
    """Images per second from the first to the last; SystemExit if they were too few to be told apart."""
    if max(moments) == min(moments):
        raise SystemExit(f"All {len(moments)} images were decided within {POLL_S:g} s: take more (--images).")
    return (len(moments) - 1) / (max(moments) - min(moments))


def _decisions(settings: Settings, count: int) -> list[float]:
    """When the verdicts were there, seconds on any clock; waits until there are ``count``."""
    database, _objects = open_store(settings)
    moments: list[float] = []
    until = time.monotonic() + LIMIT_S
    with closing(database):
        while len(moments) < count:
            if time.monotonic() > until:
                raise TimeoutError(f"{len(moments)} of {count} images were decided within {LIMIT_S:g} s")
            time.sleep(POLL_S)
            with database.begin() as transaction:
                decided = instances.count(transaction).decided
            moments += [time.monotonic()] * (decided - len(moments))
    return moments


def _write(folder: Path, samples: Sequence[SampleImage]) -> list[Path]:
    folder.mkdir()
    paths = [folder / f"{n}.dcm" for n in range(len(samples))]
    for path, sample in zip(paths, samples, strict=True):
        path.write_bytes(sample.data)
    return paths


if __name__ == "__main__":
    main()
