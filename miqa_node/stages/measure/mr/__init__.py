"""Measurements of MR series, one file each."""
