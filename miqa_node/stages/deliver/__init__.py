"""Delivers results to archives and other systems, as often as it takes."""
