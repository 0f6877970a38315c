"""The single table of which library decodes which transfer syntax.

A new codec is a new row here. The first plug-in of a row that succeeds is recorded with its version in the image's
steps, so every result can be traced to the code that decoded its pixels. SimpleITK is excluded because it inverts
MONOCHROME1, pylibjpeg-libjpeg because it is licensed under the GPL.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib.metadata import PackageNotFoundError, version

from pydicom.pixels.decoders import base as native
from pydicom.pixels.decoders.base import Decoder as SyntaxDecoder
from pydicom.uid import UID

from miqa_node.core.language.phrase import Phrase
from miqa_node.dicom.pixels import imagecodecs_plugin, stand_in_plugin
from miqa_node.errors import DecodeError


@dataclass(frozen=True, slots=True)
class CodecPlugin:
    """A decoding library: its label in pydicom's registry and the distribution whose version is recorded."""

    label: str
    distribution: str


PILLOW = CodecPlugin("pillow", "pillow")
IMAGECODECS = CodecPlugin("imagecodecs", "imagecodecs")
OPENJPEG = CodecPlugin("pylibjpeg", "pylibjpeg-openjpeg")
RLE = CodecPlugin("pylibjpeg", "pylibjpeg-rle")
JPEG_XL = CodecPlugin("jpeg_xl", "imagecodecs")
DEFLATED = CodecPlugin("deflated", "pydicom")
NATIVE = CodecPlugin("", "pydicom")


@dataclass(frozen=True, slots=True)
class Syntax:
    """Decoding of one transfer syntax: pydicom's runner, and the plug-ins to try in order."""

    name: str
    runner: SyntaxDecoder
    plugins: tuple[CodecPlugin, ...]


SYNTAXES: dict[str, Syntax] = {
    "1.2.840.10008.1.2": Syntax("Implicit VR Little Endian", native.ImplicitVRLittleEndianDecoder, (NATIVE,)),
    "1.2.840.10008.1.2.1": Syntax("Explicit VR Little Endian", native.ExplicitVRLittleEndianDecoder, (NATIVE,)),
    "1.2.840.10008.1.2.2": Syntax("Explicit VR Big Endian", native.ExplicitVRBigEndianDecoder, (NATIVE,)),
    "1.2.840.10008.1.2.1.99": Syntax("Deflated Explicit VR", native.DeflatedExplicitVRLittleEndianDecoder, (NATIVE,)),
    "1.2.840.10008.1.2.5": Syntax("RLE Lossless", native.RLELosslessDecoder, (RLE,)),
    "1.2.840.10008.1.2.4.50": Syntax("JPEG Baseline", native.JPEGBaseline8BitDecoder, (PILLOW, IMAGECODECS)),
    "1.2.840.10008.1.2.4.51": Syntax("JPEG Extended", native.JPEGExtended12BitDecoder, (IMAGECODECS,)),
    "1.2.840.10008.1.2.4.57": Syntax("JPEG Lossless", native.JPEGLosslessDecoder, (IMAGECODECS,)),
    "1.2.840.10008.1.2.4.70": Syntax("JPEG Lossless SV1", native.JPEGLosslessSV1Decoder, (IMAGECODECS,)),
    "1.2.840.10008.1.2.4.80": Syntax("JPEG-LS Lossless", native.JPEGLSLosslessDecoder, (IMAGECODECS,)),
    "1.2.840.10008.1.2.4.81": Syntax("JPEG-LS Near-Lossless", native.JPEGLSNearLosslessDecoder, (IMAGECODECS,)),
    "1.2.840.10008.1.2.4.90": Syntax("JPEG 2000 Lossless", native.JPEG2000LosslessDecoder, (OPENJPEG,)),
    "1.2.840.10008.1.2.4.91": Syntax("JPEG 2000", native.JPEG2000Decoder, (OPENJPEG,)),
    "1.2.840.10008.1.2.4.201": Syntax("HTJ2K Lossless", native.HTJ2KLosslessDecoder, (IMAGECODECS, OPENJPEG)),
    "1.2.840.10008.1.2.4.202": Syntax("HTJ2K Lossless RPCL", native.HTJ2KLosslessRPCLDecoder, (IMAGECODECS, OPENJPEG)),
    "1.2.840.10008.1.2.4.203": Syntax("HTJ2K", native.HTJ2KDecoder, (IMAGECODECS, OPENJPEG)),
}
# Retired JPEG processes (PS3.5 2004, 10.2), arithmetic and progressive, to keep old archives readable.
SYNTAXES |= {
    f"1.2.840.10008.1.2.4.{number}": Syntax("JPEG, retired process", native.JPEGExtended12BitDecoder, (IMAGECODECS,))
    for number in (52, 53, 54, 55, 56)
}
# Newer than pydicom, which therefore has no runner for them.
SYNTAXES |= {uid: Syntax(name, native.RLELosslessDecoder, (JPEG_XL,)) for uid, name in stand_in_plugin.JPEG_XL.items()}
SYNTAXES[stand_in_plugin.DEFLATED_FRAME] = Syntax("Deflated Image Frame", native.RLELosslessDecoder, (DEFLATED,))
for _label, _function in ((JPEG_XL.label, "decode_jpeg_xl"), (DEFLATED.label, "decode_deflated")):
    native.RLELosslessDecoder.add_plugin(_label, (stand_in_plugin.__name__, _function))
