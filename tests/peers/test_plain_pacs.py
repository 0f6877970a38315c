"""A PACS that decodes nothing and takes Implicit VR only gets every kind of object that its profile asks for."""

from __future__ import annotations

import subprocess
import time
from pathlib import Path

import pydicom
import pytest
from pydicom.uid import ImplicitVRLittleEndian

from miqa_node.deliver.kinds.base import DeliveryContext
from miqa_node.deliver.kinds.cstore import CStoreConfig, CStoreDestination
from miqa_node.imaging.uncompressed import uncompress
from miqa_node.settings import load_settings
from tests.conftest import free_port
from tests.peers.test_receive_peers import BIN
from tests.peers.validators import errors
from tests.unit.report import making

pytestmark = pytest.mark.peers


@pytest.mark.parametrize("options", [[], ["+xi"]], ids=["defaults", "implicit only"])
def test_every_kind_reaches_storescp(options: list[str], tmp_path: Path) -> None:
    if not (BIN / "storescp").exists():
        pytest.skip("storescp is not installed")
    source = making.write(making.small(), tmp_path / "source.dcm")
    made = making.everything(source)
    kinds = {one.kind for one in made}
    assert {"SR", "SEG", "SEG_FRACTIONAL", "KOS", "GSPS", "SC", "SC_RLE", "SC_J2K", "PDF"} <= kinds
    port, folder = free_port(), tmp_path / "out"
    folder.mkdir()
    command = [str(BIN / "storescp"), *options, "-od", str(folder), str(port)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        config = CStoreConfig(name="pacs", ae_title="ANY", host="127.0.0.1", port=port)
        destination = CStoreDestination(config, DeliveryContext(load_settings().deliver, "NODE"))
        end = time.monotonic() + 30
        while True:
            try:
                destination.probe()
                break
            except Exception:
                assert time.monotonic() < end
                time.sleep(0.1)
        files = [(one.sop_class_uid, one.sop_instance_uid, one.data) for one in made]
        assert list(destination.send(files)) == [None] * len(files)
        destination.close()
    finally:
        process.terminate()
        process.wait(timeout=10)
    kept = {pydicom.dcmread(path).SOPInstanceUID: path for path in folder.iterdir()}
    assert set(kept) == {one.sop_instance_uid for one in made}
    for one in made:
        got, sent = pydicom.dcmread(kept[one.sop_instance_uid]), making.read(one)
        assert not got.file_meta.TransferSyntaxUID.is_compressed
        if options:
            assert got.file_meta.TransferSyntaxUID == ImplicitVRLittleEndian
        if sent.file_meta.TransferSyntaxUID.is_compressed:
            plain = tmp_path / f"{one.kind}.dcm"
            plain.write_bytes(uncompress(one.data))
            assert got.PixelData == pydicom.dcmread(plain).PixelData
            before = tmp_path / f"{one.kind}-before.dcm"
            before.write_bytes(one.data)
            assert set(errors(plain)) <= set(errors(before)), one.kind
