"""Rows of baselines and of the series in them."""
