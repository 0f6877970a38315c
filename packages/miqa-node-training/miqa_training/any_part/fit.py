"""From images to a package for any radiograph: features of samples, heads that leave sources out, figures, the package.

Features are kept in a folder: an interrupted run goes on, and a later one with more samples begins with those.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from miqa_training.any_part.cases import collect_cases, read_cases
from miqa_training.any_part.corpus import fitting_chests, pictures_of
from miqa_training.any_part.features import SEEN
from miqa_training.any_part.figures import judged
from miqa_training.any_part.head import HeadSettings, fit_heads
from miqa_training.any_part.network import PartNet
from miqa_training.any_part.package import Material, write_package
from miqa_training.any_part.records import read_parts
from miqa_training.any_part.sampler import PartSampler
from miqa_training.any_part.table import SHARD, FeatureReader, collect, read_table
from miqa_training.origin import commit, start_of

FIRST_SEED = 1000


@dataclass(frozen=True, slots=True)
class PartFitSettings:
    """One run: how many samples, from which quality package, by which head."""

    samples: int = 13000
    start: Path = Path("models/quality-0.9.3")
    groups: Sequence[str] = SEEN
    head: HeadSettings = field(default_factory=HeadSettings)


def fit_package(
    data_dir: Path, state_dir: Path, out_dir: Path, version: str, settings: PartFitSettings,
    done: Callable[[str, int], None] = lambda *_: None,
) -> Path:  # fmt: skip
    """Collect what is missing in ``state_dir``, fit, and write the package; returns its folder."""
    parts, chests = read_parts(data_dir), fitting_chests(data_dir)
    learned = [part for part in parts if part.trains]
    reader, pictures = FeatureReader(settings.start, settings.groups), pictures_of(learned, chests)
    shards = range(-(-settings.samples // SHARD))
    collect(lambda shard: PartSampler(pictures, FIRST_SEED + shard), reader, state_dir / "samples", shards, done)
    collect_cases(
        [part for part in parts if part.is_sound], reader, state_dir / "cases", lambda number: done("cases", number)
    )
    began = time.monotonic()
    table, cases = read_table(state_dir / "samples"), read_cases(state_dir / "cases")
    heads = fit_heads(table, settings.head)
    judged_cases = judged(cases, heads)
    made_at = commit()
    training: dict[str, Any] = {
        "command": f"miqa-node train any-radiograph --data DIR --state STATE --out models --version {version}",
        "start": start_of(settings.start.name, made_at),
        "commit": made_at,
        "samples": len(table.present),
        "share_of_other_parts": round(float(np.mean(table.source != "chest")), 3),
        "features": list(settings.groups),
        "minutes_of_fitting": round((time.monotonic() - began) / 60.0, 1),
    }
    net = PartNet(reader.net.quality, settings.groups, heads[""]).eval()
    material = Material(learned, chests, training)
    return write_package(net, out_dir / f"any-radiograph-{version}", version, judged_cases, material)
