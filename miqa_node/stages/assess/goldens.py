"""Golden examples: inputs with expected outputs, to check a graph on the provider in use."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from miqa_node.core.domain.image import Radiograph
from miqa_node.errors import MiqaError, ModelPackageError
from miqa_node.stages.assess.card import BaseCard
from miqa_node.stages.assess.session import GraphSession

GOLDEN_TOLERANCE = 2e-3
"""Largest allowed difference of a probability or severity: tolerance for another provider's arithmetic."""


@contextmanager
def computing_goldens(package: str) -> Iterator[None]:
    """Whatever keeps a graph from computing the block's goldens is a fault of the package: ModelPackageError."""
    try:
        yield
    except MiqaError:
        raise
    except Exception as error:
        raise ModelPackageError(
            "{package}: the graph cannot compute the golden examples: {error}", package=package, error=error
        ) from error


def golden_files(folder: Path, card: BaseCard) -> dict[str, tuple[bytes, bytes]]:
    """Golden inputs (PNG) and expected outputs (JSON) of a folder, by the name of the input."""
    return {g.input: ((folder / g.input).read_bytes(), (folder / g.expected).read_bytes()) for g in card.golden}


def golden_pixels(image: bytes) -> NDArray[np.uint16] | None:
    """Presentation values of a golden PNG, (rows, columns) or (rows, columns, 3) as RGB; None if unreadable."""
    pixels = cv2.imdecode(np.frombuffer(image, np.uint8), cv2.IMREAD_UNCHANGED) if image else None
    if pixels is None:
        return None
    deep = pixels if pixels.dtype == np.uint16 else pixels.astype(np.uint16) * 257
    return np.asarray(deep if deep.ndim == 2 else deep[..., 2::-1], np.uint16)


def golden_radiograph(package: str, data: bytes) -> Radiograph:
    """A grayscale PNG of presentation values as a decoded image; ModelPackageError if it is unreadable."""
    display = golden_pixels(data)
    if display is None or display.ndim != 2:
        raise ModelPackageError("{package}: a golden input is not a grayscale PNG.", package=package)
    return Radiograph(stored=display, display=display, stored_range=(0, 65535), spacing_mm=None)


def largest_difference(
    package: str, expected: bytes, probability: NDArray[np.float64], severity: NDArray[np.float32]
) -> float:
    """Largest difference of a probability or severity, shapes (C,), from those of a golden's JSON."""
    try:
        golden = json.loads(expected)
        pairs = (probability, golden["probability"]), (severity, golden["severity"])
    except (ValueError, KeyError, TypeError) as error:
        raise ModelPackageError(
            "{package}: the expected outputs of a golden cannot be read.", package=package
        ) from error
    return max(_distance(values, reference) for values, reference in pairs)


def differences_of_values(
    folder: Path, card: BaseCard, sessions: Iterable[GraphSession], values: Callable[[NDArray[np.uint16]], list[float]]
) -> dict[str, float]:
    """Of each golden's ``values`` here from the expected ones; a package must have the same, on whatever provider."""
    with ExitStack() as stack:
        stack.enter_context(computing_goldens(folder.name))
        for session in sessions:
            stack.enter_context(session.rehearsing())
        return {
            name: difference_of_values(
                folder.name, name, expected, values(golden_radiograph(folder.name, image).display)
            )
            for name, (image, expected) in golden_files(folder, card).items()
        }


def difference_of_values(package: str, name: str, expected: bytes, values: Sequence[float]) -> float:
    """Largest difference of values from those of a golden's JSON, a list; ModelPackageError if it is too large."""
    try:
        golden = [float(value) for value in json.loads(expected)["values"]]
    except (ValueError, KeyError, TypeError) as error:
        raise ModelPackageError(
            "{package}: the expected outputs of a golden cannot be read.", package=package
        ) from error
    difference = float(np.abs(np.subtract(values, golden)).max()) if len(values) == len(golden) else float("inf")
    check_difference(package, name, difference, "here")
    return difference


def check_difference(package: str, name: str, difference: float, where: str, most: float = GOLDEN_TOLERANCE) -> None:
    """Refuse a package whose results of a golden differ too much from the expected ones, or are not numbers."""
    if not difference <= most:
        raise ModelPackageError(
            "{package}: {name} gives results {where} that differ by {difference} from the expected ones; "
            "{most} is allowed.",
            package=package,
            name=name,
            where=where,
            difference=f"{difference:.3g}",
            most=f"{most:g}",
        )


def _distance(values: NDArray[np.floating], reference: Sequence[float]) -> float:
    expected = np.asarray(reference)
    if expected.shape != values.shape:
        return float("inf")
    return float(np.abs(values - expected).max())
