"""Decodes JPEG, JPEG-LS and reversible HTJ2K with imagecodecs: a plug-in for pydicom, listed in :mod:`.decoders`.

The node uses three of imagecodecs' codecs: libjpeg-turbo, which decodes all JPEG processes except hierarchical and
arithmetic lossless ones, CharLS, and OpenJPH for HTJ2K. pydicom requires the three public names here of a plug-in.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

import imagecodecs
import numpy as np
from numpy.typing import NDArray
from pydicom.pixels.decoders.base import DecodeRunner
from pydicom.uid import HTJ2K, HTJ2KLossless, HTJ2KLosslessRPCL, JPEGLSTransferSyntaxes, JPEGTransferSyntaxes

from miqa_node.dicom.pixels.codestream import is_cut_off, is_reversible

HTJ2K_SYNTAXES = (HTJ2KLossless, HTJ2KLosslessRPCL, HTJ2K)
DECODER_DEPENDENCIES = {
    **dict.fromkeys(JPEGTransferSyntaxes, ("imagecodecs with libjpeg-turbo 3",)),
    **dict.fromkeys(JPEGLSTransferSyntaxes, ("imagecodecs with CharLS",)),
    **dict.fromkeys(HTJ2K_SYNTAXES, ("imagecodecs with OpenJPH",)),
}

_END = b"\xff\xd9"
_ANY_DATA = bytes(range(1, 255))


def is_available(transfer_syntax_uid: str) -> bool:
    """Whether the installed build has the codec; 12-bit and lossless JPEG need libjpeg-turbo 3.0 or later."""
    if transfer_syntax_uid in HTJ2K_SYNTAXES:
        return bool(imagecodecs.HTJ2K.available)
    if transfer_syntax_uid in JPEGLSTransferSyntaxes:
        return bool(imagecodecs.JPEGLS.available)
    return bool(imagecodecs.JPEG8.available and imagecodecs.JPEG8.all_precisions)


def decode_frame(frame: bytes, runner: DecodeRunner) -> bytes:
    """The samples of one frame, by pixel, in the colour space of the codestream.

    Raises
    ------
    ValueError, RuntimeError
        The frame is damaged or truncated, or differs from the header's size or syntax.
    """
    pixels: NDArray[np.integer]
    if runner.transfer_syntax in HTJ2K_SYNTAXES:
        pixels = _decode_htj2k(frame)
    elif runner.transfer_syntax in JPEGLSTransferSyntaxes:
        pixels = imagecodecs.jpegls_decode(frame)
    else:
        pixels = _decode_jpeg(frame, runner)
    if pixels.shape[:2] != (runner.rows, runner.columns):
        raise ValueError("the frame has {} × {} pixels, unlike the header".format(*pixels.shape[:2]))
    # The codestream's precision determines the width of its samples, whatever Bits Allocated says.
    runner.set_option("bits_allocated", 8 * pixels.dtype.itemsize)
    runner.set_option("planar_configuration", 0)
    return pixels.tobytes()


def _decode_jpeg(frame: bytes, runner: DecodeRunner) -> NDArray[np.unsignedinteger]:
    # With the same colour space on both sides the decoder does not convert colours; pydicom does.
    colours = "YCBCR" if runner.samples_per_pixel == 3 else None

    def decode(data: bytes) -> NDArray[np.unsignedinteger]:
        return imagecodecs.jpeg8_decode(data, colorspace=colours, outcolorspace=colours)

    pixels = decode(frame)
    # libjpeg-turbo fills missing parts of a frame without an error. Some writers only omit the end marker: then all
    # pixels are present, and appended bytes do not change them.
    if _END not in frame[-16:] and not np.array_equal(pixels, decode(frame + _ANY_DATA + _END)):
        raise ValueError("the frame is cut off")
    return pixels


def _decode_htj2k(frame: bytes) -> NDArray[np.integer]:
    if not is_reversible(frame):
        # OpenJPH's lossy samples are not clamped here: overshooting white comes out black.
        raise ValueError("the frame is lossy")
    if is_cut_off(frame):  # OpenJPH fills missing parts
        raise ValueError("the frame is cut off")
    with _errors_raised():
        pixels: NDArray[np.integer] = imagecodecs.htj2k_decode(frame)
    return pixels


@contextmanager
def _errors_raised() -> Iterator[None]:
    """Raise errors of OpenJPH, which imagecodecs only prints before it returns the part decoded so far."""
    errors: list[BaseException] = []
    before = sys.unraisablehook
    sys.unraisablehook = lambda raised: errors.append(raised.exc_value or RuntimeError("no reason was given"))
    try:
        yield
    finally:
        sys.unraisablehook = before
    if errors:
        raise ValueError("the frame is damaged") from errors[0]
