"""From stored bytes to pixels: headers, decoding, the grayscale pipeline, and plausibility checks."""

from miqa_node.dicom.bytes import charsets

charsets.complete()
