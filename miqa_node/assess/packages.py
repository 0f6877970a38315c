"""Model packages: a graph, its card and golden examples, checked before it may judge anything.

A package is a folder ``<name>-<version>/`` or one bare ``<name>-<version>.onnx`` that carries its card, and if it is
to become active its goldens, in its own metadata. docs/reference/model-package.md describes both.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from miqa_node.assess import measured
from miqa_node.assess.anomaly.detector import AnomalyModel, read_model
from miqa_node.assess.bare import bare_card, embedded_anomaly, embedded_goldens, read_metadata
from miqa_node.assess.card import CARD_NAME, GRAPH_NAME, METADATA_KEY, BaseCard, Card, read_card, read_sections
from miqa_node.assess.platt import sigmoid
from miqa_node.assess.preprocess import Inputs, prepare
from miqa_node.assess.session import Session
from miqa_node.assess.site_calibration import InForce, apply_calibration
from miqa_node.domain.assessment import ModelIdentity
from miqa_node.errors import ModelPackageError
from miqa_node.settings import Accelerator, AssessSettings

BARE_SUFFIX = ".onnx"
GOLDEN_TOLERANCE = 2e-3
"""Largest difference of a probability or severity from the golden one: room for another provider's arithmetic."""


@dataclass(frozen=True, slots=True)
class Package:
    """A package that passed its checks, ready to run.

    ``folder`` is the file itself for a bare one. ``golden_differences`` says for each golden how far its results here
    are from the expected ones; without any the package may only run beside the active one.
    """

    folder: Path
    card: Card
    identity: ModelIdentity
    session: Session
    golden_differences: Mapping[str, float] = field(default_factory=dict)
    calibration: InForce = field(default_factory=InForce)
    anomaly: AnomalyModel | None = None

    @property
    def name(self) -> str:
        """``<name>-<version>``."""
        return self.card.label

    @property
    def provider(self) -> str:
        """What runs the graph."""
        return self.session.provider

    @property
    def judges_measurements(self) -> bool:
        """Whether the graph looks at measurements, not at pixels."""
        return bool(self.card.measurements)

    def prepare(self, display: NDArray[np.uint16], valid: NDArray[np.bool_] | None = None) -> Inputs:
        """The graph's inputs made of presentation values, shape (rows, columns), 0 black and 65,535 white."""
        return prepare(display, valid, self.card.preprocess)

    def run(self, inputs: Mapping[str, NDArray[np.float32]]) -> dict[str, NDArray[np.float32]]:
        """Outputs ``logits`` (1, C), ``severity`` (1, C) and the class maps (1, C, rows, columns) as ``maps``.

        A graph of measurements gives ``contributions`` (1, C, F) instead of maps. Outputs that the anomaly score looks
        at come under their own names.
        """
        maps = self.card.saliency.maps
        if self.judges_measurements:
            return self.session.run(("logits", "severity", measured.CONTRIBUTIONS), inputs)
        looked_at = self.anomaly.section.tensors if self.anomaly is not None else ()
        outputs = self.session.run(tuple(dict.fromkeys(("logits", "severity", maps, *looked_at))), inputs)
        return {**outputs, "maps": outputs[maps]}

    def probabilities(self, logits: NDArray[np.float32]) -> NDArray[np.float64]:
        """Calibrated probabilities, shape (C,), of ``logits``, shape (1, C)."""
        rows = self.card.outputs.classes
        bias = np.array([row.bias for row in rows])
        temperature = np.array([row.temperature for row in rows])
        return sigmoid((logits[0].astype(np.float64) + bias) / temperature)


def package_folders(models_dir: Path) -> list[Path]:
    """Every package, folder or bare file, oldest version of each name first."""
    if not models_dir.is_dir():
        return []
    found = [path for path in models_dir.iterdir() if _is_bare(path) or (path / CARD_NAME).is_file()]
    return sorted(found, key=name_and_version)


def find_package(models_dir: Path, name: str) -> Path | None:
    """The package called ``<name>-<version>``; a folder before a bare file."""
    if Path(name).name != name:
        return None
    folder, bare = models_dir / name, models_dir / f"{name}{BARE_SUFFIX}"
    if (folder / CARD_NAME).is_file():
        return folder
    return bare if bare.is_file() else None


def newest_package(models_dir: Path, name: str) -> Path | None:
    """Folder of the newest version of a package, None when there is none.

    A bare file never counts, nor does what has no goldens: what somebody dropped into the folder judges nothing until
    somebody activates it.
    """
    folders = [path for path in package_folders(models_dir) if path.is_dir() and name_and_version(path)[0] == name]
    return next((folder for folder in reversed(folders) if not _is_candidate(folder)), None)


