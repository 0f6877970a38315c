"""The learned denoiser: a model package like the others, checked before use, run tile by tile."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from miqa_node.core.domain.model_identity import ModelIdentity
from miqa_node.core.domain.ports import AssessorResult
from miqa_node.core.settings import Accelerator, AssessSettings, Settings
from miqa_node.errors import ModelPackageError
from miqa_node.stages.assess.card import GRAPH_NAME, Task, checked_card, read_sections
from miqa_node.stages.assess.enhance.card import DenoiserCard, Tiles
from miqa_node.stages.assess.enhance.plane import Levels
from miqa_node.stages.assess.goldens import check_difference, computing_goldens, golden_files, golden_pixels
from miqa_node.stages.assess.package_checks import opened_graph, sha256_of
from miqa_node.stages.assess.package_files import places, versions_of
from miqa_node.stages.assess.session import GraphSession
from miqa_node.stages.assess.sidecar import ImageContext, SideTask
from miqa_node.stages.assess.signatures import check_folder

NAME = "denoiser"
INPUT, OUTPUT = "image", "denoised"
GOLDEN_STEP_PX = 23
"""Goldens keep the denoised value of every 23rd pixel of every 23rd row."""
GOLDEN_TOLERANCE = 1e-3
"""A quarter of a grey level: tolerance for another provider's arithmetic."""


@dataclass(frozen=True, slots=True)
class TiledGraph:
    """A denoising graph that runs tile by tile; ``label`` names it in the steps of an image."""

    session: GraphSession
    tiles: Tiles
    label: str

    def denoise(self, levels: Levels) -> tuple[Levels, str]:
        """The denoised levels; tiles beyond the edge are filled by mirroring."""
        tiles = self.tiles
        overlap, inner = tiles.overlap_px, tiles.size_px - 2 * tiles.overlap_px
        rows, columns = levels.shape
        down, right = (-length % tiles.multiple_px for length in levels.shape)
        wide = np.pad(levels, ((overlap, overlap + down), (overlap, overlap + right)), mode="symmetric")
        result = np.empty_like(levels)
        for top in range(0, rows, inner):
            for left in range(0, columns, inner):
                height, width = min(inner, rows - top), min(inner, columns - left)
                tile = wide[
                    top : top + 2 * overlap + height + -height % tiles.multiple_px,
                    left : left + 2 * overlap + width + -width % tiles.multiple_px,
                ]
                feed = np.ascontiguousarray(tile[None, None], np.float32)
                clean = self.session.run((OUTPUT,), {INPUT: feed})[OUTPUT][0, 0]
                result[top : top + height, left : left + width] = clean[
                    overlap : overlap + height, overlap : overlap + width
                ]
        return result, f"noise removed by {self.label}"

    def golden_values(self, image: bytes) -> list[float]:
        """The values that goldens compare: a grid of the denoised values of a grayscale PNG."""
        display = golden_pixels(image)
        if display is None or display.ndim != 2:
            raise ModelPackageError("{label}: a golden input is not a grayscale PNG.", label=self.label)
        denoised, _ = self.denoise(display.astype(np.float32) / np.float32(65535))
        return [float(value) for value in denoised[::GOLDEN_STEP_PX, ::GOLDEN_STEP_PX].ravel()]


@dataclass(frozen=True, slots=True)
class DenoiserPackage:
    """A package that passed its checks."""

    card: DenoiserCard
    graph: TiledGraph
    identity: ModelIdentity
    golden_differences: Mapping[str, float] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """``<name>-<version>``."""
        return self.card.label

    @property
    def provider(self) -> str:
        """The execution provider that runs the graph."""
        return self.graph.session.provider

    def contribute(self, context: ImageContext) -> AssessorResult:
        """The result unchanged: an enhanced copy is made on request and does not affect the verdict."""
        return context.judgement


def open_denoiser(folder: Path, accelerator: Accelerator, settings: AssessSettings) -> DenoiserPackage:
    """Load and check a package: checksums, embedded card, goldens on the provider in use.

    Raises
    ------
    ModelPackageError
        A file is missing or altered, or results differ from the expected ones; the message gives the reason.
    """
    card = checked_card(DenoiserCard, read_sections(folder), folder.name)
    check_folder(folder, card, settings)
    session = opened_graph(folder, GRAPH_NAME, card, (INPUT, (OUTPUT,)), accelerator, settings)
    tiled = TiledGraph(session, card.tiles, card.label)
    differences = {}
    for name, (image, expected) in golden_files(folder, card).items():
        with computing_goldens(folder.name):
            values, golden = tiled.golden_values(image), json.loads(expected)["denoised"]
        same = len(values) == len(golden)
        differences[name] = float(np.abs(np.subtract(values, golden)).max()) if same else float("inf")
        check_difference(folder.name, name, differences[name], f"on {session.provider}", GOLDEN_TOLERANCE)
    identity = ModelIdentity(card.name, card.version, sha256_of(folder / GRAPH_NAME))
    return DenoiserPackage(card, tiled, identity, differences)


def newest_denoiser(settings: Settings) -> DenoiserPackage:
    """The newest package called ``denoiser`` in the models folder; ModelPackageError if there is none."""
    folders = [
        path
        for path in versions_of(settings.model_folders, NAME)
        if read_sections(path).get("task") == Task.ENHANCEMENT
    ]
    if not folders:
        raise ModelPackageError(
            "There is no package {name}-<version> in {model_folders}; choose another method, or make one "
            "with miqa-node train denoiser.",
            name=NAME,
            model_folders=places(settings.model_folders),
        )
    return open_denoiser(folders[-1], settings.node.accelerator, settings.assess)


SIDE_TASK = SideTask(Task.ENHANCEMENT, DenoiserCard, open_denoiser)
