"""Says in a segmentation whether its source was ever compressed with loss: once lossy, always lossy."""

from __future__ import annotations

from pydicom.dataset import Dataset

from miqa_node.report.source import Source, text

_METHODS = {  # by transfer syntax, PS3.3 C.7.6.1.1.5.1
    "1.2.840.10008.1.2.4.50": "ISO_10918_1",
    "1.2.840.10008.1.2.4.51": "ISO_10918_1",
    "1.2.840.10008.1.2.4.81": "ISO_14495_1",
    "1.2.840.10008.1.2.4.91": "ISO_15444_1",
    "1.2.840.10008.1.2.4.203": "ISO_15444_15",
}
_ALWAYS_LOSSY = frozenset({"1.2.840.10008.1.2.4.50", "1.2.840.10008.1.2.4.51"})


def add_lossy_history(seg: Dataset, source: Source) -> None:
    """Lossy Image Compression with ratio and method (PS3.3 C.8.20.2).

    Where the source says lossy but not how, the method is that of its transfer syntax and the ratio that of its
    file; where the pixels were decompressed since, both are unknown and left out.
    """
    header = source.header
    lossy = text(header, "LossyImageCompression") == "01" or source.transfer_syntax_uid in _ALWAYS_LOSSY
    seg.LossyImageCompression = "01" if lossy else "00"
    if not lossy:
        return
    ratio, method = header.get("LossyImageCompressionRatio"), header.get("LossyImageCompressionMethod")
    if not (ratio and method) and source.transfer_syntax_uid in _METHODS:
        ratio, method = f"{_ratio(source):.4g}", _METHODS[source.transfer_syntax_uid]
    if ratio and method:
        seg.LossyImageCompressionRatio, seg.LossyImageCompressionMethod = ratio, method


def _ratio(source: Source) -> float:
    samples = int(source.header.get("SamplesPerPixel") or 1) * source.number_of_frames
    bits = source.rows * source.columns * samples * int(source.header.get("BitsAllocated") or 8)
    return max(1.0, bits / 8 / source.size_bytes)