def read_package_card(path: Path) -> Card:
    """The card of a folder or of a bare file, read without running anything; ModelPackageError when it is no card."""
    return bare_card(path.name, read_metadata(path)) if _is_bare(path) else read_card(path)


def open_package(
    folder: Path, accelerator: Accelerator, settings: AssessSettings, *, goldens_required: bool = True
) -> Package:
    """Load a package and check it: checksums, embedded card, classes, and the goldens on the provider in use.

    Raises
    ------
    ModelPackageError
        Something is missing, altered or computes other numbers here than it should; the text says what.
    SettingsError
        The settings require a GPU and there is none that works.
    """
    bare = _is_bare(folder)
    graph = folder if bare else folder / GRAPH_NAME
    if bare:
        metadata = read_metadata(graph)
        card, goldens = bare_card(folder.name, metadata), embedded_goldens(folder.name, metadata)
        companion = embedded_anomaly(folder.name, metadata)
    else:
        card = read_card(folder)
        companions = (card.anomaly.file,) if card.anomaly is not None else ()
        check_files(folder, card, companions)
        goldens = {}
        companion = (folder / card.anomaly.file).read_bytes() if card.anomaly is not None else b""
    check_name(folder, card)
    session = Session(
        graph,
        accelerator,
        intra_op_threads=settings.intra_op_threads,
        inter_op_threads=settings.inter_op_threads,
    )
    if not bare:
        check_embedded_card(folder, card, session)
        goldens = golden_files(folder, card)
    _check_outputs(folder, card, session)
    identity = ModelIdentity(card.name, card.version, sha256_of(graph))
    package = Package(folder, card, identity, session, anomaly=_anomaly(folder, card, session, companion))
    return _with_goldens(package, goldens, required=goldens_required)


def with_calibration(package: Package, found: InForce) -> Package:
    """The package as the site reads it."""
    card = apply_calibration(package.card, found.calibration) if found.calibration else package.card
    return replace(package, card=card, calibration=found)


def name_and_version(path: Path) -> tuple[str, tuple[int, ...]]:
    """Name and version of a package's path; what is not called so has no version."""
    label = package_label(path)
    name, _, version = label.rpartition("-")
    numbers = version.split(".")
    if not name or not all(number.isdigit() for number in numbers):
        return label, ()
    return name, tuple(int(number) for number in numbers)


def package_label(path: Path) -> str:
    """``<name>-<version>`` of a folder or a bare file."""
    return path.name.removesuffix(BARE_SUFFIX)


def golden_difference(package: Package, image: bytes, expected: bytes) -> float:
    """Largest difference of probability or severity between a golden image's outputs here and the expected ones.

    The image is a grayscale PNG of presentation values and takes the whole way: preprocessing and graph.
    """
    display = golden_pixels(image)
    if display is None or display.ndim != 2:
        raise ModelPackageError(f"{package.name}: a golden input is not a grayscale PNG.")
    outputs = package.run(_golden_inputs(package, display))
    try:
        wanted = json.loads(expected)
        probability, severity = wanted["probability"], wanted["severity"]
    except (ValueError, KeyError, TypeError) as error:
        raise ModelPackageError(f"{package.name}: what a golden should give is not written down.") from error
    found = package.probabilities(outputs["logits"])
    return max(_distance(found, probability), _distance(outputs["severity"][0], severity))


def golden_pixels(image: bytes) -> NDArray[np.uint16] | None:
    """Presentation values of a golden PNG, (rows, columns) or (rows, columns, 3) as RGB; None when it is no picture."""
    pixels = cv2.imdecode(np.frombuffer(image, np.uint8), cv2.IMREAD_UNCHANGED) if image else None
    if pixels is None:
        return None
    deep = pixels if pixels.dtype == np.uint16 else pixels.astype(np.uint16) * 257
    return np.asarray(deep if deep.ndim == 2 else deep[..., 2::-1], np.uint16)


def _golden_inputs(package: Package, display: NDArray[np.uint16]) -> dict[str, NDArray[np.float32]]:
    if not package.judges_measurements:
        return package.prepare(display).arrays
    return measured.inputs_of(measured.measure_picture(display), package.card.measurements)


