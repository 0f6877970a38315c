"""Quality packages: a graph, its card and golden examples, checked before it may judge anything."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from miqa_node.core.domain.image import Radiograph
from miqa_node.core.domain.model_identity import ModelIdentity
from miqa_node.core.settings import Accelerator, AssessSettings
from miqa_node.errors import ModelPackageError
from miqa_node.stages.assess.anomaly.detector import AnomalyModel, read_model
from miqa_node.stages.assess.anomaly.files import AnomalyFiles
from miqa_node.stages.assess.bare import (
    bare_card,
    embedded_anomaly,
    embedded_goldens,
    embedded_gradients,
    read_metadata,
)
from miqa_node.stages.assess.card import GRAPH_NAME, Card, read_card
from miqa_node.stages.assess.contracts.base import (
    LOGITS,
    SEVERITY,
    Array,
    Arrays,
    Contract,
    GraphInputs,
    ModelMaterial,
    contract_of,
    probabilities,
)
from miqa_node.stages.assess.goldens import check_difference, computing_goldens, golden_files, largest_difference
from miqa_node.stages.assess.package_checks import (
    check_embedded_card,
    check_files,
    check_measurements,
    check_name,
    sha256_of,
)
from miqa_node.stages.assess.package_files import is_bare
from miqa_node.stages.assess.session import GraphSession
from miqa_node.stages.assess.signatures import check_origin
from miqa_node.stages.assess.site_calibration import ActiveCalibration, apply_calibration


@dataclass(frozen=True, slots=True)
class Package:
    """A package that passed its checks, ready to run.

    ``folder`` is the file itself for a bare package. ``golden_differences`` gives for each golden the difference of its
    results here from the expected ones; without goldens the package may only run beside the active one.
    """

    folder: Path
    card: Card
    identity: ModelIdentity
    session: GraphSession
    golden_differences: Mapping[str, float] = field(default_factory=dict)
    calibration: ActiveCalibration = field(default_factory=ActiveCalibration)
    anomaly: AnomalyModel | None = None

    @property
    def name(self) -> str:
        """``<name>-<version>``."""
        return self.card.label

    @property
    def provider(self) -> str:
        """The execution provider that runs the graph."""
        return self.session.provider

    @property
    def contract(self) -> Contract:
        """The contract of the graph."""
        return contract_of(self.card)

    @property
    def judges_measurements(self) -> bool:
        """Whether the graph judges measurements and sees no pixels."""
        return bool(self.card.measurements)

    def prepare(self, display: NDArray[np.uint16], valid: NDArray[np.bool_] | None = None) -> GraphInputs:
        """The graph's inputs from presentation values, shape (rows, columns), 0 black and 65,535 white."""
        return self.contract.prepare(self.card, ModelMaterial(Radiograph(display, display, (0, 65535), None, valid)))

    def run(self, inputs: Arrays) -> dict[str, Array]:
        """Outputs under the names of stages/assess/contracts/base.py, plus those for the anomaly score."""
        further = self.anomaly.section.tensors if self.anomaly is not None else ()
        return self.contract.run(self.card, self.session, inputs, further)

    def probabilities(self, logits: NDArray[np.float32]) -> NDArray[np.float64]:
        """Calibrated probabilities, shape (C,), of ``logits``, shape (1, C)."""
        return np.asarray(probabilities(self.card, logits)[0])


def open_package(
    folder: Path, accelerator: Accelerator, settings: AssessSettings, *, goldens_required: bool = True
) -> Package:
    """Load a package and check it: checksums, embedded card, classes, and the goldens on the provider in use.

    Raises
    ------
    ModelPackageError
        A file is missing or altered, or results differ from the expected ones; the message gives the reason.
    SettingsError
        The settings require a GPU and none works.
    """
    # The order is one of trust: nothing is read before its origin is checked, no graph is loaded before its files are,
    # and no golden runs before the card that says how to read it agrees with the one in the graph. A bare file is its
    # own card, goldens and anomaly model, so it has neither files to compare nor a second card.
    check_origin(folder, settings)
    bare = is_bare(folder)
    graph = folder if bare else folder / GRAPH_NAME
    if bare:
        metadata = read_metadata(graph)
        card, goldens = bare_card(folder.name, metadata), embedded_goldens(folder.name, metadata)
        anomaly = embedded_anomaly(folder.name, metadata)
        embedded_gradients(folder.name, metadata)
    else:
        card = read_card(folder)
        check_files(folder, card, card.anomaly.files if card.anomaly is not None else ())
        goldens = {}
        anomaly = AnomalyFiles.of(folder, card.anomaly) if card.anomaly is not None else None
    check_name(folder, card)
    check_measurements(card, [one.name for one in card.measurements])
    session = GraphSession.of(graph, accelerator, settings)
    if not bare:
        check_embedded_card(folder, card, session)
        goldens = golden_files(folder, card)
    contract_of(card).check(card, session)
    identity = ModelIdentity(card.name, card.version, sha256_of(graph))
    package = Package(folder, card, identity, session, anomaly=_anomaly(folder, card, session, anomaly))
    return _with_goldens(package, goldens, required=goldens_required)


def with_calibration(package: Package, calibration: ActiveCalibration) -> Package:
    """The package with the site's calibration."""
    card = apply_calibration(package.card, calibration.calibration) if calibration.calibration else package.card
    return replace(package, card=card, calibration=calibration)


def golden_difference(package: Package, data: bytes, expected: bytes) -> float:
    """Largest difference of a probability or severity between a golden input's outputs here and the expected ones.

    The check includes preprocessing.
    """
    inputs = package.contract.prepare(package.card, package.contract.golden(package.card, data))
    outputs = package.run(inputs.arrays)
    return largest_difference(package.name, expected, package.probabilities(outputs[LOGITS]), outputs[SEVERITY][0])


def _with_goldens(package: Package, goldens: Mapping[str, tuple[bytes, bytes]], *, required: bool) -> Package:
    if not goldens and required:
        raise ModelPackageError(
            "{package}: there are no golden examples to check the graph with; it can only run as a "
            "candidate beside the active package (miqa-node models shadow).",
            package=package.name,
        )
    with package.session.rehearsing(), computing_goldens(package.name):
        differences = {name: golden_difference(package, *golden) for name, golden in goldens.items()}
    for name, difference in differences.items():
        check_difference(package.name, name, difference, f"on {package.session.provider}")
    return replace(package, golden_differences=differences)


def _anomaly(folder: Path, card: Card, session: GraphSession, files: AnomalyFiles | None) -> AnomalyModel | None:
    if card.anomaly is None or files is None:  # optional in a bare file
        return None
    try:
        return read_model(card.anomaly, files, session.channels)
    except ModelPackageError as error:
        raise ModelPackageError("{folder}: {error}", folder=folder.name, error=error) from error
