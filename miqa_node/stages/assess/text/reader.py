"""Reads lines of text in a picture with RapidOCR: PP-OCRv6 for detection and recognition, both in its wheel.

The models are named by their files, so that nothing is ever downloaded; workers could not, either (isolation/sandbox).
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

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
            raise ResourcesError(f"The package rapidocr lacks {', '.join(missing)}: install it again.")
        self._lock = threading.Lock()
        self._engine = rapidocr.RapidOCR(
            params={
                **{name: str(path) for name, path in MODELS.items()},
                "Global.log_level": "critical",  # it logs to the terminal on its own
                "Global.text_score": 0.0,  # certainty is weighed by the caller
                "Global.max_side_len": LONGEST_SIDE,
                "EngineConfig.onnxruntime.intra_op_num_threads": threads,
                "EngineConfig.onnxruntime.inter_op_num_threads": 1,
            }
        )

    def read(self, picture: NDArray[np.uint8]) -> Sequence[LineReading]:
        """The lines of a picture (rows, columns, 3)."""
        with self._lock:
            result = self._engine(picture)
        if not isinstance(result, RapidOCROutput) or not result.txts or result.boxes is None or result.scores is None:
            return ()
        readings = zip(result.txts, result.scores, result.boxes, strict=True)
        return [LineReading(text, float(score), np.asarray(corners, np.float32)) for text, score, corners in readings]
