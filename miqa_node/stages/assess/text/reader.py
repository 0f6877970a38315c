"""Reads lines of text in a picture with RapidOCR: PP-OCRv6 for detection and recognition, both in its wheel.

The models are named by their files, so that nothing is ever downloaded; workers could not, either (isolation/sandbox).
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import rapidocr
from numpy.typing import NDArray
from rapidocr.utils.output import RapidOCROutput

from miqa_node.errors import ResourcesError

_FOLDER = Path(rapidocr.__file__).parent / "models"
MODELS = {
    "Det.model_path": _FOLDER / "PP-OCRv6_det_small.onnx",
    "Cls.model_path": _FOLDER / "ch_ppocr_mobile_v2.0_cls_mobile.onnx",
    "Rec.model_path": _FOLDER / "PP-OCRv6_rec_small.onnx",
}
LONGEST_SIDE = 2000
"""Larger pictures are reduced before they are searched."""
LEAST_SIDE = 736
"""Smaller pictures are enlarged."""


@dataclass(frozen=True, slots=True)
class LineReading:
    """What stands in a picture: characters, how certain they are, and corners (4, 2) as columns and rows."""

    text: str
    certainty: float
    corners: NDArray[np.float32]


class TextRecogniser:
    """The recogniser with its models loaded; used by one thread at a time."""

    def __init__(self, threads: int = 1) -> None:
        """ResourcesError if a model is missing."""
        if missing := [path.name for path in MODELS.values() if not path.is_file()]:
            raise ResourcesError("The package rapidocr lacks {missing}: install it again.", missing=", ".join(missing))
        self._lock = threading.Lock()
        self._engine = rapidocr.RapidOCR(
            params={
                **{name: str(path) for name, path in MODELS.items()},
                "Global.log_level": "critical",  # it logs to the terminal on its own
                "Global.text_score": 0.0,  # certainty is weighed by the caller
                "Global.max_side_len": LONGEST_SIDE,
                "Det.limit_side_len": LEAST_SIDE,
                "EngineConfig.onnxruntime.intra_op_num_threads": threads,
                "EngineConfig.onnxruntime.inter_op_num_threads": 1,
            }
        )

    def read(self, picture: NDArray[np.uint8], reduction: int = 1) -> Sequence[LineReading]:
        """The lines of a picture (rows, columns, 3), searched in the usual size or one reduced by so much."""
        searched, scale = (picture, 1.0) if reduction == 1 else _reduced(picture, reduction)
        with self._lock:
            result = self._engine(searched)
        if not isinstance(result, RapidOCROutput) or not result.txts or result.boxes is None or result.scores is None:
            return ()
        readings = zip(result.txts, result.scores, result.boxes, strict=True)
        return [
            LineReading(text, float(score), np.asarray(corners, np.float32) / np.float32(scale))
            for text, score, corners in readings
        ]


def _reduced(picture: NDArray[np.uint8], reduction: int) -> tuple[NDArray[np.uint8], float]:
    """A picture in a part of the size at which it is searched otherwise, with a black edge where that is too small."""
    fitting = min(1.0, LONGEST_SIDE / max(picture.shape[:2]))
    scale = max(fitting, LEAST_SIDE / min(picture.shape[:2])) / reduction
    small = cv2.resize(
        picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    )
    below, right = (max(0, LEAST_SIDE - side) for side in small.shape[:2])
    return np.asarray(cv2.copyMakeBorder(small, 0, below, 0, right, cv2.BORDER_CONSTANT), np.uint8), scale
