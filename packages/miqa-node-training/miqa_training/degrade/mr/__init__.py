"""Faults of MR series, put into real volumes; each is made in two ways that share no code.

A measure that finds only one of the two has learned the maker and not the fault. Volumes are float32 (slices, rows,
columns) of magnitudes; ``axis`` is that of phase encoding, 1 for columns and 2 for rows.
"""
