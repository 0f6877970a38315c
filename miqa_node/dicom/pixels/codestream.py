"""Inspects compressed frames before decoding: detects their codec, and whether they can be repaired."""

from __future__ import annotations

JPEG_BASELINE, JPEG_EXTENDED, JPEG_LOSSLESS = (
    "1.2.840.10008.1.2.4.50",
    "1.2.840.10008.1.2.4.51",
    "1.2.840.10008.1.2.4.57",
)
JPEG_LS, JPEG_2000 = "1.2.840.10008.1.2.4.81", "1.2.840.10008.1.2.4.91"
_JPEG = "1.2.840.10008.1.2.4."

_SOF_SYNTAX = {0xC0: JPEG_BASELINE, 0xC1: JPEG_EXTENDED, 0xC2: JPEG_EXTENDED, 0xC3: JPEG_LOSSLESS, 0xF7: JPEG_LS}
_STANDALONE = frozenset({0x01, *range(0xD0, 0xD9)})
_J2K_START, _COD, _SOT = b"\xff\x4f\xff\x51", b"\xff\x52", b"\xff\x90"
_END_OF_IMAGE = b"\xff\xd9"
MAX_SEGMENTS = 1000
MIN_TILE_PART = 14


def transfer_syntax_of(frame: bytes, declared: str) -> str:
    """The transfer syntax of the frame's codestream; ``declared`` if they agree or the codestream shows none.

    Some archives recompress without changing the declared syntax, or the other way round.
    """
    if frame[:4] == _J2K_START or frame[4:8] == b"jP  ":
        family = (JPEG_2000, "1.2.840.10008.1.2.4.90", *(f"{_JPEG}{n}" for n in (201, 202, 203)))
        return declared if declared in family else JPEG_2000
    marker = _frame_marker(frame)
    actual = _SOF_SYNTAX.get(marker, declared)
    agreeing = {
        JPEG_BASELINE: {JPEG_BASELINE, JPEG_EXTENDED},
        JPEG_LOSSLESS: {JPEG_LOSSLESS, f"{_JPEG}70", *(f"{_JPEG}{n}" for n in range(52, 67))},
        JPEG_LS: {JPEG_LS, f"{_JPEG}80"},
        JPEG_EXTENDED: {JPEG_EXTENDED, *(f"{_JPEG}{n}" for n in range(52, 67))},
    }
    return declared if declared in agreeing.get(actual, {actual}) else actual


def is_reversible(frame: bytes) -> bool:
    """Whether a JPEG 2000 or HTJ2K frame declares a reversible wavelet transform (ISO/IEC 15444-1 A.6.1)."""
    at = frame.find(_J2K_START, 0, MAX_SEGMENTS) + 2
    for _ in range(MAX_SEGMENTS if at > 1 else 0):
        if frame[at : at + 2] == _COD:
            return frame[at + 13 : at + 14] == b"\x01"
        if frame[at : at + 2] == _SOT:
            break
        at += 2 + int.from_bytes(frame[at + 2 : at + 4], "big")
    return False


def precision_bits(frame: bytes, otherwise: int) -> int:
    """Bits of a sample as the frame's codestream has them (ITU-T T.81 B.2.2, T.87 C.2.2, ISO/IEC 15444-1 A.5.1)."""
    if (at := frame.find(_J2K_START, 0, MAX_SEGMENTS)) >= 0:
        sizes = frame[at + 42 : at + 42 + 3 * int.from_bytes(frame[at + 40 : at + 42], "big") : 3]
        return max(((one & 0x7F) + 1 for one in sizes), default=otherwise)
    headers = (frame[start + 2] for marker, start, _ in _segments(frame) if _begins_frame(marker))
    return next(headers, otherwise)


def is_cut_off(frame: bytes) -> bool:
    """Whether a JPEG 2000 or HTJ2K frame ends before its tile-parts do (Psot, ISO/IEC 15444-1 A.4.2)."""
    at = frame.find(_SOT)
    while frame[at : at + 2] == _SOT:
        length = int.from_bytes(frame[at + 6 : at + 10], "big")
        if length < MIN_TILE_PART:  # 0: up to the end of the codestream, whose marker must be present
            return _END_OF_IMAGE not in frame[-16:]
        at += length
    return at > len(frame) or at < 0


def mend_sequential_scan(frame: bytes) -> bytes:
    """Correct the spectral selection of a sequential JPEG from 0–0, as in a lossless scan, to 0–63.

    ITU-T T.81 B.2.3 requires 0–63 in sequential modes. A widespread 12-bit encoder wrote 0–0, and libraries that
    follow the standard refuse those images. Other frames are returned unchanged.
    """
    sequential = False
    for marker, start, length in _segments(frame):
        if marker in (0xC0, 0xC1):
            sequential = True
        if marker == 0xDA and sequential and length >= 6:
            end = start + length
            if frame[end - 3 : end] == b"\x00\x00\x00":
                return frame[: end - 3] + b"\x00\x3f\x00" + frame[end:]
            return frame
    return frame


def _frame_marker(frame: bytes) -> int:
    return next((marker for marker, _, _ in _segments(frame) if _begins_frame(marker)), 0)


def _begins_frame(marker: int) -> bool:
    return (0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC)) or marker == 0xF7


def _segments(frame: bytes) -> list[tuple[int, int, int]]:
    """(marker, start of its length field, length) of the segments up to the first scan (ITU-T T.81 B.1.1)."""
    segments: list[tuple[int, int, int]] = []
    at = 2
    if frame[:2] != b"\xff\xd8":
        return segments
    while at + 4 <= len(frame) and len(segments) < MAX_SEGMENTS:
        if frame[at] != 0xFF:
            break
        marker = frame[at + 1]
        if marker == 0xFF:
            at += 1
            continue
        if marker in _STANDALONE:
            at += 2
            continue
        length = int.from_bytes(frame[at + 2 : at + 4], "big")
        segments.append((marker, at + 2, length))
        if marker == 0xDA:
            break
        at += 2 + length
    return segments
