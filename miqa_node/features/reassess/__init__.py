"""Judges images again."""
