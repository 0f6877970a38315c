"""Judges how unusual one image is: features to a score, the score to percentiles, and a map where it is unusual."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import structlog
from numpy.typing import NDArray

from miqa_node.core.domain.anomaly import AnomalyScore
from miqa_node.core.domain.image import SaliencyMap
from miqa_node.core.settings import WatchedFile
from miqa_node.errors import ModelPackageError, SettingsError
from miqa_node.stages.assess.anomaly.arrays import load_arrays, take
from miqa_node.stages.assess.anomaly.baseline import SiteBaseline, baseline_path, percentile, read_baseline
from miqa_node.stages.assess.anomaly.features import Outputs, Projection, features, read_projections
from miqa_node.stages.assess.anomaly.files import AnomalyFiles
from miqa_node.stages.assess.anomaly.forest_graph import open_forest
from miqa_node.stages.assess.anomaly.regions import METHOD, MemoryBank, read_bank
from miqa_node.stages.assess.anomaly.section import AnomalySection
from miqa_node.stages.assess.contracts.base import GraphInputs
from miqa_node.stages.assess.session import check_finite

log = structlog.get_logger(__name__)


class OrdinaryForest(Protocol):
    """A forest that ordinary images grew: a graph, or the arrays of one that is being made."""

    def score(self, features: NDArray[np.floating], /) -> NDArray[np.float64]:
        """Scores in (0, 1) of features, shape (1, F)."""


@dataclass(frozen=True, slots=True)
class AnomalyModel:
    """A package's model of ordinary images; ``ordinary`` are their sorted scores, ``sha256`` identifies the files."""

    section: AnomalySection
    projections: Mapping[int, Projection]
    forest: OrdinaryForest
    ordinary: NDArray[np.float64]
    bank: MemoryBank | None
    sha256: str

    def score(self, outputs: Outputs, inputs: GraphInputs) -> float:
        """The score of one image, in (0, 1); InferenceError if the graph's outputs are not finite numbers.

        The forest would compare NaN with its limits, and score it like any image.
        """
        check_finite("the anomaly score", *(outputs[name] for name in self.section.tensors))
        with np.errstate(over="ignore"):  # the spread of large numbers
            row = features(self.section.blocks, self.projections, outputs, inputs.arrays["global_view"][0, 0])
        check_finite("the anomaly score", row)
        return float(self.forest.score(row[None])[0])

    def region_map(self, outputs: Outputs) -> SaliencyMap | None:
        """Where the image is unusual; None if the package has no memory bank."""
        if self.bank is None or self.section.regions is None:
            return None
        return SaliencyMap(self.bank.region_map(outputs[self.section.regions]), METHOD)


def read_model(section: AnomalySection, files: AnomalyFiles, widths: Mapping[str, int]) -> AnomalyModel:
    """The model in a package's files, for a graph whose outputs have ``widths`` channels.

    Raises
    ------
    ModelPackageError
        The graph lacks an output that the score uses, or a file does not fit the section.
    """
    if missing := [name for name in section.tensors if name not in widths]:
        raise ModelPackageError(
            "the graph has no output called {missing} for the anomaly score.", missing=" or ".join(missing)
        )
    arrays = load_arrays(files.arrays)
    projections = read_projections(arrays, section.blocks)
    blank = {name: np.zeros((1, widths[name], 1, 1), np.float32) for name in section.tensors}
    width = len(features(section.blocks, projections, blank, np.zeros((1, 1), np.float32)))
    ordinary = np.sort(take(arrays, "ordinary_scores", "f", (None,)).astype(np.float64))
    if not len(ordinary):
        raise ModelPackageError("the anomaly file has no scores of ordinary images.")
    bank = None
    if section.regions is not None:
        bank = read_bank(arrays)
        if bank.places.shape[1] != widths[section.regions]:
            raise ModelPackageError("the anomaly file's memory was made for another output of the graph.")
    return AnomalyModel(section, projections, open_forest(files.forest, width), ordinary, bank, files.sha256)


class AnomalyDetector:
    """The model with the site's baseline, which may come or change while the node runs."""

    def __init__(self, model: AnomalyModel, package: str, data_dir: Path | None) -> None:
        """Without ``data_dir`` only the training baseline is used."""
        self._model = model
        self._path = baseline_path(data_dir, package) if data_dir is not None else None
        self._watched: WatchedFile[SiteBaseline] | None = None
        self._of: SiteBaseline | None = None
        self._site: NDArray[np.float64] | None = None
        self._refused = ""

    def judge(self, outputs: Outputs, inputs: GraphInputs) -> tuple[AnomalyScore, SaliencyMap | None]:
        """Score, percentiles, and a map when the image is unusual enough."""
        score = self._model.score(outputs, inputs)
        site = self._site_scores()
        anomaly = AnomalyScore(
            score=score,
            training_percentile=percentile(score, self._model.ordinary),
            site_percentile=None if site is None else percentile(score, site),
        )
        unusual = anomaly.percentile >= self._model.section.map_percentile
        return anomaly, self._model.region_map(outputs) if unusual else None

    def _site_scores(self) -> NDArray[np.float64] | None:
        """Scores of the site's baseline; a baseline that does not fit the package is ignored and logged."""
        if self._path is None or (self._watched is None and not self._path.exists()):
            return None
        try:
            if self._watched is None:
                self._watched = WatchedFile(self._path, read_baseline)
            baseline = self._watched.current()
        except SettingsError as error:
            self._refuse(str(error))
            return None
        if baseline is not self._of:
            self._of, self._site = baseline, None
            if baseline.anomaly_sha256 == self._model.sha256:
                self._site = np.array(baseline.scores, np.float64)
            else:
                self._refuse("it was made for another version of the package")
        return self._site

    def _refuse(self, reason: str) -> None:
        if reason != self._refused:  # log once, not for every image
            log.warning("the site's anomaly baseline is not used", file=self._path and self._path.name, reason=reason)
        self._refused = reason
