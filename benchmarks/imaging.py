"""Measures reading headers, decoding each transfer syntax in the children, and each measurement of a radiograph.

    python -m benchmarks.imaging

The files are those of the package pydicom-data; the extremity radiograph (1760 × 1760, 10 bits) is also encoded here in
the lossless syntaxes that have an encoder.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterable
from functools import partial
from importlib.resources import files
from pathlib import Path
from typing import Any

import cv2
import imagecodecs
import pydicom
from pydicom.encaps import encapsulate
from pydicom.uid import (
    UID,
    DeflatedExplicitVRLittleEndian,
    HTJ2KLossless,
    JPEG2000Lossless,
    JPEGExtended12Bit,
    JPEGLosslessSV1,
    JPEGLSLossless,
    RLELossless,
)

from benchmarks.machine import describe, keep
from miqa_node.core.domain.image import Radiograph
from miqa_node.core.domain.instance import Header
from miqa_node.core.settings import load_settings
from miqa_node.dicom.bytes.headers import read_header
from miqa_node.runtime.workers.pool import WorkerPool
from miqa_node.stages.measure.base import ImageMeasure, image_measures
from miqa_node.stages.measure.projection import measure
from miqa_node.stages.measure.view import ImageView

SAMPLES = Path(str(files("data_store") / "data"))
CT = Path(pydicom.__file__).parent / "data" / "test_files" / "CT_small.dcm"
REPEATS = 25
SETTLE_S = 10
ENCODED: dict[str, tuple[str, Callable[[Any], bytes | bytearray]]] = {
    "extremity 1760 x 1760, JPEG Lossless": (
        JPEGLosslessSV1,
        partial(imagecodecs.jpeg8_encode, bitspersample=12, lossless=True, predictor=1),
    ),
    "extremity 1760 x 1760, JPEG 12 bits": (
        JPEGExtended12Bit,
        partial(imagecodecs.jpeg8_encode, bitspersample=12, level=95),
    ),
    "extremity 1760 x 1760, HTJ2K lossless": (HTJ2KLossless, partial(imagecodecs.htj2k_encode, reversible=True)),
}


def main() -> None:
    """Measure all three and keep the result."""
    cv2.setNumThreads(1)
    machine = describe()
    chest = SAMPLES / "RG1_UNCR.dcm"
    headers = {name: timed(partial(read_header, path), 200) for name, path in (("CT", CT), ("CR", chest))}
    first = {"cold": first_image(chest, warm=False), "warm": first_image(chest, warm=True)}
    with tempfile.TemporaryDirectory() as folder, WorkerPool(load_settings()) as pool:
        decoded = decode_times(pool, Path(folder))
        image = pool.decode(chest)
    header, _ = read_header(chest)
    result = {
        "read_header": headers,
        "first_image_ms": first,
        "decode": decoded,
        "measure": {"image": "{} x {}".format(*image.shape), **measure_times(image, header)},
    }
    keep("imaging", machine, result)


def first_image(path: Path, *, warm: bool) -> float:
    """Milliseconds that the first image of a node takes, in a fresh interpreter: its children start once only."""
    program = (
        "import sys, time\nfrom pathlib import Path\n"
        "from miqa_node.runtime.workers.pool import WorkerPool\nfrom miqa_node.core.settings import load_settings\n"
        "with WorkerPool(load_settings()) as pool:\n"
        f"    if {warm}:\n        pool.warm()\n        time.sleep({SETTLE_S})\n"
        "    started = time.perf_counter()\n    pool.decode(Path(sys.argv[1]))\n"
        "    print(1e3 * (time.perf_counter() - started))\n"
    )
    run = subprocess.run([sys.executable, "-c", program, path], capture_output=True, text=True, check=True)
    return round(float(run.stdout), 1)


def decode_times(pool: WorkerPool, folder: Path) -> dict[str, dict[str, Any]]:
    """From the call to mapped pixels, per case."""
    paths = {
        "chest 1955 x 1841, uncompressed": SAMPLES / "RG1_UNCR.dcm",
        "chest 1955 x 1841, JPEG 2000 lossless": SAMPLES / "RG1_J2KR.dcm",
        "chest 1955 x 1841, JPEG 2000 lossy": SAMPLES / "RG1_J2KI.dcm",
        "extremity 1760 x 1760, uncompressed": SAMPLES / "RG3_UNCR.dcm",
        "CT 128 x 128, uncompressed": CT,
    }
    paths |= {name: encoded(folder / f"{name}.dcm", *how) for name, how in ENCODED.items()}
    syntaxes = {
        "RLE": RLELossless,
        "JPEG-LS": JPEGLSLossless,
        "JPEG 2000 lossless": JPEG2000Lossless,
        "deflated": DeflatedExplicitVRLittleEndian,
    }
    for name, syntax in syntaxes.items():
        ds = pydicom.dcmread(SAMPLES / "RG3_UNCR.dcm")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            if syntax.is_encapsulated:
                ds.compress(syntax)
            else:
                ds.file_meta.TransferSyntaxUID = syntax
        paths[f"extremity 1760 x 1760, {name}"] = folder / f"{name}.dcm"
        ds.save_as(folder / f"{name}.dcm")
    return {
        name: {"decoder": pool.decode(path).decoder, **timed(partial(pool.decode, path), REPEATS)}
        for name, path in paths.items()
    }


def encoded(path: Path, syntax: str, encode: Callable[[Any], bytes | bytearray]) -> Path:
    """The extremity radiograph, encoded in a syntax that pydicom only decodes."""
    ds = pydicom.dcmread(SAMPLES / "RG3_UNCR.dcm")
    ds.PixelData = encapsulate([bytes(encode(ds.pixel_array))])
    ds["PixelData"].is_undefined_length = True
    ds.file_meta.TransferSyntaxUID = UID(syntax)
    ds.save_as(path)
    return path


def measure_times(image: Radiograph, header: Header) -> dict[str, Any]:
    """All measurements together, and each section with nothing prepared before."""
    sections: dict[str, list[ImageMeasure]] = {}
    for one in image_measures(header):
        sections.setdefault(one.section, []).append(one)
    times = {name: timed(partial(_take, image, header, ones), REPEATS) for name, ones in sections.items()}
    return {"all": timed(partial(measure, image, header), REPEATS)} | times


def _take(image: Radiograph, header: Header, measures: Iterable[ImageMeasure]) -> None:
    view = ImageView(image, header)
    for one in measures:
        one.measure(view)


def timed(run: Callable[[], object], repeats: int) -> dict[str, float]:
    """The best and the median duration, after one run for warming up."""
    run()
    times = []
    for _ in range(repeats):
        started = time.perf_counter()
        run()
        times.append(1e3 * (time.perf_counter() - started))
    return {"best_ms": round(min(times), 3), "median_ms": round(statistics.median(times), 3)}


if __name__ == "__main__":
    main()
