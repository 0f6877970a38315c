"""Decodes JPEG XL and deflated frames: plug-ins for pydicom, which knows neither, so RLE Lossless takes their place.

Both are registered as transfer syntaxes here (PS3.5 A.4.13 and A.4.14); pydicom 3.0 has no names for them.
"""

from __future__ import annotations

import zlib

import imagecodecs
import numpy as np
from pydicom._uid_dict import UID_dictionary
from pydicom.pixels.decoders.base import DecodeRunner
from pydicom.uid import RLELossless

JPEG_XL = {
    "1.2.840.10008.1.2.4.110": "JPEG XL Lossless",
    "1.2.840.10008.1.2.4.111": "JPEG XL JPEG Recompression",
    "1.2.840.10008.1.2.4.112": "JPEG XL",
}
DEFLATED_FRAME = "1.2.840.10008.1.2.8.1"
DECODER_DEPENDENCIES = {RLELossless: ("imagecodecs with libjxl",)}

for _uid, _name in {**JPEG_XL, DEFLATED_FRAME: "Deflated Image Frame Compression"}.items():
    UID_dictionary.setdefault(_uid, (_name, "Transfer Syntax", "", "", _name.replace(" ", "")))


def is_available(_transfer_syntax_uid: str) -> bool:
    """Whether the installed build has the codec."""
    return bool(imagecodecs.JPEGXL.available)


def decode_jpeg_xl(frame: bytes, runner: DecodeRunner) -> bytes:
    """The samples of one frame, by pixel; colours are always RGB. ValueError or RuntimeError for a broken frame."""
    pixels = imagecodecs.jpegxl_decode(frame)
    if pixels.shape[:2] != (runner.rows, runner.columns):
        raise ValueError("the frame has {} × {} pixels, unlike the header".format(*pixels.shape[:2]))
    if pixels.dtype.kind not in "ui" or pixels[0, 0].size != runner.samples_per_pixel:
        raise ValueError("the frame's samples are unlike the header")
    runner.set_option("bits_allocated", 8 * pixels.dtype.itemsize)
    runner.set_option("planar_configuration", 0)
    if runner.samples_per_pixel == 3:
        runner.set_option("photometric_interpretation", "RGB")
    data: bytes = pixels.tobytes()
    return data


def decode_deflated(frame: bytes, runner: DecodeRunner) -> bytes:
    """The native frame (RFC 1951); ValueError or zlib.error if it is damaged or of another length."""
    length = int(runner.frame_length(unit="bytes"))
    inflater = zlib.decompressobj(-zlib.MAX_WBITS)
    # A padding byte makes an odd length even, here as in a native object; nothing more is unpacked.
    data = inflater.decompress(frame, length + 1)
    if len(data) not in (length, length + length % 2):
        raise ValueError(f"the frame has {len(data)} bytes, not the {length} of the header")
    if runner.bits_allocated > 1:
        return data[:length]
    runner.set_option("bits_allocated", 8)
    bits = np.unpackbits(np.frombuffer(data[:length], np.uint8), bitorder="little")
    return bits[: runner.rows * runner.columns * runner.samples_per_pixel].tobytes()
