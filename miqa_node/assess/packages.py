"""Model packages: a folder with a graph, its card and golden examples, checked before it may judge anything."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from miqa_node.assess.card import CARD_NAME, METADATA_KEY, Card, read_card
from miqa_node.assess.preprocess import Inputs, prepare
from miqa_node.assess.session import Session
from miqa_node.domain.assessment import ModelIdentity
from miqa_node.errors import ModelPackageError
from miqa_node.settings import Accelerator, AssessSettings

GRAPH_NAME = "model.onnx"
GOLDEN_TOLERANCE = 2e-3
"""Largest difference of a probability or severity from the golden one: room for another provider's arithmetic."""


@dataclass(frozen=True, slots=True)
class Package:
    """A package that passed its checks, ready to run."""

    folder: Path
    card: Card
    identity: ModelIdentity
    session: Session

    def prepare(self, display: NDArray[np.uint16], valid: NDArray[np.bool_] | None = None) -> Inputs:
        """The graph's inputs made of presentation values, shape (rows, columns), 0 black and 65,535 white."""
        return prepare(display, valid, self.card.preprocess)

    def run(self, inputs: Mapping[str, NDArray[np.float32]]) -> dict[str, NDArray[np.float32]]:
        """Outputs ``logits`` (1, C), ``severity`` (1, C) and the class maps (1, C, rows, columns) as ``maps``."""
        maps = self.card.saliency.maps
        outputs = self.session.run(("logits", "severity", maps), inputs)
        return {"logits": outputs["logits"], "severity": outputs["severity"], "maps": outputs[maps]}

    def probabilities(self, logits: NDArray[np.float32]) -> NDArray[np.float64]:
        """Calibrated probabilities, shape (C,), of ``logits``, shape (1, C)."""
        rows = self.card.outputs.classes
        bias = np.array([row.bias for row in rows])
        temperature = np.array([row.temperature for row in rows])
        calibrated: NDArray[np.float64] = 1.0 / (1.0 + np.exp(-(logits[0].astype(np.float64) + bias) / temperature))
        return calibrated


def package_folders(models_dir: Path) -> list[Path]:
    """Every folder that holds a card, oldest version of each name first."""
    if not models_dir.is_dir():
        return []
    folders = [folder for folder in models_dir.iterdir() if (folder / CARD_NAME).is_file()]
    return sorted(folders, key=_name_and_version)


def newest_package(models_dir: Path, name: str) -> Path | None:
    """Folder of the newest version of a package, None when there is none."""
    folders = [folder for folder in package_folders(models_dir) if _name_and_version(folder)[0] == name]
    return folders[-1] if folders else None


def open_package(folder: Path, accelerator: Accelerator, settings: AssessSettings) -> Package:
    """Load a package and check it: checksums, embedded card, classes, and the goldens on the provider in use.

    Raises
    ------
    ModelPackageError
        Something is missing, altered or computes other numbers here than it should; the text says what.
    SettingsError
        The settings require a GPU and there is none that works.
    """
    card = read_card(folder)
    _check_files(folder, card.files)
    session = Session(
        folder / GRAPH_NAME,
        accelerator,
        intra_op_threads=settings.intra_op_threads,
        inter_op_threads=settings.inter_op_threads,
    )
    _check_embedded_card(folder, card, session)
    identity = ModelIdentity(card.name, card.version, _sha256(folder / GRAPH_NAME))
    package = Package(folder, card, identity, session)
    _check_goldens(package)
    return package


def _check_files(folder: Path, files: Mapping[str, str]) -> None:
    if GRAPH_NAME not in files:
        raise ModelPackageError(f"{folder.name}: the card gives no checksum of {GRAPH_NAME}.")
    for name, wanted in files.items():
        path = folder / name
        if ".." in Path(name).parts or Path(name).is_absolute():
            raise ModelPackageError(f"{folder.name}: the card names a file outside of the package.")
        if not path.is_file():
            raise ModelPackageError(f"{folder.name}: {name} is missing.")
        if _sha256(path) != wanted:
            raise ModelPackageError(f"{folder.name}: {name} is not the file that the card was written for.")


def _check_embedded_card(folder: Path, card: Card, session: Session) -> None:
    embedded = session.metadata.get(METADATA_KEY)
    if embedded is None:
        raise ModelPackageError(f"{folder.name}: {GRAPH_NAME} holds no card in its metadata ({METADATA_KEY}).")
    outside = card.model_dump(mode="json")
    for section, value in json.loads(embedded).items():
        if section == "files":
            continue
        if Card.model_validate({**outside, section: value}).model_dump(mode="json") != outside:
            raise ModelPackageError(
                f"{folder.name}: section {section!r} of {CARD_NAME} differs from the card inside {GRAPH_NAME}."
            )


def _check_goldens(package: Package) -> None:
    if not package.card.golden:
        raise ModelPackageError(f"{package.folder.name}: there are no golden examples to check the graph with.")
    for golden in package.card.golden:
        difference = golden_difference(package, golden.input, golden.expected)
        if difference > GOLDEN_TOLERANCE:
            raise ModelPackageError(
                f"{package.folder.name}: {golden.input} gives results on {package.session.provider} that differ "
                f"by {difference:.3g} from the expected ones; {GOLDEN_TOLERANCE:g} is allowed."
            )


def golden_difference(package: Package, image: str, expected: str) -> float:
    """Largest difference of probability or severity between a golden image's outputs here and the expected ones.

    The image is a grayscale PNG of presentation values and takes the whole way: preprocessing and graph.
    """
    pixels = cv2.imread(str(package.folder / image), cv2.IMREAD_UNCHANGED)
    if pixels is None or pixels.ndim != 2:
        raise ModelPackageError(f"{package.folder.name}: {image} is not a grayscale PNG.")
    display = pixels if pixels.dtype == np.uint16 else pixels.astype(np.uint16) * 257
    outputs = package.run(package.prepare(display).arrays)
    wanted = json.loads((package.folder / expected).read_text("utf-8"))
    probability = package.probabilities(outputs["logits"])
    return max(_distance(probability, wanted["probability"]), _distance(outputs["severity"][0], wanted["severity"]))


def _distance(values: NDArray[np.floating], wanted: Sequence[float]) -> float:
    expected = np.asarray(wanted)
    if expected.shape != values.shape:
        return float("inf")
    return float(np.abs(values - expected).max())


def _name_and_version(folder: Path) -> tuple[str, tuple[int, ...]]:
    name, _, version = folder.name.rpartition("-")
    numbers = version.split(".")
    if not name or not all(number.isdigit() for number in numbers):
        return folder.name, ()
    return name, tuple(int(number) for number in numbers)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