def sha256_of(path: Path) -> str:
    """SHA-256 of a file, hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def checksum(path: Path, graphs: Sequence[str]) -> str:
    """What identifies the graphs of a package: the checksum of the only one, or of the list of all."""
    each = [sha256_of(path)] if path.is_file() else [sha256_of(path / name) for name in graphs]
    return each[0] if len(each) == 1 else hashlib.sha256("\n".join(each).encode()).hexdigest()


def _with_goldens(package: Package, goldens: Mapping[str, tuple[bytes, bytes]], *, required: bool) -> Package:
    if not goldens and required:
        raise ModelPackageError(
            f"{package.name}: there are no golden examples to check the graph with; it can only run as a candidate "
            "beside the active package (miqa-node models shadow)."
        )
    differences = {name: golden_difference(package, *golden) for name, golden in goldens.items()}
    for name, difference in differences.items():
        if not difference <= GOLDEN_TOLERANCE:
            raise ModelPackageError(
                f"{package.name}: {name} gives results on {package.session.provider} that differ "
                f"by {difference:.3g} from the expected ones; {GOLDEN_TOLERANCE:g} is allowed."
            )
    return replace(package, golden_differences=differences)


def _anomaly(folder: Path, card: Card, session: Session, companion: bytes) -> AnomalyModel | None:
    if card.anomaly is None or (_is_bare(folder) and not companion):  # a bare file need not carry it
        return None
    try:
        return read_model(card.anomaly, companion, hashlib.sha256(companion).hexdigest(), session.channels)
    except ModelPackageError as error:
        raise ModelPackageError(f"{folder.name}: {error}") from error


def check_files(folder: Path, card: BaseCard, others: Sequence[str] = ()) -> None:
    """Refuse a folder whose files are not those that the card gives checksums of; ``others`` it must name, too."""
    goldens = [name for golden in card.golden for name in (golden.input, golden.expected)]
    for name in (*card.graphs, *goldens, *others):
        if name not in card.files:
            raise ModelPackageError(f"{folder.name}: the card gives no checksum of {name}.")
    for name, wanted in card.files.items():
        path = folder / name
        if ".." in Path(name).parts or Path(name).is_absolute():
            raise ModelPackageError(f"{folder.name}: the card names a file outside of the package.")
        if not path.is_file():
            raise ModelPackageError(f"{folder.name}: {name} is missing.")
        if sha256_of(path) != wanted:
            raise ModelPackageError(f"{folder.name}: {name} is not the file that the card was written for.")


def check_name(folder: Path, card: BaseCard) -> None:
    """Refuse a package that is not called as its card says."""
    if package_label(folder) != card.label:
        raise ModelPackageError(f"{folder.name}: by its card it is called {card.label}; rename it.")


def check_embedded_card(folder: Path, card: BaseCard, session: Session, graph: str = GRAPH_NAME) -> None:
    """Refuse a graph that holds another card than the folder."""
    embedded = session.metadata.get(METADATA_KEY)
    if embedded is None:
        raise ModelPackageError(f"{folder.name}: {graph} holds no card in its metadata ({METADATA_KEY}).")
    outside = card.model_dump(mode="json")
    for section, value in json.loads(embedded).items():
        if section == "files":
            continue
        if type(card).model_validate({**outside, section: value}).model_dump(mode="json") != outside:
            raise ModelPackageError(
                f"{folder.name}: section {section!r} of {CARD_NAME} differs from the card inside {graph}."
            )


def _check_outputs(folder: Path, card: Card, session: Session) -> None:
    shown = measured.CONTRIBUTIONS if card.measurements else card.saliency.maps
    if missing := [name for name in ("logits", "severity", shown) if name not in session.outputs]:
        raise ModelPackageError(f"{folder.name}: the graph has no output called {' or '.join(missing)}.")
    needed = (measured.INPUT,) if card.measurements else ("global_view", "crops")
    if missing := [name for name in needed if name not in session.inputs]:
        raise ModelPackageError(f"{folder.name}: the graph has no input called {' or '.join(missing)}.")


def golden_files(folder: Path, card: BaseCard) -> dict[str, tuple[bytes, bytes]]:
    """Golden inputs (PNG) and expected outputs (JSON) of a folder, by the name of the input."""
    return {g.input: ((folder / g.input).read_bytes(), (folder / g.expected).read_bytes()) for g in card.golden}


def _is_candidate(folder: Path) -> bool:
    try:
        return not read_sections(folder).get("golden")
    except ModelPackageError:
        return False  # a damaged package is no reason to fall back on an older one without a word


def _is_bare(path: Path) -> bool:
    return path.suffix == BARE_SUFFIX and path.is_file()


def _distance(values: NDArray[np.floating], wanted: Sequence[float]) -> float:
    expected = np.asarray(wanted)
    if expected.shape != values.shape:
        return float("inf")
    return float(np.abs(values - expected).max())
