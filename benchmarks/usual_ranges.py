"""How often a scanner's usual range cries wolf, and what it finds: simulated histories, and real series made worse.

    python -m benchmarks.usual_ranges [--histories 500] [--series FOLDER]

Simulated histories have twelve measurements of normal numbers, one series a day. A real series (a folder of DICOM
slices) is varied as patients and scans vary: noise by a tenth, level, gain and ghosts a little, another scale; thirty
of these are its history. What is called unusual are further ordinary series, and the same with one fault each.
"""

from __future__ import annotations

import argparse
import tempfile
from collections import Counter
from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import pydicom
from numpy.typing import NDArray

from benchmarks.machine import describe, keep
from miqa_node.core.domain.instance import InstanceDigest
from miqa_node.dicom.bytes.headers import read_header
from miqa_node.features.usual_ranges.baseline import MeasurementRange, SeriesNumbers, ranges_of, unusual_among
from miqa_node.features.usual_ranges.rows.history import RENEWAL
from miqa_node.runtime.workers.child import decode_here
from miqa_node.stages.assess.series import judge_series
from miqa_node.stages.measure.series_view import SliceTools
from miqa_node.stages.units.kinds import series_traits

FIRST_AT = datetime(2026, 1, 1)  # noqa: DTZ001 - a scanner's clock has no zone
NAMES = (
    "ct_noise", "hu_air", "hu_fat", "hu_soft_tissue", "hu_offset", "ct_snr", "air_noise", "streak_index", "ring_index",
    "skin_mtf_50", "ctdi_vol", "noise_whiteness",
)  # fmt: skip
LEVEL, SIGMA, MAD = 1000.0, 100.0, 0.6745
"""Numbers so far from zero that no tolerance matters; a median absolute deviation is so many standard deviations."""
LENGTH, WINDOW_DAYS = 200, 180
STEP_AT = 100
HISTORY, ORDINARY, FAULTY = 30, 12, 8
MOST_PIXELS = 10**8
ORDINARY_NOISE = 1.3
"""Noise of an ordinary varied series over that of the original, so that it can also be lower."""


