"""The reference table of DICOM cases: what each file must decode to, or why it cannot.

``reference.csv`` has one line per file. ``source`` is pydicom (its own test files), pydicom-data (the PyPI package) or
shared (dicom_cases of the project's shared data). For a file that decodes, the line holds shape, dtype, lowest, highest
and mean stored value, the pool, and for lossless syntaxes the SHA-256 of stored and display pixels; ``agrees_with``
names the other decoders that gave the same stored pixels when the table was made. For a file that does not, it holds
the error class and the beginning of its text. ``assess`` is what ``miqa-node assess`` says of the file: judged, or the
beginning of its reason.

``python -m tests.dicom.reference`` makes the table anew and prints what changed; read the changes before you commit.
"""

from __future__ import annotations

import csv
import hashlib
import json
import os
import sys
import warnings
from collections.abc import Sequence
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import asdict, dataclass, fields, replace
from importlib.resources import files
from io import StringIO
from pathlib import Path
from unittest.mock import patch

import imagecodecs
import numpy as np
import pydicom
from pydicom.encaps import generate_frames

from miqa_node.core.domain.image import Radiograph
from miqa_node.core.settings import load_settings
from miqa_node.dicom.elements import read_elements
from miqa_node.errors import DecodeError
from miqa_node.interfaces.cli.app import run
from miqa_node.runtime.workers.pool import WorkerPool

ROOT = Path(__file__).resolve().parents[2]
TABLE = Path(__file__).with_name("reference.csv")
FOLDERS = {
    "pydicom": Path(pydicom.__file__).parent / "data" / "test_files",
    "pydicom-data": Path(str(files("data_store") / "data")),
    "shared": ROOT.parent / "shared" / "data" / "dicom_cases",
}
NOT_CASES = (".csv", ".py", ".txt", ".json", ".zip", ".tar", ".gz", ".icc", ".dump", "README")
LOSSY = (".4.50", ".4.51", ".4.81", ".4.91", ".4.203")
LOSSLESS_JPEG = (".4.57", ".4.70")
REASON_LENGTH = 60
JUDGED = "judged"


@dataclass(frozen=True)
class Case:
    """One line of the table; empty fields do not apply."""

    source: str
    file: str
    transfer_syntax: str = ""
    rows: str = ""
    columns: str = ""
    frames: str = ""
    dtype: str = ""
    lowest: str = ""
    highest: str = ""
    mean: str = ""
    decoder: str = ""
    stored_sha256: str = ""
    display_sha256: str = ""
    agrees_with: str = ""
    error: str = ""
    reason: str = ""
    assess: str = ""

    @property
    def path(self) -> Path:
        return FOLDERS[self.source] / self.file


def load_cases() -> list[Case]:
    with TABLE.open(newline="", encoding="utf-8") as file:
        return [Case(**row) for row in csv.DictReader(file)]


def observe(pool: WorkerPool, source: str, file: str) -> Case:
    """What the node makes of the file now; ``agrees_with`` is left empty."""
    path = FOLDERS[source] / file
    try:
        image = pool.decode(path)
    except DecodeError as error:
        return Case(source, file, error=type(error).__name__, reason=str(error)[:REASON_LENGTH])
    syntax = _transfer_syntax(path)
    lossless = not syntax.endswith(LOSSY)
    return Case(
        source=source,
        file=file,
        transfer_syntax=syntax,
        rows=str(image.shape[0]),
        columns=str(image.shape[1]),
        frames=str(image.frames),
        dtype=image.stored.dtype.name,
        lowest=str(image.stored.min()),
        highest=str(image.stored.max()),
        mean=f"{image.stored.mean(dtype=np.float64):.3f}",
        decoder=image.decoder.split()[0],
        stored_sha256=_digest(image.stored) if lossless else "",
        display_sha256=_digest(image.display) if lossless else "",
    )


