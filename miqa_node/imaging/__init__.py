"""From stored bytes to pixels: headers, decoding, the grayscale pipeline, and plausibility checks."""

from miqa_node.imaging import charsets

charsets.complete()
