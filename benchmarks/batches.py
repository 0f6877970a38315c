"""Measures how many images a second the inference process runs through the quality network, beside a bare loop.

    python -m benchmarks.batches [--workers 1 4 16] [--images 200] [--accelerator auto|cpu|gpu]

Each worker is a process that sends the inputs of one image after another, as workers of a node do; nothing is decoded
or measured. The bare loop is one session with one image at a time in one process. Where ``nvidia-smi`` is, the mean
utilisation of the GPU is given, too.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import tempfile
import threading
import time
from collections.abc import Mapping
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.machine import describe, keep
from miqa_node.core.settings import Settings, load_settings, share_dir
from miqa_node.isolation.inference import InferenceProcess
from miqa_node.stages.assess.inference.client import InferenceClient
from miqa_node.stages.assess.session import GraphSession

LOOK_S = 0.2


def main() -> None:
    """Measure and keep the result."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("--workers", nargs="+", type=int, default=[1, 4, 16])
    parser.add_argument("--images", type=int, default=200, help="of each worker")
    parser.add_argument("--accelerator", default="auto")
    parser.add_argument("--threads", type=int, default=1, help="of one inference on a CPU")
    options = parser.parse_args()
    machine = describe()
    with tempfile.TemporaryDirectory() as folder:
        settings = load_settings(
            node={"data_dir": folder, "accelerator": options.accelerator},
            assess={"inference_process": "on", "intra_op_threads": options.threads},
        )
        bare = bare_loop(settings, options.images)
        shared = {str(count): together(settings, count, options.images, bare) for count in options.workers}
    keep("batches", machine, {"bare_loop": {"images_a_second": round(bare, 1)}, "workers": shared})


def bare_loop(settings: Settings, images: int) -> float:
    """Images a second of one session with one image at a time."""
    assess = settings.assess
    session = GraphSession(
        graph(), settings.node.accelerator, intra_op_threads=assess.intra_op_threads, inter_op_threads=1
    )
    inputs = image(0)
    session.run(session.outputs, inputs)
    begin = time.perf_counter()
    for _ in range(images):
        session.run(session.outputs, inputs)
    return images / (time.perf_counter() - begin)


def together(settings: Settings, workers: int, images: int, bare: float) -> Mapping[str, Any]:
    """Images a second and seconds of an image with so many workers."""
    process = InferenceProcess(settings)
    process.start()
    used: list[float] = []
    try:
        with ProcessPoolExecutor(workers, get_context("spawn")) as pool:
            list(pool.map(send, [process.address] * workers, range(workers), [3] * workers))  # warm
            done = threading.Event()
            watch = threading.Thread(target=_watch_gpu, args=(used, done))
            watch.start()
            begin = time.perf_counter()
            times = list(pool.map(send, [process.address] * workers, range(workers), [images] * workers))
            rate = workers * images / (time.perf_counter() - begin)
            done.set()
            watch.join()
    finally:
        process.close()
    each_s = np.concatenate(times)
    return {
        "images_a_second": round(rate, 1),
        "beside_the_bare_loop": round(rate / bare, 2),
        "p50_s": round(float(np.percentile(each_s, 50)), 4),
        "p95_s": round(float(np.percentile(each_s, 95)), 4),
        "gpu_utilisation_percent": round(float(np.mean(used)), 1) if used else None,
    }


def send(address: str, number: int, images: int) -> NDArray[np.float64]:
    """Run images one after another, in a process of its own; the seconds of each."""
    remote = InferenceClient(address).open(graph().read_bytes())
    inputs, times = image(number), []
    for _ in range(images):
        begin = time.perf_counter()
        remote.run(remote.facts.outputs, inputs, None, gives_back=False)
        times.append(time.perf_counter() - begin)
    return np.array(times)


def graph() -> Path:
    """The newest quality network that ships."""
    return max(share_dir("models").glob("quality-[0-9]*/model.onnx"))


def image(seed: int) -> dict[str, NDArray[np.float32]]:
    """Inputs of the size that a radiograph has."""
    generator = np.random.default_rng(seed)
    shapes = {"global_view": (1, 1, 384, 384), "crops": (16, 1, 160, 160), "numbers": (1, 8)}
    return {name: generator.normal(0.0, 1.0, shape).astype(np.float32) for name, shape in shapes.items()}


def _watch_gpu(used: list[float], done: threading.Event) -> None:
    if (program := shutil.which("nvidia-smi")) is None:
        return
    command = [program, "--query-gpu=utilization.gpu", "--format=csv,noheader,nounits"]
    while not done.wait(LOOK_S):
        answer = subprocess.run(command, capture_output=True, text=True, check=False).stdout.split()
        used.extend(float(one) for one in answer[:1] if one.isdigit())


if __name__ == "__main__":
    main()
