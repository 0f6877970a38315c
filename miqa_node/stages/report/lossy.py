"""Records in a result whether its pixels ever had lossy compression: once lossy, always lossy."""

from __future__ import annotations

from typing import Any

from pydicom.dataset import Dataset
from pydicom.multival import MultiValue

from miqa_node.stages.report.source import Source, text
from miqa_node.stages.report.write import code_string

_METHODS = {  # by transfer syntax, PS3.3 C.7.6.1.1.5.1
    "1.2.840.10008.1.2.4.50": "ISO_10918_1",
    "1.2.840.10008.1.2.4.51": "ISO_10918_1",
    "1.2.840.10008.1.2.4.81": "ISO_14495_1",
    "1.2.840.10008.1.2.4.91": "ISO_15444_1",
    "1.2.840.10008.1.2.4.203": "ISO_15444_15",
}
MAX_DECIMAL_CHARACTERS = 16
_ALWAYS_LOSSY = frozenset({"1.2.840.10008.1.2.4.50", "1.2.840.10008.1.2.4.51"})


def is_lossy(source: Source) -> bool:
    """Whether the source's pixels ever had lossy compression, according to header and transfer syntax."""
    return text(source.header, "LossyImageCompression") == "01" or source.transfer_syntax_uid in _ALWAYS_LOSSY


def add_lossy_history(result: Dataset, source: Source, own: tuple[float, str] | None = None) -> None:
    """Lossy Image Compression with ratio and method (PS3.3 C.7.6.1.1.5, C.8.20.2).

    If the source states lossy without a method, the method comes from its transfer syntax and the ratio from its file;
    if the pixels have been decompressed since, both are unknown and left out. ``own`` has ratio and method of the
    result's own lossy compression, which comes last in the lists.
    """
    lossy = is_lossy(source)
    result.LossyImageCompression = "01" if lossy or own else "00"
    ratios, methods = _of_source(source) if lossy else ([], [])
    if own:
        ratios, methods = [*ratios, f"{own[0]:.4g}"], [*methods, own[1]]
    if ratios:
        result.LossyImageCompressionRatio, result.LossyImageCompressionMethod = ratios, methods


def _of_source(source: Source) -> tuple[list[str], list[str]]:
    ratio, method = source.header.get("LossyImageCompressionRatio"), source.header.get("LossyImageCompressionMethod")
    if ratio and method:
        ratios = [_decimal(r) for r in _values(ratio)]
        if all(ratios):
            return ratios, [code_string(str(m)) for m in _values(method)]
    if source.transfer_syntax_uid in _METHODS:
        return [f"{_ratio(source):.4g}"], [_METHODS[source.transfer_syntax_uid]]
    return [], []


def _decimal(value: Any) -> str:
    """The text if it is a Decimal String of at most 16 characters (PS3.5 6.2), otherwise empty."""
    digits = str(value).strip()
    try:
        number = float(digits)
        return digits if len(digits) <= MAX_DECIMAL_CHARACTERS else f"{number:.8g}"
    except ValueError:
        return ""


def _values(value: Any) -> list[Any]:
    return list(value) if isinstance(value, MultiValue) else [value]


def _ratio(source: Source) -> float:
    samples = int(source.header.get("SamplesPerPixel") or 1) * source.number_of_frames
    bits = source.rows * source.columns * samples * int(source.header.get("BitsAllocated") or 8)
    return max(1.0, bits / 8 / source.size_bytes)
