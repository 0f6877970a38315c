"""``miqa-node train attention``: trains a transformer without labels and compares how well it detects unusual images.

Compares forests of the quality network's features, of gradients, of the transformer's features and of combinations; and
maps made by the nearest ordinary place, by forests of places, and by attention alone.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from miqa_node.stages.assess.anomaly.regions import MemoryBank
from miqa_node.stages.assess.card import read_card
from miqa_node.stages.assess.preprocess import prepare
from miqa_training import outlines
from miqa_training.anomaly_figures import by_features, gather, short
from miqa_training.anomaly_regions import OutlinedImage, PlaceForest, compact, grow_places, region_figures
from miqa_training.attention.export import export_vit
from miqa_training.attention.looks import TransformerGraph
from miqa_training.attention.pretrain import (
    PretrainSettings,
    facts,
    pretrain,
    records_of,
    small_views,
    spec_of,
)  # fmt: skip
from miqa_training.corpus import CACHE, QualityData, read_quality_data
from miqa_training.ordinary import ImageLook, ImageLooker, OrdinaryLooks, display, remember

SETS: Mapping[str, Sequence[str]] = {
    "network": ("network",),
    "gradients": ("hog",),
    "transformer": ("transformer",),
    "gradients and transformer": ("hog", "transformer"),
    "network and gradients": ("network", "hog"),
    "network, gradients and transformer": ("network", "hog", "transformer"),
}
NOTHING = np.zeros((1, 1, 1), np.float32)
GRAPH, FIGURES = "model.onnx", "figures.json"


@dataclass(frozen=True, slots=True)
class AttentionSurvey:
    """One image: its look, its places by kind, and the attention of the transformer."""

    look: ImageLook
    places: Mapping[str, NDArray[np.float32]]
    attention: NDArray[np.float32]
    view: NDArray[np.float32]


class AttentionSurveyor:
    """Runs the network of a package and the transformer."""

    def __init__(self, looker: ImageLooker, transformer: TransformerGraph, settings: PretrainSettings) -> None:
        self._looker, self._transformer = looker, transformer
        self._spec = spec_of(settings.shape)

    def survey(self, pixels: NDArray[np.uint16]) -> AttentionSurvey:
        """Everything that a feature set or a map needs."""
        base = self._looker.look(pixels)
        view = prepare(pixels, None, self._spec).global_view[0, 0]
        return add_attention(base, view, self._transformer)

    def look(self, pixels: NDArray[np.uint16]) -> ImageLook:
        """The features alone."""
        return self.survey(pixels).look


def add_attention(base: ImageLook, view: NDArray[np.float32], transformer: TransformerGraph) -> AttentionSurvey:
    """A look at one image, with the transformer's features of its view."""
    weights = transformer.attend(view)
    look = ImageLook({**base.blocks, "transformer": weights.features}, NOTHING)
    return AttentionSurvey(look, {"network": base.places, **weights.places}, weights.attention, view)


def train_attention(
    data_dir: Path, package_dir: Path, out_dir: Path, settings: PretrainSettings, *, resume: bool = False,
    cache_dir: Path = CACHE,
) -> dict[str, Any]:  # fmt: skip
    """Pretrain, export and compare; write graph and figures to ``out_dir``. Returns the figures."""
    records = records_of(data_dir)
    run = pretrain(small_views(records, settings.shape), out_dir, settings, resume=resume)
    export_vit(run.net.encoder, out_dir / GRAPH)
    data = read_quality_data(data_dir, cache_dir)
    looker = ImageLooker(package_dir, read_card(package_dir))
    surveyor = AttentionSurveyor(looker, TransformerGraph(out_dir / GRAPH), settings)
    fitting = [surveyor.survey(display(data, record)) for record in data.fitting]
    held_out = [surveyor.survey(display(data, record)) for record in data.held_out]
    test = gather(surveyor.look, data, data_dir, settings.seed)
    ordinary = OrdinaryLooks([s.look for s in fitting], patients_of(data), [s.look for s in held_out])
    free = [s for s, record in zip(fitting, data.fitting, strict=True) if not record.has_real_object]
    maps = AttentionMaps(free, held_out, settings.seed)
    figures = {
        "package": package_dir.name,
        "training": facts(settings, run, records),
        "features": {n: short(row) for n, row in by_features(SETS, ordinary, test, settings.seed).items()},
        "regions": regions(maps, surveyor, data_dir),
    }
    (out_dir / FIGURES).write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
    return figures


def patients_of(data: QualityData) -> list[str]:
    """The patients of the images from which forests grow."""
    return [f"{record.source}/{record.patient}" for record in data.fitting]


class AttentionMaps:
    """All maps of where an image is unusual, learned from the places of ordinary images."""

    def __init__(self, images: Sequence[AttentionSurvey], others: Sequence[AttentionSurvey], seed: int) -> None:
        self._banks: dict[str, MemoryBank] = {
            kind: remember([s.places[kind] for s in images], [s.places[kind] for s in others], seed)
            for kind in ("network", "transformer")
        }
        kinds = {"gradients": ("gradients",), "gradients and transformer": ("gradients", "transformer")}
        self._forests: dict[str, tuple[Sequence[str], PlaceForest]] = {
            name: (of, grow_places(_of_kinds(images, of), _of_kinds(others, of), seed)) for name, of in kinds.items()
        }

    def draw(self, survey: AttentionSurvey) -> dict[str, NDArray[np.float32]]:
        """The maps of one image by name."""
        nearest = {
            f"nearest place, {kind}": bank.region_map(survey.places[kind].transpose(2, 0, 1)[None])
            for kind, bank in self._banks.items()
        }
        forests = {
            f"forest of places, {name}": forest.region_map([survey.places[kind] for kind in of])
            for name, (of, forest) in self._forests.items()
        }
        least = survey.attention - survey.attention.min()
        return {**nearest, **forests, "attention alone": least / max(float(least.max()), 1e-9)}


def _of_kinds(surveys: Sequence[AttentionSurvey], kinds: Sequence[str]) -> list[list[NDArray[np.float32]]]:
    return [[survey.places[kind] for kind in kinds] for survey in surveys]


def regions(maps: AttentionMaps, surveyor: AttentionSurveyor, data_dir: Path) -> dict[str, Any]:
    """Figures of the maps on real objects, on compact ones, and on radiologists' boxes of disease."""
    objects = list(_seen(maps, surveyor, outlines.real_objects(data_dir)))
    pathologies = list(_seen(maps, surveyor, outlines.pathologies(data_dir)))
    return region_tables(objects, pathologies)


def region_tables(objects: Sequence[OutlinedImage], pathologies: Sequence[OutlinedImage]) -> dict[str, Any]:
    """Tables for both kinds of annotation."""
    return {
        "real objects": region_figures(objects),
        "compact real objects": region_figures(compact(objects)),
        "pathologies (cxr_boxes)": region_figures(pathologies),
    }


def _seen(
    maps: AttentionMaps, surveyor: AttentionSurveyor, annotated: Iterable[outlines.AnnotatedImage]
) -> Iterable[OutlinedImage]:
    for one in annotated:
        pixels = cv2.imread(str(one.path), cv2.IMREAD_GRAYSCALE)
        if pixels is None:
            msg = f"cannot decode {one.path.name}"
            raise ValueError(msg)
        survey = surveyor.survey(pixels.astype(np.uint16) * np.uint16(257))
        yield OutlinedImage(one.patient, one.outlines, survey.view, maps.draw(survey))
