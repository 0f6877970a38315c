"""Measurements of CT series, one file each; what holds of any stack lies beside, in ``series``."""
