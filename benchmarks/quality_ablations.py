"""What each part of the quality network is for: short runs with one part taken away, judged on held-out patients.

    python -m benchmarks.quality_ablations --data DIR --steps 300

Every run has the same seed, steps and batch and begins from random weights; it is judged on patients of the training's
hospitals that no run saw, never on the evaluation set. Short runs show in which direction a part works, not what it is
worth after a long one; two seeds of the whole network show how much of a difference is chance.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import nn

from benchmarks.machine import describe, keep
from miqa_node.core.domain.finding import FindingName
from miqa_node.core.taxonomy.lookup import defect_names
from miqa_node.stages.assess.preprocess import Crops, GlobalView, Preprocess, prepare
from miqa_training.calibrate import LEVELS
from miqa_training.corpus import QualityData, read_quality_data
from miqa_training.datasets import DatasetRecord
from miqa_training.degrade import Image
from miqa_training.export import export
from miqa_training.fit import QualityFit, QualityFitSettings
from miqa_training.graph import GraphPrediction, QualityGraph
from miqa_training.losses import RANKING_WEIGHT
from miqa_training.presentation import vary
from miqa_training.quality import sampler_of
from miqa_training.samples import COLUMN, Sampler, TrainingSample
from miqa_training.scores import JudgedCase, auroc, judge, judge_simulated

MARKED = 0.5
BATCH = 12


@dataclass(frozen=True, slots=True)
class Variant:
    """The network without one of its parts."""

    name: str
    seed: int = 1
    spec: Preprocess = field(default_factory=Preprocess)
    crops: bool = True
    texture: bool = True
    ranking: bool = True
    real_objects: bool = True


VARIANTS = (
    Variant("whole"),
    Variant("whole, other seed", seed=2),
    Variant("without crops", crops=False),
    Variant("without texture", texture=False),
    Variant("without ranking loss", ranking=False),
    Variant("without real objects", real_objects=False),
    Variant("global view 256", spec=Preprocess(global_view=GlobalView(rows=256, columns=256))),
    Variant("crops at 512", spec=Preprocess(crops=Crops(long_side_px=512))),
)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run all variants and keep the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--cache", type=Path, default=Path(".cache/training"))
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--variants", nargs="*", default=[variant.name for variant in VARIANTS])
    options = parser.parse_args(arguments)
    data = read_quality_data(options.data, options.cache)
    rows, machine = {}, describe()
    for variant in (v for v in VARIANTS if v.name in options.variants):
        rows[variant.name] = run(variant, data, options.steps)
        print(variant.name, rows[variant.name], flush=True)
        keep("quality_ablations", machine, {"steps": options.steps, "variants": rows})


def run(variant: Variant, data: QualityData, steps: int) -> dict[str, Any]:
    """Fit and judge one variant."""
    with tempfile.TemporaryDirectory() as folder:
        graph = _fitted(variant, data, steps, Path(folder))
    predict: Callable[..., GraphPrediction] = graph if variant.crops else _Blind(graph)
    return _figures(predict, data)


def _fitted(variant: Variant, data: QualityData, steps: int, folder: Path) -> QualityGraph:
    records: list[DatasetRecord] = data.fitting
    if not variant.real_objects:
        records = [replace(r, objects=() if r.has_real_object is False else None) for r in records]
    settings = QualityFitSettings(
        steps=steps, seed=variant.seed, batch=BATCH, ranking_weight=RANKING_WEIGHT if variant.ranking else 0.0
    )
    fit = QualityFit(settings, folder)
    if not variant.texture:
        _silence(fit.net.classify_texture, fit.net.grade_texture)
    sampler = sampler_of(data, records, variant.seed, variant.spec)
    fit.run(sampler if variant.crops else _WithoutCrops(sampler))
    export(fit.average, folder / "graph.onnx", variant.spec)
    return QualityGraph(folder / "graph.onnx", variant.spec)


def _silence(*layers: nn.Linear) -> None:
    # They begin at zero, so without gradients nothing of the texture ever reaches an output.
    for layer in layers:
        layer.requires_grad_(requires_grad=False)


def nothing_like(crops: NDArray[np.float32], seed: int) -> NDArray[np.float32]:
    """Noise that knows nothing of the image; constant crops would leave normalisations without a variance."""
    return np.random.default_rng(seed).standard_normal(crops.shape, np.float32)


@dataclass(frozen=True, slots=True)
class _WithoutCrops:
    sampler: Sampler

    def __call__(self, index: int) -> TrainingSample:
        sample = self.sampler(index)
        return replace(sample, crops=nothing_like(sample.crops, index))


@dataclass(frozen=True, slots=True)
class _Blind:
    graph: QualityGraph

    def __call__(self, display: Any) -> GraphPrediction:
        inputs = prepare(display, None, self.graph.spec)
        return self.graph.run(replace(inputs, crops=nothing_like(inputs.crops, display.size)))


def _figures(graph: Callable[..., GraphPrediction], data: QualityData) -> dict[str, Any]:
    def load(record: DatasetRecord) -> Image:
        rng = np.random.default_rng((5, int.from_bytes(record.path.name.encode()[-8:]) % 2**32))
        return vary(record, data.cache[record.path], rng).image

    simulated = judge_simulated(graph, data.held_out, load, defect_names(), LEVELS, seed=5)
    clean = [judge(graph, r, load(r)) for r in data.held_out]
    findings = {d: round(_auroc(d, simulated, clean), 3) for d in defect_names()}
    return {
        "mean_auroc": round(float(np.mean(list(findings.values()))), 3),
        "real_objects_auroc": round(_real_objects(clean), 3),
        "mean_severity_rank_correlation": round(float(np.mean([_order(d, simulated) for d in defect_names()])), 3),
        "findings": findings,
        "images": len(data.held_out),
    }


def _auroc(finding: FindingName, simulated: Sequence[JudgedCase], clean: Sequence[JudgedCase]) -> float:
    column = COLUMN[finding]
    none = [c for c in clean if finding != FindingName.FOREIGN_OBJECT or c.record.has_real_object is False]
    marked = [c.logits[column] for c in simulated if c.made == finding and c.level >= MARKED]
    return auroc(np.array(marked), np.array([c.logits[column] for c in none]))


def _real_objects(clean: Sequence[JudgedCase]) -> float:
    column = COLUMN[FindingName.FOREIGN_OBJECT]
    groups = [
        np.array([c.logits[column] for c in clean if c.record.has_real_object is there]) for there in (True, False)
    ]
    return auroc(*groups)


def _order(finding: FindingName, simulated: Sequence[JudgedCase]) -> float:
    mine = [c for c in simulated if c.made == finding]
    stated = np.array([c.severity[COLUMN[finding]] for c in mine]).argsort().argsort()
    levels = np.array([c.level for c in mine])
    return float(np.corrcoef(stated, levels)[0, 1])


if __name__ == "__main__":
    main()
