"""De-identification after PS3.15 Annex E: the table, nested sequences, secrets, and what must not be found again."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pydicom
from typer.testing import CliRunner

from miqa_node.interfaces.cli.app import app
from miqa_training.deidentify.files import read_key
from miqa_training.deidentify.values import Secrets
from tests.packages.training.deidentify.test_deidentify import PYDICOM_FILES

COLOURS = "examples_rgb_color examples_overlay SC_rgb_rle eCT_Supplemental"


def test_the_command_on_real_files(tmp_path: Path) -> None:
    names = f"CT_small MR_small JPEG2000 {COLOURS} rtstruct MR_small_RLE 693_UNCR".split()
    folder = tmp_path / "in" / "label"
    folder.mkdir(parents=True)
    originals = {}
    for name in (f"{name}.dcm" for name in names):
        if (PYDICOM_FILES / name).exists():
            (folder / name).write_bytes((PYDICOM_FILES / name).read_bytes())
            originals[name] = pydicom.dcmread(PYDICOM_FILES / name, force=True)
    key = tmp_path / "key"
    arguments = [
        "deidentify",
        str(tmp_path / "in"),
        str(tmp_path / "out"),
        "--key",
        str(key),
        "--keep-folders",
        "--no-text",
        "--json",
    ]
    ran = CliRunner().invoke(app, arguments)
    answer = json.loads(ran.stdout)
    assert key.stat().st_mode & 0o077 == 0
    assert answer["written"] >= 6, answer["refused"]
    assert "rtstruct.dcm" in json.dumps(answer["refused"])
    made = list((tmp_path / "out" / "label").glob("*.dcm"))
    assert len(made) == answer["written"]
    everything = b"".join(path.read_bytes() for path in made)
    for original in originals.values():
        for value in (original.PatientName, original.PatientID, original.StudyInstanceUID, original.SOPInstanceUID,
                      original.get("AccessionNumber"), original.get("InstitutionName")):  # fmt: skip
            for part in re.split(r"[\^ ]", str(value or "")):
                makers = str(original.get("Manufacturer", ""))  # may stay, whoever else has that name
                # Digits may stand inside a new UID by chance.
                stays = re.search(rb"(?<![\d.])" + re.escape(part.encode()) + rb"(?![\d.])", everything)
                assert len(part) < 5 or part in makers or not stays, part
    secrets = Secrets(read_key(key))
    first = {original.SOPInstanceUID: original for original in reversed(originals.values())}
    assert len(first) < len(originals)  # MR_small and its RLE twin have the same UID, and both are there
    for original in first.values():
        twin = tmp_path / "out" / "label" / f"{secrets.uid(original.SOPInstanceUID)}.dcm"
        if twin.exists():
            ds = pydicom.dcmread(twin)
            assert ds.PixelData == original.PixelData
            assert np.array_equal(ds.pixel_array, original.pixel_array)
            assert ds.PatientIdentityRemoved == "YES"
