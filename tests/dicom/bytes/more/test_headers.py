"""Headers are read from whatever writers produce, quickly, and lead to no path or patient name by accident."""

from __future__ import annotations

import zlib
from pathlib import Path

from miqa_node.dicom.bytes.headers import read_header
from tests.dicom.bytes.test_headers import make, measured_memory


def test_deflated_data_sets_are_inflated_only_as_far_as_needed(tmp_path: Path) -> None:
    whole = make(tmp_path / "a.dcm").read_bytes()
    length = int.from_bytes(whole[140:144], "little")
    meta = whole[: 144 + length].replace(b"1.2.840.10008.1.2.1\0", b"1.2.840.10008.1.2.1.99")
    grown = meta.replace(b"UI\x14\x00" + b"1.2.840.10008.1.2.1.99", b"UI\x16\x00" + b"1.2.840.10008.1.2.1.99")
    packer = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    bomb = packer.compress(whole[144 + length :]) + packer.compress(bytes(200 << 20)) + packer.flush()
    path = tmp_path / "deflated.dcm"
    path.write_bytes(grown + bomb)
    with measured_memory() as most_bytes:
        header, _ = read_header(path)
    assert most_bytes() < 32 << 20, "of 200 MiB"
    assert (header.rows, header.transfer_syntax_uid) == (4, "1.2.840.10008.1.2.1.99")
    assert header.has_pixels
