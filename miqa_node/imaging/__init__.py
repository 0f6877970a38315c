"""From stored bytes to pixels: headers, decoding, the grayscale pipeline, and whether they agree."""
