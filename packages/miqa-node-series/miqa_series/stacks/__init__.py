"""Measurements of any stack of slices, and of MR series; a file for each question."""
