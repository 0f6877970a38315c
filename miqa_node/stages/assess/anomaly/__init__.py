"""Scores how unusual an image is, and where, from the quality network's own features; it never names a cause."""
