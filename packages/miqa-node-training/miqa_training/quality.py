"""``miqa-node train quality``: from a data folder to a model package, in one reproducible command."""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from miqa_node.stages.assess.card import CARD_NAME
from miqa_node.stages.assess.preprocess import Preprocess
from miqa_training.anomaly import teach
from miqa_training.anomaly_figures import check_pictures
from miqa_training.calibrate import calibrate
from miqa_training.corpus import CACHE, QualityData, read_quality_data
from miqa_training.datasets import SITE, DatasetRecord
from miqa_training.dose_figures import dose_figures
from miqa_training.evaluate import evaluate_graph
from miqa_training.export import export
from miqa_training.fit import BATCH, LEARNING_RATE, QualityFit, QualityFitSettings, fit
from miqa_training.graph import QualityGraph
from miqa_training.numbers_net import NUMBERS, SAMPLES, fit_numbers, judged
from miqa_training.origin import commit, start_of
from miqa_training.package import write_package
from miqa_training.removable import separate_removable
from miqa_training.saliency_figures import saliency_figures
from miqa_training.samples import Sampler
from miqa_training.seal import seal

CROPS_PER_SAMPLE = 3
RUNS = Path("training-runs")
SIMULATED = (
    "Defects are simulated on the fly, one to three an image; real annotated objects supervise foreign_object, and "
    "devices device_in_view, by image and by place, each a hard negative of the other; at the end, what can be taken "
    "off is told from devices by logistic regression on features of single places, and small networks learn what the "
    "numbers beside the pixels add, with simulated exposure indices; 116 more images were looked at and "
    "found free of both. A third of the simulated objects and devices are cut from other training images. Blur keeps "
    "the picture's grain; pictures with a defect and without are rounded and compressed alike. Cohen images that come "
    "from the hospital of the evaluation set are left out."
)


def train_quality(
    data_dir: Path, out_dir: Path, *, minutes: float = 76.0, steps: int | None = None, seed: int = 1,
    resume: bool = False, version: str = "0.1.0", run_dir: Path | None = None, cache_dir: Path = CACHE, draws: int = 1,
    start: Path | None = None, learning_rate: float = LEARNING_RATE, labels: Path | None = None,
    batch: int = BATCH, keep_start: float = 0.0, fixed_view: bool = False,
) -> Path:  # fmt: skip
    """Fit, export, calibrate, evaluate, and write ``out_dir/quality-<version>``; returns that folder.

    ``steps``, if given, ends the run instead of ``minutes`` and makes it repeatable on the same machine. Checkpoints
    are in ``run_dir`` (default training-runs/quality-<version>); with ``resume`` the run continues from the last one.
    ``start`` is a package, or the checkpoint of another run, with the starting weights.
    """
    check_pictures(data_dir)
    run_dir = run_dir or RUNS / f"quality-{version}"
    data = read_quality_data(data_dir, cache_dir, labels)
    settings = QualityFitSettings(
        minutes=minutes,
        steps=steps,
        seed=seed,
        learning_rate=learning_rate,
        start=str(start) if start else "",
        batch=batch,
        keep_start=keep_start,
        fixed_view=fixed_view,
    )
    run = fit(sampler_of(data, data.fitting, seed, Preprocess()), run_dir, settings, resume=resume)
    return package_run(run, data, data_dir, out_dir, version=version, draws=draws)


def package_run(
    run: QualityFit,
    data: QualityData,
    data_dir: Path,
    out_dir: Path,
    *,
    version: str,
    draws: int = 1,
    history: str = "",
) -> Path:
    """Make a package from the current state of a run; ``history`` records manual changes during the run."""
    spec, settings = Preprocess(numbers=NUMBERS), run.settings
    run.folder.mkdir(parents=True, exist_ok=True)
    graph_file = run.folder / "graph.onnx"
    sampler = sampler_of(data, data.fitting, settings.seed, spec)
    places = separate_removable(run.average, data.fitting, data.cache, sampler, spec)
    beside = fit_numbers(judged(run.average, map(sampler, range(SAMPLES))), settings.seed)
    export(run.average, graph_file, spec, beside)
    graph = QualityGraph(graph_file, spec)
    calibration = calibrate(graph, data)
    metrics = evaluate_graph(graph, calibration.probability, calibration.threshold, data_dir, data, draws=draws)
    metrics["dose"] = {
        "about": "AUROC on the development set, severity .5 and more; headers have simulated exposure indices",
        **dose_figures(graph, data.development),
    }
    metrics["milliseconds"] = timing(graph)
    made_at = commit()
    training: dict[str, Any] = {
        "command": (
            f"miqa-node train quality --data DIR --out models --steps {run.progress.step} --seed {settings.seed} "
            f"--version {version} --learning-rate {settings.learning_rate}"
            f"{_start_of(settings)} --batch {settings.batch} --keep-start {settings.keep_start}"
            f"{' --fixed-view' if settings.fixed_view else ''}"
            f"{' --labels EXPORT' if any(record.source == SITE for record in data.fitting) else ''}"
        ),
        "simulated": SIMULATED,
        "commit": made_at,
        "seed": settings.seed,
        "steps": run.progress.step,
        "places_of_removable_objects": places,
        "samples_for_numbers": SAMPLES,
        "batch": settings.batch,
        "minutes": round(run.progress.elapsed_s / 60.0, 1),
        "machine": f"{os.cpu_count()} CPU cores ({platform.machine()}), bf16 if quick, shared with other work",
        "parameters": sum(p.numel() for p in run.net.parameters()),
        "history": history or "one run without interference",
    }
    if settings.starts_from_package:
        training["start"] = start_of(Path(settings.start).name, made_at)
    folder = write_package(
        graph_file, out_dir / f"quality-{version}", calibration, spec, data, training, metrics, version
    )
    add_saliency(folder, data)
    return teach(folder, data, data_dir)


def add_saliency(folder: Path, data: QualityData) -> Path:
    """Add the Pointing Game of the saliency methods to a written package."""
    card: dict[str, Any] = yaml.safe_load((folder / CARD_NAME).read_text("utf-8"))
    card["metrics"]["saliency"] = saliency_figures(folder, data.development)
    return seal(folder, card)


def _start_of(settings: QualityFitSettings) -> str:
    """How the recorded command names the start of a run; a checkpoint has no public name."""
    if not settings.start:
        return ""
    return f" --start models/{Path(settings.start).name}" if settings.starts_from_package else " --start CHECKPOINT"


def sampler_of(data: QualityData, records: Sequence[DatasetRecord], seed: int, spec: Preprocess) -> Sampler:
    """A sampler of training samples from the given records."""
    return Sampler(records, data.cache, data.others, spec, seed=seed, crops=CROPS_PER_SAMPLE)


def timing(graph: QualityGraph, rounds: int = 7) -> str:
    """Median time of a 2048×2048 image from display pixels to outputs, preprocessing included, on two threads."""
    rng = np.random.default_rng(0)
    display = rng.integers(0, 65536, (2048, 2048)).astype(np.uint16)
    times = []
    for _ in range(rounds):
        started = time.perf_counter()
        graph(display)
        times.append(time.perf_counter() - started)
    return (
        f"{np.median(times) * 1e3:.0f} ms for 2048 x 2048 pixels from display values to outputs with maps, two threads"
    )


__all__ = ["package_run", "sampler_of", "train_quality"]
