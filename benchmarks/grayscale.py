"""Measures the one-table grayscale beside pydicom's reference functions, on a 2048 × 2048 radiograph.

python -m benchmarks.grayscale
"""

from __future__ import annotations

import time
from collections.abc import Callable

import cv2
import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset
from pydicom.pixels.processing import apply_modality_lut, apply_windowing

from benchmarks.machine import describe, keep
from miqa_node.dicom.pixels.grayscale import WHITE, read_grayscale, render

SIDE = 2048
REPEATS = 15


def main() -> None:
    """Time both ways in every case, and how far they differ; the best of several runs counts on a busy machine."""
    cv2.setNumThreads(1)
    machine = describe()
    random = np.random.default_rng(1)
    cases = {
        "12 bit unsigned, LINEAR, MONOCHROME1": (random.integers(0, 4096, (SIDE, SIDE)), "u2", 12, "LINEAR"),
        "16 bit signed, rescale, LINEAR_EXACT": (random.integers(-1024, 3072, (SIDE, SIDE)), "i2", 16, "LINEAR_EXACT"),
        "15 bit unsigned, SIGMOID": (random.integers(0, 32768, (SIDE, SIDE)), "u2", 15, "SIGMOID"),
    }
    results = {
        name: _compare(stored.astype(dtype), bits, function, inverted="MONOCHROME1" in name)
        for name, (stored, dtype, bits, function) in cases.items()
    }
    keep("grayscale", machine, {"image": f"{SIDE} x {SIDE}", "threads": 1, "cases": results})


def _compare(stored: NDArray[np.integer], bits: int, function: str, *, inverted: bool) -> dict[str, float]:
    ds = Dataset()
    signed = stored.dtype.kind == "i"
    ds.PixelRepresentation, ds.BitsAllocated, ds.BitsStored = int(signed), 16, bits
    ds.PhotometricInterpretation = "MONOCHROME1" if inverted else "MONOCHROME2"
    ds.RescaleSlope, ds.RescaleIntercept = 1.0, -1024.0 if signed else 0.0
    ds.WindowCenter, ds.WindowWidth, ds.VOILUTFunction = 1000.0, 2500.0, function
    low, high = (-(1 << bits - 1), (1 << bits - 1) - 1) if signed else (0, (1 << bits) - 1)

    def ours() -> NDArray[np.uint16]:
        return render(stored, read_grayscale(ds))

    def reference() -> NDArray[np.uint16]:
        windowed = apply_windowing(apply_modality_lut(stored, ds), ds)
        shares = (windowed - low - ds.RescaleIntercept) / (high - low)
        return np.asarray(np.rint((1.0 - shares if inverted else shares) * WHITE), dtype=np.uint16)

    difference = np.abs(ours().astype(int) - reference()).max()
    ours_ms, reference_ms = _best_ms(ours), _best_ms(reference)
    return {
        "table_ms": round(ours_ms, 2),
        "pydicom_ms": round(reference_ms, 2),
        "times_faster": round(reference_ms / ours_ms, 1),
        "largest_difference_of_65535": int(difference),
    }


def _best_ms(run: Callable[[], object]) -> float:
    times = []
    for _ in range(REPEATS):
        started = time.perf_counter()
        run()
        times.append(1e3 * (time.perf_counter() - started))
    return min(times)


if __name__ == "__main__":
    main()
