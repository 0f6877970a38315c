"""From stored bytes to pixels: headers, decoding, the grayscale pipeline, and whether they agree."""

from miqa_node.imaging import charsets

charsets.complete()
