"""Judges CT and MR: a series is one unit, measured slice by slice."""