def said_by_assess(paths: Sequence[Path], *options: str) -> dict[Path, str]:
    """What the command says of each file, all in one run; text in pixels, which takes long, changes none of it."""
    out = StringIO()
    no_text = patch.dict(os.environ, MIQA_TEXT__SOURCES="[]")
    with redirect_stdout(out), redirect_stderr(StringIO()), no_text:
        run(["assess", "--json", "--per-file", *options, *map(str, paths)])
    lines = [json.loads(line) for line in out.getvalue().splitlines()]
    reasons = {Path(line["file"]): line.get("error") or line.get("skipped") or JUDGED for line in lines}
    return {path: reason[:REASON_LENGTH] for path, reason in reasons.items()}


def _digest(pixels: np.ndarray) -> str:
    return hashlib.sha256(np.ascontiguousarray(pixels).tobytes()).hexdigest()[:16]


def _transfer_syntax(path: Path) -> str:
    return read_elements(path, frozenset({0x00280010})).transfer_syntax_uid


def _cross_check(case: Case, image: Radiograph) -> str:
    """Names of the independent ways that give the same stored pixels."""
    agreeing = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if case.transfer_syntax.endswith(LOSSLESS_JPEG) and _same(decode_sof3(case.path), image.stored):
            agreeing.append("jpegsof3")
        for plugin in ("pydicom", "pillow", "pylibjpeg"):
            if plugin in case.decoder:
                continue
            try:
                ds = pydicom.dcmread(case.path, force=True)
                if ds.file_meta.TransferSyntaxUID.is_encapsulated:
                    ds.pixel_array_options(index=0, decoding_plugin=plugin)
                    if _same(ds.pixel_array, image.stored):
                        agreeing.append(plugin)
            except Exception:
                continue
        try:
            import SimpleITK

            SimpleITK.ProcessObject.SetGlobalWarningDisplay(False)
            ds = pydicom.dcmread(case.path, force=True, stop_before_pixels=True)
            array = SimpleITK.GetArrayFromImage(SimpleITK.ReadImage(str(case.path)))
            array = array[0] if array.ndim == 3 else array
            slope, intercept = float(ds.get("RescaleSlope", 1)), float(ds.get("RescaleIntercept", 0))
            unscaled = np.rint((array.astype(np.float64) - intercept) / slope)
            if ds.PhotometricInterpretation == "MONOCHROME1":
                unscaled = image.stored_range[1] - unscaled + image.stored_range[0]
            if _same(unscaled, image.stored):
                agreeing.append("gdcm")
        except Exception:
            pass
    return "+".join(agreeing)


def decode_sof3(path: Path) -> np.ndarray:
    """The first frame of a lossless JPEG object, by a decoder that shares no code with the node's."""
    ds = pydicom.dcmread(path, force=True)
    frame = next(generate_frames(ds.PixelData, number_of_frames=int(ds.get("NumberOfFrames") or 1)))
    pixels = imagecodecs.jpegsof3_decode(frame)
    return pixels.view(f"i{pixels.itemsize}") if ds.PixelRepresentation else pixels


def _same(other: np.ndarray, stored: np.ndarray) -> bool:
    return bool(other.shape == stored.shape and np.array_equal(other, stored))


def main() -> int:
    old = {(case.source, case.file): case for case in load_cases()} if TABLE.exists() else {}
    new: list[Case] = []
    with WorkerPool(load_settings()) as pool:
        for source, folder in FOLDERS.items():
            for path in sorted(folder.rglob("*")):
                if not path.is_file() or path.name.endswith(NOT_CASES) or path.name.startswith("__"):
                    continue
                name = path.relative_to(folder).as_posix()
                case = observe(pool, source, name)
                if not case.error:
                    case = Case(**{**asdict(case), "agrees_with": _cross_check(case, pool.decode(path))})
                new.append(case)
    answers = said_by_assess([case.path for case in new])
    new = [replace(case, assess=answers[case.path]) for case in new]
    for case in new:
        if old.get((case.source, case.file)) != case:
            print(old.get((case.source, case.file)), "->", case)
    with TABLE.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, [field.name for field in fields(Case)], lineterminator="\n")
        writer.writeheader()
        writer.writerows(asdict(case) for case in new)
    return 0


if __name__ == "__main__":
    sys.exit(main())
