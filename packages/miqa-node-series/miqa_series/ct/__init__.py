"""Measurements of CT series, a file for each question; what holds of any stack lies beside, in ``series``."""
