"""The comparison of classical models as a page: figures, ROC, effects in the shipped one, confusion, errors."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from miqa_node.core.taxonomy.lookup import defect_names
from miqa_training.classical.basis import KNOTS
from miqa_training.classical.features import FEATURES
from miqa_training.classical.models import SHIPPED, ClassicalModel, curves
from miqa_training.classical.table import FeatureTable
from miqa_training.report import figures as drawn
from miqa_training.report.page import render

TEMPLATE = "comparison.html"


def write_comparison(
    path: Path, comparison: Mapping[str, Any], models: Mapping[str, ClassicalModel], table: FeatureTable
) -> None:
    """Write the page with the results of :func:`.compare.train_classical`."""
    outcomes, rows = comparison["outcomes"], comparison["rows"]
    pictures = {
        "bars": drawn.comparison_bars(rows),
        "roc": drawn.roc_of_models(
            {name: outcome["roc"] for name, outcome in outcomes.items()}, first_colour=len(rows) - len(outcomes)
        ),
        "confusion": {name: drawn.confusion_matrix(outcome["confusion"]) for name, outcome in outcomes.items()},
        "effects": "",
    }
    if SHIPPED in models:
        names = list(defect_names())
        pictures["effects"] = drawn.heat(effects(models[SHIPPED], table), names, FEATURES, "effects of measurements")
    best = max(rows, key=lambda row: float(row["mean_auroc"]))["package"]
    path.write_text(render(TEMPLATE, **comparison, pictures=pictures, best=best), encoding="utf-8")


def effects(model: ClassicalModel, table: FeatureTable) -> NDArray[np.float64]:
    """How far each measurement (columns) moves each defect's logit (rows) over the samples' 5th to 95th percentile."""
    z = model.scale.standardise(table.features)
    bent = np.maximum(z[:, :, None] - np.array(KNOTS, np.float32), 0.0)
    ranges = []
    for head in model.heads[: len(defect_names())]:
        weights, _ = curves(head, bends=model.bends)
        low, high = np.percentile((bent * weights).sum(axis=2), (5, 95), axis=0)
        ranges.append(high - low)
    return np.asarray(ranges, np.float64)
