"""Measures phantoms with hazen or pylinac, each in an environment of its own, to compare with ``miqa-node phantom``.

``python -m tools.phantom_peers hazen --into FOLDER SERIES…`` makes the environment in FOLDER at the first use, and
prints a JSON line for each folder with the slices of one series. Nothing of them is installed beside the node.
"""

from __future__ import annotations

import subprocess
import sys
import venv
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer


class Peer(StrEnum):
    """Programs that measure phantoms."""

    HAZEN = "hazen"
    PYLINAC = "pylinac"


REQUIREMENTS = {Peer.HAZEN: "hazen==2.0.0", Peer.PYLINAC: "pylinac==3.49.0"}
"""The versions with which docs/reference/phantoms.md was compared, and the newest of pylinac."""

HAZEN = """
import json, logging, sys, tempfile
from pathlib import Path
from hazenlib.tasks.acr_geometric_accuracy import ACRGeometricAccuracy
from hazenlib.tasks.acr_ghosting import ACRGhosting
from hazenlib.tasks.acr_slice_position import ACRSlicePosition
from hazenlib.tasks.acr_slice_thickness import ACRSliceThickness
from hazenlib.tasks.acr_snr import ACRSNR
from hazenlib.tasks.acr_spatial_resolution import ACRSpatialResolution
from hazenlib.tasks.acr_uniformity import ACRUniformity
logging.disable(logging.CRITICAL)
TASKS = (
    ACRUniformity, ACRGhosting, ACRSNR, ACRGeometricAccuracy, ACRSliceThickness, ACRSlicePosition, ACRSpatialResolution,
)
for folder in sys.argv[2:]:
    files = sorted(path for path in Path(folder).iterdir() if path.is_file())
    values = {"folder": folder}
    with tempfile.TemporaryDirectory() as scratch:
        for task in TASKS:
            try:
                result = task(input_data=files, report_dir=scratch).run()
                for one in result.measurements:
                    if not isinstance(one.value, (int, float)):
                        continue
                    name = " ".join(filter(None, (one.name, one.type, one.subtype, one.description)))
                    values[name] = float(one.value)
            except Exception as error:
                values[task.__name__] = f"{type(error).__name__}: {error}"
    print(json.dumps(values), flush=True)
"""
PYLINAC = """
import json, sys
import pylinac
for folder in sys.argv[2:]:
    phantom = getattr(pylinac, sys.argv[1])(folder)
    phantom.analyze()
    print(json.dumps({"folder": folder, **phantom.results_data(as_dict=True)}, default=str), flush=True)
"""
PROGRAMS = {Peer.HAZEN: HAZEN, Peer.PYLINAC: PYLINAC}


def environment(peer: Peer, folder: Path) -> Path:
    """The Python of the peer's environment, which is made if it is not there."""
    python = folder / peer / "bin" / "python"
    if not python.exists():
        venv.create(folder / peer, with_pip=True)
        subprocess.run([python, "-m", "pip", "install", "--quiet", REQUIREMENTS[peer]], check=True)  # noqa: S603 - a name of ours
    return python


def phantom_peers(
    peer: Annotated[Peer, typer.Argument(help="Which program.")],
    series: Annotated[list[Path], typer.Argument(metavar="SERIES...", exists=True, file_okay=False, help="Folders.")],
    into: Annotated[Path, typer.Option(metavar="FOLDER", file_okay=False, help="Where its environment is.")],
    model: Annotated[str, typer.Option(help="Of pylinac: CatPhan504, CatPhan600, CatPhan604 or ACRCT.")] = "CatPhan504",
) -> None:
    """Print what the program measures of each series, as JSON Lines."""
    python = environment(peer, into.resolve())
    folders = [str(one.resolve()) for one in series]
    # In the folder of its own: hazen writes a log to where it is called.
    ran = subprocess.run([python, "-c", PROGRAMS[peer], model, *folders], check=False, cwd=into)  # noqa: S603 - a program of ours
    sys.exit(ran.returncode)


if __name__ == "__main__":
    typer.run(phantom_peers)
