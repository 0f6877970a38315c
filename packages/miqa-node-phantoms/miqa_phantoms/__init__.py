"""Measures of phantoms, each in a file of its own: the node has them by the seam ``phantom_measures``."""
