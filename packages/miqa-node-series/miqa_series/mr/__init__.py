"""Measurements of MR series, a file for each question."""
