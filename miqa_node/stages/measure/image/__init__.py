"""Measurements of projection images, one file each."""