def main() -> None:
    """Measure and keep the result."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("--histories", type=int, default=500)
    parser.add_argument("--series", type=Path, nargs="*", default=[])
    options = parser.parse_args()
    result: dict[str, object] = {"simulated": simulated(options.histories)}
    result["real"] = {folder.name: real(folder) for folder in options.series}
    keep("usual_ranges", describe(), result)


# Simulated histories


def simulated(count: int) -> dict[str, object]:
    """Shares over ``count`` histories."""
    random = np.random.default_rng(1)
    return {
        "steady": _steady(random, count),
        "steps": {f"{step:.3g} MAD": _steps(random, count, step * MAD * SIGMA) for step in (3.0, 4.45, 6.0)},
        "drifts": {f"{rise} MAD in 100 series": _drifts(random, count, rise * MAD * SIGMA) for rise in (3, 6)},
    }


@dataclass(frozen=True)
class Course:
    """How a history went: by series whether it was unusual (in the first measurement; in any), and changes known."""

    first: NDArray[np.bool_]
    any_of_all: NDArray[np.bool_]
    shift_times: NDArray[np.bool_]
    shifts: int
    """Measurements that ever had a change of level."""


def course_of(numbers: NDArray[np.float64]) -> Course:
    """Follow a history (series × measurements) as the node does, with ranges made anew as it grows."""
    history: list[SeriesNumbers] = []
    ranges: list[MeasurementRange] = []
    first, every, tells, shifts = [], [], [], set[str]()
    ranged = 0
    for number, row in enumerate(numbers):
        values = {(name, "1"): float(value) for name, value in zip(NAMES, row, strict=False)}
        series = SeriesNumbers(FIRST_AT + timedelta(days=number), values)
        names = [one.measurement for one in unusual_among(series, ranges)]
        first.append(NAMES[0] in names)
        every.append(bool(names))
        history.append(series)
        if len(history) - ranged >= max(1, len(history) // RENEWAL):
            ranges, ranged = ranges_of(history[-WINDOW_DAYS:]), len(history)
        shifts.update(one.measurement for one in ranges if one.shifts)
        tells.append(any(one.measurement == NAMES[0] and one.shifts for one in ranges))
    return Course(np.array(first), np.array(every), np.array(tells), len(shifts))


def _normal(random: np.random.Generator, measurements: int = len(NAMES)) -> NDArray[np.float64]:
    return random.normal(LEVEL, SIGMA, (LENGTH, measurements))


def _steady(random: np.random.Generator, count: int) -> dict[str, float]:
    courses = [course_of(_normal(random)) for _ in range(count)]
    unusual = np.mean([one.any_of_all for one in courses], axis=0)
    return {
        "unusual series, 21st to 50th": float(unusual[20:50].mean()),
        "unusual series, 51st to 200th": float(unusual[50:].mean()),
        "measurements with a change of level in 200 series": float(np.mean([one.shifts for one in courses]))
        / len(NAMES),
    }


def _steps(random: np.random.Generator, count: int, size: float) -> dict[str, float]:
    """Of one measurement: the share of steps that are known after so many series, and of series called unusual."""
    courses = []
    for _ in range(count):
        numbers = _normal(random, 1)
        numbers[STEP_AT:] += size
        courses.append(course_of(numbers))
    times = np.mean([one.shift_times for one in courses], axis=0)
    unusual = np.mean([one.first for one in courses], axis=0)
    shares = {f"known after {after} series": float(times[STEP_AT + after - 1]) for after in (10, 15, 20, 30, 50)}
    return {**shares, "unusual, first 20 series after it": float(unusual[STEP_AT : STEP_AT + 20].mean())}


def _drifts(random: np.random.Generator, count: int, rise: float) -> dict[str, float]:
    """Of one measurement that rises steadily over the last half."""
    courses = []
    for _ in range(count):
        numbers = _normal(random, 1)
        numbers[STEP_AT:, 0] += np.linspace(0.0, rise, LENGTH - STEP_AT)
        courses.append(course_of(numbers))
    times = np.mean([one.shift_times for one in courses], axis=0)
    return {f"known after {after} series": float(times[STEP_AT + after - 1]) for after in (25, 50, 75, 100)}


# Real series


@dataclass(frozen=True)
class Variation:
    """How a real series is varied."""

    noise: float = ORDINARY_NOISE
    level: float = 0.0
    gain: float = 1.0
    ghost: float = 0.0
    scale: float = 1.0


FAULTS: Mapping[str, Mapping[str, Mapping[str, float]]] = {
    "CT": {"noise x 2": {"noise": 2.0}, "30 HU": {"level": 30.0}},
    "MR": {"noise x 2": {"noise": 2.0}, "ghost of 5 %": {"ghost": 0.05}},
}


def ordinary(random: np.random.Generator, modality: str) -> Variation:
    """A patient and a scan like others: noise ± 10 %, and of CT ± 3 HU, of MR gain ± 10 % and ghosts below 1 %."""
    noise, scale = ORDINARY_NOISE * float(np.exp(random.normal(0.0, 0.1))), float(random.uniform(0.94, 1.0))
    if modality == "CT":
        return Variation(noise, level=float(random.normal(0.0, 3.0)), scale=scale)
    return Variation(
        noise, gain=float(np.exp(random.normal(0.0, 0.1))), ghost=float(random.uniform(0, 0.01)), scale=scale
    )


def worse(one: Variation, fault: Mapping[str, float]) -> Variation:
    """The same with a fault: noise is multiplied, the rest is added."""
    noise = one.noise * fault.get("noise", 1.0)
    return Variation(
        noise, one.level + fault.get("level", 0.0), one.gain, one.ghost + fault.get("ghost", 0.0), one.scale
    )


def real(folder: Path) -> dict[str, object]:
    """Shares of further ordinary series, and of faulty ones, that are called unusual, and by which measurements."""
    random = np.random.default_rng(2)
    slices = [pydicom.dcmread(path) for path in sorted(folder.glob("*.dcm"))]
    modality = str(slices[0].Modality)
    sigma = noise_of(slices)
    measured = (measure(slices, ordinary(random, modality), random, sigma) for _ in range(HISTORY))
    history = [SeriesNumbers(FIRST_AT + timedelta(days=day), numbers) for day, numbers in enumerate(measured)]
    ranges = ranges_of(history)
    result: dict[str, object] = {"measurements with a range": len(ranges), "series in the history": HISTORY}
    further = [ordinary(random, modality) for _ in range(ORDINARY)]
    result["ordinary"] = _unusual(slices, further, ranges, random, sigma)
    for name, fault in FAULTS[modality].items():
        result[name] = _unusual(slices, [worse(one, fault) for one in further[:FAULTY]], ranges, random, sigma)
    return result


def _unusual(
    slices: Sequence[pydicom.Dataset],
    variations: Sequence[Variation],
    ranges: Sequence[MeasurementRange],
    random: np.random.Generator,
    sigma: float,
) -> dict[str, object]:
    by: Counter[str] = Counter()
    count = 0
    for one in variations:
        names = {
            of.measurement for of in unusual_among(SeriesNumbers(FIRST_AT, measure(slices, one, random, sigma)), ranges)
        }
        count += bool(names)
        by.update(names)
    return {"series": len(variations), "unusual": count, "by": dict(by.most_common())}


def measure(
    slices: Sequence[pydicom.Dataset], variation: Variation | None, random: np.random.Generator, sigma: float
) -> dict[tuple[str, str], float]:
    """The numbers of the varied series; ``sigma`` is the noise of the series as it is."""
    with tempfile.TemporaryDirectory(prefix="miqa-ranges-") as folder:
        files = []
        for number, one in enumerate(slices):
            path = Path(folder) / f"{number}.dcm"
            made = one if variation is None else _varied(one, variation, random, sigma)
            made.save_as(path)
            files.append((InstanceDigest(f"{number:064x}"), path))
        header, _ = read_header(files[-1][1])
        result = judge_series(
            header,
            series_traits(header),
            files[-1][0],
            files,
            SliceTools(partial(decode_here, max_pixels=MOST_PIXELS)),
            1000,
        )
    return {(one.name, one.unit): one.value for one in result.assessment.measurements}


def _varied(one: pydicom.Dataset, variation: Variation, random: np.random.Generator, sigma: float) -> pydicom.Dataset:
    pixels = one.pixel_array.astype(np.float64)
    noise = sigma * np.sqrt(max(variation.noise**2 - 1.0, 0.0))
    rows, columns = pixels.shape
    turn = cv2.getRotationMatrix2D((columns / 2, rows / 2), 0.0, variation.scale)
    scaled = cv2.warpAffine(pixels, turn, (columns, rows), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    pixels = np.asarray(scaled, np.float64)
    if variation.ghost:
        along = 1 if one.get("InPlanePhaseEncodingDirection") == "ROW" else 0
        pixels = pixels + variation.ghost * np.roll(pixels, pixels.shape[along] // 2, axis=along)
    pixels = pixels * variation.gain + variation.level / float(one.get("RescaleSlope", 1) or 1)
    if one.Modality == "MR":  # noise of a magnitude image
        pixels = np.hypot(pixels + random.normal(0, noise, pixels.shape), random.normal(0, noise, pixels.shape))
    else:
        pixels = pixels + random.normal(0, noise, pixels.shape)
    made = deepcopy(one)
    made.PixelData = np.clip(np.rint(pixels), 0, 2 ** int(one.BitsStored) - 1).astype(np.uint16).tobytes()
    made["PixelData"].VR = "OW"
    return made


def noise_of(slices: Sequence[pydicom.Dataset]) -> float:
    """Standard deviation of the noise of the series as it is, in stored values, by the node's own measurement."""
    numbers = {name: number for (name, _), number in measure(slices, None, np.random.default_rng(0), 0.0).items()}
    if "ct_noise" in numbers:
        return numbers["ct_noise"] / float(slices[0].get("RescaleSlope", 1) or 1)
    pixels = np.stack([one.pixel_array for one in slices]).astype(np.float64)
    threshold = float(np.percentile(pixels, 99)) / 10.0
    return numbers["mr_noise"] / 100.0 * float(np.percentile(pixels[pixels > threshold], 90))


if __name__ == "__main__":
    main()
