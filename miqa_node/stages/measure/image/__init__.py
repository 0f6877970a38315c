"""Measurements of projection images, a file for each question."""
