"""Displays for examination rooms."""
