"""Measurements of any stack of slices, and of MR series; one file each."""
