"""What dicomweb-client gets from the node is what DCMTK makes of the file: frames, rendered, bulk data and metadata."""

from __future__ import annotations

import base64
import json
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import httpx2
import numpy as np
import pytest
from dicomweb_client.api import DICOMwebClient
from pydicom import dcmread
from pydicom.data import get_testdata_file

from miqa_node.core.settings import load_settings
from miqa_node.interfaces.web.app import create_app
from miqa_node.interfaces.web.server import WebServer
from miqa_node.runtime.workers.pool import WorkerPool
from tests.interfaces.dicomweb.test_dicomweb import keep_source
from tests.peers.test_receive_peers import BIN
from tests.pictures import picture_pixels
from tests.web.staging import Stage

pytestmark = [pytest.mark.more, pytest.mark.peers]

NAMES = {
    "RG3_UNCR": "dcmconv",
    "MR_small_implicit": "dcmconv",
    "MR_small_bigendian": "dcmconv",
    "CT_small": "dcmconv",
    "MR_small_RLE": "dcmdrle",
    "OBXXXX1A_rle_2frame": "dcmdrle",
    "SC_rgb_rle": "dcmdrle",
    "SC_rgb_jpeg_dcmtk": "dcmdjpeg",
    "MR_small_jpeg_ls_lossless": "dcmdjpls",
}
"""Samples of pydicom, and the program of DCMTK that decodes them."""
_AS_TEXT = frozenset({"UI", "LO", "SH", "CS", "DA", "TM", "US", "SS", "UL", "PN", "AE", "LT", "ST"})
_OPTIONS = {"dcmconv": ("+te",), "dcmdjpeg": ("+te",), "dcmdrle": ("+te",), "dcmdjpls": ("+te",)}


def dcmtk(tool: str, *words: object) -> bytes:
    ran = subprocess.run([BIN / tool, *map(str, words)], capture_output=True, check=True, timeout=60)
    return ran.stdout


@pytest.mark.parametrize("name", NAMES)
def test_frames_metadata_and_rendered_are_those_of_dcmtk(stage: Stage, tmp_path: Path, name: str) -> None:
    result = get_testdata_file(f"{name}.dcm")
    if not isinstance(result, str) or not (BIN / NAMES[name]).exists():
        pytest.skip("the sample or DCMTK is not there")
    source, plain = Path(result), tmp_path / "plain.dcm"
    keep_source(stage, source)
    dcmtk(NAMES[name], *_OPTIONS[NAMES[name]], source, plain)
    ds = dcmread(plain)
    settings = load_settings(node={"data_dir": tmp_path}, web={"port": 0})
    with WorkerPool(settings) as pool:
        services = replace(stage.services, settings=settings, decode_frame=pool.decode)
        server = WebServer(create_app(services), settings.web)
        server.start()
        try:
            client = DICOMwebClient(f"http://127.0.0.1:{server.port}/api/dicom-web")
            uids = (ds.StudyInstanceUID, ds.SeriesInstanceUID, ds.SOPInstanceUID)
            count = int(ds.get("NumberOfFrames") or 1)
            frames = client.retrieve_instance_frames(*uids, frame_numbers=list(range(1, count + 1)))
            header = client.retrieve_instance_metadata(*uids)
            bulk = {tag: client.retrieve_bulkdata(_at(server, e["BulkDataURI"])) for tag, e in header.items()
                    if "BulkDataURI" in e and tag != "7FE00010"}  # fmt: skip
            address = f"{client.base_url}/studies/{uids[0]}/series/{uids[1]}/instances/{uids[2]}/rendered"
            shown = httpx2.get(address, headers={"accept": "image/png"}, trust_env=False, timeout=60)
        finally:
            server.stop()
    size = ds.Rows * ds.Columns * ds.SamplesPerPixel * ds.BitsAllocated // 8
    expected = [ds.PixelData[n * size : (n + 1) * size] for n in range(count)]
    if ds.SamplesPerPixel == 3 and ds.get("PlanarConfiguration") == 1:
        expected = [np.frombuffer(one, np.uint8).reshape(3, -1).T.tobytes() for one in expected]
    far = [np.abs(np.frombuffer(a, np.uint8).astype(int) - np.frombuffer(b, np.uint8)).max()
           for a, b in zip(frames, expected, strict=True)]  # fmt: skip
    lossy = name == "SC_rgb_jpeg_dcmtk"
    assert max(far) <= (2 if lossy else 0)
    answer = json.loads(dcmtk("dcm2json", plain))
    _same_metadata(header, answer, bulk)
    assert shown.status_code == 200
    _same_picture(
        shown.content,
        plain,
        tmp_path,
        has_window="WindowWidth" in ds,
        colour=ds.PhotometricInterpretation not in ("MONOCHROME1", "MONOCHROME2"),
    )


def _at(server: WebServer, address: str) -> str:
    """The address with the server's port, which the client's Host header lacks."""
    return f"http://127.0.0.1:{server.port}/api/{address.split('/api/', 1)[1]}"


def _same_metadata(header: dict[str, Any], output: dict[str, Any], bulk: dict[str, list[bytes]]) -> None:
    for tag, element in output.items():
        if (
            tag in ("00080005", "00280004", "00280006", "7FE00010", "FFFCFFFC")
            or tag.endswith("0000")
            or int(tag[:4], 16) % 2
        ):
            continue
        assert tag in header, tag
        if element["vr"] in _AS_TEXT and header[tag]["vr"] == element["vr"]:
            assert _values(header[tag]) == _values(element), tag
    for tag, parts in bulk.items():
        if "InlineBinary" in output.get(tag, {}):
            assert b"".join(parts) == base64.b64decode(output[tag]["InlineBinary"])


def _values(element: dict[str, Any]) -> list[Any]:
    """Values; of person names the alphabetic group without empty components at its end."""
    values = [one.get("Alphabetic", "") if isinstance(one, dict) else one for one in element.get("Value", [])]
    return [one.rstrip(" ^") if isinstance(one, str) else one for one in values]


def _same_picture(png: bytes, plain: Path, folder: Path, *, has_window: bool, colour: bool) -> None:
    """Equal to dcm2pnm with the file's first window within a step, and its least and greatest value without one."""
    drawn = folder / "dcmtk.pnm"
    dcmtk("dcm2pnm", *(() if colour else ("+Wi", "1") if has_window else ("+Wm",)), plain, drawn)
    expected = cv2.imread(str(drawn), cv2.IMREAD_UNCHANGED)
    got = picture_pixels(png, cv2.IMREAD_COLOR if colour else cv2.IMREAD_GRAYSCALE)
    assert expected is not None
    assert got.shape == expected.shape
    assert np.abs(got.astype(int) - expected.astype(int)).max() <= 2
