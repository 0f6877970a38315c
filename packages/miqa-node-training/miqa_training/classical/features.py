"""Turns an image into the row of measurements that classical models judge, by the node's own code."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from miqa_node.stages.assess.contracts.measurements import measure_picture, measurement_vector
from miqa_node.stages.assess.enhance.methods import METHODS
from miqa_node.stages.assess.enhance.plane import to_display
from miqa_training.graph import GraphPrediction
from miqa_training.samples import CLASSES

FEATURES: tuple[str, ...] = (
    "brightness",
    "contrast",
    "entropy",
    "pixels_at_minimum",
    "pixels_at_maximum",
    "laplacian_variance",
    "tenengrad",
    "edge_width_10_90",
    "noise_share",
    "grid_peak",
    "blockiness",
    "left_right_symmetry",
    "border_contact",
    "snr_lung",
    "cnr_lung_mediastinum",
)
"""The measurements whose value does not depend on how many bits, which window or which header an image came with.

Left out: noise_sigma and local_variance_mode (in stored values), used_range_share and clipped_by_voi (what is left of
them in 8-bit pictures is the export), grid_frequency and edge_slope_10_90 (unit or presence depends on the header's
spacing), the exposure indices (training pictures have none).
"""


@dataclass(frozen=True, slots=True)
class Treatment:
    """What is done to the image before it is measured; a package is only made of models without any.

    ``denoise`` is the node's enhancement method ``nlm``, ``enhance`` its method ``clahe``.
    """

    denoise: bool = False
    enhance: bool = False

    @property
    def name(self) -> str:
        """For tables and names of files."""
        chosen = [name for name, on in (("denoise", self.denoise), ("enhance", self.enhance)) if on]
        return "+".join(chosen) or "none"

    def __call__(self, picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """The treated picture, shape (rows, columns)."""
        if self.denoise:
            picture = _treated("nlm", picture)
        if self.enhance:
            picture = _treated("clahe", picture)
        return picture


def _treated(method: str, picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    function = METHODS[method].function
    if function is None:
        msg = f"{method} needs a package"
        raise ValueError(msg)
    levels, _ = function(picture.astype(np.float32) / np.float32(255))
    return (to_display(levels) >> 8).astype(np.uint8)


class MeasurementJudge:
    """A :class:`~miqa_training.graph.ImageJudge` whose "logits" are the measurements, NaN where one is missing.

    So every part of training and evaluation that asks a model can be asked once for the measurements, and any number
    of models judge these afterwards.
    """

    def __init__(self, treatment: Treatment | None = None) -> None:
        self._treatment = treatment or Treatment()

    def __call__(self, display: NDArray[np.uint16]) -> GraphPrediction:
        """Measure display pixels (rows, columns), 0 black, 65,535 white."""
        silent = np.zeros(len(CLASSES), np.float32)
        return GraphPrediction(self.features(display), silent, np.zeros((len(CLASSES), 1, 1), np.float32))

    def features(self, display: NDArray[np.uint16]) -> NDArray[np.float32]:
        """The row of FEATURES.

        Measured at 8 bits: simulated images would else be finer graded than the 8-bit ones that they were made from,
        and models would learn to see that.
        """
        picture = self._treatment((display >> 8).astype(np.uint8))
        return measurement_vector(measure_picture(picture.astype(np.uint16) * np.uint16(257)), FEATURES)