for _runner in dict.fromkeys(syntax.runner for syntax in SYNTAXES.values() if IMAGECODECS in syntax.plugins):
    _runner.add_plugin(IMAGECODECS.label, (imagecodecs_plugin.__name__, imagecodecs_plugin.decode_frame.__name__))

_VIDEO = "MPEG-2, H.264 or HEVC video; it is stored and delivered, but not decoded or assessed"
_JPIP = "a JPIP reference: the pixels lie on another server, and the node does not fetch them"
_RETIRED = "a retired hierarchical or arithmetic lossless JPEG process; no decoder for it is installed"
UNDECODABLE: dict[str, str] = {
    **{f"1.2.840.10008.1.2.4.{number}": _RETIRED for number in range(58, 67)},
    **{f"1.2.840.10008.1.2.4.{number}": _VIDEO for number in range(100, 109)},
    **{f"1.2.840.10008.1.2.4.{number}.1": _VIDEO for number in range(100, 107)},
    **{f"1.2.840.10008.1.2.7.{number}": "SMPTE ST 2110 live video; it has no stored pixels" for number in (1, 2, 3)},
    "1.2.840.10008.1.2.4.92": "JPEG 2000 Part 2; no decoder for it is installed",
    "1.2.840.10008.1.2.4.93": "JPEG 2000 Part 2; no decoder for it is installed",
    "1.2.840.10008.1.2.4.94": _JPIP,
    "1.2.840.10008.1.2.4.95": _JPIP,
    "1.2.840.10008.1.2.4.204": _JPIP,
    "1.2.840.10008.1.2.4.205": _JPIP,
}
UNKNOWN_SYNTAX = "unknown to this node, probably private to its maker"


def syntax_for(transfer_syntax_uid: str) -> Syntax:
    """The entry for a syntax; DecodeError with the reason and the remedy if it cannot be decoded here."""
    syntax = SYNTAXES.get(transfer_syntax_uid)
    if syntax is None:
        why = UNDECODABLE.get(transfer_syntax_uid, UNKNOWN_SYNTAX)
        raise DecodeError(
            "Transfer syntax {transfer_syntax_uid} is {why}. Have the sender transmit single images"
            " uncompressed or in JPEG, JPEG-LS, JPEG 2000 or RLE.",
            transfer_syntax_uid=transfer_syntax_uid,
            why=Phrase(why),
        )
    return syntax


def syntax_name(uid: str) -> str:
    """The name of a transfer syntax (PS3.6 table A-1); the UID itself if it has none.

    >>> syntax_name("1.2.840.10008.1.2.5"), syntax_name("1.2.840.10008.1.2.4.112"), syntax_name("1.2.3")
    ('RLE Lossless', 'JPEG XL', '1.2.3')
    """
    return UID(uid).name


@cache
def version_of(distribution: str) -> str:
    """Name and version of an installed library, as recorded in the steps of an image."""
    try:
        return f"{distribution} {version(distribution)}"
    except PackageNotFoundError:
        return f"{distribution} (not installed)"
