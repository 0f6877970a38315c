"""Which phantom a series shows, found by its pixels: the disc of each slice, and what the phantom shows on it."""
