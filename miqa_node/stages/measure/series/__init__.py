"""Measurements of CT and MR series, one file each."""
