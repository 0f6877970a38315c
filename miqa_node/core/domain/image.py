"""A decoded image: pixels with their spacing and the steps that made them; its enhanced copy, and its maps."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from miqa_node.core.domain.finding import FindingName
from miqa_node.core.domain.memory import Memory, Results
from miqa_node.core.domain.model_identity import ModelIdentity

DIFFERENCE_GAIN = 8.0
"""Amplification of the displayed difference: a sixteenth of the display range fills the whole range."""
ANOMALY = "anomaly"
"""Name of the map of where an unusual image differs from others."""
PREDICTION = "prediction:"
"""Prefix of the name of a prediction's map, followed by the package."""


@dataclass(frozen=True, slots=True)
class Radiograph(Memory):
    """One decoded frame.

    ``stored``: shape (rows, columns), stored values with unused high bits removed, any integer dtype. ``display``:
    shape (rows, columns), uint16 presentation values, 0 is black and 65,535 is white, after modality LUT, VOI and
    presentation LUT or MONOCHROME1 inversion (PS3.4 N.2). ``valid``: shape (rows, columns), bool, False where the pixel
    is padding (PS3.3 C.7.5.1.1.2); None if all are valid. ``colour``: shape (rows, columns, 3), uint16 red, green and
    blue up to 65,535, for a colour image; then ``stored`` and ``display`` are luminance. ``spacing_mm`` is
    (between rows, between columns), None if the header has none. ``stored_range`` is the (lowest, highest) value that
    Bits Stored and Pixel Representation allow. ``steps`` lists the processing in order, beginning with the decoder and
    its version. A part of a frame keeps the (row, column) of the frame at which it begins, and the frame's shape, as
    ``corner`` and ``matrix``; None for a whole frame.
    """

    stored: NDArray[np.integer]
    display: NDArray[np.uint16]
    stored_range: tuple[int, int]
    spacing_mm: tuple[float, float] | None
    valid: NDArray[np.bool_] | None = None
    colour: NDArray[np.uint16] | None = None
    steps: tuple[str, ...] = ()
    decoder: str = ""
    frame: int = 0
    frames: int = 1
    corner: tuple[int, int] = (0, 0)
    matrix: tuple[int, int] | None = None
    _results: Results = field(default_factory=dict, init=False, repr=False, compare=False)

    @property
    def shape(self) -> tuple[int, int]:
        """(rows, columns)."""
        rows, columns = self.display.shape
        return int(rows), int(columns)

    @property
    def matrix_shape(self) -> tuple[int, int]:
        """(rows, columns) of the whole frame, to which headers and reports refer."""
        return self.matrix or self.shape

    def __reduce__(self) -> tuple[type[Radiograph], tuple[Any, ...]]:
        """For other processes, without what was computed here."""
        return type(self), tuple(getattr(self, one.name) for one in fields(self) if one.init)


@dataclass(frozen=True, slots=True)
class EnhancedImage:
    """``image`` accompanies ``source`` and never replaces it: same size, same range of stored values, same window.

    ``methods`` names the methods in order, ``steps`` describes each in words; ``model`` is the package of the learned
    one.
    """

    source: Radiograph
    image: Radiograph
    methods: tuple[str, ...]
    steps: tuple[str, ...]
    smoothed: bool
    contrast_changed: bool
    model: ModelIdentity | None = None

    @property
    def difference(self) -> NDArray[np.float32]:
        """The change of display values as a share of their range: float32 (rows, columns), negative is darker."""
        before, after = self.source.display, self.image.display
        return (after.astype(np.float32) - before.astype(np.float32)) / np.float32(65535)

    @property
    def difference_picture(self) -> NDArray[np.uint16]:
        """The difference as a picture, amplified DIFFERENCE_GAIN times: middle gray means no change."""
        shown = np.clip(0.5 + np.float32(DIFFERENCE_GAIN) * self.difference, 0.0, 1.0)
        return np.asarray(np.rint(shown * np.float32(65535)), np.uint16)


@dataclass(frozen=True, slots=True)
class SaliencyMap:
    """Where a finding was seen: ``values`` float32 in [0, 1], shape (rows, columns) of the map, not of the image.

    The map covers the whole source image; ``method`` names how it was made.
    """

    values: NDArray[np.float32]
    method: str
    notes: tuple[str, ...] = field(default=())


@dataclass(frozen=True, slots=True)
class SaliencyMaps:
    """All maps of one assessment.

    ``findings`` has one map for each present finding, ``predictions`` the map behind each package's prediction.
    ``anomaly`` shows where an unusual image differs from others; it belongs to no finding.
    """

    findings: Mapping[FindingName, SaliencyMap] = field(default_factory=dict)
    anomaly: SaliencyMap | None = None
    predictions: Mapping[str, SaliencyMap] = field(default_factory=dict)

    def by_name(self) -> dict[str, SaliencyMap]:
        """Every map by finding name, ``anomaly``, or ``prediction:<package>``."""
        named = {str(name): saliency for name, saliency in self.findings.items()}
        named |= {f"{PREDICTION}{package}": saliency for package, saliency in self.predictions.items()}
        return named if self.anomaly is None else {**named, ANOMALY: self.anomaly}
